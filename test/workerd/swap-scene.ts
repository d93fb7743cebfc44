/** Where two drivers on their way swap rides, and what history says of each ride then. */
import type { LatLng } from "../../src/domain/place.ts";
import { acrossBorder } from "./shard-tools.ts";

/**
 * In one cell, from north to south: `rolf`, 50 m further `ada`, 800 m further `rita`, and `bob`, who is 50 m farther from
 * rita than ada is, so that he is nobody to exchange her for. But he was free for rolf only when ada had rita's ride.
 */
export function crossingAt(near: LatLng) {
  const { here: ada } = acrossBorder(near);
  const southOf = (meters: number) => ({ ...ada, lat: ada.lat - meters / 111_195 });
  return { rolf: southOf(-50), ada, rita: southOf(800), bob: southOf(1_650) };
}

export const SWAPPED_AND_DRIVEN = [
  "ride.requested",
  "ride.assigned",
  "ride.exchanged",
  "ride.arrived",
  "ride.started",
  "ride.completed",
];
