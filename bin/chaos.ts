/** `npm run chaos`: the running system under kill -9, cut connections, pauses and ended objects. See `-- --help`. */
import { writeFileSync } from "node:fs";
import { type ChaosOptions, parseChaosOptions, USAGE } from "../sim/chaos/options.ts";
import { chaosLines } from "../sim/chaos/report.ts";
import { runChaos } from "../sim/chaos/run-chaos.ts";
import { UsageError } from "../sim/live/options.ts";

/** 0 kept every promise, 1 broke one or could not be judged, 2 was asked for something impossible. */
async function main(args: readonly string[]): Promise<0 | 1 | 2> {
  let options: ChaosOptions | null;
  try {
    options = parseChaosOptions(args);
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
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.on(name, () => {
      // The second time somebody means it.
      if (ending.signal.aborted) process.exit(130);
      console.log("\nno more faults ...");
      ending.abort();
    });
  }
  try {
    const report = await runChaos(options, {
      signal: ending.signal,
      onStage: (sentence) => console.log(`${sentence} ...`),
      onProgress: (line) => console.log(line),
    });
    console.log(`\n${chaosLines(report).join("\n")}`);
    if (options.reportFile !== null) writeFileSync(options.reportFile, `${JSON.stringify(report, null, 2)}\n`);
    return report.violations.length === 0 && report.linearizability.undecided.length === 0 ? 0 : 1;
  } catch (error) {
    console.error(`kerb: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  }
}

process.exitCode = await main(process.argv.slice(2));
