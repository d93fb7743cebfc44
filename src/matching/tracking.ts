/** Where the driver of an assigned ride is: shown to the rider, and watched for standing still. Soft state. */
import type { DriverId, Fix } from "../domain/driver.ts";
import { isEngaged, type OfferId } from "../domain/ride.ts";
import { haversineMeters } from "../spatial/distance.ts";
import type { CommandOf } from "./commands.ts";
import { noteAddress } from "./offer.ts";
import type { Turn } from "./shard-state.ts";
import { driverPosition, driverRide } from "./views.ts";

/** This much nearer to the pickup counts as coming nearer; within `AT_PICKUP_METERS` nobody need move. */
const NEARER_METERS = 50;
const AT_PICKUP_METERS = 200;

/** Where the driver of a ride of this shard is. False when the offer holds no ride here. */
export function trackRide(turn: Turn, offerId: OfferId, driverId: DriverId, fix: Fix): boolean {
  const { shard, now, effects } = turn;
  const offer = shard.offerFor(offerId, driverId);
  const ride = offer === null ? undefined : shard.rides.get(offer.rideId);
  if (ride === undefined || !isEngaged(ride) || ride.offerId !== offerId) return false;
  const meters = haversineMeters(fix.position, ride.request.pickup);
  const known = shard.tracks.get(ride.id);
  const nearer = known === undefined || meters < known.nearestMeters - NEARER_METERS;
  const track = {
    fix,
    nearestMeters: nearer ? meters : known.nearestMeters,
    // Where he is now, not where he once was: who has been at the pickup and drives away is not waiting there.
    progressAt: nearer || meters <= AT_PICKUP_METERS ? now : known.progressAt,
  };
  shard.tracks.set(ride.id, track);
  effects.push({ type: "publish.position", rideId: ride.id, position: driverPosition(shard, ride, track, now) });
  return true;
}

/** The same, from another shard; the answer tells it when the ride no longer has this driver. */
export function trackFromElsewhere(turn: Turn, { offerId, driverId, fix, from }: CommandOf<"driver.tracked">): void {
  const { shard } = turn;
  const engaged = trackRide(turn, offerId, driverId, fix);
  const offer = shard.offerFor(offerId, driverId);
  if (offer !== null) noteAddress(turn, offerId, from);
  const ride = offer === null || engaged ? null : driverRide(shard, shard.rides.get(offer.rideId)!, offerId);
  turn.answer({ type: "tracked", engaged, ride });
}
