import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Candidate } from "../../../src/domain/driver.ts";
import { FEATURE_SET_HASH, featureMatrix } from "../../../src/ranking/feature-view.ts";
import { rankByPickupTime } from "../../../src/ranking/nearest-ranker.ts";
import {
  expectedCostSeconds,
  type FallbackReason,
  type Ranked,
  RETRY_SECONDS,
  rankByAcceptance,
} from "../../../src/ranking/ranker.ts";
import { candidateAt, contextAt } from "./scenes.ts";

const context = contextAt();
const rankedBy = (probabilities: Float32Array, candidates: readonly Candidate[]) =>
  rankByAcceptance(candidates, featureMatrix(candidates, context), probabilities, "accept@1");
const rankedNearest = (candidates: readonly Candidate[], fallback: FallbackReason | null) =>
  rankByPickupTime(candidates, featureMatrix(candidates, context), fallback);
const idsOf = (ranked: Ranked) => ranked.order.map(({ candidate }) => candidate.driverId);
const [near, middle, far] = [candidateAt("near", 400), candidateAt("middle", 480), candidateAt("far", 2_400)];

describe("expected cost", () => {
  test("of a certain driver is his pickup time, and every likely refusal adds its price", () => {
    expect(expectedCostSeconds(90, 1)).toBe(90);
    expect(expectedCostSeconds(90, 0.5)).toBe(90 + RETRY_SECONDS);
  });

  test("stays finite for drivers who never accept, and orders them by distance", () => {
    expect(expectedCostSeconds(90, 0)).toBeLessThan(expectedCostSeconds(91, 0));
    expect(expectedCostSeconds(90, 0)).toBeLessThan(Number.POSITIVE_INFINITY);
  });

  test("[M2] gives the best order in which to ask, against every other order", () => {
    const driver = fc.record({
      seconds: fc.double({ min: 0, max: 600, noNaN: true }),
      p: fc.double({ min: 0.05, max: 1, noNaN: true }),
    });
    void fc.assert(
      fc.property(fc.array(driver, { minLength: 2, maxLength: 5 }), (drivers) => {
        const byCost = drivers.toSorted(
          (a, b) => expectedCostSeconds(a.seconds, a.p) - expectedCostSeconds(b.seconds, b.p),
        );
        const best = Math.min(...permutations(drivers).map(askingCost));
        expect(askingCost(byCost)).toBeCloseTo(best, 6);
      }),
      { numRuns: 200 },
    );
  });
});

/** Mean seconds until pickup when asking in this order; 1,000 when nobody accepts. */
function askingCost(order: readonly { seconds: number; p: number }[]): number {
  return order.reduceRight((rest, { seconds, p }) => p * seconds + (1 - p) * (RETRY_SECONDS + rest), 1_000);
}

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length === 0) return [[]];
  return items.flatMap((item, at) => permutations(items.toSpliced(at, 1)).map((rest) => [item, ...rest]));
}

describe("ranking by acceptance", () => {
  test("a willing driver a little farther goes before an unwilling one nearby, but not one far away", () => {
    const ranked = rankedBy(Float32Array.of(0.2, 0.8, 0.9), [near, middle, far]);
    expect(idsOf(ranked)).toEqual(["middle", "near", "far"]);
    expect(ranked).toMatchObject({ ranker: "accept@1", fallback: null });
    expect(ranked.order[0]!.acceptProbability).toBeCloseTo(0.8, 6);
  });

  test.each([
    ["NaN", [0.5, Number.NaN, 0.5]],
    ["an infinity", [0.5, Number.POSITIVE_INFINITY, 0.5]],
    ["more than one", [0.5, 1.01, 0.5]],
    ["less than none", [0.5, -0.01, 0.5]],
    ["an answer too few", [0.5, 0.5]],
    ["an answer too many", [0.5, 0.5, 0.5, 0.5]],
  ])("a model that answers %s is not believed in anything", (_, answers) => {
    const ranked = rankedBy(Float32Array.from(answers), [far, near, middle]);
    expect(idsOf(ranked)).toEqual(["near", "middle", "far"]);
    expect(ranked).toMatchObject({ ranker: "nearest@1", fallback: "invalid" });
    expect(ranked.order.every((entry) => entry.acceptProbability === null)).toBe(true);
  });

  test("nobody to rank is an empty order, not a failure", () => {
    expect(rankedBy(new Float32Array(0), [])).toEqual({
      order: [],
      ranker: "accept@1",
      fallback: null,
      featureSet: FEATURE_SET_HASH,
      features: new Float32Array(0),
    });
  });
});

describe("ranking by pickup time", () => {
  test("the nearest comes first, and the score is his time in seconds", () => {
    const ranked = rankedNearest([far, near, middle], "deadline");
    expect(idsOf(ranked)).toEqual(["near", "middle", "far"]);
    expect(ranked.order[0]!.score).toBeCloseTo(100, 3);
    expect(ranked.fallback).toBe("deadline");
  });

  test("both rankers give one order whatever the order they are asked in, ties by driver id", () => {
    const twins = ["c", "a", "e", "b", "d"].map((id) => candidateAt(id, id < "d" ? 500 : 600));
    void fc.assert(
      fc.property(fc.shuffledSubarray(twins, { minLength: 5 }), (shuffled) => {
        expect(idsOf(rankedNearest(shuffled, null))).toEqual(["a", "b", "c", "d", "e"]);
        const even = new Float32Array(5).fill(0.5);
        expect(idsOf(rankedBy(even, shuffled))).toEqual(["a", "b", "c", "d", "e"]);
      }),
    );
  });

  test("candidates are not reordered in the caller's hands", () => {
    const given = [far, near];
    rankedNearest(given, null);
    expect(given).toEqual([far, near]);
  });
});
