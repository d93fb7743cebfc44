import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as ort from "onnxruntime-web/wasm";
import { beforeAll, describe, expect, test } from "vitest";
import { exportOnnx } from "../../../models/accept/export-onnx.ts";
import { nextFloat32 } from "../../../models/accept/golden.ts";
import { assertExact, sigmoid, type Tree, type TreeModel, treeMargins } from "../../../models/accept/trees.ts";
import { createRandom } from "../../../sim/random.ts";
import { parseGolden, parseManifest } from "../../../src/protocol/artefact.ts";
import { goldenMatrix, goldenMismatch } from "../../../src/ranking/artefact.ts";
import { FEATURE_SET_HASH } from "../../../src/ranking/feature-view.ts";
import { artefactOf, hostileMatrix, smallModel } from "./small-model.ts";

const V1 = join(import.meta.dirname, "../../../models/accept/v1");
const readJson = (name: string): unknown => JSON.parse(readFileSync(join(V1, name), "utf8"));

beforeAll(() => {
  const runtime = join(import.meta.dirname, "../../../node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.wasm");
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = readFileSync(runtime);
});

async function onnxAnswers(file: Uint8Array, rows: Float32Array, columns: number) {
  const session = await ort.InferenceSession.create(file);
  const answers = await session.run({ rows: new ort.Tensor("float32", rows, [rows.length / columns, columns]) });
  await session.release();
  return {
    margins: answers.margin!.data as Float32Array,
    probabilities: answers.accept_probability!.data as Float32Array,
  };
}

describe("the exported file computes what the trainer computed", () => {
  test.each([1, 2, 3])("bit for bit on 2,000 hostile rows, model %d", async (seed) => {
    const model = smallModel(seed);
    const rows = hostileMatrix(model, 2_000, createRandom(seed));
    const { margins, probabilities } = await onnxAnswers(exportOnnx(model, "test"), rows, model.featureCount);
    const expected = treeMargins(model, rows, 2_000);
    expect(margins).toEqual(expected);
    const gaps = Array.from(probabilities, (p, row) => Math.abs(p - sigmoid(expected[row]!)));
    expect(Math.max(...gaps)).toBeLessThan(1e-6);
  });

  test("NaN takes the side that was learned, in both directions", async () => {
    for (const missingLeft of [true, false]) {
      const model = stump({ missingLeft: [missingLeft, false, false] });
      const { margins } = await onnxAnswers(exportOnnx(model, "stump"), Float32Array.of(Number.NaN), 1);
      expect(margins[0]).toBe(missingLeft ? -1 : 1);
    }
  });

  test("a value on the threshold goes left, its neighbour above goes right", async () => {
    const rows = Float32Array.of(0.1, nextFloat32(Math.fround(0.1), 1), nextFloat32(Math.fround(0.1), -1));
    const { margins } = await onnxAnswers(exportOnnx(stump({}), "stump"), rows, 1);
    expect([...margins]).toEqual([-1, 1, -1]);
  });
});

function stump(changes: Partial<Tree>): TreeModel {
  const tree = {
    feature: [0, -1, -1],
    threshold: [Math.fround(0.1), 0, 0],
    missingLeft: [false, false, false],
    left: [1, 0, 0],
    right: [2, 0, 0],
    value: [0, -1, 1],
    ...changes,
  };
  return { featureCount: 1, base: 0, trees: [tree] };
}

describe("what would not be exact is not exported", () => {
  test.each([
    ["a leaf off the grid", stump({ value: [0, 0.1, 1] })],
    ["a threshold that is no float32", stump({ threshold: [0.1, 0, 0] })],
    ["sums of 64 and more", stump({ value: [0, -64, 1] })],
    ["a base off the grid", { ...stump({}), base: 1 / 3 }],
  ])("%s", (_, model) => {
    expect(() => exportOnnx(model, "bad")).toThrow("invariant broken");
    expect(() => assertExact(model)).toThrow("invariant broken");
  });
});

describe("the repository's artefact", () => {
  const manifest = parseManifest(readJson("manifest.json"))!;
  const golden = parseGolden(readJson("golden.json"))!;
  const file = readFileSync(join(V1, "model.onnx"));

  test("belongs together: manifest, digest, feature set", async () => {
    const digest = Buffer.from(await crypto.subtle.digest("SHA-256", file)).toString("hex");
    expect(manifest).toMatchObject({ sha256: digest, featureSetHash: FEATURE_SET_HASH });
  });

  test("reproduces its golden rows", async () => {
    expect(golden.rows).toHaveLength(32);
    const { margins, probabilities } = await onnxAnswers(file, goldenMatrix(golden), manifest.input.columns);
    expect(goldenMismatch(golden, margins, probabilities)).toBeNull();
  });

  test("beats nearest-first on held-out offers and decisions, by its own manifest", () => {
    const { metrics } = readJson("manifest.json") as {
      metrics: { modelMinusNearest: Record<string, { low: number; high: number }> };
    };
    const { auc, ndcg1, expectedCostSeconds } = metrics.modelMinusNearest;
    expect(auc!.low).toBeGreaterThan(0);
    expect(ndcg1!.low).toBeGreaterThan(0);
    expect(expectedCostSeconds!.high).toBeLessThan(0);
  });
});

describe("golden rows", () => {
  test("survive JSON: NaN, infinities and negative zero come back as they were", async () => {
    const model = smallModel(4);
    const rows = hostileMatrix(model, 64, createRandom(4));
    const { golden } = await artefactOf(model, rows);
    const read = goldenMatrix(parseGolden(JSON.parse(JSON.stringify(golden)))!);
    expect(new Uint32Array(read.buffer)).toEqual(new Uint32Array(rows.buffer));
  });

  test("notice a margin off by one grid step, a probability that is NaN, and a missing row", async () => {
    const { golden } = await artefactOf(smallModel(5));
    const { margins, probabilities } = golden;
    expect(goldenMismatch(golden, margins, probabilities)).toBeNull();
    expect(goldenMismatch(golden, margins.with(3, margins[3]! + 2 ** -18), probabilities)).toMatch("row 3: margin");
    expect(goldenMismatch(golden, margins, probabilities.with(9, Number.NaN))).toMatch("row 9: probability");
    expect(goldenMismatch(golden, margins.slice(1), probabilities)).toMatch("wrong count");
    expect(goldenMismatch({ rows: [], margins: [], probabilities: [] }, [], [])).toMatch("wrong count");
  });
});
