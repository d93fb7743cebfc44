/**
 * A boosted ensemble of regression trees and its reference evaluation. Every number is chosen so that float32
 * arithmetic cannot differ between machines: thresholds are float32 and compared `x <= threshold`; leaves and the base
 * lie on a grid of 2^-18, so sums below 64 in size are exact in float32 whatever their order.
 */
import { assert } from "../../src/domain/assert.ts";

/** Node 0 is the root; a leaf has feature -1. */
export interface Tree {
  readonly feature: readonly number[];
  readonly threshold: readonly number[];
  /** Where NaN goes: the left side, which is also the side of `x <= threshold`. */
  readonly missingLeft: readonly boolean[];
  readonly left: readonly number[];
  readonly right: readonly number[];
  /** The leaf's share of the log-odds; 0 at branches. */
  readonly value: readonly number[];
}

export interface TreeModel {
  readonly featureCount: number;
  readonly base: number;
  readonly trees: readonly Tree[];
}

const LEAF_GRID = 2 ** -18;
const EXACT_SUM_BOUND = 64;

export function toGrid(value: number): number {
  return Math.round(value / LEAF_GRID) * LEAF_GRID;
}

/** Throws unless sums over this model are exact in float32 in every order of addition. */
export function assertExact(model: TreeModel): void {
  let largestSum = Math.abs(model.base);
  assert(toGrid(model.base) === model.base, "the base is on the grid");
  for (const tree of model.trees) {
    assert(
      tree.value.every((value) => toGrid(value) === value),
      "every leaf is on the grid",
    );
    assert(
      tree.threshold.every((t) => Math.fround(t) === t && Number.isFinite(t)),
      "every threshold is a float32",
    );
    largestSum += Math.max(...tree.value.map(Math.abs));
  }
  assert(largestSum < EXACT_SUM_BOUND, `sums stay below ${EXACT_SUM_BOUND}, this model may reach ${largestSum}`);
}

function leafOf(tree: Tree, rows: Float32Array, base: number): number {
  let node = 0;
  for (let feature = tree.feature[0]!; feature >= 0; feature = tree.feature[node]!) {
    const x = rows[base + feature]!;
    const goesLeft = Number.isNaN(x) ? tree.missingLeft[node]! : x <= tree.threshold[node]!;
    node = goesLeft ? tree.left[node]! : tree.right[node]!;
  }
  return tree.value[node]!;
}

/** Log-odds per row of a row-major matrix. */
export function treeMargins(model: TreeModel, rows: Float32Array, count: number): Float32Array {
  const margins = new Float32Array(count);
  for (let row = 0; row < count; row++) {
    let sum = model.base;
    for (const tree of model.trees) sum += leafOf(tree, rows, row * model.featureCount);
    margins[row] = sum;
  }
  return margins;
}

export function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}
