/**
 * The running system: drivers on WebSockets and riders on HTTP against Kerb on workerd, and against plain Node, `ws` and
 * Redis GEO where Redis is installed, in turns (A B A B) and from the same load process.
 * `node bench/system.bench.ts [--drivers 1000] [--rides-per-second 5] [--rounds 3] [--minutes 10] [--quick]`.
 * `--minutes` adds a soak of Kerb alone; `--state DIR` puts the state of both on another disk.
 */
import { fork } from "node:child_process";
import { join } from "node:path";
import { createKeys } from "./load/keys.ts";
import type { FromLoad, Phase, PhaseResult, ToLoad } from "./load/messages.ts";
import { formatNumber, formatRatio, formatSpread, quantile, type Spread, spreadOf } from "./measure.ts";
import { readOptions } from "./options.ts";
import { usageOf } from "./process-usage.ts";
import { createReporter, type Reporter } from "./report.ts";
import { endWithParent, kerbTarget, type RunningTarget, redisTarget, type Target } from "./targets.ts";

const SEED = 11;
const FIX_EVERY_SECONDS = 4;
const SAMPLE_EVERY_MS = 10_000;
/** Before the soak: so many times the rides, for so long. */
const FILL_TIMES = 4;
const FILL_SECONDS = 180;

const options = readOptions("system");
const { drivers = 1_000, "rides-per-second": ridesPerSecond = 5, minutes: soakMinutes = 0 } = options;
const { rounds = options.quick ? 1 : 3 } = options;
const seconds = options.quick ? { warm: 3, idle: 4, steady: 8, full: 3 } : { warm: 25, idle: 10, steady: 30, full: 8 };

/** A phase and what the target's processes used meanwhile. */
interface Measured extends PhaseResult {
  readonly cpuSeconds: number;
  readonly residentMegabytes: number;
}

interface Load {
  run(phase: Phase): Promise<Measured>;
  stop(): Promise<void>;
}

/** Connects all drivers; throws when one of them is not welcomed. */
async function connectLoad(target: RunningTarget, keys: Awaited<ReturnType<typeof createKeys>>): Promise<Load> {
  const child = fork(join(import.meta.dirname, "load", "load.ts"));
  const stop = endWithParent(child);
  function ask(message: ToLoad): Promise<FromLoad> {
    return new Promise((resolve, reject) => {
      child.once("exit", (code) => reject(new Error(`load ended with ${code}`)));
      child.once("message", (answer: FromLoad) => {
        child.removeAllListeners("exit");
        if (answer.type === "failed") reject(new Error(`load: ${answer.reason}`));
        else resolve(answer);
      });
      child.send(message);
    });
  }
  await ask({ type: "connect", setting: { url: target.url, keys, drivers, seed: SEED } });
  return {
    async run(phase) {
      const before = usage(target);
      const answer = await ask({ type: "run", phase });
      if (answer.type !== "done") throw new Error(`load said ${answer.type}`);
      const after = usage(target);
      return {
        ...answer.result,
        cpuSeconds: after.cpuSeconds - before.cpuSeconds,
        residentMegabytes: after.residentMegabytes,
      };
    },
    stop,
  };
}

function usage({ processes }: RunningTarget) {
  const all = processes.map(({ pid }) => usageOf(pid) ?? { cpuSeconds: Number.NaN, residentMegabytes: Number.NaN });
  return {
    cpuSeconds: all.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0),
    residentMegabytes: all.reduce((sum, { residentMegabytes }) => sum + residentMegabytes, 0),
  };
}

/** One turn of one target, by phase. */
interface Turn {
  /** Positions only, at their ordinary pace. */
  readonly idle: Measured;
  /** Positions and rides. */
  readonly steady: Measured;
  /** As many positions as it takes. */
  readonly full: Measured;
  readonly errors: readonly string[];
}

const ordinary = { fixesPerSecond: drivers / FIX_EVERY_SECONDS, ridesPerSecond, saturate: false };

async function takeTurn(target: Target): Promise<Turn> {
  const keys = await createKeys();
  const running = await target.start(keys);
  try {
    const load = await connectLoad(running, keys);
    await load.run({ ...ordinary, seconds: seconds.warm });
    const idle = await load.run({ ...ordinary, seconds: seconds.idle, ridesPerSecond: 0 });
    const steady = await load.run({ ...ordinary, seconds: seconds.steady });
    const fixesPerSecond = drivers * target.mostFixesPerDriver;
    const full = await load.run({ seconds: seconds.full, fixesPerSecond, ridesPerSecond: 0, saturate: true });
    await load.stop();
    return { idle, steady, full, errors: wentWrong(running, [idle, steady, full]) };
  } finally {
    await running.stop();
  }
}

function wentWrong(running: RunningTarget, phases: readonly Measured[]): string[] {
  const counted = phases.flatMap(({ errors }) => Object.entries(errors).map(([what, times]) => `${times} x ${what}`));
  return [...counted, ...running.errors];
}

type Figure = readonly [name: string, of: (turn: Turn) => number];

const percentiles = (name: string, samples: (turn: Turn) => readonly number[]): Figure[] =>
  [0.5, 0.95, 0.99].map((share) => [
    `${name}, p${share * 100}, ms`,
    (turn) => quantile(Float64Array.from(samples(turn)).sort(), share),
  ]);

const LATENCIES: readonly Figure[] = [
  ...percentiles("request to answer", ({ steady }) => steady.requestToAnswerMs),
  ...percentiles("request to offer", ({ steady }) => steady.requestToOfferMs),
  ...percentiles("accept to verdict, won", ({ steady }) => steady.acceptToWonMs),
  ...percentiles("accept to verdict, lost", ({ steady }) => steady.acceptToLostMs),
];

const CAPACITIES: readonly Figure[] = [
  ["rides completed, steady", ({ steady }) => steady.ridesCompleted],
  ["positions per second, steady", ({ steady }) => steady.fixesSent / steady.seconds],
  ["positions per second, saturated", ({ full }) => full.fixesConfirmed / full.seconds],
  ["server CPU s per 1,000 positions, ordinary pace", ({ idle }) => (idle.cpuSeconds / idle.fixesSent) * 1e3],
  ["server CPU s per 1,000 positions, saturated", ({ full }) => (full.cpuSeconds / full.fixesConfirmed) * 1e3],
  ["server CPU s per 1,000 rides, positions not counted", rideCpu],
  ["server CPU, steady, share of one core", ({ steady }) => steady.cpuSeconds / steady.seconds],
  ["load CPU, saturated, share of one core", ({ full }) => full.loadCpuSeconds / full.seconds],
  ["resident memory after the steady phase, MB", ({ steady }) => steady.residentMegabytes],
];

function rideCpu({ idle, steady }: Turn): number {
  const positions = (idle.cpuSeconds / idle.fixesSent) * steady.fixesSent;
  return ((steady.cpuSeconds - positions) / steady.ridesCompleted) * 1e3;
}

function reportFigures(
  report: Reporter,
  title: string,
  figures: readonly Figure[],
  turns: ReadonlyMap<string, readonly Turn[]>,
): void {
  const names = [...turns.keys()];
  const rows = figures.map(([name, of]) => {
    const spreads: Spread[] = names.map((target) => spreadOf(turns.get(target)!.map(of)));
    const [kerb, peer] = spreads;
    const ratio = peer === undefined ? [] : [formatRatio(kerb!.median, peer.median)];
    return [name, ...spreads.map(formatSpread), ...ratio];
  });
  report.table(title, ["figure", ...names, ...(names.length > 1 ? ["kerb / peer"] : [])], rows);
}

async function compare(report: Reporter, targets: readonly Target[]): Promise<void> {
  const turns = new Map<string, Turn[]>(targets.map(({ name }) => [name, []]));
  for (let round = 1; round <= rounds; round++) {
    for (const target of targets) {
      const turn = await takeTurn(target);
      turns.get(target.name)!.push(turn);
      const { steady, full } = turn;
      const p95 = (samples: readonly number[]) => formatNumber(quantile(Float64Array.from(samples).sort(), 0.95));
      report.progress(
        `round ${round}, ${target.name}: request to offer p95 ${p95(steady.requestToOfferMs)} ms, accept to verdict p95 ` +
          `${p95(steady.acceptToWonMs)} ms, ${formatNumber(full.fixesConfirmed / full.seconds)} positions/s; ` +
          (turn.errors.length > 0 ? `errors: ${turn.errors.slice(0, 8).join("; ")}` : "no errors"),
      );
    }
  }
  const setting = `${drivers} drivers, a position each every ${FIX_EVERY_SECONDS} s, ${ridesPerSecond} requests/s`;
  reportFigures(report, `latency: ${setting}`, LATENCIES, turns);
  reportFigures(report, "throughput and price", CAPACITIES, turns);
  const errors = [...turns].map(([name, all]) => `${name} ${all.reduce((sum, turn) => sum + turn.errors.length, 0)}`);
  report.note(`Kinds of errors seen by clients or logged: ${errors.join(", ")}.`);
}

/**
 * The steady phase for as long as asked, memory sampled all the while: its slope is what leaks. What only fills, the
 * page caches of databases and the heaps of idle isolates until their first collection, is filled before.
 */
async function soak(report: Reporter, target: Target): Promise<void> {
  const keys = await createKeys();
  const running = await target.start(keys);
  const samples: { readonly minute: number; readonly megabytes: number }[] = [];
  let startedAt = 0;
  const sample = (): void => {
    const { residentMegabytes } = usage(running);
    samples.push({ minute: (performance.now() - startedAt) / 60_000, megabytes: residentMegabytes });
    if (samples.length % 6 === 0)
      report.progress(`soak, minute ${samples.length / 6}: ${Math.round(residentMegabytes)} MB`);
  };
  let timer: NodeJS.Timeout | undefined;
  try {
    const load = await connectLoad(running, keys);
    const atStart = usage(running).residentMegabytes;
    await load.run({ ...ordinary, seconds: FILL_SECONDS, ridesPerSecond: ridesPerSecond * FILL_TIMES });
    startedAt = performance.now();
    timer = setInterval(sample, SAMPLE_EVERY_MS);
    const result = await load.run({ ...ordinary, seconds: soakMinutes * 60 });
    await load.stop();
    const half = samples.slice(Math.floor(samples.length / 2));
    const sorted = Float64Array.from(result.requestToOfferMs).sort();
    report.table(
      `soak: kerb alone, ${soakMinutes} minutes of the same`,
      ["figure", "value"],
      [
        ["rides completed", formatNumber(result.ridesCompleted)],
        [
          "request to offer p50 / p95 / p99, ms",
          [0.5, 0.95, 0.99].map((s) => formatNumber(quantile(sorted, s))).join(" / "),
        ],
        [
          "resident memory first / middle / last, MB",
          [samples[0], half[0], samples.at(-1)].map((s) => formatNumber(s!.megabytes)).join(" / "),
        ],
        ["resident memory with all drivers connected, before the first ride, MB", formatNumber(atStart)],
        ["growth, MB per minute", formatNumber(slopeOf(samples))],
        ["errors", wentWrong(running, [result]).join("; ") || "none"],
      ],
    );
  } finally {
    clearInterval(timer);
    await running.stop();
  }
}

/** Least squares. */
function slopeOf(samples: readonly { readonly minute: number; readonly megabytes: number }[]): number {
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const minute = mean(samples.map((sample) => sample.minute));
  const megabytes = mean(samples.map((sample) => sample.megabytes));
  const covariance = mean(samples.map((sample) => (sample.minute - minute) * (sample.megabytes - megabytes)));
  return covariance / mean(samples.map((sample) => (sample.minute - minute) ** 2));
}

// Ended by a signal, a process says no last words to its children; ended by itself, it does.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));

const report = createReporter("system", SEED, options.json);
report.note(
  `${rounds} rounds in turns, each on a fresh start: ${seconds.warm} s of warm-up, ${seconds.idle} s of positions only, ` +
    `${seconds.steady} s of positions and rides, ${seconds.full} s saturated; median (least-most) of the rounds.`,
);
const kerb = kerbTarget(options.state);
const peer = redisTarget(options.state);
await compare(report, peer === null ? [kerb] : [kerb, peer]);
if (soakMinutes > 0) await soak(report, kerb);
report.end();
