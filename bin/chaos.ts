/** `npm run chaos`: the running system under kill -9, cut connections, pauses and ended objects. See `-- --help`. */
import { writeFileSync } from "node:fs";
import { parseChaosOptions, USAGE } from "../sim/chaos/options.ts";
import { chaosLines, doubts } from "../sim/chaos/report.ts";
import { runChaos } from "../sim/chaos/run-chaos.ts";
import { endOnSignal, runApp } from "./command-line.ts";

/** Ends with 0 when every promise was kept, 1 when one was broken or could not be judged, 2 after a wrong option. */
await runApp(async () => {
  const options = parseChaosOptions(process.argv.slice(2));
  if (options === null) return console.log(USAGE);
  const report = await runChaos(options, {
    signal: endOnSignal(() => console.log("\nno more faults ...")),
    onStage: (sentence) => console.log(`${sentence} ...`),
    onProgress: (line) => console.log(line),
  });
  console.log(`\n${chaosLines(report).join("\n")}`);
  if (options.reportFile !== null) writeFileSync(options.reportFile, `${JSON.stringify(report, null, 2)}\n`);
  process.exitCode = report.violations.length === 0 && doubts(report).length === 0 ? 0 : 1;
});
