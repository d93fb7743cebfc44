/**
 * What a shard learns of its city, by place and hour: means that begin at 0 as if some visits had found nothing to note,
 * and that follow the city, for a visit never counts less than one in so many.
 */
import type { LatLng } from "../domain/place.ts";
import { type EpochMs, localDayOfWeek, localHour } from "../domain/time.ts";

interface MeansLimits {
  /** A mean begins as if so many visits had found nothing. */
  readonly priorVisits: number;
  /** Then each visit counts at least one in so many: cities change, and what they were is forgotten. */
  readonly memoryVisits: number;
  /** Keys; the one that was met first is forgotten first. */
  readonly room: number;
}

interface Mean {
  value: number;
  /** Up to `memoryVisits`. */
  visits: number;
}

/** What outlives the object: [key, value, visits], the key met first before the others. */
export type MeanRows = readonly (readonly [number, number, number])[];

export class LearnedMeans {
  readonly #limits: MeansLimits;
  readonly #means = new Map<number, Mean>();

  constructor(limits: MeansLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#means.size;
  }

  /** 0 where nothing was learned. */
  at(key: number): number {
    return this.#means.get(key)?.value ?? 0;
  }

  visits(key: number): number {
    return this.#means.get(key)?.visits ?? 0;
  }

  /** A visit found so much more than what was expected; `share` of it is this key's. */
  adjust(key: number, surprise: number, share = 1): void {
    const { priorVisits, memoryVisits, room } = this.#limits;
    let mean = this.#means.get(key);
    if (mean === undefined) {
      if (this.#means.size >= room) this.#means.delete(this.#means.keys().next().value!);
      mean = { value: 0, visits: 0 };
      this.#means.set(key, mean);
    }
    mean.visits = Math.min(mean.visits + share, memoryVisits);
    mean.value += (share * surprise) / (mean.visits + priorVisits);
  }

  rows(): MeanRows {
    return Array.from(this.#means, ([key, { value, visits }]) => [key, value, visits] as const);
  }

  recall(rows: MeanRows): void {
    for (const [key, value, visits] of rows) this.#means.set(key, { value, visits });
  }
}

/** Squares of 14 bits each way: 1.2 km from north to south, 1.9 km from west to east at New York. */
const SQUARES = 2 ** 14;

/** The number of a place's square; its two halves are the bits of a geohash cell that are not interleaved. */
export function squareOf({ lat, lng }: LatLng): number {
  const row = Math.min(SQUARES - 1, Math.floor(((lat + 90) / 180) * SQUARES));
  return row * SQUARES + (Math.floor(((lng + 180) / 360) * SQUARES) % SQUARES);
}

export const HOUR_KINDS = 48;

/** Hours of a working day, then hours of a weekend's. */
export function hourKindOf(at: EpochMs, utcOffsetMinutes: number): number {
  const day = localDayOfWeek(at, utcOffsetMinutes);
  return Math.floor(localHour(at, utcOffsetMinutes)) + (day === 0 || day === 6 ? 24 : 0);
}

export function clamp(value: number, most: number): number {
  return Math.max(-most, Math.min(most, value));
}
