/**
 * How strained a shard is, in four levels, and what it then leaves undone. What somebody has begun is never among it: an
 * answer to an offer, a step of a trip, a cancellation and a release are as good at the highest level as at none.
 */
import { assert } from "../domain/assert.ts";
import { type EpochMs, SECOND_MS } from "../domain/time.ts";

/** One beat of the shard's meter. */
export interface LoadSample {
  /** How late the beat itself was: whatever waits for this object waits as long. */
  readonly lagMs: number;
  readonly framesPerSecond: number;
  /** Mean of the beat; 0 where no model ran. */
  readonly inferenceMs: number;
}

export interface Overload {
  /** 1: fewer fixes, smaller searches and waves. 2: no model. 3: no new rides. */
  readonly level: number;
  readonly sample: LoadSample;
  /** What each of the last beats alone would have called for. */
  readonly pressures: readonly number[];
  /** Since when no beat has held the level up. */
  readonly calmSince: EpochMs | null;
}

export const AT_EASE: Overload = {
  level: 0,
  sample: { lagMs: 0, framesPerSecond: 0, inferenceMs: 0 },
  pressures: [],
  calmSince: null,
};

const NEVER = Number.POSITIVE_INFINITY;
/**
 * What each level is for decides what may call for it: frames come fewer when drivers are asked to send fewer, a slow
 * model hurts no more once it is not asked, and only a lag that nothing has cured turns riders away.
 */
const THRESHOLDS: readonly LoadSample[] = [
  { lagMs: 100, framesPerSecond: 500, inferenceMs: NEVER },
  { lagMs: 300, framesPerSecond: NEVER, inferenceMs: 12 },
  { lagMs: 1_000, framesPerSecond: NEVER, inferenceMs: NEVER },
];
/** So many beats in a row call for a level before it comes: one long pause is no overload. */
export const RISE_BEATS = 3;
/** Below this share of a level's thresholds for so long, the level below is tried. */
const FALL_SHARE = 0.4;
export const FALL_AFTER_MS = 10 * SECOND_MS;
/** Drivers are asked for fixes this much less often, but not less often than every `SLOWEST_FIX_MS`. */
const SLOWER = 2;
const SLOWEST_FIX_MS = 10 * SECOND_MS;

assert(FALL_SHARE * SLOWER < 1, "half the frames are calm, or the level would come back as soon as it is gone");

export function nextOverload(known: Overload, sample: LoadSample, now: EpochMs): Overload {
  const pressures = [...known.pressures, pressureOf(sample, 1)].slice(-RISE_BEATS);
  const called = pressures.length < RISE_BEATS ? 0 : Math.min(...pressures);
  if (called > known.level) return { level: called, sample, pressures, calmSince: null };
  if (known.level === 0 || pressureOf(sample, FALL_SHARE) >= known.level) {
    return { level: known.level, sample, pressures, calmSince: null };
  }
  const calmSince = known.calmSince ?? now;
  if (now - calmSince < FALL_AFTER_MS) return { level: known.level, sample, pressures, calmSince };
  return { level: known.level - 1, sample, pressures, calmSince: now };
}

/** The highest level of which some threshold, or this share of it, is reached. */
function pressureOf({ lagMs, framesPerSecond, inferenceMs }: LoadSample, share: number): number {
  return (
    THRESHOLDS.findLastIndex(
      (limit) =>
        lagMs >= limit.lagMs * share ||
        framesPerSecond >= limit.framesPerSecond * share ||
        inferenceMs >= limit.inferenceMs * share,
    ) + 1
  );
}

export function fixCadenceMs({ level }: Overload, normalMs: number): number {
  return level < 1 ? normalMs : Math.max(normalMs, Math.min(SLOWER * normalMs, SLOWEST_FIX_MS));
}

/** Of a wave's offers or a search's candidates. */
export function fewerUnderLoad({ level }: Overload, wanted: number): number {
  return level < 1 ? wanted : Math.ceil(wanted / 2);
}

export function mayUseModel({ level }: Overload): boolean {
  return level < 2;
}

export function takesNewRides({ level }: Overload): boolean {
  return level < 3;
}
