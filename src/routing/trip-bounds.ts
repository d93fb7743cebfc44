/** Which trips Kerb dispatches at all, and which two are the same trip. */
import type { LatLng } from "../domain/place.ts";
import type { RideRequest } from "../domain/ride.ts";
import { haversineMeters } from "../spatial/distance.ts";

/** A shorter one is a slip of the finger: both places are the same kerb. */
const SHORTEST_TRIP_METERS = 50;
/** A longer one is a wrong address, and no city driver would take it. */
const LONGEST_TRIP_METERS = 300_000;
/** A rider walks to the corner, and a phone is not sure where it is. */
const SAME_PLACE_METERS = 100;

/** Why the trip is refused, in words for the rider; null when it is fine. */
export function refusalOfTrip(pickup: LatLng, dropoff: LatLng): string | null {
  const meters = haversineMeters(pickup, dropoff);
  if (meters < SHORTEST_TRIP_METERS) return `is less than ${SHORTEST_TRIP_METERS} m from the pickup`;
  if (meters > LONGEST_TRIP_METERS) return `is more than ${LONGEST_TRIP_METERS / 1_000} km from the pickup`;
  return null;
}

type Wish = Pick<RideRequest, "pickup" | "dropoff" | "vehicleType">;

/** The fields in which a wish is not what was quoted. */
export function fieldsChanged(quoted: Wish, wish: Wish): string[] {
  const ends = ["pickup", "dropoff"] as const;
  const moved = ends.filter((end) => haversineMeters(quoted[end], wish[end]) > SAME_PLACE_METERS);
  return quoted.vehicleType === wish.vehicleType ? moved : [...moved, "vehicleType"];
}
