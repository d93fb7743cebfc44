/** Where four cells meet: every search for a driver there looks into four shards, and every other trip crosses a border. */
import type { LatLng } from "../../src/domain/place.ts";
import { destinationPoint } from "../../src/spatial/distance.ts";
import { type Demand, rideRequest } from "../city/demand.ts";
import type { Random } from "../random.ts";

/** In Manhattan. Cells of 25 bits end at multiples of 360 / 2^13 degrees east and of 180 / 2^12 degrees north. */
const CROSSING: LatLng = { lat: 2_975 * (180 / 4_096) - 90, lng: 2_412 * (360 / 8_192) - 180 };
const SPREAD_METERS = 900;
const TRIP_METERS = { shortest: 200, mean: 500 };

/** Poisson wishes for short rides, `perCityHour` of them. */
export function createCrossingDemand(perCityHour: number, random: Random): Demand {
  let atMs = 0;
  return {
    next() {
      atMs += random.exponential(3_600_000 / perCityHour);
      const pickup = placeNearCrossing(random);
      const tripMeters = TRIP_METERS.shortest + random.exponential(TRIP_METERS.mean);
      return { atMs, request: rideRequest(pickup, destinationPoint(pickup, random.next() * 360, tripMeters), random) };
    },
    place: placeNearCrossing,
  };
}

function placeNearCrossing(random: Random): LatLng {
  return destinationPoint(CROSSING, random.next() * 360, Math.abs(random.normal()) * SPREAD_METERS);
}
