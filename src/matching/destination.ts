/** Drivers on their way to somewhere: they are offered only what brings them nearer to it. */
import type { LatLng } from "../domain/place.ts";
import { haversineMeters } from "../spatial/distance.ts";

export interface Heading {
  /** Where he is. */
  readonly from: LatLng;
  /** Where he wants to be in the end; nowhere in particular when it is missing. */
  readonly destination?: LatLng | undefined;
}

/** Whether at the ride's end at least this share of his way is behind him; anything is where the share is 0. */
export function isOnHisWay({ from, destination }: Heading, dropoff: LatLng, share: number): boolean {
  if (share === 0 || destination === undefined) return true;
  return haversineMeters(dropoff, destination) <= (1 - share) * haversineMeters(from, destination);
}
