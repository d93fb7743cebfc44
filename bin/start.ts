/** `npm start`: the Worker on this machine and a living city around it. See `npm start -- --help`. */

import { RequestsFileError } from "../sim/city/requests-file.ts";
import { type CityOptions, parseCityOptions, USAGE, UsageError } from "../sim/live/options.ts";
import { type CityFigures, reportLines, shortSummary, summaryLines } from "../sim/live/report.ts";
import { runCity, writeReport } from "../sim/live/run-city.ts";

const REDRAW_MS = 500;
const LINE_MS = 5_000;

/** 0 kept every promise, 1 broke one, 2 was asked for something impossible. */
async function main(args: readonly string[]): Promise<0 | 1 | 2> {
  let options: CityOptions | null;
  try {
    options = parseCityOptions(args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`${error.message}\n\n${USAGE}`);
    return 2;
  }
  if (options === null) {
    console.log(USAGE);
    return 0;
  }
  const ending = new AbortController();
  let showing: NodeJS.Timeout | null = null;
  const stopShowing = (): void => {
    if (showing) clearInterval(showing);
    showing = null;
  };
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.on(name, () => {
      // The second time somebody means it.
      if (ending.signal.aborted) process.exit(130);
      stopShowing();
      console.log("\nstopping ...");
      ending.abort();
    });
  }
  try {
    const report = await runCity(options, {
      signal: ending.signal,
      onStage: (sentence) => {
        stopShowing();
        console.log(`${sentence} ...`);
      },
      onOpen: (figures) => {
        console.log(`open: ${figures().url} (health: /health, metrics: /metrics, API: /openapi.json)`);
        console.log("join it: npx kerb-driver, npx kerb-rider      stop it: Ctrl-C\n");
        showing = show(figures);
      },
    });
    stopShowing();
    console.log(`\n${reportLines(report).join("\n")}`);
    if (options.reportFile !== null) writeReport(options.reportFile, report);
    return report.violations.length === 0 ? 0 : 1;
  } catch (error) {
    stopShowing();
    console.error(`kerb: ${error instanceof Error ? error.message : String(error)}`);
    return error instanceof RequestsFileError ? 2 : 1;
  }
}

/** A screen that redraws itself on a terminal, a line now and then everywhere else. */
function show(figures: () => CityFigures): NodeJS.Timeout {
  if (!process.stdout.isTTY) return setInterval(() => console.log(shortSummary(figures())), LINE_MS);
  let drawn = 0;
  return setInterval(() => {
    const width = process.stdout.columns || 120;
    const lines = summaryLines(figures()).map((line) => line.slice(0, width - 1));
    process.stdout.write(`${drawn > 0 ? `\x1b[${drawn}A` : ""}\x1b[0J${lines.join("\n")}\n`);
    drawn = lines.length;
  }, REDRAW_MS);
}

process.exitCode = await main(process.argv.slice(2));
