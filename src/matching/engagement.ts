/** The offer or ride that keeps a driver from being a candidate, as the shard that has his socket knows it. Soft state. */
import type { DriverRide, Holding, NextRide } from "../domain/notice.ts";
import type { OfferId, RideState } from "../domain/ride.ts";
import { beginLeg } from "./legs.ts";
import { LIMITS } from "./limits.ts";
import { giveUpPlace } from "./queue-places.ts";
import type { Turn } from "./shard-state.ts";
import type { Held, Session } from "./supply.ts";

export function free(turn: Turn, session: Session, offerId: OfferId): void {
  if (session.held?.offerId !== offerId) return;
  // An offer that came to nothing takes nothing from how long he has waited: nor does it in the data models learn from.
  if (session.held.kind === "engaged") {
    session.idleSince = turn.now;
    session.stay = null;
  }
  session.held = null;
  session.leg = null;
  turn.shard.timers.clear("driver.held", session.driverId);
}

/** The ride is not his any more. Who has swapped it goes on with the other, and is a candidate at no moment. */
export function leaveRide(turn: Turn, session: Session, ride: DriverRide): void {
  giveUpPlace(turn, session, ride);
  if (ride.next === undefined) free(turn, session, ride.offerId);
  else goOnWith(turn, session, ride.offerId, ride.next);
}

/** For the ride that he had he has this one now. */
export function goOnWith(turn: Turn, session: Session, offerId: OfferId, next: NextRide): void {
  // Late: he holds what came after it. Where he held nothing, and the end of it came before this, his next fix frees him.
  if (session.held !== null && session.held.offerId !== offerId) return;
  session.held = { offerId: next.offerId, kind: "engaged" };
  session.leg = null;
  if (next.state === "assigned") beginLeg(turn, session, "pickup");
  turn.shard.timers.clear("driver.held", session.driverId);
}

/** An offer that nobody closes is forgotten some time after its end. */
export function watchHeld(turn: Turn, { driverId }: Session, ttlMs: number): void {
  turn.shard.timers.set("driver.held", driverId, turn.now + ttlMs + LIMITS.heldGraceMs);
}

export function heldBy(holding: Holding): Held | null {
  if (holding.kind === "offer") {
    const { offerId, zone } = holding.offer;
    return { offerId, kind: "offered", zone };
  }
  return holding.kind === "ride" ? { offerId: holding.ride.offerId, kind: "engaged" } : null;
}

export function isHeldBy(state: RideState): boolean {
  return state === "assigned" || state === "arrived" || state === "on_trip";
}
