import { describe, expect, test } from "vitest";
import { binOf, binRows, MAXIMUM_BINS } from "../../../models/accept/bins.ts";
import { trainTrees } from "../../../models/accept/gbdt.ts";
import { areaUnderCurve } from "../../../models/accept/metrics.ts";
import { assertExact, sigmoid, treeMargins } from "../../../models/accept/trees.ts";
import { createRandom } from "../../../sim/random.ts";
import { FEATURE_COUNT } from "../../../src/ranking/feature-view.ts";
import { noisyRows, SMALL_BOOST, smallModel } from "./small-model.ts";

/** A training set of one column. */
function oneColumn(count: number, seed: number, sample: (next: () => number) => [x: number, p: number]) {
  const random = createRandom(seed);
  const rows = new Float32Array(count);
  const labels = new Uint8Array(count);
  for (let row = 0; row < count; row++) {
    const [x, p] = sample(random.next);
    rows[row] = x;
    labels[row] = Number(random.next() < p);
  }
  return { rows, labels };
}

const GRID = Float32Array.from({ length: 201 }, (_, step) => step / 100 - 0.5);

describe("bins", () => {
  test("every edge separates what training saw: a value's bin is decided by `x <= edge` alone", () => {
    const random = createRandom(1);
    const rows = Float32Array.from({ length: 3_000 }, () => Math.round(random.normal() * 40) / 7);
    const { edges, bins } = binRows(rows, rows.length, 1);
    const [own] = edges;
    expect(own!.length).toBeLessThan(MAXIMUM_BINS);
    expect(own!).toEqual(own!.toSorted());
    rows.forEach((x, row) => {
      expect(bins[row]).toBe(own!.filter((edge) => edge < x).length);
    });
    expect(binOf(own!, Number.NaN)).toBe(own!.length + 1);
    expect(binOf(own!, Number.POSITIVE_INFINITY)).toBe(own!.length);
    expect(binOf(own!, Number.NEGATIVE_INFINITY)).toBe(0);
  });

  test("two neighbouring floats are told apart, and one value alone has no edge", () => {
    const pair = Float32Array.of(1, 1 + 2 ** -23, 1, 1 + 2 ** -23);
    expect([...binRows(pair, 4, 1).bins]).toEqual([0, 1, 0, 1]);
    // Midway between these two is a tie that rounds up, onto the larger.
    const odd = Float32Array.of(1 + 2 ** -23, 1 + 2 ** -22);
    expect([...binRows(odd, 2, 1).bins]).toEqual([0, 1]);
    expect(binRows(new Float32Array(50).fill(3), 50, 1).edges[0]).toHaveLength(0);
  });
});

describe("boosting", () => {
  test("finds a step where it is, and probabilities that are right on both sides", () => {
    const { rows, labels } = oneColumn(4_000, 1, (next) => {
      const x = next();
      return [x, x < 0.3 ? 0.8 : 0.25];
    });
    const model = trainTrees(rows, labels, 1, { ...SMALL_BOOST, trees: 30, monotone: [0] });
    const [low, high] = [...treeMargins(model, Float32Array.of(0.15, 0.6), 2)].map(sigmoid);
    expect(low).toBeCloseTo(0.8, 1);
    expect(high).toBeCloseTo(0.25, 1);
  });

  test.each([
    [0.9, 0.1],
    [0.1, 0.9],
  ])("learns what NaN means when the unknown accept with %d and the known large with %d", (unknown, large) => {
    const { rows, labels } = oneColumn(4_000, 2, (next) => {
      const x = next();
      return next() < 0.3 ? [Number.NaN, unknown] : [x, x > 0.5 ? large : 0.5];
    });
    const model = trainTrees(rows, labels, 1, { ...SMALL_BOOST, trees: 30, monotone: [0] });
    const p = sigmoid(treeMargins(model, Float32Array.of(Number.NaN), 1)[0]!);
    expect(p).toBeCloseTo(unknown, 1);
  });

  test("a monotone feature never moves the wrong way, though the noise does", () => {
    const noise = oneColumn(600, 3, (next) => {
      const x = next();
      return [x, 0.5 + 0.3 * Math.sin(x * 12)];
    });
    const steps = (monotone: 1 | 0 | -1) => {
      const model = trainTrees(noise.rows, noise.labels, 1, { ...SMALL_BOOST, trees: 40, monotone: [monotone] });
      const margins = treeMargins(model, GRID, GRID.length);
      return Array.from(margins.subarray(1), (margin, at) => Math.sign(margin - margins[at]!));
    };
    expect(new Set(steps(0)).size).toBe(3);
    expect(steps(-1)).not.toContain(1);
    expect(steps(1)).not.toContain(-1);
  });

  test.each([
    [0, 1],
    [1, -1],
  ] as const)("stays so whatever the other features are: feature %d, direction %d", (bound, direction) => {
    const { rows, labels } = noisyRows(800, createRandom(4));
    const monotone = Array.from({ length: FEATURE_COUNT }, (_, feature) => (feature === bound ? direction : 0));
    const model = trainTrees(rows, labels, FEATURE_COUNT, { ...SMALL_BOOST, trees: 30, monotone });
    for (let row = 0; row < 200; row++) {
      const walk = new Float32Array(60 * FEATURE_COUNT);
      for (let step = 0; step < 60; step++) {
        walk.set(rows.subarray(row * FEATURE_COUNT, (row + 1) * FEATURE_COUNT), step * FEATURE_COUNT);
        walk[step * FEATURE_COUNT + bound] = (30 - step) * direction;
      }
      const margins = treeMargins(model, walk, 60);
      expect(margins).toEqual(margins.toSorted().reverse());
    }
  });

  test("learns from many columns what was put there, and stays exact", () => {
    const held = noisyRows(2_000, createRandom(99));
    const model = smallModel(1);
    expect(areaUnderCurve(treeMargins(model, held.rows, 2_000), held.labels)).toBeGreaterThan(0.75);
    expect(() => assertExact(model)).not.toThrow();
    expect(model.trees.flatMap((tree) => tree.missingLeft)).toContain(true);
  });

  test("respects its limits on leaves and depth", () => {
    for (const tree of smallModel(2).trees) {
      expect(tree.feature.filter((feature) => feature < 0).length).toBeLessThanOrEqual(SMALL_BOOST.leaves);
      const depthOf = (node: number): number =>
        tree.feature[node]! < 0 ? 0 : 1 + Math.max(depthOf(tree.left[node]!), depthOf(tree.right[node]!));
      expect(depthOf(0)).toBeLessThanOrEqual(SMALL_BOOST.depth);
    }
  });
});
