/**
 * Drivers who have waited long are asked sooner: seconds are taken off what they are expected to cost. How many is bounded,
 * so a rider is never expected to wait longer for it than that.
 */
import type { DispatchPolicy } from "../domain/market.ts";
import type { RankedCandidate } from "../ranking/ranked.ts";

type Fairness = Pick<DispatchPolicy, "fairnessSeconds" | "fairnessAfterMs">;

/** For a driver who has had no ride for so long. */
export function bonusSeconds(fairness: Fairness, idleMs: number): number {
  return fairness.fairnessSeconds * waitedShare(fairness, idleMs);
}

/** From 0, so far nothing is due to him, to 1. It grows, so that nobody overtakes by a moment. */
export function waitedShare({ fairnessSeconds, fairnessAfterMs }: Fairness, idleMs: number): number {
  return fairnessSeconds === 0 ? 0 : Math.min(1, Math.max(0, idleMs / fairnessAfterMs - 1));
}

/** The same candidates in their fair order, each at what he costs then; equals stay as the ranker had them. */
export function fairly(order: readonly RankedCandidate[], fairness: Fairness): RankedCandidate[] {
  if (fairness.fairnessSeconds === 0) return [...order];
  const fair = order.map((ranked) => ({
    ...ranked,
    score: ranked.score - bonusSeconds(fairness, ranked.candidate.idleMs),
  }));
  return fair.sort((a, b) => a.score - b.score);
}
