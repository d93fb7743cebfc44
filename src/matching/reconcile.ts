/**
 * What is wrong, given a shard's rows and what the locks of its drivers say. Pure: it is told everything, and it trusts
 * nothing that the core remembers. Asking, and in which order, is src/shard/audit.ts.
 */
import type { DriverId } from "../domain/driver.ts";
import { isEngaged, type Offer, type OfferId, type Ride, type RideId, type WonOffer } from "../domain/ride.ts";
import { type EpochMs, HOUR_MS } from "../domain/time.ts";
import { LIMITS } from "./limits.ts";

/** The promises that can be watched while the city runs (docs/SAFETY.md). */
export type Watched = "S1" | "S2" | "S3" | "S7" | "L1";

export interface Violation {
  readonly name: Watched;
  readonly rideId: RideId;
  /** Null where no offer is to blame. */
  readonly offerId: OfferId | null;
}

/** One look at a shard and the locks of its drivers. */
export interface AuditReport {
  /** Drivers whose lock was asked and has answered, of those whom rides have. */
  readonly checked: number;
  readonly engaged: number;
  readonly unanswered: number;
  readonly violations: readonly Violation[];
}

/** A deadline missed by this much was forgotten, not late. */
const OVERDUE_MS = 2 * HOUR_MS;

/** What the rows of one moment contradict: `rides` are all that are open, `offers` all that are live or won. */
export function rowViolations(rides: readonly Ride[], offers: readonly Offer[], now: EpochMs): Violation[] {
  const violations: Violation[] = [];
  const winners = Map.groupBy(
    offers.filter((offer) => offer.state === "won"),
    ({ rideId }) => rideId,
  );
  const engaged = new Map(rides.filter(isEngaged).map((ride) => [ride.id, ride.offerId]));
  for (const [rideId, won] of winners) {
    for (const { id } of won) if (engaged.get(rideId) !== id) violations.push({ name: "S1", rideId, offerId: id });
  }
  for (const [rideId, offerId] of engaged) {
    if (!winners.has(rideId)) violations.push({ name: "S1", rideId, offerId });
  }
  const asked = new Set<DriverId>();
  for (const { driverId, rideId, id } of offers) {
    if (asked.has(driverId)) violations.push({ name: "S2", rideId, offerId: id });
    asked.add(driverId);
  }
  for (const offer of offers) {
    if (now - endOf(offer) > OVERDUE_MS) violations.push({ name: "L1", rideId: offer.rideId, offerId: offer.id });
  }
  for (const ride of rides) {
    const dueAt = ride.state === "scheduled" ? ride.request.pickupAt : "deadlineAt" in ride ? ride.deadlineAt : now;
    if (now - dueAt <= OVERDUE_MS) continue;
    violations.push({ name: "L1", rideId: ride.id, offerId: null });
  }
  return violations;
}

/** When an offer must be over by itself; a won one ends with its ride. */
function endOf(offer: Offer): EpochMs {
  if (offer.state === "offered") return offer.expiresAt;
  return offer.state === "intent" ? offer.createdAt + LIMITS.intentMs : Number.POSITIVE_INFINITY;
}

/** For which offer a lock holds its driver: not for the one of a ride that he has swapped since, which it has yet to hear. */
export function heldFor(holds: OfferId, row: Offer | null): OfferId {
  return row?.state === "ended" && row.next !== undefined ? row.next.offerId : holds;
}

export interface LockSays {
  readonly holds: OfferId | null;
  /** Whether the shard of another offer that the lock holds says that it is alive. */
  readonly otherAlive: boolean;
}

/**
 * Whether the driver of a won offer is held for it (S3), and for it alone (S2). `after` is the offer as its row is after
 * the lock has answered: a lock lets go only of an offer that is over, so one still won then was won when it answered.
 */
export function winnerViolations(winner: WonOffer, { holds, otherAlive }: LockSays, after: Offer | null): Violation[] {
  if (holds === winner.id || after?.state !== "won") return [];
  const { rideId, id: offerId } = winner;
  const missed: Violation = { name: "S3", rideId, offerId };
  return otherAlive ? [missed, { name: "S2", rideId, offerId }] : [missed];
}
