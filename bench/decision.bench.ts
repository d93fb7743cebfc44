/**
 * One decision without network or disk: a ride is asked for, drivers are found, features written, the model run, offers
 * made. The core, the features and the model are the real ones; the storage keeps nothing and locks answer at once.
 * Beside the ONNX runtime stand the same trees evaluated in plain TypeScript, and nearest-first without any model.
 * `node bench/decision.bench.ts [--quick] [--json FILE]`.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as ort from "onnxruntime-web/wasm";
import { readTrees } from "../models/accept/read-trees.ts";
import { sigmoid, treeMargins } from "../models/accept/trees.ts";
import { createRandom } from "../sim/random.ts";
import { decodeDriverUp, fixesOf } from "../src/protocol/driver.ts";
import { encodeLocationFrame } from "../src/protocol/location-frame.ts";
import { PROBABILITY_TOLERANCE } from "../src/ranking/artefact.ts";
import { FEATURE_COUNT, featureMatrix } from "../src/ranking/feature-view.ts";
import { rankByPickupTime } from "../src/ranking/nearest-ranker.ts";
import { type Ranked, rankByAcceptance } from "../src/ranking/ranker.ts";
import { createDecisionWorld, type DecisionWorld, type Said } from "./decision-world.ts";
import { formatNumber, formatRatio, formatSpread, quantile, type Spread, spreadOf } from "./measure.ts";
import { readOptions } from "./options.ts";
import { createReporter } from "./report.ts";

const SEED = 7;
const MODULES = join(import.meta.dirname, "..", "node_modules");
const MODEL = join(import.meta.dirname, "..", "models", "accept", "v1");

/** P(accept) per row of a feature matrix. */
type Predict = (rows: Float32Array, count: number) => Promise<Float32Array> | Float32Array;
type Stage = "search" | "features" | "model" | "order" | "offers" | "whole";
const STAGES: readonly Stage[] = ["search", "features", "model", "order", "offers", "whole"];
type Times = Record<Stage, number>;

interface RankerFigures {
  readonly p50: Record<Stage, Spread>;
  readonly p99: Record<Stage, Spread>;
}

async function loadModel(): Promise<{ onnx: Predict; trees: Predict }> {
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = readFileSync(join(MODULES, "onnxruntime-web", "dist", "ort-wasm-simd-threaded.wasm"));
  const file = readFileSync(join(MODEL, "model.onnx"));
  const manifest = JSON.parse(readFileSync(join(MODEL, "manifest.json"), "utf8")) as {
    input: { name: string; columns: number };
    outputs: { probability: string };
  };
  const { input, outputs } = manifest;
  const session = await ort.InferenceSession.create(file, {
    executionProviders: ["wasm"],
    graphOptimizationLevel: "all",
  });
  const model = readTrees(file, input.columns);
  return {
    async onnx(rows, count) {
      const feeds = { [input.name]: new ort.Tensor("float32", rows, [count, input.columns]) };
      return (await session.run(feeds, [outputs.probability]))[outputs.probability]!.data as Float32Array;
    },
    trees: (rows, count) => treeMargins(model, rows, count).map(sigmoid),
  };
}

/** Null where nobody was found: such a request is no decision. `predict` null ranks nearest first. */
async function decide(world: DecisionWorld, predict: Predict | null): Promise<Times | null> {
  const request = world.nextRequest();
  const asked = performance.now();
  world.runtime.submit(request);
  let found = world.heard();
  const search = found.find((message) => message.type === "find.neighbours");
  if (search !== undefined) {
    const { rideId, searchId } = search;
    world.runtime.submit({ type: "neighbours.found", rideId, searchId, candidates: [] });
    found = world.heard();
  }
  const wanted = found.find((message) => message.type === "rank");
  if (wanted === undefined) {
    world.clear(request);
    return null;
  }
  const searched = performance.now();
  const { ranked, features, model } = await rank(wanted, predict);
  const ordered = performance.now();
  const { rideId, searchId } = wanted;
  world.runtime.submit({ type: "candidates.ranked", rideId, searchId, ranked });
  let offers = 0;
  for (const message of world.heard()) {
    if (message.type !== "reserve") continue;
    const session = { shard: wanted.candidates[0]!.shard, epoch: 1 };
    world.runtime.submit({
      type: "reserve.answered",
      offerId: message.offerId,
      outcome: "reserved",
      session,
      exchanges: 0,
    });
    offers++;
  }
  const offered = performance.now();
  const told = world.heard().filter((message) => message.type === "tell" && message.notice.type === "offer").length;
  if (told !== offers || offers === 0) throw new Error(`${offers} offers intended, ${told} told`);
  world.clear(request);
  return {
    search: searched - asked,
    features,
    model,
    order: ordered - searched - features - model,
    offers: offered - ordered,
    whole: offered - asked,
  };
}

/** A fast wrong answer is worth nothing: both evaluations must agree before their times are believed. */
async function requireAgreement(onnx: Predict, trees: Predict): Promise<void> {
  const columns = FEATURE_COUNT;
  const random = createRandom(SEED).fork("agreement");
  const rows = Float32Array.from({ length: 500 * columns }, () =>
    random.next() < 0.1 ? Number.NaN : random.normal() * 10 ** random.int(5),
  );
  const [left, right] = [await onnx(rows, 500), await trees(rows, 500)];
  const gap = Math.max(...left.map((p, row) => Math.abs(p - right[row]!)));
  if (!(gap < PROBABILITY_TOLERANCE)) throw new Error(`the runtime and the plain trees differ by ${gap}`);
}

async function rank(
  { candidates, context }: Said<"rank">,
  predict: Predict | null,
): Promise<{ readonly ranked: Ranked; readonly features: number; readonly model: number }> {
  const started = performance.now();
  const rows = featureMatrix(candidates, context);
  const written = performance.now();
  if (predict === null) {
    return { ranked: rankByPickupTime(candidates, rows, null), features: written - started, model: 0 };
  }
  const probabilities = await predict(rows, candidates.length);
  const predicted = performance.now();
  const ranked = rankByAcceptance(candidates, rows, probabilities, "accept@1");
  if (ranked.fallback !== null) throw new Error("the model's answer was not used");
  return { ranked, features: written - started, model: predicted - written };
}

/** Rankers take turns within a repetition, so that whatever else the machine does hits all of them alike. */
async function measureRankers(
  drivers: number,
  rankers: Readonly<Record<string, Predict | null>>,
  { repetitions, decisions }: { readonly repetitions: number; readonly decisions: number },
): Promise<Map<string, RankerFigures>> {
  const world = createDecisionWorld(drivers, createRandom(SEED).fork(drivers));
  const samples = new Map(Object.keys(rankers).map((name) => [name, { p50: [] as Times[], p99: [] as Times[] }]));
  for (let repetition = -1; repetition < repetitions; repetition++) {
    for (const [name, predict] of Object.entries(rankers)) {
      const times: Times[] = [];
      while (times.length < decisions) {
        const time = await decide(world, predict);
        if (time !== null) times.push(time);
      }
      // The first round warms the compiler.
      if (repetition < 0) continue;
      const at = (share: number): Times => byStage((stage) => quantileOf(times, stage, share));
      samples.get(name)!.p50.push(at(0.5));
      samples.get(name)!.p99.push(at(0.99));
    }
  }
  world.runtime.check();
  return new Map(
    [...samples].map(([name, { p50, p99 }]) => {
      const spreads = (all: Times[]) => byStage((stage) => spreadOf(all.map((times) => times[stage])));
      return [name, { p50: spreads(p50), p99: spreads(p99) }];
    }),
  );
}

function byStage<T>(value: (stage: Stage) => T): Record<Stage, T> {
  return Object.fromEntries(STAGES.map((stage) => [stage, value(stage)])) as Record<Stage, T>;
}

/** Microseconds. */
function quantileOf(times: readonly Times[], stage: Stage, share: number): number {
  return quantile(Float64Array.from(times, (time) => time[stage] * 1e3).sort(), share);
}

/** What a position report costs before and in the core: bytes to a checked message, then filter, session and index. */
function measureFixes(drivers: number, rounds: number): readonly (readonly string[])[] {
  const world = createDecisionWorld(drivers, createRandom(SEED).fork("fixes"));
  const fix = { seq: 1, lat: 40.75, lng: -73.98, headingDegrees: 90, speedMetersPerSecond: 8, accuracyMeters: 8 };
  const binary = encodeLocationFrame([{ ...fix, ageMs: 0 }]);
  const json = JSON.stringify({ type: "location", fixes: [{ ...fix, ageMs: 0 }] });
  const decode = (frame: string | ArrayBuffer) => () => {
    const decoded = decodeDriverUp(frame);
    if (!decoded.ok || decoded.message.type !== "location") throw new Error("the frame was refused");
    fixesOf(decoded.message.fixes, 0);
  };
  const steps: readonly (readonly [string, (round: number) => void])[] = [
    ["decode and check, binary frame", decode(binary)],
    ["decode and check, JSON frame", decode(json)],
    ["judge, remember, move in the index", (round) => world.locate(world.drivers[round % drivers]!)],
  ];
  return steps.map(([name, step]) => {
    const micros: number[] = [];
    for (let repetition = -1; repetition < 5; repetition++) {
      const started = performance.now();
      for (let round = 0; round < rounds; round++) step(round);
      if (repetition >= 0) micros.push(((performance.now() - started) / rounds) * 1e3);
      world.heard();
    }
    return [name, formatSpread(spreadOf(micros))];
  });
}

async function main(): Promise<void> {
  const { json, quick } = readOptions("decision");
  const report = createReporter("decision", SEED, json);
  const effort = quick ? { repetitions: 2, decisions: 150 } : { repetitions: 7, decisions: 1_000 };
  report.note(
    `${effort.repetitions} repetitions of ${effort.decisions} decisions each, after one that is not counted; ` +
      "median (least-most) of the repetitions. Up to 24 candidates and 3 offers per decision.",
  );
  const { onnx, trees } = await loadModel();
  await requireAgreement(onnx, trees);
  for (const drivers of [1_000, 10_000]) {
    const figures = await measureRankers(drivers, { onnx, trees, nearest: null }, effort);
    const baseline = figures.get("onnx")!;
    report.table(
      `one decision, ${drivers.toLocaleString("en-US")} drivers, microseconds, p50`,
      ["ranker", ...STAGES, "whole p99", "onnx / this"],
      [...figures].map(([name, { p50, p99 }]) => [
        name,
        ...STAGES.slice(0, -1).map((stage) => (p50[stage].median > 0 ? formatNumber(p50[stage].median) : "")),
        formatSpread(p50.whole),
        formatSpread(p99.whole),
        formatRatio(baseline.p50.whole.median, p50.whole.median),
      ]),
    );
  }
  const rounds = quick ? 5_000 : 50_000;
  report.table(
    "one position report, 10,000 drivers, microseconds each",
    ["step", "mean"],
    measureFixes(10_000, rounds),
  );
  report.note(`Position reports: 5 repetitions of ${formatNumber(rounds)} after one that is not counted.`);
  report.end();
}

await main();
