/**
 * Orders served and pickup distances in the small city of Xu et al. (KDD 2018), Kerb's policy beside the paper's.
 * `npm run bench:kdd18 [-- --seeds N] [--quick] [--json FILE]`. Every seed has days of its own to learn from and days of
 * its own to be judged on, the same for all policies, so the differences are paired.
 */
import { availableParallelism } from "node:os";
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { POLICIES, type PolicyName, runTrial, type Trial, type TrialResult } from "../sim/kdd18/trial.ts";
import { estimate } from "../sim/lab/statistics.ts";
import { formatEstimate } from "./measure.ts";
import { readOptions } from "./options.ts";
import { createReporter, type Reporter } from "./report.ts";

const FLEETS = [25, 50, 75] as const;
const FIRST_SEED = 1;
const PAPER: PolicyName = "value function";

/** From the paper's table; it has none of 75 drivers. */
const PUBLISHED: Readonly<
  Record<number, Partial<Record<PolicyName, readonly [served: string, pickupCells?: string]>>>
> = {
  25: { "nearest pair": ["0.471"], myopic: ["0.477"], [PAPER]: ["0.511", "1.465"] },
  50: { "nearest pair": ["0.744"], myopic: ["0.780"], [PAPER]: ["0.798", "1.470"] },
};

interface Finished {
  readonly trial: Trial;
  readonly result: TrialResult;
}

/** All cores; each asks for the next trial when it has finished one. */
async function runTrials(trials: readonly Trial[], reporter: Reporter): Promise<Finished[]> {
  const waiting = [...trials];
  const finished: Finished[] = [];
  const runOne = (worker: Worker): void => {
    const next = waiting.shift();
    if (next === undefined) worker.postMessage(null);
    else worker.postMessage(next);
  };
  const workers = Array.from({ length: Math.min(availableParallelism(), trials.length) }, () => {
    const worker = new Worker(new URL(import.meta.url));
    return new Promise<void>((resolve, reject) => {
      worker.on("error", reject);
      worker.on("exit", () => resolve());
      worker.on("message", (done: Finished) => {
        finished.push(done);
        reporter.progress(`${finished.length} of ${trials.length}: ${lineOf(done)}`);
        runOne(worker);
      });
      runOne(worker);
    });
  });
  await Promise.all(workers);
  return finished.sort((a, b) => a.trial.seed - b.trial.seed);
}

function lineOf({ trial: { seed, drivers }, result }: Finished): string {
  const served = POLICIES.map((name) => `${name} ${servedRatio(result, name).toFixed(3)}`);
  return `seed ${seed}, ${drivers} drivers: ${served.join(", ")}`;
}

function servedRatio(result: TrialResult, name: PolicyName): number {
  return result[name].served / result[name].orders;
}

function pickupCells(result: TrialResult, name: PolicyName): number {
  return result[name].pickupCells / result[name].served;
}

type Measure = (result: TrialResult, name: PolicyName) => number;

function tableOf(drivers: number, results: readonly TrialResult[], reporter: Reporter): void {
  const cell = (measure: Measure, name: PolicyName, digits: number): string =>
    formatEstimate(estimate(results.map((result) => measure(result, name))), digits);
  const difference = (measure: Measure, name: PolicyName, digits: number): string => {
    if (name === PAPER) return "";
    return formatEstimate(estimate(results.map((one) => measure(one, name) - measure(one, PAPER))), digits);
  };
  const rows = POLICIES.map((name) => {
    const [served, pickup] = PUBLISHED[drivers]?.[name] ?? [];
    return [
      name,
      cell(servedRatio, name, 4),
      difference(servedRatio, name, 4),
      served ?? "",
      cell(pickupCells, name, 3),
      difference(pickupCells, name, 3),
      pickup ?? "",
    ];
  });
  const head = ["policy", "served", `to ${PAPER}`, "published", "pickup cells", `to ${PAPER}`, "published"];
  reporter.table(`${drivers} drivers`, head, rows);
}

async function main(): Promise<void> {
  const { json, quick, seeds = 10 } = readOptions("kdd18");
  const count = quick ? 2 : seeds;
  const sizes = quick ? { historyEpisodes: 60, episodes: 30 } : { historyEpisodes: 500, episodes: 500 };
  const reporter = createReporter("kdd18", FIRST_SEED, json);
  // The longest first, so that no core is left alone with one at the end.
  const trials = FLEETS.toReversed().flatMap((drivers) =>
    Array.from({ length: count }, (_, at): Trial => ({ seed: FIRST_SEED + at, drivers, ...sizes })),
  );
  const finished = await runTrials(trials, reporter);
  for (const drivers of FLEETS) {
    const results = finished.filter(({ trial }) => trial.drivers === drivers).map(({ result }) => result);
    tableOf(drivers, results, reporter);
  }
  reporter.note(
    `${count} seeds, each with ${sizes.historyEpisodes} days of history and ${sizes.episodes} days judged, the same for all policies.`,
  );
  reporter.note(`Means over the seeds +- 95 % confidence (Student); differences to the ${PAPER} are paired by seed.`);
  reporter.end();
}

if (isMainThread) await main();
else {
  parentPort!.on("message", (trial: Trial | null) => {
    if (trial === null) parentPort!.close();
    else parentPort!.postMessage({ trial, result: runTrial(trial) } satisfies Finished);
  });
}
