/** Demand made up from a city's plan: requests arrive at random at a steady rate and mostly end near where people go. */
import type { LatLng } from "../../src/domain/place.ts";
import { haversineMeters } from "../../src/spatial/distance.ts";
import type { Random } from "../random.ts";
import { type Demand, rideRequest } from "./demand.ts";
import { type CityPlan, placeIn } from "./places.ts";

const SHORTEST_TRIP_METERS = 700;
/** Choosing among places, each kilometre of distance costs this factor e: most trips are short. */
const DISTANCE_SCALE_METERS = 2_200;
const PLACES_CONSIDERED = 8;

/** Poisson arrivals; endless. The same plan, rate and random stream give the same trips. */
export function createGeneratedDemand(plan: CityPlan, requestsPerHour: number, random: Random): Demand {
  const meanGapMs = 3_600_000 / requestsPerHour;
  let atMs = 0;
  return {
    next() {
      atMs += random.exponential(meanGapMs);
      const pickup = placeIn(plan, random);
      return {
        atMs,
        request: rideRequest(
          pickup,
          gravityDropoff(pickup, () => placeIn(plan, random), random),
          random,
        ),
      };
    },
    place: (stream) => placeIn(plan, stream),
  };
}

/** Draws a few places and picks one with odds that fall with distance, as trips do. */
export function gravityDropoff(pickup: LatLng, place: () => LatLng, random: Random): LatLng {
  const places = Array.from({ length: PLACES_CONSIDERED }, place);
  const weights = places.map((to) => {
    const meters = haversineMeters(pickup, to);
    return meters < SHORTEST_TRIP_METERS ? 0 : Math.exp(-meters / DISTANCE_SCALE_METERS);
  });
  let left = random.next() * weights.reduce((sum, weight) => sum + weight, 0);
  for (const [index, weight] of weights.entries()) {
    left -= weight;
    if (left < 0) return places[index]!;
  }
  // Every place was too near: any of them but the pickup itself.
  return places.reduce((far, to) => (haversineMeters(pickup, to) > haversineMeters(pickup, far) ? to : far));
}
