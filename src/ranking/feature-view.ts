/**
 * The only definition of a feature. The shard that ranks, the log of predictions and the training of the model all call
 * these functions, so what a model learned from and what it is served cannot differ. Values are unscaled and leave here
 * as float32; scaling, if a model wants any, belongs inside its ONNX graph.
 */
import type { Candidate } from "../domain/driver.ts";
import type { LatLng } from "../domain/place.ts";
import { type EpochMs, localDayOfWeek, localHour, SECOND_MS } from "../domain/time.ts";
import { bearingDegrees } from "../spatial/distance.ts";

/** What all candidates of one decision share. */
export interface RankingContext {
  readonly pickup: LatLng;
  readonly dropoff: LatLng;
  /** Great-circle metres from pickup to dropoff. */
  readonly tripMeters: number;
  readonly fareCents: number;
  readonly requestedAt: EpochMs;
  readonly now: EpochMs;
  /** Of the city at `now`, east positive. */
  readonly utcOffsetMinutes: number;
  /** Round of offers this decision is for, 1 first. */
  readonly wave: number;
  /** Great-circle metres a car of this city gains per second, detours and lights included; above 0. */
  readonly citySpeedMetersPerSecond: number;
}

export interface Feature {
  readonly name: string;
  readonly unit: string;
  /** Used where the value is unknown or not a finite number; NaN where the model learns what unknown means. */
  readonly missing: number;
  /** Values outside are suspicious, not impossible: monitors count them, nothing is clipped. */
  readonly expected: { readonly min: number; readonly max: number };
  readonly compute: (candidate: Candidate, context: RankingContext) => number;
}

const UNKNOWN = Number.NaN;
/** Closer than this the direction to the pickup is noise of the fix. */
const BEARING_MIN_METERS = 10;

/** Along a straight line at the city's speed. What a ranking costs is the candidate's own `pickupSeconds`. */
function straightSeconds(candidate: Candidate, context: RankingContext): number {
  return candidate.pickupMeters / context.citySpeedMetersPerSecond;
}

/** How far the driver must turn to face the pickup: 0 ahead, 180 behind, NaN unknown. */
function headingOffDegrees(candidate: Candidate, context: RankingContext): number {
  if (candidate.headingDegrees === null || candidate.pickupMeters < BEARING_MIN_METERS) return UNKNOWN;
  const turn = Math.abs(bearingDegrees(candidate.position, context.pickup) - candidate.headingDegrees) % 360;
  return turn > 180 ? 360 - turn : turn;
}

function feature(
  name: string,
  unit: string,
  missing: number,
  [min, max]: readonly [number, number],
  compute: Feature["compute"],
): Feature {
  return { name, unit, missing, expected: { min, max }, compute };
}

/** In column order. A model names this order by `FEATURE_SET_HASH`; after any change here older models are refused. */
export const FEATURES: readonly Feature[] = [
  feature("pickup_meters", "m", UNKNOWN, [0, 20_000], (c) => c.pickupMeters),
  feature("pickup_seconds", "s", UNKNOWN, [0, 3_600], straightSeconds),
  feature("heading_off_degrees", "deg", UNKNOWN, [0, 180], headingOffDegrees),
  feature("speed_meters_per_second", "m/s", UNKNOWN, [0, 40], (c) => c.speedMetersPerSecond ?? UNKNOWN),
  feature("idle_seconds", "s", 0, [0, 14_400], (c) => c.idleMs / SECOND_MS),
  feature("fix_age_seconds", "s", UNKNOWN, [0, 60], (c) => c.fixAgeMs / SECOND_MS),
  feature("driver_rating", "stars", UNKNOWN, [1, 5], (c) => c.rating),
  feature("driver_accept_rate", "share", UNKNOWN, [0, 1], (c) => c.stats.acceptRate),
  feature("driver_declines_in_row", "offers", 0, [0, 20], (c) => c.stats.declinesInRow),
  feature("driver_offers_seen", "offers", 0, [0, 100_000], (c) => c.stats.offersSeen),
  feature("trip_meters", "m", UNKNOWN, [0, 100_000], (_, x) => x.tripMeters),
  feature("fare_cents", "cents", UNKNOWN, [0, 50_000], (_, x) => x.fareCents),
  // What a driver weighs: pay against all the driving, the unpaid way to the pickup included.
  feature("fare_cents_per_meter", "cents/m", UNKNOWN, [0, 5], (c, x) => x.fareCents / (c.pickupMeters + x.tripMeters)),
  feature("pickup_share", "share", UNKNOWN, [0, 1], (c, x) => c.pickupMeters / (c.pickupMeters + x.tripMeters)),
  feature("hour_local", "h", UNKNOWN, [0, 24], (_, x) => localHour(x.now, x.utcOffsetMinutes)),
  feature("day_of_week_local", "day", UNKNOWN, [0, 6], (_, x) => localDayOfWeek(x.now, x.utcOffsetMinutes)),
  feature("waiting_seconds", "s", 0, [0, 300], (_, x) => (x.now - x.requestedAt) / SECOND_MS),
  feature("wave", "waves", 1, [1, 10], (_, x) => x.wave),
];

/** Rises when a feature's meaning changes in a way its name, unit and range do not show. */
export const FEATURE_VIEW_VERSION = 1;
export const FEATURE_COUNT = FEATURES.length;

/** Names the columns, their order, units, defaults and ranges; a model carries it and is refused where it differs. */
export const FEATURE_SET_HASH = featureSetHash(FEATURE_VIEW_VERSION, FEATURES);

/** 64-bit FNV-1a of the canonical spec, 16 hex digits. Guards against mix-ups, not against forgery. */
export function featureSetHash(version: number, features: readonly Feature[]): string {
  const columns = features.map((f) => [f.name, f.unit, String(f.missing), f.expected.min, f.expected.max]);
  const canonical = JSON.stringify([version, columns]);
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(canonical)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  return hash.toString(16).padStart(16, "0");
}

/** Writes one candidate's features at `row` of a row-major matrix of FEATURE_COUNT columns. */
export function writeFeatureRow(out: Float32Array, row: number, candidate: Candidate, context: RankingContext): void {
  const base = row * FEATURE_COUNT;
  for (let column = 0; column < FEATURE_COUNT; column++) {
    const { compute, missing } = FEATURES[column]!;
    const value = compute(candidate, context);
    out[base + column] = Number.isFinite(value) ? value : missing;
  }
}

/** One row per candidate, in their order. */
export function featureMatrix(candidates: readonly Candidate[], context: RankingContext): Float32Array {
  const rows = new Float32Array(candidates.length * FEATURE_COUNT);
  candidates.forEach((candidate, row) => {
    writeFeatureRow(rows, row, candidate, context);
  });
  return rows;
}
