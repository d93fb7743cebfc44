/** The baseline a tree model must beat: logistic regression on values, their logarithms and missing flags. */
import { assert } from "../../src/domain/assert.ts";
import { sigmoid } from "./trees.ts";

const ITERATIONS = 8;
const RIDGE = 1;

interface Column {
  readonly mean: number;
  readonly deviation: number;
}

export interface LogisticModel {
  readonly columns: readonly Column[];
  readonly weights: Float64Array;
}

/** Per feature three inputs: the value, its signed logarithm, and whether it is missing. */
function inputs(rows: Float32Array, row: number, featureCount: number): Float64Array {
  const out = new Float64Array(featureCount * 3);
  for (let feature = 0; feature < featureCount; feature++) {
    const x = rows[row * featureCount + feature]!;
    const known = Number.isFinite(x);
    out[feature * 3] = known ? x : Number.NaN;
    out[feature * 3 + 1] = known ? Math.sign(x) * Math.log1p(Math.abs(x)) : Number.NaN;
    out[feature * 3 + 2] = known ? 0 : 1;
  }
  return out;
}

function columnsOf(all: readonly Float64Array[]): Column[] {
  return Array.from({ length: all[0]!.length }, (_, column) => {
    const known = all.map((x) => x[column]!).filter((x) => !Number.isNaN(x));
    const mean = known.reduce((sum, x) => sum + x, 0) / Math.max(1, known.length);
    const variance = known.reduce((sum, x) => sum + (x - mean) ** 2, 0) / Math.max(1, known.length);
    return { mean, deviation: Math.sqrt(variance) || 1 };
  });
}

/** Standardised, unknown at the mean, with a leading 1 for the intercept. */
function standardise(raw: Float64Array, columns: readonly Column[]): Float64Array {
  const out = new Float64Array(raw.length + 1);
  out[0] = 1;
  columns.forEach(({ mean, deviation }, at) => {
    const x = raw[at]!;
    out[at + 1] = Number.isNaN(x) ? 0 : (x - mean) / deviation;
  });
  return out;
}

/** Newton's method on the ridge-penalised log-loss. */
export function trainLogistic(rows: Float32Array, labels: Uint8Array, featureCount: number): LogisticModel {
  const raw = Array.from(labels, (_, row) => inputs(rows, row, featureCount));
  const columns = columnsOf(raw);
  const data = raw.map((x) => standardise(x, columns));
  const size = featureCount * 3 + 1;
  const weights = new Float64Array(size);
  for (let iteration = 0; iteration < ITERATIONS; iteration++) {
    const hessian = Array.from({ length: size }, () => new Float64Array(size));
    const gradient = new Float64Array(size);
    data.forEach((x, row) => {
      const p = sigmoid(dot(weights, x));
      const error = p - labels[row]!;
      const curvature = p * (1 - p);
      for (let i = 0; i < size; i++) {
        gradient[i]! += error * x[i]!;
        const line = hessian[i]!;
        const scaled = curvature * x[i]!;
        for (let j = 0; j <= i; j++) line[j]! += scaled * x[j]!;
      }
    });
    for (let i = 0; i < size; i++) {
      hessian[i]![i]! += RIDGE;
      gradient[i]! += RIDGE * weights[i]!;
    }
    const step = solve(hessian, gradient);
    for (let i = 0; i < size; i++) weights[i]! -= step[i]!;
  }
  return { columns, weights };
}

export function logisticProbabilities(model: LogisticModel, rows: Float32Array, count: number): Float32Array {
  const featureCount = model.columns.length / 3;
  return Float32Array.from({ length: count }, (_, row) =>
    sigmoid(dot(model.weights, standardise(inputs(rows, row, featureCount), model.columns))),
  );
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** Cholesky; reads the lower triangle of a positive definite matrix and overwrites it. */
function solve(matrix: Float64Array[], right: Float64Array): Float64Array {
  const size = right.length;
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i]![j]!;
      for (let k = 0; k < j; k++) sum -= matrix[i]![k]! * matrix[j]![k]!;
      assert(i !== j || sum > 0, "the ridge keeps the matrix positive definite");
      matrix[i]![j] = i === j ? Math.sqrt(sum) : sum / matrix[j]![j]!;
    }
  }
  const x = Float64Array.from(right);
  for (let i = 0; i < size; i++) {
    for (let k = 0; k < i; k++) x[i]! -= matrix[i]![k]! * x[k]!;
    x[i]! /= matrix[i]![i]!;
  }
  for (let i = size - 1; i >= 0; i--) {
    for (let k = i + 1; k < size; k++) x[i]! -= matrix[k]![i]! * x[k]!;
    x[i]! /= matrix[i]![i]!;
  }
  return x;
}
