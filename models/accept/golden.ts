/** Rows whose answers every runtime must reproduce before a model may serve: ordinary ones and hostile ones. */

import type { Random } from "../../sim/random.ts";
import type { GoldenRows, GoldenValue } from "../../src/ranking/artefact.ts";
import { sigmoid, type TreeModel, treeMargins } from "./trees.ts";

const ORDINARY_ROWS = 16;
const NEIGHBOUR_ROWS = 9;

/** The float32 next to `x` in the direction of `towards`. */
export function nextFloat32(x: number, towards: number): number {
  if (x === 0) return Math.sign(towards) * 2 ** -149;
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, x);
  const grows = towards > x === x > 0;
  view.setInt32(0, view.getInt32(0) + (grows ? 1 : -1));
  return view.getFloat32(0);
}

/** A row of thresholds of one tree's splits, or of the floats just beside them: where `<=` and `<` differ. */
export function thresholdRow(model: TreeModel, tree: number, side: -1 | 0 | 1, fallback: Float32Array): Float32Array {
  const row = Float32Array.from(fallback);
  const { feature, threshold } = model.trees[tree]!;
  feature.forEach((column, node) => {
    if (column < 0) return;
    const t = threshold[node]!;
    row[column] = side === 0 ? t : nextFloat32(t, side * Number.POSITIVE_INFINITY);
  });
  return row;
}

function hostileRows(columns: number): Float32Array[] {
  const everywhere = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, -0, 3.4e38, -3.4e38];
  return everywhere.map((value) => new Float32Array(columns).fill(value));
}

/** `rows` are real ones to draw from. 32 rows in all. */
export function goldenRows(model: TreeModel, rows: Float32Array, random: Random): GoldenRows {
  const columns = model.featureCount;
  const draw = () => {
    const at = random.int(rows.length / columns) * columns;
    return rows.slice(at, at + columns);
  };
  const chosen: Float32Array[] = Array.from({ length: ORDINARY_ROWS }, draw);
  for (let n = 0; n < NEIGHBOUR_ROWS; n++) {
    const tree = random.int(model.trees.length);
    chosen.push(thresholdRow(model, tree, ((n % 3) - 1) as -1 | 0 | 1, draw()));
  }
  chosen.push(...hostileRows(columns));
  return goldenOf(model, Float32Array.from(chosen.flatMap((row) => [...row])));
}

/** These rows with the reference's answers. */
export function goldenOf(model: TreeModel, matrix: Float32Array): GoldenRows {
  const columns = model.featureCount;
  const margins = treeMargins(model, matrix, matrix.length / columns);
  return {
    rows: Array.from(margins, (_, row) => Array.from(matrix.subarray(row * columns, (row + 1) * columns), written)),
    margins: [...margins],
    probabilities: Array.from(margins, sigmoid),
  };
}

function written(value: number): GoldenValue {
  return Number.isFinite(value) && !Object.is(value, -0) ? value : Object.is(value, -0) ? "-0" : String(value);
}
