/**
 * Drivers who are about to end their trip count when a ride is dispatched. Where one of them, what is left of his trip and
 * all, will be at the pickup well before anybody who is free, the ride is held back for a moment. Nobody is promised
 * anything by it: his lock holds his present trip and nothing else, the ride asks nobody meanwhile, and when he is free it
 * searches again and ranks him with the others (docs/decisions/0012). Soft state: what is lost is a wait.
 */
import type { DriverId } from "../domain/driver.ts";
import type { MatchingRide, OnTripRide, RideId } from "../domain/ride.ts";
import { type EpochMs, SECOND_MS } from "../domain/time.ts";
import type { RankedCandidate } from "../ranking/ranked.ts";
import { haversineMeters } from "../spatial/distance.ts";
import { isOnHisWay } from "./destination.ts";
import { bonusSeconds } from "./fairness.ts";
import { LIMITS } from "./limits.ts";
import type { Pursuit, ShardState } from "./shard-state.ts";
import { type Session, serves, statusOf } from "./supply.ts";
import { secondsToGo } from "./views.ts";

/** A wait for one driver, with what was expected of it when it began. */
export interface Hold {
  readonly driverId: DriverId;
  readonly since: EpochMs;
  /** At the latest. */
  readonly until: EpochMs;
  /** To the end of his trip. */
  readonly tripSeconds: number;
  /** To the pickup, his trip included. */
  readonly pickupSeconds: number;
  /** To the pickup of whoever would have been asked first, less what he was favoured by. */
  readonly freeSeconds: number;
  /** Null as long as the ride is held. */
  readonly ended: { readonly at: EpochMs; readonly why: HoldEnd } | null;
}

/** He became free; another did who is as near; or neither, in time. */
export type HoldEnd = "came" | "other" | "late";

type Arrival = Pick<Hold, "driverId" | "tripSeconds" | "pickupSeconds">;

/**
 * For whom a ride, ranked and not offered to anybody yet, is to be held back; null where it is dispatched as it is. It may
 * wait so long since it was asked for, and not since it was ranked: that much is known of it after a restart too.
 */
export function holdFor(
  shard: ShardState,
  now: EpochMs,
  ride: MatchingRide,
  { hold, radiusMeters }: Pursuit,
  order: readonly RankedCandidate[],
): Hold | null {
  const { market, clockSpeed } = shard.setting;
  const { dispatch } = market;
  const first = order[0]?.candidate;
  if (dispatch.forwardSeconds === 0 || hold !== null || first === undefined) return null;
  if (shard.overload.level >= 2 || shard.offersFor(ride.id).length > 0) return null;
  const msOf = (seconds: number) => (seconds * SECOND_MS) / clockSpeed;
  const latest = ride.createdAt + msOf(dispatch.forwardSeconds);
  // What refusals are expected to cost is left out on both sides: of a driver who is not ranked nobody knows it.
  const freeSeconds = first.pickupSeconds - bonusSeconds(dispatch, first.idleMs);
  const awaited = ridesHeld(shard);
  let best: Arrival | null = null;
  for (const trip of shard.rides.values()) {
    if (trip.state !== "on_trip" || awaited.has(trip.driverId)) continue;
    const arrival = arrivalOf(shard, now, ride, trip, radiusMeters);
    if (arrival === null || now + msOf(arrival.tripSeconds) > latest) continue;
    if (arrival.pickupSeconds < (best?.pickupSeconds ?? freeSeconds - LIMITS.forwardGainSeconds)) best = arrival;
  }
  if (best === null) return null;
  const until = Math.round(Math.min(latest, now + msOf(best.tripSeconds + LIMITS.forwardLateSeconds)));
  return { ...best, since: now, until, freeSeconds, ended: null };
}

/** Held rides, by whom they are held for: never two for one driver. */
export function ridesHeld({ pursuits }: ShardState): ReadonlyMap<DriverId, RideId> {
  const held = new Map<DriverId, RideId>();
  for (const [rideId, { phase, hold }] of pursuits) if (phase === "held") held.set(hold!.driverId, rideId);
  return held;
}

/** Whether a driver who has just become free is the one whom the ride is held for, or will be there no later. */
export function endsHold(
  { setting, travelTimes }: ShardState,
  now: EpochMs,
  pickup: MatchingRide["request"]["pickup"],
  { driverId, since, pickupSeconds }: Hold,
  session: Session,
): boolean {
  if (session.driverId === driverId) return true;
  const passedSeconds = ((now - since) / SECOND_MS) * setting.clockSpeed;
  const waySeconds = travelTimes.seconds({ from: session.fix!.position, to: pickup, at: now });
  return passedSeconds + waySeconds <= pickupSeconds;
}

/** Null for a driver who is not expected to be free and found here, would not be asked, or of whom too little is known. */
function arrivalOf(
  shard: ShardState,
  now: EpochMs,
  { request }: MatchingRide,
  trip: OnTripRide,
  radiusMeters: number,
): Arrival | null {
  const { supply, travelTimes, setting } = shard;
  const from = trip.request.dropoff;
  const meters = haversineMeters(from, request.pickup);
  const session = supply.sessions.get(trip.driverId);
  if (meters > radiusMeters || !session?.fix) return null;
  if (statusOf({ ...session, held: null }, now).state !== "available" || !serves(session.profile, request)) return null;
  const heading = { from, destination: session.destination };
  if (!isOnHisWay(heading, request.dropoff, setting.market.dispatch.destinationShare)) return null;
  const tripSeconds = secondsToGo(shard, trip, session.fix, now);
  if (session.endsAt <= now + (tripSeconds * SECOND_MS) / setting.clockSpeed) return null;
  const waySeconds = travelTimes.seconds({ from, to: request.pickup, at: now }, meters);
  return { driverId: trip.driverId, tripSeconds, pickupSeconds: tripSeconds + waySeconds };
}
