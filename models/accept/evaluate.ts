/** Judges rankers on requests that training never saw. */

import { createRandom, type Random } from "../../sim/random.ts";
import { FEATURE_COUNT, FEATURES } from "../../src/ranking/feature-view.ts";
import { expectedCostSeconds } from "../../src/ranking/ranker.ts";
import { type Decision, labelledRows } from "./generate.ts";
import {
  areaInOrder,
  areaUnderCurve,
  bootstrap,
  calibrationError,
  expectedPickupCost,
  type Interval,
  logLoss,
  ndcg,
  orderByScore,
} from "./metrics.ts";

/** A matrix of features to P(accept) per row; null for the ranker that asks no model. */
export type Predict = ((rows: Float32Array, count: number) => Float32Array) | null;

/** How good P(accept) is on held-out offers. */
export interface OfferFigures {
  readonly auc: number;
  readonly logLoss: number;
  readonly calibrationError: number;
}

/** How good the order is on held-out decisions, all candidates included, under their true chances. */
export interface OrderFigures {
  readonly ndcg1: number;
  readonly ndcg5: number;
  /** True chance that the first driver asked accepts. */
  readonly firstAccepts: number;
  readonly expectedCostSeconds: number;
}

export function offerFigures(probabilities: Float32Array, labels: Uint8Array): OfferFigures {
  return {
    auc: areaUnderCurve(probabilities, labels),
    logLoss: logLoss(probabilities, labels),
    calibrationError: calibrationError(probabilities, labels),
  };
}

/** What one decision adds, before averaging. */
interface DecisionFigures {
  readonly requestId: number;
  readonly ndcg1: number | null;
  readonly ndcg5: number | null;
  readonly firstAccepts: number;
  readonly cost: number;
}

/** Best first by expected cost, ties by row; with null by pickup time alone. */
function orderOf(decision: Decision, probabilities: ArrayLike<number> | null): Int32Array {
  const costs = Float64Array.from(decision.pickupSeconds, (seconds, row) =>
    probabilities === null ? seconds : expectedCostSeconds(seconds, probabilities[row]!),
  );
  return orderByScore(costs);
}

/** One draw per candidate of whether he would accept, the same for every ranker. */
export function drawWilling(decisions: readonly Decision[], random: Random): Uint8Array[] {
  return decisions.map((decision) => Uint8Array.from(decision.chances, (chance) => Number(random.next() < chance)));
}

export function decisionFigures(
  decisions: readonly Decision[],
  willing: readonly Uint8Array[],
  probabilitiesOf: (decision: Decision) => ArrayLike<number> | null,
): DecisionFigures[] {
  return decisions.map((decision, at) => {
    const order = orderOf(decision, probabilitiesOf(decision));
    return {
      requestId: decision.requestId,
      ndcg1: ndcg(order, willing[at]!, 1),
      ndcg5: ndcg(order, willing[at]!, 5),
      firstAccepts: decision.chances[order[0]!]!,
      cost: expectedPickupCost(order, decision.chances, decision.pickupSeconds),
    };
  });
}

export function orderFigures(figures: readonly DecisionFigures[]): OrderFigures {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  return {
    ndcg1: mean(figures.flatMap((f) => f.ndcg1 ?? [])),
    ndcg5: mean(figures.flatMap((f) => f.ndcg5 ?? [])),
    firstAccepts: mean(figures.map((f) => f.firstAccepts)),
    expectedCostSeconds: mean(figures.map((f) => f.cost)),
  };
}

/** Model minus nearest-first, with whole requests resampled. */
export interface Advantage {
  readonly auc: Interval;
  readonly ndcg1: Interval;
  readonly firstAccepts: Interval;
  /** Negative is better. */
  readonly expectedCostSeconds: Interval;
}

const BOOTSTRAP_ROUNDS = 400;

export function advantage(
  decisions: readonly Decision[],
  model: readonly DecisionFigures[],
  nearest: readonly DecisionFigures[],
  probabilities: Float32Array,
  seed: number,
): Advantage {
  const groupOf = new Map<number, number>();
  for (const { requestId } of decisions) {
    if (!groupOf.has(requestId)) groupOf.set(requestId, groupOf.size);
  }
  const groups = decisions.map((decision) => groupOf.get(decision.requestId)!);
  const resample = (label: string, statistic: (times: Uint8Array) => number) =>
    bootstrap(groupOf.size, BOOTSTRAP_ROUNDS, createRandom(seed).fork(label), statistic);
  const meanGap = (label: string, pick: (f: DecisionFigures) => number | null) => {
    const gaps = model.map((figures, at) => {
      const theirs = pick(nearest[at]!);
      const ours = pick(figures);
      return ours === null || theirs === null ? null : ours - theirs;
    });
    return resample(label, (times) => {
      let sum = 0;
      let count = 0;
      for (let at = 0; at < gaps.length; at++) {
        const gap = gaps[at]!;
        if (gap === null) continue;
        sum += gap * times[groups[at]!]!;
        count += times[groups[at]!]!;
      }
      return sum / count;
    });
  };
  return {
    auc: resample("auc", areaGap(labelledRows(decisions), probabilities, groupOf)),
    ndcg1: meanGap("ndcg1", (f) => f.ndcg1),
    firstAccepts: meanGap("first", (f) => f.firstAccepts),
    expectedCostSeconds: meanGap("cost", (f) => f.cost),
  };
}

/** AUC of the model minus AUC of "the nearer, the likelier", on the same resampled offers. */
function areaGap(
  offers: ReturnType<typeof labelledRows>,
  probabilities: Float32Array,
  groupOf: ReadonlyMap<number, number>,
): (times: Uint8Array) => number {
  const nearness = nearnessScores(offers.rows, offers.labels.length);
  const modelOrder = orderByScore(probabilities);
  const nearestOrder = orderByScore(nearness);
  const groups = Int32Array.from(offers.requestIds, (id) => groupOf.get(id)!);
  return (times) => {
    const weights = Float64Array.from(groups, (group) => times[group]!);
    const ours = areaInOrder(modelOrder, probabilities, offers.labels, weights);
    return ours - areaInOrder(nearestOrder, nearness, offers.labels, weights);
  };
}

const PICKUP_SECONDS = FEATURES.findIndex((feature) => feature.name === "pickup_seconds");

/** What nearest-first believes: the nearer, the likelier. */
export function nearnessScores(rows: Float32Array, count: number): Float32Array {
  return Float32Array.from({ length: count }, (_, row) => -rows[row * FEATURE_COUNT + PICKUP_SECONDS]!);
}
