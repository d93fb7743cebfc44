import { assert } from "../domain/assert.ts";
import type { LatLng } from "../domain/place.ts";
import { type EpochMs, SECOND_MS } from "../domain/time.ts";

/** What is remembered, and how long the time was in which all of it happened. */
export interface Remembered {
  readonly places: readonly LatLng[];
  readonly seconds: number;
}

/**
 * Remembers where something happened, the newest `room` of it and nothing older than `memoryMs`. One that has just begun
 * takes it that nothing had happened before: what has not been seen is not counted on.
 */
export class RecentPlaces {
  readonly #memoryMs: number;
  readonly #room: number;
  readonly #entries: { readonly at: EpochMs; readonly place: LatLng }[] = [];
  /** Where the next is noted: once there is no room, in place of the oldest. */
  #next = 0;

  constructor(memoryMs: number, room: number) {
    assert(room > 0 && memoryMs > 0, "a memory of nothing");
    this.#memoryMs = memoryMs;
    this.#room = room;
  }

  /** It happened here. Times never run backwards. */
  note({ lat, lng }: LatLng, now: EpochMs): void {
    this.#entries[this.#next] = { at: now, place: { lat, lng } };
    this.#next = (this.#next + 1) % this.#room;
  }

  since(now: EpochMs): Remembered {
    let from = now - this.#memoryMs;
    // What was overwritten is not known any more: a full memory reaches back to its oldest entry only.
    if (this.#entries.length === this.#room) from = Math.max(from, this.#entries[this.#next]!.at);
    const places = this.#entries.flatMap(({ at, place }) => (at >= from ? [place] : []));
    return { places, seconds: (now - from) / SECOND_MS };
  }
}
