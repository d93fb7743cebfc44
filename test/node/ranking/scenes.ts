/** A ride and drivers around it, for tests of ranking. */
import { type Candidate, type DriverId, NEW_DRIVER_STATS } from "../../../src/domain/driver.ts";
import type { LatLng, ShardName } from "../../../src/domain/place.ts";
import type { RankingContext } from "../../../src/ranking/feature-view.ts";
import { destinationPoint, haversineMeters } from "../../../src/spatial/distance.ts";

const PICKUP: LatLng = { lat: 40.75, lng: -73.98 };
/** 2026-06-03T12:30Z, a Wednesday; 08:30 in New York. */
export const NOW = 1_780_489_800_000;

export function contextAt(changes: Partial<RankingContext> = {}): RankingContext {
  const dropoff = destinationPoint(PICKUP, 30, 4_000);
  return {
    pickup: PICKUP,
    dropoff,
    tripMeters: haversineMeters(PICKUP, dropoff),
    fareCents: 1_500,
    requestedAt: NOW - 2_000,
    now: NOW,
    utcOffsetMinutes: -240,
    wave: 1,
    citySpeedMetersPerSecond: 4,
    ...changes,
  };
}

/** Due south of the pickup, so that heading 0 drives straight at it. */
export function candidateAt(driverId: string, meters: number, changes: Partial<Candidate> = {}): Candidate {
  const position = destinationPoint(PICKUP, 180, meters);
  return {
    driverId: driverId as DriverId,
    shard: "cell:dr5ru" as ShardName,
    position,
    headingDegrees: 0,
    speedMetersPerSecond: 5,
    pickupMeters: haversineMeters(position, PICKUP),
    pickupSeconds: haversineMeters(position, PICKUP) / 4,
    fixAgeMs: 1_500,
    idleMs: 300_000,
    rating: 4.8,
    stats: NEW_DRIVER_STATS,
    ...changes,
  };
}
