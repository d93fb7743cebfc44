/**
 * How soon a rider could be picked up by somebody who is not free yet. Where drivers came free lately says where they
 * will come free next; the rest is a question of when to stop waiting. Nothing here knows a city: all of it is measured
 * from the same cell's last minutes.
 */
import type { PlanePoints } from "../spatial/plane.ts";

/** `turnoverSeconds` of a rider at each of these pickups, given where drivers came free within `observedSeconds`. */
export function turnoverAt(pickups: PlanePoints, cameFree: PlanePoints, observedSeconds: number): Float64Array {
  const away = new Float64Array(cameFree.north.length);
  return pickups.north.map((north, at) => {
    const east = pickups.east[at]!;
    for (let place = 0; place < away.length; place++) {
      away[place] = Math.sqrt((cameFree.north[place]! - north) ** 2 + (cameFree.east[place]! - east) ** 2);
    }
    return turnoverSeconds(away, observedSeconds);
  });
}

/**
 * Seconds until the pickup that somebody may expect who waits for drivers to come free and takes the first who is near
 * enough. `secondsAway`: how far those were who came free within the last `observedSeconds`; in no order afterwards.
 *
 * The rule of optimal stopping: with r seconds to be expected, one more second of waiting costs one and saves, for each
 * driver who then comes free at x < r, the difference r - x. At the best r the two are equal, so the r to be found is
 * where the differences r - x of all who came free sum up to the time in which they did. Infinity where nobody did.
 */
export function turnoverSeconds(secondsAway: Float64Array, observedSeconds: number): number {
  let expected = Number.POSITIVE_INFINITY;
  // Whoever is not nearer than the last guess is left out of the next, which is smaller; all that are left are nearer than
  // the right one.
  for (let left = secondsAway.length, before = -1; left !== before; ) {
    before = left;
    let sum = observedSeconds;
    for (let at = 0; at < left; at++) sum += secondsAway[at]!;
    if (left > 0) expected = sum / left;
    let nearer = 0;
    for (let at = 0; at < left; at++) {
      const seconds = secondsAway[at]!;
      secondsAway[nearer] = seconds;
      if (seconds < expected) nearer++;
    }
    left = nearer;
  }
  return expected;
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
