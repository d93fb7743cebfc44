/**
 * How long a way takes, learned from the ways that drivers of this shard have driven. The prior is the market's speed
 * along a straight line; what is learned are corrections to it, in the logarithm of time: one for the length of the way
 * (short ways are slow, long ones use faster roads), one for the hour, one each for where the way begins and where it
 * ends. They add up, so a few hundred ways teach something about places and hours that nobody has driven together.
 */
import type { LatLng } from "../domain/place.ts";
import { type EpochMs, localDayOfWeek, localHour } from "../domain/time.ts";
import { bearingDegrees, haversineMeters, RADIANS_PER_DEGREE } from "../spatial/distance.ts";

export interface Way {
  readonly from: LatLng;
  readonly to: LatLng;
  readonly at: EpochMs;
}

/** One correction: the mean of the logarithms of what ways took, relative to what was expected. */
interface Correction {
  logRatio: number;
  /** Ways that it was learned from, up to `MEMORY_WAYS`. */
  ways: number;
}

export interface TravelTimesPrior {
  readonly citySpeedMetersPerSecond: number;
  readonly utcOffsetMinutes: number;
}

/** What outlives the object: [key, logRatio, ways] of every correction, the place met first before the others. */
export type TravelTimesMemory = Readonly<Record<Part, readonly (readonly [number, number, number])[]>>;

const PARTS = ["lengths", "hours", "begins", "ends"] as const;
type Part = (typeof PARTS)[number];

/** Lengths 250 m, 500 m … 16 km; between two of them both count, the nearer one more. */
const SHORTEST_BAND_METERS = 250;
const LAST_BAND = 6;
/** Squares of 14 bits each way: 1.2 km from north to south, 1.9 km from west to east at New York. */
const SQUARES = 2 ** 14;
/** Of each of the two tables of places; the one that was met first is forgotten first. */
const PLACES = 512;
/** A correction begins as if so many ways had agreed with the prior. */
const PRIOR_WAYS = 20;
/** Then each way counts at least one in so many: streets change, and what they were is forgotten. */
const MEMORY_WAYS = 500;
/** Nearer or shorter, a way says more about the rider's door than about streets. */
const LEAST_METERS = 200;
const LEAST_SECONDS = 20;
/** One way that took five times as long as expected, or a fifth, says no more than that. */
const LARGEST_SURPRISE = 1.6;
/** All corrections together. */
const LARGEST_CORRECTION = 1.6;

/** A car that drives straight away from where it should be needs so long to turn round. */
const TURN_ROUND_SECONDS = 45;
const MOVING_METERS_PER_SECOND = 2;
const HERE_METERS = 50;

export class TravelTimes {
  readonly #prior: TravelTimesPrior;
  readonly #corrections: Readonly<Record<Part, Map<number, Correction>>>;
  #learned = 0;
  /** One search asks about many ways of one moment. */
  #hour = { at: Number.NaN, key: 0 };

  constructor(prior: TravelTimesPrior) {
    this.#prior = prior;
    this.#corrections = { lengths: new Map(), hours: new Map(), begins: new Map(), ends: new Map() };
  }

  /** Ways learned since the object started. */
  get learned(): number {
    return this.#learned;
  }

  /** `meters` is the straight way, for a caller who knows it already. */
  seconds(way: Way, meters: number = haversineMeters(way.from, way.to)): number {
    return this.#priorSeconds(meters) * Math.exp(clamp(this.#correctionOf(way, meters), LARGEST_CORRECTION));
  }

  /** A way was driven from one end to the other, with a purpose. */
  learn(way: Way, tookSeconds: number): void {
    const meters = haversineMeters(way.from, way.to);
    if (meters < LEAST_METERS || tookSeconds < LEAST_SECONDS) return;
    const expected = this.#correctionOf(way, meters);
    const surprise = clamp(Math.log(tookSeconds / this.#priorSeconds(meters)) - expected, LARGEST_SURPRISE);
    const band = bandOf(meters);
    const shorter = Math.floor(band);
    this.#adjust("lengths", shorter, surprise, 1 - (band - shorter));
    if (band > shorter) this.#adjust("lengths", shorter + 1, surprise, band - shorter);
    this.#adjust("hours", this.#hourOf(way.at), surprise, 1);
    this.#adjust("begins", squareOf(way.from), surprise, 1);
    this.#adjust("ends", squareOf(way.to), surprise, 1);
    this.#learned++;
  }

  memory(): TravelTimesMemory {
    const rows = (part: Part) =>
      Array.from(this.#corrections[part], ([key, { logRatio, ways }]) => [key, logRatio, ways] as const);
    return { lengths: rows("lengths"), hours: rows("hours"), begins: rows("begins"), ends: rows("ends") };
  }

  recall(memory: TravelTimesMemory): void {
    for (const part of PARTS) {
      for (const [key, logRatio, ways] of memory[part]) this.#corrections[part].set(key, { logRatio, ways });
    }
  }

  #priorSeconds(meters: number): number {
    return meters / this.#prior.citySpeedMetersPerSecond;
  }

  /** Asked for every candidate of every search: nothing is allocated here. */
  #correctionOf({ from, to, at }: Way, meters: number): number {
    if (this.#corrections.lengths.size === 0) return 0;
    const band = bandOf(meters);
    const shorter = Math.floor(band);
    const nearer = this.#known("lengths", shorter);
    const length = nearer + (this.#known("lengths", shorter + 1) - nearer) * (band - shorter);
    const places = this.#known("begins", squareOf(from)) + this.#known("ends", squareOf(to));
    return length + this.#known("hours", this.#hourOf(at)) + places;
  }

  #known(part: Part, key: number): number {
    return this.#corrections[part].get(key)?.logRatio ?? 0;
  }

  #adjust(part: Part, key: number, surprise: number, share: number): void {
    const known = this.#corrections[part];
    let correction = known.get(key);
    if (correction === undefined) {
      if (known.size >= PLACES) known.delete(known.keys().next().value!);
      correction = { logRatio: 0, ways: 0 };
      known.set(key, correction);
    }
    correction.ways = Math.min(correction.ways + share, MEMORY_WAYS);
    correction.logRatio += (share * surprise) / (correction.ways + PRIOR_WAYS);
  }

  /** Hours of a working day, then hours of a weekend's. */
  #hourOf(at: EpochMs): number {
    if (this.#hour.at === at) return this.#hour.key;
    const { utcOffsetMinutes } = this.#prior;
    const day = localDayOfWeek(at, utcOffsetMinutes);
    const key = Math.floor(localHour(at, utcOffsetMinutes)) + (day === 0 || day === 6 ? 24 : 0);
    this.#hour = { at, key };
    return key;
  }
}

/** Which length a way has, between two of the bands where it is between two. */
function bandOf(meters: number): number {
  return Math.min(LAST_BAND, Math.max(0, Math.log2(meters / SHORTEST_BAND_METERS)));
}

/** What a driver loses who is driving away from where he is to go; nothing for one who stands or says no heading. */
export function turnSeconds(
  from: LatLng,
  to: LatLng,
  motion: { readonly headingDegrees: number | null; readonly speedMetersPerSecond: number | null },
  meters: number = haversineMeters(from, to),
): number {
  const { headingDegrees, speedMetersPerSecond } = motion;
  if (headingDegrees === null || (speedMetersPerSecond ?? 0) < MOVING_METERS_PER_SECOND) return 0;
  if (meters < HERE_METERS) return 0;
  const off = (bearingDegrees(from, to) - headingDegrees) * RADIANS_PER_DEGREE;
  return (TURN_ROUND_SECONDS * (1 - Math.cos(off))) / 2;
}

/** The number of a square; its two halves are the bits of a geohash cell that are not interleaved. */
function squareOf({ lat, lng }: LatLng): number {
  const row = Math.min(SQUARES - 1, Math.floor(((lat + 90) / 180) * SQUARES));
  return row * SQUARES + (Math.floor(((lng + 180) / 360) * SQUARES) % SQUARES);
}

function clamp(value: number, most: number): number {
  return Math.max(-most, Math.min(most, value));
}
