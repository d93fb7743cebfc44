import { assert } from "../domain/assert.ts";
import type { LatLng } from "../domain/place.ts";
import { type EpochMs, SECOND_MS } from "../domain/time.ts";

/** Remembers where something happened, the newest `room` of it and nothing older than `memoryMs`. */
export class RecentPlaces {
  readonly #memoryMs: number;
  readonly #since: EpochMs;
  readonly #at: Float64Array;
  readonly #lat: Float64Array;
  readonly #lng: Float64Array;
  #count = 0;

  /** `since`: from when on whatever happened was noted. */
  constructor(since: EpochMs, memoryMs: number, room: number) {
    assert(room > 0 && memoryMs > 0, "a memory of nothing");
    this.#since = since;
    this.#memoryMs = memoryMs;
    this.#at = new Float64Array(room);
    this.#lat = new Float64Array(room);
    this.#lng = new Float64Array(room);
  }

  /** It happened here. Times never run backwards. */
  note(place: LatLng, now: EpochMs): void {
    const slot = this.#count++ % this.#at.length;
    this.#at[slot] = now;
    this.#lat[slot] = place.lat;
    this.#lng[slot] = place.lng;
  }

  /** Shows every place that is remembered, and says how many seconds the memory reaches back. */
  visit(now: EpochMs, see: (place: LatLng) => void): number {
    const room = this.#at.length;
    let observedFrom = Math.max(this.#since, now - this.#memoryMs);
    // What the ring has overwritten was not observed: it reaches back to its oldest entry only.
    if (this.#count > room) observedFrom = Math.max(observedFrom, this.#at[this.#count % room]!);
    for (let slot = Math.min(this.#count, room) - 1; slot >= 0; slot--) {
      if (this.#at[slot]! >= observedFrom) see({ lat: this.#lat[slot]!, lng: this.#lng[slot]! });
    }
    return (now - observedFrom) / SECOND_MS;
  }
}
