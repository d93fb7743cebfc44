/** `npm start`: the Worker on this machine and a living city around it. See `npm start -- --help`. */

import { type CityOptions, parseCityOptions, USAGE } from "../sim/live/options.ts";
import { type CityFigures, passes, reportLines, shortSummary, summaryLines } from "../sim/live/report.ts";
import { runCity, writeReport } from "../sim/live/run-city.ts";
import { endOnSignal, runApp } from "./command-line.ts";

const REDRAW_MS = 500;
const LINE_MS = 5_000;

/** Ends with 0 when every promise was kept and somebody was served, 1 when not, 2 when asked for something impossible. */
await runApp(async () => {
  const options = parseCityOptions(process.argv.slice(2));
  if (options === null) return console.log(USAGE);
  await live(options);
});

async function live(options: CityOptions): Promise<void> {
  let showing: NodeJS.Timeout | undefined;
  const stopShowing = (): void => clearInterval(showing);
  const signal = endOnSignal(() => {
    stopShowing();
    console.log("\nstopping ...");
  });
  try {
    const report = await runCity(options, {
      signal,
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
    process.exitCode = passes(report) ? 0 : 1;
  } finally {
    stopShowing();
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
