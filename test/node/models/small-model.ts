/** Small tree models with everything a large one has, and the artefacts they travel in. */
import {
  exportOnnx,
  ONNX_INPUT,
  ONNX_MARGIN,
  ONNX_ML_OPSET,
  ONNX_OPSET,
  ONNX_OUTPUT,
} from "../../../models/accept/export-onnx.ts";
import { trainTrees } from "../../../models/accept/gbdt.ts";
import { goldenOf, goldenRows, thresholdRow } from "../../../models/accept/golden.ts";
import { sigmoid, type TreeModel } from "../../../models/accept/trees.ts";
import { createRandom, type Random } from "../../../sim/random.ts";
import type { ModelManifest } from "../../../src/ranking/artefact.ts";
import { FEATURE_COUNT, FEATURE_SET_HASH, FEATURE_VIEW_VERSION } from "../../../src/ranking/feature-view.ts";

const ROWS = 600;
export const SMALL_BOOST = {
  trees: 12,
  leaves: 10,
  depth: 5,
  learningRate: 0.3,
  lambda: 1,
  rowsPerLeaf: 10,
  monotone: Array.from({ length: FEATURE_COUNT }, () => 0 as const),
};

/** One value in five is missing, and what is missing matters: splits must learn both directions. */
export function noisyRows(count: number, random: Random): { rows: Float32Array; labels: Uint8Array } {
  const rows = Float32Array.from({ length: count * FEATURE_COUNT }, () =>
    random.next() < 0.2 ? Number.NaN : random.normal() * 10,
  );
  const labels = Uint8Array.from({ length: count }, (_, row) => {
    const [a, b, c] = rows.subarray(row * FEATURE_COUNT);
    const margin = (Number.isNaN(a!) ? 2 : a! / 10) - (Number.isNaN(b!) ? 2 : b! / 10) + (c! > 0 ? 1 : 0);
    return Number(random.next() < sigmoid(margin));
  });
  return { rows, labels };
}

export function smallModel(seed: number): TreeModel {
  const { rows, labels } = noisyRows(ROWS, createRandom(seed));
  return trainTrees(rows, labels, FEATURE_COUNT, SMALL_BOOST);
}

/** Ordinary values, thresholds, their float neighbours, NaN, infinities and huge numbers, all mixed. */
export function hostileMatrix(model: TreeModel, count: number, random: Random): Float32Array {
  const odd = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 3.4e38, -1e-45];
  const matrix = new Float32Array(count * model.featureCount);
  for (let row = 0; row < count; row++) {
    const plain = Float32Array.from({ length: model.featureCount }, () => random.normal() * 15);
    const tree = random.int(model.trees.length);
    const values = random.next() < 0.6 ? thresholdRow(model, tree, random.pick([-1, 0, 1] as const), plain) : plain;
    matrix.set(
      values.map((value) => (random.next() < 0.15 ? random.pick(odd) : value)),
      row * model.featureCount,
    );
  }
  return matrix;
}

/** The file, its manifest and its golden rows: 32 usual ones, or the rows given. */
export async function artefactOf(model: TreeModel, rows?: Float32Array, version = 1) {
  const bytes = exportOnnx(model, `accept@${version}`);
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes.slice()));
  const random = createRandom(0);
  const golden = rows ? goldenOf(model, rows) : goldenRows(model, noisyRows(50, random).rows, random);
  const manifest: ModelManifest = {
    name: "accept",
    version,
    sha256: Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join(""),
    opset: { onnx: ONNX_OPSET, ml: ONNX_ML_OPSET },
    input: { name: ONNX_INPUT, columns: model.featureCount },
    outputs: { margin: ONNX_MARGIN, probability: ONNX_OUTPUT },
    featureViewVersion: FEATURE_VIEW_VERSION,
    featureSetHash: FEATURE_SET_HASH,
  };
  return { bytes, manifest, golden };
}
