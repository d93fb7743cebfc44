/**
 * How soon a rider could be picked up by somebody who is not free yet. Where drivers came free lately says where they
 * will come free next; the rest is a question of when to stop waiting. Nothing here knows a city: all of it is measured
 * from the same cell's last minutes.
 */
import { assert } from "../domain/assert.ts";
import type { LatLng } from "../domain/place.ts";
import type { EpochMs } from "../domain/time.ts";
import { SECOND_MS } from "../domain/time.ts";

/** Remembers where drivers came free, the newest `room` of them and none older than `memoryMs`. */
export class Turnover {
  readonly #memoryMs: number;
  readonly #since: EpochMs;
  readonly #at: Float64Array;
  readonly #lat: Float64Array;
  readonly #lng: Float64Array;
  readonly #seconds: Float64Array;
  #count = 0;

  /** `since`: from when on drivers who came free were noted. */
  constructor(since: EpochMs, memoryMs: number, room: number) {
    assert(room > 0 && memoryMs > 0, "a memory of nothing");
    this.#since = since;
    this.#memoryMs = memoryMs;
    this.#at = new Float64Array(room);
    this.#lat = new Float64Array(room);
    this.#lng = new Float64Array(room);
    this.#seconds = new Float64Array(room);
  }

  /** A driver came free here. Times never run backwards. */
  note(place: LatLng, now: EpochMs): void {
    const slot = this.#count++ % this.#at.length;
    this.#at[slot] = now;
    this.#lat[slot] = place.lat;
    this.#lng[slot] = place.lng;
  }

  /** `turnoverSeconds` of a rider, given how long a driver would need from a place to him. */
  secondsTo(now: EpochMs, pickupSeconds: (from: LatLng) => number): number {
    const room = this.#at.length;
    let observedFrom = Math.max(this.#since, now - this.#memoryMs);
    // What the ring has overwritten was not observed: it reaches back to its oldest entry only.
    if (this.#count > room) observedFrom = Math.max(observedFrom, this.#at[this.#count % room]!);
    let found = 0;
    for (let slot = Math.min(this.#count, room) - 1; slot >= 0; slot--) {
      if (this.#at[slot]! < observedFrom) continue;
      this.#seconds[found++] = pickupSeconds({ lat: this.#lat[slot]!, lng: this.#lng[slot]! });
    }
    return turnoverSeconds(this.#seconds.subarray(0, found).sort(), (now - observedFrom) / SECOND_MS);
  }
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
