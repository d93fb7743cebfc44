/**
 * How long a way takes, learned from the ways that drivers of this shard have driven. The prior is the market's speed
 * along a straight line; what is learned are corrections to it, in the logarithm of time: one for the length of the way
 * (short ways are slow, long ones use faster roads), one for the hour, one each for where the way begins and where it
 * ends. They add up, so a few hundred ways teach something about places and hours that nobody has driven together.
 */
import type { LatLng } from "../domain/place.ts";
import type { EpochMs } from "../domain/time.ts";
import { bearingDegrees, haversineMeters, RADIANS_PER_DEGREE } from "../spatial/distance.ts";
import { clamp, hourKindOf, LearnedMeans, type MeanRows, squareOf } from "./learned-means.ts";

export interface Way {
  readonly from: LatLng;
  readonly to: LatLng;
  readonly at: EpochMs;
}

export interface TravelTimesPrior {
  readonly citySpeedMetersPerSecond: number;
  readonly utcOffsetMinutes: number;
}

/** What outlives the object. */
export type TravelTimesMemory = Readonly<Record<Part, MeanRows>>;

const PARTS = ["lengths", "hours", "begins", "ends"] as const;
type Part = (typeof PARTS)[number];

/** Lengths 250 m, 500 m … 16 km; between two of them both count, the nearer one more. */
const SHORTEST_BAND_METERS = 250;
const LAST_BAND = 6;
/** Corrections are means of the logarithms of what ways took, relative to what was expected; so many of each part. */
const MEANS = { priorVisits: 20, memoryVisits: 500, room: 512 };
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
  readonly #corrections: Readonly<Record<Part, LearnedMeans>>;
  #learned = 0;
  /** One search asks about many ways of one moment. */
  #hour = { at: Number.NaN, key: 0 };

  constructor(prior: TravelTimesPrior) {
    this.#prior = prior;
    const means = () => new LearnedMeans(MEANS);
    this.#corrections = { lengths: means(), hours: means(), begins: means(), ends: means() };
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
    const { lengths, hours, begins, ends } = this.#corrections;
    lengths.adjust(shorter, surprise, 1 - (band - shorter));
    if (band > shorter) lengths.adjust(shorter + 1, surprise, band - shorter);
    hours.adjust(this.#hourOf(way.at), surprise);
    begins.adjust(squareOf(way.from), surprise);
    ends.adjust(squareOf(way.to), surprise);
    this.#learned++;
  }

  memory(): TravelTimesMemory {
    const { lengths, hours, begins, ends } = this.#corrections;
    return { lengths: lengths.rows(), hours: hours.rows(), begins: begins.rows(), ends: ends.rows() };
  }

  recall(memory: TravelTimesMemory): void {
    for (const part of PARTS) this.#corrections[part].recall(memory[part]);
  }

  #priorSeconds(meters: number): number {
    return meters / this.#prior.citySpeedMetersPerSecond;
  }

  /** Asked for every candidate of every search: nothing is allocated here. */
  #correctionOf({ from, to, at }: Way, meters: number): number {
    const { lengths, hours, begins, ends } = this.#corrections;
    if (lengths.size === 0) return 0;
    const band = bandOf(meters);
    const shorter = Math.floor(band);
    const nearer = lengths.at(shorter);
    const length = nearer + (lengths.at(shorter + 1) - nearer) * (band - shorter);
    const places = begins.at(squareOf(from)) + ends.at(squareOf(to));
    return length + hours.at(this.#hourOf(at)) + places;
  }

  #hourOf(at: EpochMs): number {
    if (this.#hour.at !== at) this.#hour = { at, key: hourKindOf(at, this.#prior.utcOffsetMinutes) };
    return this.#hour.key;
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
