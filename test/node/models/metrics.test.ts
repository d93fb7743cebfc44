import { describe, expect, test } from "vitest";
import { logisticProbabilities, trainLogistic } from "../../../models/accept/logistic.ts";
import {
  areaUnderCurve,
  bootstrap,
  calibrationError,
  expectedPickupCost,
  logLoss,
  ndcg,
} from "../../../models/accept/metrics.ts";
import { sigmoid } from "../../../models/accept/trees.ts";
import { createRandom } from "../../../sim/random.ts";
import { RETRY_SECONDS } from "../../../src/ranking/ranker.ts";

describe("measures worked out by hand", () => {
  test("AUC is the share of pairs in the right order, ties half, weights as repetitions", () => {
    expect(areaUnderCurve([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])).toBe(0.75);
    expect(areaUnderCurve([1, 1, 1, 1], [0, 1, 0, 1])).toBe(0.5);
    const repeated = areaUnderCurve([0.1, 0.4, 0.4, 0.35, 0.8], [0, 0, 0, 1, 1]);
    expect(areaUnderCurve([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], [1, 2, 1, 1])).toBe(repeated);
  });

  test("log-loss and calibration", () => {
    expect(logLoss([0.5, 0.5], [0, 1])).toBeCloseTo(Math.LN2, 12);
    expect(logLoss([0, 1], [1, 0])).toBeLessThan(20);
    expect(calibrationError([0.7, 0.7, 0.7, 0.7, 0.2], [1, 1, 1, 0, 0])).toBeCloseTo((0.2 + 0.2) / 5, 12);
  });

  test("NDCG: the first who would accept on place two of three", () => {
    expect(ndcg([2, 0, 1], [1, 0, 0], 1)).toBe(0);
    expect(ndcg([2, 0, 1], [1, 0, 0], 5)).toBeCloseTo(1 / Math.log2(3), 12);
    expect(ndcg([0, 1, 2], [1, 1, 0], 2)).toBe(1);
    expect(ndcg([0, 1, 2], [0, 0, 0], 2)).toBeNull();
  });

  test("the expected cost of asking two drivers", () => {
    const cost = 0.5 * 100 + 0.5 * (0.8 * (RETRY_SECONDS + 60) + 0.2 * (2 * RETRY_SECONDS + 300));
    expect(expectedPickupCost([1, 0], [0.8, 0.5], [60, 100])).toBeCloseTo(cost, 9);
  });

  test("a bootstrap interval covers the mean at its nominal rate, and is the same from the same seed", () => {
    const random = createRandom(5);
    let covered = 0;
    for (let round = 0; round < 200; round++) {
      const values = Array.from({ length: 60 }, () => random.normal());
      const mean = (times: Uint8Array) => {
        const sum = values.reduce((total, value, at) => total + value * times[at]!, 0);
        return sum / times.reduce((total, n) => total + n, 0);
      };
      const interval = bootstrap(60, 200, createRandom(round), mean);
      expect(bootstrap(60, 200, createRandom(round), mean)).toEqual(interval);
      if (interval.low <= 0 && interval.high >= 0) covered++;
    }
    expect(covered).toBeGreaterThan(175);
    expect(covered).toBeLessThan(200);
  });

  test("logistic regression recovers the weights that made the data, and takes missing values", () => {
    const random = createRandom(6);
    const rows = new Float32Array(6_000).map(() => random.normal());
    const labels = Uint8Array.from({ length: 3_000 }, (_, row) =>
      Number(random.next() < sigmoid(rows[row * 2]! - 2 * rows[row * 2 + 1]!)),
    );
    const model = trainLogistic(rows, labels, 2);
    const [even, likely, unknown] = logisticProbabilities(model, Float32Array.of(0, 0, 1, -0.5, Number.NaN, 0), 3);
    expect(even).toBeCloseTo(0.5, 1);
    expect(likely).toBeCloseTo(sigmoid(2), 1);
    expect(unknown).toBeGreaterThan(0);
  });
});
