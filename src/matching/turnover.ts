/**
 * How soon a rider could be picked up by somebody who is not free yet. Where drivers came free lately says where they
 * will come free next; the rest is a question of when to stop waiting. Nothing here knows a city: all of it is measured
 * from the same cell's last minutes.
 */
import type { LatLng } from "../domain/place.ts";
import type { EpochMs } from "../domain/time.ts";
import type { RecentPlaces } from "./recent-places.ts";

/** `turnoverSeconds` of a rider, given where drivers came free and how long one would need from there to him. */
export function turnoverSecondsTo(
  cameFree: RecentPlaces,
  now: EpochMs,
  pickupSeconds: (from: LatLng) => number,
): number {
  const found: number[] = [];
  const observedSeconds = cameFree.visit(now, (from) => found.push(pickupSeconds(from)));
  return turnoverSeconds(Float64Array.from(found).sort(), observedSeconds);
}

/**
 * Seconds until the pickup that somebody may expect who waits for drivers to come free and takes the first who is near
 * enough. `secondsAway`, ascending: how far those were who came free within the last `observedSeconds`.
 *
 * The rule of optimal stopping: with r seconds to be expected, one more second of waiting costs one and saves, for each
 * driver who then comes free at x < r, the difference r - x. At the best r the two are equal, so the r to be found is
 * where the differences r - x of all who came free sum up to the time in which they did. Infinity where nobody did.
 */
export function turnoverSeconds(secondsAway: Float64Array, observedSeconds: number): number {
  let sum = 0;
  for (let count = 1; count <= secondsAway.length; count++) {
    sum += secondsAway[count - 1]!;
    const expected = (observedSeconds + sum) / count;
    if (count === secondsAway.length || expected <= secondsAway[count]!) return expected;
  }
  return Number.POSITIVE_INFINITY;
}

/**
 * Seconds until the pickup that may be expected with a driver `pickupSeconds` away who may still be exchanged, once, for
 * somebody who comes free nearer. Grows as `pickupSeconds` while the driver is near and never beyond `turnover`.
 *
 * With drivers coming free evenly over the plane, the expected seconds c fulfil dc/de = 1 - (c / turnover)^3; this is
 * within 5 % of its solution and needs no integration.
 */
export function secondsWithExchange(pickupSeconds: number, turnover: number): number {
  return pickupSeconds / Math.cbrt(1 + (pickupSeconds / turnover) ** 3);
}
