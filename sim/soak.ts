/**
 * `npm run soak`: many simulated worlds on all cores, every promise judged in each, every race counted. Ends with 1 when
 * a promise was broken, and says how to see it again.
 */
import { availableParallelism } from "node:os";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { numberOf, readArgs, runProgram } from "./arguments.ts";
import { isRace, soakLines, type Tally } from "./soak-report.ts";
import { SimulationFailure } from "./world/violation.ts";
import { runWorld } from "./world/world.ts";

const USAGE = `npm run soak -- [options]
  --seeds N    how many worlds (1,000)
  --seed N     the first of them (1)
  --crowded    more people, who all want the same thing at the same moment: a hundred times as many races`;
const TOLD_EVERY_MS = 500;
const SHOWN_EVERY_MS = 2_000;
const FAILURES_SHOWN = 3;

interface Job {
  readonly seed: number;
  readonly seeds: number;
  /** From one of this thread's worlds to its next. */
  readonly stride: number;
  readonly crowded: boolean;
}

function emptyTally(): Tally {
  return { worlds: 0, steps: 0, counts: new Map(), failures: [] };
}

function work({ seed: first, seeds, stride, crowded }: Job, tell: (tally: Tally) => void): void {
  let tally = emptyTally();
  let toldAt = performance.now();
  for (let seed = first; seed < first + seeds; seed += stride) {
    try {
      const { steps, counts } = runWorld(seed, crowded);
      tally.steps += steps;
      for (const [name, count] of counts) tally.counts.set(name, (tally.counts.get(name) ?? 0) + count);
    } catch (error) {
      if (!(error instanceof SimulationFailure)) throw error;
      const { invariant, message } = error;
      tally.failures.push({ seed, invariant, message });
    }
    tally.worlds++;
    if (performance.now() - toldAt < TOLD_EVERY_MS) continue;
    tell(tally);
    tally = emptyTally();
    toldAt = performance.now();
  }
  tell(tally);
}

function add(whole: Tally, { worlds, steps, counts, failures }: Tally): void {
  whole.worlds += worlds;
  whole.steps += steps;
  for (const [name, count] of counts) whole.counts.set(name, (whole.counts.get(name) ?? 0) + count);
  for (const failure of failures) {
    whole.failures.push(failure);
    if (whole.failures.length <= FAILURES_SHOWN) console.error(`\n${failure.message}\n`);
  }
}

/** Until its job is done or somebody interrupts: then the table tells of what was run. */
function runThread(job: Job, ending: AbortSignal, hear: (tally: Tally) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const thread = new Worker(new URL(import.meta.url), { workerData: job });
    ending.addEventListener("abort", () => void thread.terminate());
    thread.on("message", hear);
    thread.on("error", reject);
    thread.on("exit", () => resolve());
  });
}

async function main(): Promise<void> {
  const { help, ...given } = readArgs(process.argv.slice(2), {
    seeds: { type: "string", default: "1000" },
    seed: { type: "string", default: "1" },
    crowded: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  });
  if (help) return console.log(USAGE);
  const seed = numberOf("seed", given.seed, 0, Number.MAX_SAFE_INTEGER, true);
  const seeds = numberOf("seeds", given.seeds, 1, 1e9, true);
  const stride = Math.min(availableParallelism(), seeds);
  const whole = emptyTally();
  const startedAt = performance.now();
  const seconds = () => (performance.now() - startedAt) / 1_000;
  const show = () => {
    let races = 0;
    for (const [name, count] of whole.counts) if (isRace(name)) races += count;
    const line = `${whole.worlds}/${seeds} worlds, ${races} races, ${whole.failures.length} violations`;
    console.error(`${line}, ${seconds().toFixed(0)} s`);
  };
  const shown = setInterval(show, SHOWN_EVERY_MS);
  const jobs = Array.from({ length: stride }, (_, index) => {
    return { seed: seed + index, seeds: seeds - index, stride, crowded: given.crowded };
  });
  const ending = new AbortController();
  process.once("SIGINT", () => ending.abort());
  await Promise.all(jobs.map((job) => runThread(job, ending.signal, (tally) => add(whole, tally))));
  clearInterval(shown);
  console.log(soakLines(whole, seconds(), given.crowded).join("\n"));
  process.exitCode = whole.failures.length === 0 ? 0 : 1;
}

if (isMainThread) await runProgram(main);
else work(workerData as Job, (tally) => parentPort?.postMessage(tally));
