/**
 * Replays one simulated world as a readable trace, or runs many and says what happened in them:
 * `npm run sim -- --seed N` and `npm run sim -- --seed N --seeds M [--trace]`. Exits with 1 when a promise was broken.
 */
import { parseArgs } from "node:util";
import { SimulationFailure } from "./world/violation.ts";
import { runWorld, type WorldReport } from "./world/world.ts";

const FAILURES_SHOWN = 3;
const PROGRESS_EVERY_MS = 1_000;

interface Tally {
  readonly counts: Map<string, number>;
  readonly broken: Map<string, number[]>;
  readonly closing: number[];
  steps: number;
}

function main(): number {
  const { values } = parseArgs({
    options: { seed: { type: "string" }, seeds: { type: "string" }, trace: { type: "boolean", default: false } },
  });
  const seed = wholeNumber("seed", values.seed ?? "1");
  if (values.seeds === undefined) return replay(seed);
  return soak(seed, wholeNumber("seeds", values.seeds), values.trace);
}

function wholeNumber(name: string, text: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 0) throw new Error(`--${name} must be a whole number, got ${text}`);
  return number;
}

function replay(seed: number): number {
  try {
    const report = runWorld(seed);
    console.log(report.trace.join("\n"));
    console.log(`\n${table(report.counts)}\n\n${summary(report)}: every promise kept`);
    return 0;
  } catch (error) {
    if (!(error instanceof SimulationFailure)) throw error;
    console.error(error.message);
    return 1;
  }
}

function summary({ seed, steps, ranMs, closingMs }: WorldReport): string {
  const seconds = (ms: number) => (ms / 1_000).toFixed(0);
  return `seed ${seed}: ${steps} steps, ${seconds(ranMs)} s of the city, ${seconds(closingMs)} s of them after the faults`;
}

function soak(from: number, seeds: number, trace: boolean): number {
  const tally: Tally = { counts: new Map(), broken: new Map(), closing: [], steps: 0 };
  const startedAt = performance.now();
  let shownAt = startedAt;
  for (let seed = from; seed < from + seeds; seed++) {
    runOne(seed, trace, tally);
    if (performance.now() - shownAt < PROGRESS_EVERY_MS) continue;
    shownAt = performance.now();
    console.error(`${seed - from + 1}/${seeds} worlds, ${tally.steps} steps, ${failures(tally)} violations`);
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  const closing = tally.closing.sort((a, b) => a - b);
  const at = (share: number) => ((closing[Math.floor(share * (closing.length - 1))] ?? 0) / 1_000).toFixed(0);
  console.log(table(tally.counts));
  console.log(`\n${seeds} worlds, ${tally.steps} steps in ${seconds.toFixed(1)} s`);
  console.log(`closed after the faults within ${at(0.5)} s (median), ${at(0.99)} s (p99), ${at(1)} s (longest)`);
  for (const [invariant, where] of tally.broken)
    console.log(`${invariant} broken in ${where.length}: ${where.join(" ")}`);
  console.log(`violations: ${failures(tally)}`);
  return tally.broken.size === 0 ? 0 : 1;
}

function runOne(seed: number, trace: boolean, tally: Tally): void {
  try {
    const report = runWorld(seed);
    tally.steps += report.steps;
    tally.closing.push(report.closingMs);
    for (const [name, count] of report.counts) tally.counts.set(name, (tally.counts.get(name) ?? 0) + count);
    if (trace) console.log(report.trace.join("\n"));
  } catch (error) {
    if (!(error instanceof SimulationFailure)) throw error;
    const where = tally.broken.get(error.invariant) ?? [];
    tally.broken.set(error.invariant, [...where, seed]);
    if (failures(tally) <= FAILURES_SHOWN) console.error(`${error.message}\n`);
  }
}

function failures({ broken }: Tally): number {
  let sum = 0;
  for (const where of broken.values()) sum += where.length;
  return sum;
}

function table(counts: ReadonlyMap<string, number>): string {
  const rows = [...counts].sort(([a], [b]) => (a < b ? -1 : 1));
  return rows.map(([name, count]) => `${name.padEnd(34)} ${String(count).padStart(9)}`).join("\n");
}

process.exitCode = main();
