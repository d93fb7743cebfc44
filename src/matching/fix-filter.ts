/** Which position reports are believed. A lie or a glitch must not move a driver across the city. */
import type { Fix } from "../domain/driver.ts";
import type { EpochMs } from "../domain/time.ts";
import { haversineMeters } from "../spatial/distance.ts";
import { LIMITS } from "./limits.ts";

/** Jumps held back so far; belongs to one session. */
export interface JumpRecord {
  /** Fixes at the new place, each consistent with the one before. */
  readonly held: readonly Fix[];
  /** When the last jumps were held, oldest first. */
  readonly heldAt: readonly EpochMs[];
}

export const NO_JUMPS: JumpRecord = { held: [], heldAt: [] };

export type FixRefusal = "repeated" | "inaccurate" | "old";
export type FixJudgement =
  | { readonly outcome: "accepted"; readonly jumps: JumpRecord }
  | { readonly outcome: "refused"; readonly reason: FixRefusal }
  | { readonly outcome: "held"; readonly jumps: JumpRecord };

/** `last` is the newest fix believed, null for none; `now` is when this one was received. */
export function judgeFix(
  last: Fix | null,
  jumps: JumpRecord,
  fix: Fix,
  now: EpochMs,
  topSpeedMetersPerSecond: number,
): FixJudgement {
  const newestSeq = Math.max(last?.seq ?? -1, jumps.held.at(-1)?.seq ?? -1);
  if (fix.seq <= newestSeq) return { outcome: "refused", reason: "repeated" };
  if (fix.accuracyMeters > LIMITS.accuracyMeters) return { outcome: "refused", reason: "inaccurate" };
  if (now - fix.at > LIMITS.fixAgeMs) return { outcome: "refused", reason: "old" };
  if (last === null || !isJump(last, fix, topSpeedMetersPerSecond)) {
    return { outcome: "accepted", jumps: { ...jumps, held: [] } };
  }
  const previous = jumps.held.at(-1);
  const consistent = previous !== undefined && !isJump(previous, fix, topSpeedMetersPerSecond);
  const held = consistent ? [...jumps.held, fix] : [fix];
  if (held.length >= LIMITS.confirmingFixes) return { outcome: "accepted", jumps: { ...jumps, held: [] } };
  const heldAt = consistent ? jumps.heldAt : [...jumps.heldAt, now].slice(-LIMITS.heldJumps);
  return { outcome: "held", jumps: { held, heldAt } };
}

/** Several held jumps in a short time: out of dispatch until they are old. Never a reason to end a trip. */
export function isSuspect({ heldAt }: JumpRecord, now: EpochMs): boolean {
  return heldAt.length >= LIMITS.heldJumps && now - heldAt[0]! <= LIMITS.suspectWindowMs;
}

function isJump(from: Fix, to: Fix, topSpeedMetersPerSecond: number): boolean {
  const meters = haversineMeters(from.position, to.position);
  const seconds = Math.max(to.at - from.at, 1) / 1_000;
  return meters > LIMITS.jumpMeters && meters / seconds > topSpeedMetersPerSecond;
}
