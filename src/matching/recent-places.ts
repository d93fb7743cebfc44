import { assert } from "../domain/assert.ts";
import type { LatLng } from "../domain/place.ts";
import { type EpochMs, SECOND_MS } from "../domain/time.ts";

/** What is remembered, and how long the time was in which all of it happened. */
export interface Remembered {
  readonly places: readonly LatLng[];
  /** How long ago, of each place. */
  readonly agoSeconds: readonly number[];
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

  /** The newest `most` of it. */
  since(now: EpochMs, most: number = this.#room): Remembered {
    assert(most > 0, "a memory of nothing");
    const known = this.#entries.length;
    const count = Math.min(most, known);
    const newest = Array.from({ length: count }, (_, at) => {
      return this.#entries[(this.#next - count + at + this.#room) % this.#room]!;
    });
    let from = now - this.#memoryMs;
    // What was overwritten is not known any more, and what is left out not counted: it reaches back to the oldest only.
    if (known === this.#room || count < known) from = Math.max(from, newest[0]!.at);
    const remembered = newest.filter(({ at }) => at >= from);
    return {
      places: remembered.map(({ place }) => place),
      agoSeconds: remembered.map(({ at }) => (now - at) / SECOND_MS),
      seconds: (now - from) / SECOND_MS,
    };
  }
}
