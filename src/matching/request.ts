/** What a rider may ask: a ride, its end, and a word about it afterwards. */
import type { MatchingRide, RiderId, ScheduledRide } from "../domain/ride.ts";
import { isTerminal, type Ride, rideBase } from "../domain/ride.ts";
import { haversineMeters } from "../spatial/distance.ts";
import { endRideOffer } from "./assignment.ts";
import type { Answer, CommandOf } from "./commands.ts";
import { abandonPursuit, pursue } from "./dispatch.ts";
import { LIMITS } from "./limits.ts";
import { killLiveOffers } from "./offer.ts";
import { takesNewRides } from "./overload.ts";
import { surgeNow } from "./quote.ts";
import { awaitSearch, deadlineOf, isForLater, refusalOfPickupTime } from "./scheduled.ts";
import type { Turn } from "./shard-state.ts";
import { fareCents } from "./tariff.ts";
import { tellDriverOfRide } from "./trip.ts";
import { rideView } from "./views.ts";

/** One key, one ride (S8): the reply is written in the ride's own transaction. */
export function requestRide(turn: Turn, command: CommandOf<"ride.requested">): void {
  const { shard, now } = turn;
  const { rideId, riderId, request, key, bodyHash, prior, quoted } = command;
  const refusal = refusalOf(turn, command);
  if (refusal !== null) {
    turn.answer(refusal);
    return;
  }
  if (prior !== null) {
    turn.answer({ type: "ride", view: rideView(shard, prior.ride, now), replayed: true });
    return;
  }
  const tripMeters = haversineMeters(request.pickup, request.dropoff);
  const base = {
    id: rideId,
    version: 1,
    riderId,
    tripMeters,
    fareCents: quoted?.fareCents ?? fareCents(shard.setting.market, tripMeters, surgeNow(turn)),
    redispatches: 0,
    createdAt: now,
    ratings: {},
  };
  const ride: MatchingRide | ScheduledRide = isForLater(request)
    ? { ...base, request, state: "scheduled" }
    : { ...base, request, state: "matching", deadlineAt: deadlineOf(shard, request, now) };
  turn.changeRide(ride, ride.state === "scheduled" ? "ride.scheduled" : "ride.requested");
  turn.effects.push({ type: "save.reply", riderId, key, reply: { rideId, bodyHash }, at: now });
  turn.answer({ type: "ride", view: rideView(shard, ride, now), replayed: false });
  if (ride.state === "scheduled") awaitSearch(turn, ride);
  else pursue(turn, ride);
}

const notFound: Answer = { type: "refused", reason: "not_found" };

function refusalOf(turn: Turn, command: CommandOf<"ride.requested">): Answer | null {
  const { shard, now } = turn;
  const { riderId, request, bodyHash, prior, recent, quoted } = command;
  if (prior !== null) return prior.bodyHash === bodyHash ? null : { type: "refused", reason: "key_reused" };
  // Only now: who says it again hears the ride that the quote, or the time, was good for.
  if (quoted !== null && now >= quoted.expiresAt) return { type: "refused", reason: "quote_expired" };
  const later = isForLater(request);
  const refusal = later ? refusalOfPickupTime(shard, riderId, request, now) : refusalOfBusy(turn, riderId);
  if (refusal !== null) return refusal;
  // Asking and cancelling costs drivers their time: the last so many rides must be older than the window.
  const oldest = recent.at(-LIMITS.rideRate);
  if (oldest !== undefined && now - oldest < LIMITS.rideRateMs) {
    return { type: "refused", reason: "too_many_rides", retryAfterMs: oldest + LIMITS.rideRateMs - now };
  }
  const room = later ? shard.scheduledRides < LIMITS.scheduledRides : shard.openRides < LIMITS.openRides;
  return room && takesNewRides(shard.overload) ? null : { type: "refused", reason: "overloaded" };
}

/** The ride that stands in the way of another. One that is only scheduled does not. */
function refusalOfBusy({ shard, now }: Turn, riderId: RiderId): Answer | null {
  const open = shard.openRidesFor(riderId).find(({ state }) => state !== "scheduled");
  return open === undefined ? null : { type: "refused", reason: "rider_busy", view: rideView(shard, open, now) };
}

/** Until the trip has begun. First in wins: an accept that comes later hears that the ride is cancelled. */
export function cancelRide(turn: Turn, { rideId, riderId }: CommandOf<"ride.cancelled">): void {
  const { shard, now } = turn;
  const ride = ownRide(turn, rideId, riderId);
  if (ride === null) {
    turn.answer(notFound);
    return;
  }
  if (ride.state === "cancelled_by_rider") {
    turn.answer({ type: "ride", view: rideView(shard, ride, now), replayed: true });
    return;
  }
  if (ride.state === "on_trip" || isTerminal(ride)) {
    turn.answer({ type: "refused", reason: "wrong_state", view: rideView(shard, ride, now) });
    return;
  }
  const driven = ride.state !== "scheduled" && ride.state !== "matching";
  const version = ride.version + 1;
  const over = { ...rideBase(ride), version, state: "cancelled_by_rider", endedAt: now, late: driven } as const;
  if (driven) endRideOffer(turn, ride);
  else abandonPursuit(turn, ride.id);
  killLiveOffers(turn, ride.id, "cancelled");
  turn.changeRide(over, "ride.cancelled");
  if (driven) tellDriverOfRide(turn, over, ride.offerId);
  turn.answer({ type: "ride", view: rideView(shard, over, now), replayed: false });
}

/** Nobody accepted in time. */
export function deadlinePassed(turn: Turn, rideId: Ride["id"]): void {
  const ride = turn.shard.rides.get(rideId);
  if (ride?.state !== "matching") return;
  const { deadlineAt: _, ...base } = ride;
  abandonPursuit(turn, rideId);
  killLiveOffers(turn, rideId, "cancelled");
  const over = {
    ...base,
    version: ride.version + 1,
    state: "no_driver",
    endedAt: turn.now,
    reason: "deadline",
  } as const;
  turn.changeRide(over, "ride.no_driver");
}

/** Once by each side, after the trip. */
export function rateRide(turn: Turn, { rideId, by, stars }: CommandOf<"ride.rated">): void {
  const { shard, now } = turn;
  const ride = shard.rides.get(rideId);
  const mine =
    ride !== undefined &&
    (by.role === "rider" ? ride.riderId === by.riderId : "driverId" in ride && ride.driverId === by.driverId);
  if (!mine) {
    turn.answer(notFound);
    return;
  }
  const view = rideView(shard, ride, now);
  const rated = by.role === "rider" ? "driver" : "rider";
  if (ride.state !== "completed") {
    turn.answer({ type: "refused", reason: "wrong_state", view });
  } else if (ride.ratings[rated] !== undefined) {
    const same = ride.ratings[rated] === stars;
    turn.answer(same ? { type: "ride", view, replayed: true } : { type: "refused", reason: "already_rated", view });
  } else {
    const next = { ...ride, version: ride.version + 1, ratings: { ...ride.ratings, [rated]: stars } };
    turn.changeRide(next, "ride.rated");
    turn.answer({ type: "ride", view: rideView(shard, next, now), replayed: false });
  }
}

function ownRide({ shard }: Turn, rideId: Ride["id"], riderId: RiderId): Ride | null {
  const ride = shard.rides.get(rideId);
  return ride?.riderId === riderId ? ride : null;
}
