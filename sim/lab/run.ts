/**
 * `npm run sim:compare`: dispatch policies on the same demand, in virtual time, with the real core inside. Prints a table,
 * writes a page. Ctrl-C stops between two minutes of city time and leaves nothing half written.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { runProgram } from "../arguments.ts";
import { type Comparison, compare, FIGURES, type Progress } from "./comparison.ts";
import { differenceText, estimateText } from "./figures-text.ts";
import { type CompareOptions, driversFor, parseCompareOptions, rateFor, USAGE } from "./options.ts";
import { reportPage } from "./report-page.ts";
import { travelTimesFor } from "./travel-times.ts";
import { generatedWishes, replayedWishes } from "./wishes.ts";

const STOPPED_BY_SIGNAL = 130;

await runProgram(async () => {
  const options = parseCompareOptions(process.argv.slice(2));
  if (options === null) console.log(USAGE);
  else await run(options);
});

async function run(options: CompareOptions): Promise<void> {
  const { plan, requestsFile, from, hours, zoneShare, policies, seeds, reportFile, jsonFile } = options;
  const wishes =
    requestsFile === null
      ? generatedWishes(plan, rateFor(options))
      : await replayedWishes(plan, requestsFile, from, hours);
  const travel = await travelTimesFor(plan, options.dataFolder);
  const drivers = options.drivers ?? driversFor(wishes.requestsPerHour);
  console.log(`demand   ${wishes.source}`);
  console.log(`travel   ${travel.source}`);
  console.log(`fleet    ${drivers} drivers, ${hours} h, seeds ${seeds[0]} to ${seeds.at(-1)}\n`);
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  process.once("SIGINT", onSignal);
  process.once("SIGTERM", onSignal);
  const startedMs = performance.now();
  const experiment = { plan, wishes, travel, drivers, zoneShare, hours, policies, seeds };
  const comparison = await compare(experiment, { signal: stop.signal, onProgress: createProgress() });
  process.off("SIGINT", onSignal);
  process.off("SIGTERM", onSignal);
  eraseLine();
  if (comparison === null) {
    console.log("stopped; nothing was written");
    process.exitCode = STOPPED_BY_SIGNAL;
    return;
  }
  printTable(comparison);
  printPace(comparison, (performance.now() - startedMs) / 1_000);
  write(reportFile, reportPage(comparison));
  console.log(`report   ${reportFile}`);
  if (jsonFile === null) return;
  write(jsonFile, `${JSON.stringify(asJson(comparison), null, 1)}\n`);
  console.log(`json     ${jsonFile}`);
}

function printTable({ results, currency }: Comparison): void {
  for (const figure of FIGURES) {
    console.log(`${figure.title}${figure.unit === "money" ? `, ${currency}` : ""}`);
    for (const { policy, means, differences } of results) {
      const difference = differences === null ? "" : `   ${differenceText(figure, differences[figure.key])}`;
      console.log(`  ${policy.name.padEnd(22)}${estimateText(figure, means[figure.key]).padStart(18)}${difference}`);
    }
  }
}

function printPace({ events }: Comparison, seconds: number): void {
  const total = events.shardCommands + events.lockCommands;
  const pace = Math.round(total / seconds).toLocaleString("en-US");
  console.log(
    `\npace     ${total.toLocaleString("en-US")} commands of shards and locks in ${seconds.toFixed(1)} s: ${pace}/s`,
  );
}

/** What was run and what came of it; the city's plan is in the source. */
export function asJson({ experiment, currency, results, events }: Comparison): unknown {
  const { plan, wishes, travel, drivers, zoneShare, hours, seeds } = experiment;
  const people = { demand: wishes.source, drivers, zoneShare };
  const about = { city: plan.name, ...people, travel: travel.source, hours, seeds, currency };
  return { ...about, events, results };
}

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

/** One line that is written over where somebody watches; a line per run where it goes into a file. */
function createProgress(): (progress: Progress) => void {
  let saidRun = 0;
  return ({ run, runs, policy, seed, share }) => {
    const line = `run ${run} of ${runs}: ${policy}, seed ${seed}`;
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line}, ${Math.round(share * 100)} %`);
    else if (run !== saidRun) process.stderr.write(`${line}\n`);
    saidRun = run;
  };
}

function eraseLine(): void {
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
}
