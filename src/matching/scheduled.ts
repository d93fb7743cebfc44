/**
 * A ride at a later time is a ride whose search begins later: until then it is a row, a timer and nothing else. When the
 * search begins is decided at that time and not written down, so that a shard which has died in between decides by what
 * it knows then.
 */
import {
  type MatchingRide,
  notBeforePickup,
  type Ride,
  type RideId,
  type RideRequest,
  type RiderId,
  rideBase,
  type ScheduledRequest,
  type ScheduledRide,
} from "../domain/ride.ts";
import { type EpochMs, MINUTE_MS, SECOND_MS } from "../domain/time.ts";
import { pursue } from "./dispatch.ts";
import { LIMITS } from "./limits.ts";
import type { ShardState, Turn } from "./shard-state.ts";

/** No ride at this time, or not another one. */
export interface PickupTimeRefused {
  readonly type: "refused";
  readonly reason: "pickup_at";
  readonly why: "off" | "too_soon" | "too_late" | "too_many";
}

/** The nearest of those who are free may say no or be taken meanwhile, and so may the next. */
const LIKELY_DRIVER = 3;
/** A lead is no finer than this, so that a shard looks at most so often as there are steps between its bounds. */
const LEAD_STEP_MS = MINUTE_MS;
/** Who watches a ride of which nothing is to be heard for long asks again after this. */
const WATCH_AGAIN_MS = 15 * MINUTE_MS;

export function isForLater(request: RideRequest): request is ScheduledRequest {
  return request.pickupAt !== undefined;
}

/** Null where this rider may ask for a ride at this time. */
export function refusalOfPickupTime(
  shard: ShardState,
  riderId: RiderId,
  { pickupAt }: ScheduledRequest,
  now: EpochMs,
): PickupTimeRefused | null {
  const refused = (why: PickupTimeRefused["why"]) => ({ type: "refused", reason: "pickup_at", why }) as const;
  if (!shard.setting.market.dispatch.scheduledRides) return refused("off");
  if (pickupAt < now + LIMITS.scheduledLeastMs) return refused("too_soon");
  if (pickupAt > now + LIMITS.scheduledMostMs) return refused("too_late");
  const scheduled = shard.openRidesFor(riderId).filter(({ state }) => state === "scheduled");
  return scheduled.length < LIMITS.scheduledRidesPerRider ? null : refused("too_many");
}

/** When a search that begins or goes on now gives up: with a scheduled ride never before its rider has waited so long. */
export function deadlineOf({ setting }: ShardState, request: RideRequest, now: EpochMs): EpochMs {
  return notBeforePickup(request, now) + setting.market.dispatch.matchDeadlineMs;
}

/** It is looked at when its search may begin at the soonest. After a restart, too: nothing else is known of it. */
export function awaitSearch({ shard, now }: Turn, ride: ScheduledRide): void {
  shard.timers.set("ride.dispatch", ride.id, Math.max(now, ride.request.pickupAt - LIMITS.leadMostMs));
}

/**
 * It may be time. What would stand in the way of a new ride, such as another open ride of this rider or a full shard, does
 * not stand in the way of one that was promised.
 */
export function dispatchScheduled(turn: Turn, rideId: RideId): void {
  const { shard, now } = turn;
  const ride = shard.rides.get(rideId);
  if (ride?.state !== "scheduled") return;
  const dueAt = ride.request.pickupAt - leadMs(shard, ride.request, now);
  if (dueAt > now) {
    shard.timers.set("ride.dispatch", rideId, dueAt);
    return;
  }
  const version = ride.version + 1;
  const deadlineAt = deadlineOf(shard, ride.request, now);
  const matching: MatchingRide = { ...rideBase(ride), version, state: "matching", deadlineAt };
  turn.changeRide(matching, "ride.dispatched");
  pursue(turn, matching);
}

/**
 * How long before the pickup the search begins: as long as a search may take, and then the way of the driver who will
 * probably take the ride, as this shard has learned such ways to take at this hour. Who that will be nobody knows; among
 * those who are free now the third nearest is a cautious guess, and where fewer are free the longest lead is none too
 * long. A driver who is early waits, one who is late lets a rider wait who has planned for him: so it is rounded up.
 */
export function leadMs(shard: ShardState, request: RideRequest, now: EpochMs): number {
  const { setting, supply, travelTimes } = shard;
  const { matchDeadlineMs, maximumRadiusMeters } = setting.market.dispatch;
  const query = { pickup: request.pickup, request, radiusMeters: maximumRadiusMeters, exclude: [] };
  const near = supply.candidatesNear({ ...query, limit: LIKELY_DRIVER }, setting, travelTimes, now);
  if (near.length < LIKELY_DRIVER) return LIMITS.leadMostMs;
  const slowest = Math.max(...near.map(({ pickupSeconds }) => pickupSeconds));
  const expectedMs = matchDeadlineMs + (slowest * SECOND_MS) / setting.clockSpeed;
  const lead = Math.ceil(expectedMs / LEAD_STEP_MS) * LEAD_STEP_MS;
  return Math.min(LIMITS.leadMostMs, Math.max(LIMITS.leadLeastMs, lead));
}

/** After this long somebody who watches the ride should ask again; null where something may happen at any moment. */
export function quietMs(ride: Ride, now: EpochMs): number | null {
  if (ride.state !== "scheduled") return null;
  const leftMs = ride.request.pickupAt - LIMITS.leadMostMs - now;
  return leftMs < MINUTE_MS ? null : Math.min(leftMs, WATCH_AGAIN_MS);
}
