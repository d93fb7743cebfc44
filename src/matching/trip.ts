/** After the match: on the way, arrived, on the trip, done; and every way in which that can go wrong. */
import type { DriverId } from "../domain/driver.ts";
import type { TripStep, TripVerdict } from "../domain/notice.ts";
import {
  type EngagedRide,
  isEngaged,
  notBeforePickup,
  type OfferId,
  type Ride,
  type RideId,
  rideBase,
} from "../domain/ride.ts";
import { endRideOffer, redispatch } from "./assignment.ts";
import type { CommandOf } from "./commands.ts";
import { LIMITS } from "./limits.ts";
import { killLiveOffers, noteAddress, say } from "./offer.ts";
import type { Turn } from "./shard-state.ts";
import { driverRide } from "./views.ts";

export function stepTrip(turn: Turn, { offerId, driverId, step, from }: CommandOf<"trip.stepped">): void {
  turn.answer({ type: "trip", verdict: judgeStep(turn, offerId, driverId, step, from) });
}

function judgeStep(
  turn: Turn,
  offerId: OfferId,
  driverId: DriverId,
  step: TripStep,
  from: CommandOf<"trip.stepped">["from"],
): TripVerdict {
  const { shard } = turn;
  const offer = shard.offerFor(offerId, driverId);
  if (offer === null) return { outcome: "refused", reason: "unknown" };
  const ride = shard.rides.get(offer.rideId)!;
  noteAddress(turn, offerId, from);
  if (offer.state === "won" && isEngaged(ride)) {
    const next = advance(turn, ride, step);
    if (next !== null) return { outcome: "done", ride: next };
  }
  if (isReplay(ride, offer.state, offerId, step)) return { outcome: "done", ride: driverRide(shard, ride, offerId) };
  const { state, next } = driverRide(shard, ride, offerId);
  return { outcome: "refused", reason: "wrong_state", state, ...(next && { next }) };
}

/** Takes the step if the ride's state allows it; null where it does not. */
function advance(turn: Turn, ride: EngagedRide, step: TripStep) {
  const { shard, now } = turn;
  const { noShowMs, tripWatchMs } = shard.setting.market.dispatch;
  const version = ride.version + 1;
  const after = (next: Ride) => driverRide(shard, next, ride.offerId);
  if (step === "arrive" && ride.state === "assigned") {
    const arrived = { ...ride, state: "arrived", version, arrivedAt: now } as const;
    keepForGood(turn, ride.id);
    shard.timers.clear("ride.pickup_watch", ride.id);
    shard.timers.set("ride.no_show", ride.id, notBeforePickup(ride.request, now) + noShowMs);
    turn.changeRide(arrived, "ride.arrived");
    return after(arrived);
  }
  if (step === "start" && (ride.state === "assigned" || ride.state === "arrived")) {
    const onTrip = { ...engagedBase(ride), state: "on_trip", version, startedAt: now } as const;
    keepForGood(turn, ride.id);
    shard.timers.clear("ride.pickup_watch", ride.id);
    shard.timers.clear("ride.no_show", ride.id);
    shard.timers.set("ride.trip_watch", ride.id, now + tripWatchMs);
    turn.changeRide(onTrip, "ride.started");
    return after(onTrip);
  }
  if (step === "complete" && ride.state === "on_trip") {
    const completed = { ...ride, state: "completed", version, endedAt: now } as const;
    endRideOffer(turn, ride);
    turn.changeRide(completed, "ride.completed");
    return after(completed);
  }
  if (step === "cancel" && ride.state !== "on_trip") return redispatch(turn, ride);
  return null;
}

/** A step that was taken before: its answer was lost, a timer may have ended the ride since, and the driver says it again. */
function isReplay(ride: Ride, offerState: string, offerId: OfferId, step: TripStep): boolean {
  const his = "offerId" in ride && ride.offerId === offerId;
  switch (step) {
    case "arrive":
      return his && (ride.state === "arrived" || ride.state === "cancelled_no_show");
    case "start":
      return his && (ride.state === "on_trip" || ride.state === "abandoned");
    case "complete":
      return his && ride.state === "completed";
    case "cancel":
      return !his && offerState === "ended";
  }
}

function engagedBase(ride: EngagedRide) {
  const { driverId, offerId, assignedAt } = ride;
  return { ...rideBase(ride), driverId, offerId, assignedAt };
}

/** He is there: whoever was asked to take the ride over is asked no longer (X3). */
function keepForGood(turn: Turn, rideId: RideId): void {
  turn.shard.nearer.delete(rideId);
  killLiveOffers(turn, rideId, "superseded");
}

/** An assigned driver who fell silent or does not come nearer loses the ride. */
export function pickupWatched(turn: Turn, rideId: RideId): void {
  const { shard, now } = turn;
  const ride = shard.rides.get(rideId);
  if (ride?.state !== "assigned") return;
  const { pickupWatchMs } = shard.setting.market.dispatch;
  const progressAt = shard.tracks.get(rideId)?.progressAt ?? ride.assignedAt;
  const goodUntil = Math.min(progressAt + pickupWatchMs, ride.assignedAt + LIMITS.pickupMs);
  if (goodUntil > now) {
    shard.timers.set("ride.pickup_watch", rideId, goodUntil);
    return;
  }
  takeAway(turn, ride);
}

function takeAway(turn: Turn, ride: EngagedRide): void {
  const offer = turn.shard.offers.get(ride.offerId)!;
  const view = redispatch(turn, ride);
  say(turn, offer, { type: "trip.changed", ride: view });
}

export function riderDidNotShow(turn: Turn, rideId: RideId): void {
  const ride = turn.shard.rides.get(rideId);
  if (ride?.state !== "arrived") return;
  endRideOffer(turn, ride);
  const over = {
    ...engagedBase(ride),
    version: ride.version + 1,
    state: "cancelled_no_show",
    endedAt: turn.now,
  } as const;
  turn.changeRide(over, "ride.no_show");
  tellDriverOfRide(turn, over, ride.offerId);
}

export function tripAbandoned(turn: Turn, rideId: RideId): void {
  const ride = turn.shard.rides.get(rideId);
  if (ride?.state !== "on_trip") return;
  endRideOffer(turn, ride);
  const over = { ...ride, state: "abandoned", version: ride.version + 1, endedAt: turn.now } as const;
  turn.changeRide(over, "ride.abandoned");
  tellDriverOfRide(turn, over, ride.offerId);
}

export function tellDriverOfRide(turn: Turn, ride: Ride, offerId: OfferId): void {
  const offer = turn.shard.offers.get(offerId);
  if (offer !== undefined) say(turn, offer, { type: "trip.changed", ride: driverRide(turn.shard, ride, offerId) });
}
