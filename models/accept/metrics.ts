/** How good probabilities and orders are. Plain definitions, no smoothing. */

import type { Random } from "../../sim/random.ts";
import { RETRY_SECONDS } from "../../src/ranking/ranker.ts";

/** Chance that an accepted offer scored above a refused one; equal scores count half. */
export function areaUnderCurve(
  scores: ArrayLike<number>,
  labels: ArrayLike<number>,
  weights?: ArrayLike<number>,
): number {
  const order = orderByScore(scores);
  return areaInOrder(order, scores, labels, weights ?? new Uint8Array(scores.length).fill(1));
}

export function orderByScore(scores: ArrayLike<number>): Int32Array {
  return Int32Array.from({ length: scores.length }, (_, at) => at).sort((a, b) => scores[a]! - scores[b]! || a - b);
}

/** The same with the order given, for callers that weigh the same scores many times. */
export function areaInOrder(
  order: Int32Array,
  scores: ArrayLike<number>,
  labels: ArrayLike<number>,
  weights: ArrayLike<number>,
): number {
  let below = 0;
  let pairs = 0;
  let positives = 0;
  for (let at = 0; at < order.length; ) {
    const score = scores[order[at]!]!;
    let negativesHere = 0;
    let positivesHere = 0;
    for (; at < order.length && scores[order[at]!]! === score; at++) {
      const row = order[at]!;
      if (labels[row] === 1) positivesHere += weights[row]!;
      else negativesHere += weights[row]!;
    }
    pairs += positivesHere * (below + negativesHere / 2);
    below += negativesHere;
    positives += positivesHere;
  }
  return pairs / (positives * below);
}

export function logLoss(probabilities: ArrayLike<number>, labels: ArrayLike<number>): number {
  let sum = 0;
  for (let row = 0; row < labels.length; row++) {
    const p = Math.min(1 - 1e-7, Math.max(1e-7, probabilities[row]!));
    sum -= Math.log(labels[row] === 1 ? p : 1 - p);
  }
  return sum / labels.length;
}

/** Expected calibration error over 20 bins of equal width: mean gap between promised and seen, weighted by rows. */
export function calibrationError(probabilities: ArrayLike<number>, labels: ArrayLike<number>): number {
  const gaps = new Float64Array(20);
  for (let row = 0; row < labels.length; row++) {
    const bin = Math.min(19, Math.floor(probabilities[row]! * 20));
    gaps[bin]! += probabilities[row]! - labels[row]!;
  }
  return gaps.reduce((sum, gap) => sum + Math.abs(gap), 0) / labels.length;
}

/** NDCG@k with gain 1 for a driver who would accept; null where nobody would, since then no order is better. */
export function ndcg(order: ArrayLike<number>, wouldAccept: ArrayLike<number>, k: number): number | null {
  let ideal = 0;
  let found = 0;
  let willing = 0;
  for (let row = 0; row < wouldAccept.length; row++) willing += wouldAccept[row]!;
  for (let rank = 0; rank < Math.min(k, order.length); rank++) {
    const discount = 1 / Math.log2(rank + 2);
    if (rank < willing) ideal += discount;
    found += wouldAccept[order[rank]!]! * discount;
  }
  return willing === 0 ? null : found / ideal;
}

/** Seconds charged when nobody at all accepts. */
const NOBODY_SECONDS = 300;

/**
 * Expected seconds from the first offer to the pickup when drivers are asked one after another in this order, every
 * refusal costing RETRY_SECONDS, under their true chances. The order by `expectedCostSeconds` of those chances
 * is optimal.
 */
export function expectedPickupCost(
  order: ArrayLike<number>,
  chances: ArrayLike<number>,
  seconds: ArrayLike<number>,
): number {
  let cost = 0;
  let open = 1;
  for (let rank = 0; rank < order.length; rank++) {
    const row = order[rank]!;
    cost += open * chances[row]! * (rank * RETRY_SECONDS + seconds[row]!);
    open *= 1 - chances[row]!;
  }
  return cost + open * (order.length * RETRY_SECONDS + NOBODY_SECONDS);
}

export interface Interval {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/** 95 % percentile bootstrap of a statistic over resampled groups; `statistic` gets how often each group was drawn. */
export function bootstrap(
  groups: number,
  rounds: number,
  random: Random,
  statistic: (times: Uint8Array) => number,
): Interval {
  const mean = statistic(new Uint8Array(groups).fill(1));
  const drawn = Array.from({ length: rounds }, () => {
    const times = new Uint8Array(groups);
    for (let draw = 0; draw < groups; draw++) times[random.int(groups)]! += 1;
    return statistic(times);
  }).sort((a, b) => a - b);
  return { mean, low: drawn[Math.floor(rounds * 0.025)]!, high: drawn[Math.ceil(rounds * 0.975) - 1]! };
}
