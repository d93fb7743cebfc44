/** What each party may see of a ride. */

import type { Fix } from "../domain/driver.ts";
import type { DriverPosition, DriverRide, OfferCard, RideView } from "../domain/notice.ts";
import type { LatLng } from "../domain/place.ts";
import {
  type AssignedRide,
  type EngagedRide,
  isEngaged,
  type OfferedOffer,
  type OfferId,
  type OnTripRide,
  type Ride,
} from "../domain/ride.ts";
import type { EpochMs } from "../domain/time.ts";
import { LIMITS } from "./limits.ts";
import { zoneAt } from "./queue-zones.ts";
import type { ShardState, Track } from "./shard-state.ts";
import { turnSeconds } from "./travel-times.ts";

/** 1/700 degree of latitude is 159 m. A driver who has not won the ride needs no more than the corner of a street. */
const BLUR_PER_DEGREE = 700;
/** Three drivers who put exact distances to a pickup together would know the door. */
const BLUR_METERS = 100;
const BLUR_SECONDS = 30;

function blurred({ lat, lng }: LatLng): LatLng {
  return {
    lat: Math.round(lat * BLUR_PER_DEGREE) / BLUR_PER_DEGREE,
    lng: Math.round(lng * BLUR_PER_DEGREE) / BLUR_PER_DEGREE,
  };
}

function pickupTimeOf({ request: { pickupAt } }: Ride): { readonly pickupAt?: number } {
  return pickupAt === undefined ? {} : { pickupAt };
}

export function offerCard({ setting }: ShardState, ride: Ride, offer: OfferedOffer, now: EpochMs): OfferCard {
  const { zones, dispatch } = setting.market;
  const zone = dispatch.queueZones ? zoneAt(zones, ride.request.pickup) : null;
  return {
    offerId: offer.id,
    rideId: ride.id,
    pickup: blurred(ride.request.pickup),
    dropoff: blurred(ride.request.dropoff),
    pickupMeters: Math.round(offer.pickupMeters / BLUR_METERS) * BLUR_METERS,
    pickupSeconds: Math.ceil(offer.pickupSeconds / BLUR_SECONDS) * BLUR_SECONDS,
    tripMeters: Math.round(ride.tripMeters),
    fareCents: ride.fareCents,
    currency: setting.market.tariff.currency,
    vehicleType: ride.request.vehicleType,
    ...pickupTimeOf(ride),
    ttlMs: Math.max(0, offer.expiresAt - now),
    ...(zone && { zone: zone.name }),
  };
}

/**
 * The ride as the driver of this offer sees it. One that left him and went on to somebody else is for him still what it
 * was when it left, looking for a driver: its new state would tell his app that the ride is his again.
 */
export function driverRide(shard: ShardState, ride: Ride, offerId: OfferId): DriverRide {
  const offer = shard.offers.get(offerId);
  const heir = offer === undefined ? null : shard.heirOf(offer);
  const anothers = "offerId" in ride && ride.offerId !== offerId;
  return {
    offerId,
    rideId: ride.id,
    state: anothers ? "matching" : ride.state,
    version: ride.version,
    pickup: ride.request.pickup,
    dropoff: ride.request.dropoff,
    fareCents: ride.fareCents,
    currency: shard.setting.market.tariff.currency,
    ...pickupTimeOf(ride),
    ...(offer?.state === "ended" && offer.exchanged && { exchanged: true }),
    ...(heir && { next: driverRide(shard, shard.rides.get(heir.rideId)!, heir.id) }),
  };
}

export function driverPosition(shard: ShardState, ride: EngagedRide, { fix }: Track, now: EpochMs): DriverPosition {
  const ageMs = Math.max(0, now - fix.at);
  const etaSeconds = ride.state === "arrived" ? null : Math.round(secondsToGo(shard, ride, fix, now));
  return { ...fix.position, headingDegrees: fix.headingDegrees, ageMs, stale: ageMs > LIMITS.fixTtlMs, etaSeconds };
}

/** To the pickup, and once the trip has begun to the dropoff. */
export function secondsToGo(
  { travelTimes }: ShardState,
  { state, request }: AssignedRide | OnTripRide,
  fix: Fix,
  now: EpochMs,
): number {
  const to = state === "assigned" ? request.pickup : request.dropoff;
  const way = { from: fix.position, to, at: now };
  return travelTimes.seconds(way) + turnSeconds(fix.position, to, fix);
}

/** The rider sees where the driver is only while the ride is his. */
export function rideView(shard: ShardState, ride: Ride, now: EpochMs): RideView {
  const track = isEngaged(ride) ? shard.tracks.get(ride.id) : undefined;
  const position = isEngaged(ride) && track && driverPosition(shard, ride, track, now);
  return {
    id: ride.id,
    state: ride.state,
    version: ride.version,
    pickup: ride.request.pickup,
    dropoff: ride.request.dropoff,
    vehicleType: ride.request.vehicleType,
    tripMeters: Math.round(ride.tripMeters),
    fareCents: ride.fareCents,
    currency: shard.setting.market.tariff.currency,
    redispatches: ride.redispatches,
    createdAt: ride.createdAt,
    ...pickupTimeOf(ride),
    ...("driverId" in ride && {
      driver: { id: ride.driverId, ...(position && { position }) },
    }),
    ...("endedAt" in ride && { endedAt: ride.endedAt }),
    ...("reason" in ride && { reason: ride.reason }),
    ratings: ride.ratings,
  };
}
