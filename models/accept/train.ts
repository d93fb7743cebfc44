/**
 * `node models/accept/train.ts [--seed N] [--hours N] [--out DIR]`: generates labelled offers, trains on the earlier
 * three quarters, judges on the rest, and writes the artefact. The same arguments write the same bytes.
 */
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { numberOf, readArgs, runProgram } from "../../sim/arguments.ts";
import { createRandom } from "../../sim/random.ts";
import type { ModelManifest } from "../../src/ranking/artefact.ts";
import { FEATURE_COUNT, FEATURE_SET_HASH, FEATURE_VIEW_VERSION, FEATURES } from "../../src/ranking/feature-view.ts";
import { modelCard } from "./card.ts";
import {
  type Advantage,
  advantage,
  decisionFigures,
  drawWilling,
  nearnessScores,
  type OfferFigures,
  type OrderFigures,
  offerFigures,
  orderFigures,
} from "./evaluate.ts";
import { exportOnnx, ONNX_INPUT, ONNX_MARGIN, ONNX_ML_OPSET, ONNX_OPSET, ONNX_OUTPUT } from "./export-onnx.ts";
import { DEFAULT_BOOST, trainTrees } from "./gbdt.ts";
import { type Decision, generateDecisions, labelledRows } from "./generate.ts";
import { goldenRows } from "./golden.ts";
import { logisticProbabilities, trainLogistic } from "./logistic.ts";
import { areaUnderCurve } from "./metrics.ts";
import { sigmoid, type TreeModel, treeMargins } from "./trees.ts";

const VERSION = 1;
const TRAINED_SHARE = 0.75;

/** What may only make a driver less willing, or only more; the rest is free. */
const MONOTONE: Readonly<Record<string, 1 | -1>> = {
  pickup_meters: -1,
  pickup_seconds: -1,
  heading_off_degrees: -1,
  driver_accept_rate: 1,
  driver_declines_in_row: -1,
  fare_cents_per_meter: 1,
};

export interface TrainOptions {
  readonly seed: number;
  /** Simulated hours in every city. */
  readonly hours: number;
  /** Fewer for a quick try. */
  readonly trees?: number;
}

export interface Metrics {
  readonly offers: number;
  readonly decisions: number;
  readonly onOffers: { readonly model: OfferFigures; readonly logistic: OfferFigures; readonly nearestAuc: number };
  readonly onDecisions: {
    readonly model: OrderFigures;
    readonly logistic: OrderFigures;
    readonly nearest: OrderFigures;
    readonly oracle: OrderFigures;
  };
  readonly modelMinusNearest: Advantage;
}

export interface TrainedManifest extends ModelManifest {
  readonly training: { readonly seed: number; readonly hours: number; readonly offers: number; readonly trees: number };
  readonly metrics: Metrics;
}

/** File names and contents; nothing is written. */
export function trainArtefact(options: TrainOptions): Map<string, Uint8Array | string> {
  const decisions = generateDecisions(options.seed, options.hours);
  const [earlier, later] = splitByTime(decisions);
  const training = labelledRows(earlier);
  const boost = {
    ...DEFAULT_BOOST,
    trees: options.trees ?? DEFAULT_BOOST.trees,
    monotone: FEATURES.map((f) => MONOTONE[f.name] ?? 0),
  };
  const model = trainTrees(training.rows, training.labels, FEATURE_COUNT, boost);
  const metrics = judge(model, training, later, options.seed);
  const onnx = exportOnnx(model, `accept@${VERSION}`);
  const manifest: TrainedManifest = {
    name: "accept",
    version: VERSION,
    sha256: createHash("sha256").update(onnx).digest("hex"),
    opset: { onnx: ONNX_OPSET, ml: ONNX_ML_OPSET },
    input: { name: ONNX_INPUT, columns: FEATURE_COUNT },
    outputs: { margin: ONNX_MARGIN, probability: ONNX_OUTPUT },
    featureViewVersion: FEATURE_VIEW_VERSION,
    featureSetHash: FEATURE_SET_HASH,
    training: { seed: options.seed, hours: options.hours, offers: training.labels.length, trees: model.trees.length },
    metrics,
  };
  const golden = goldenRows(model, labelledRows(later).rows, createRandom(options.seed).fork("golden"));
  return new Map<string, Uint8Array | string>([
    ["model.onnx", onnx],
    ["manifest.json", `${JSON.stringify(manifest, null, 2)}\n`],
    ["golden.json", `${JSON.stringify(golden)}\n`],
    ["card.md", modelCard(manifest)],
  ]);
}

/** Requests stay whole: one belongs to the side on which it began. */
export function splitByTime(decisions: readonly Decision[]): [Decision[], Decision[]] {
  const beganAt = new Map<number, number>();
  for (const { requestId, at } of decisions) beganAt.set(requestId, Math.min(at, beganAt.get(requestId) ?? at));
  const begins = Float64Array.from(beganAt.values()).sort();
  const border = begins[Math.floor(begins.length * TRAINED_SHARE)]!;
  const isEarlier = (decision: Decision) => beganAt.get(decision.requestId)! < border;
  return [decisions.filter(isEarlier), decisions.filter((decision) => !isEarlier(decision))];
}

function judge(model: TreeModel, training: ReturnType<typeof labelledRows>, later: Decision[], seed: number): Metrics {
  const logistic = trainLogistic(training.rows, training.labels, FEATURE_COUNT);
  const byTrees = (rows: Float32Array, count: number) => treeMargins(model, rows, count).map(sigmoid);
  const byLogistic = (rows: Float32Array, count: number) => logisticProbabilities(logistic, rows, count);
  const offers = labelledRows(later);
  const count = offers.labels.length;
  const probabilities = byTrees(offers.rows, count);
  const willing = drawWilling(later, createRandom(seed).fork("willing"));
  const ofModel = decisionFigures(later, willing, (d) => byTrees(d.rows, d.count));
  const ofNearest = decisionFigures(later, willing, () => null);
  return {
    offers: count,
    decisions: later.length,
    onOffers: {
      model: offerFigures(probabilities, offers.labels),
      logistic: offerFigures(byLogistic(offers.rows, count), offers.labels),
      nearestAuc: areaUnderCurve(nearnessScores(offers.rows, count), offers.labels),
    },
    onDecisions: {
      model: orderFigures(ofModel),
      logistic: orderFigures(decisionFigures(later, willing, (d) => byLogistic(d.rows, d.count))),
      nearest: orderFigures(ofNearest),
      oracle: orderFigures(decisionFigures(later, willing, (d) => d.chances)),
    },
    modelMinusNearest: advantage(later, ofModel, ofNearest, probabilities, seed),
  };
}

function main(): void {
  const values = readArgs(process.argv.slice(2), {
    seed: { type: "string", default: "1" },
    hours: { type: "string", default: "168" },
    out: { type: "string", default: join(import.meta.dirname, `v${VERSION}`) },
  });
  const files = trainArtefact({
    seed: numberOf("seed", values.seed, 0, Number.MAX_SAFE_INTEGER, true),
    hours: numberOf("hours", values.hours, 1, 8_760),
  });
  mkdirSync(values.out, { recursive: true });
  for (const [name, content] of files) {
    writeFileSync(join(values.out, name), content);
    console.log(`${name}: ${content.length} bytes`);
  }
  console.log(files.get("card.md"));
}

if (import.meta.main) await runProgram(main);
