/** `npm run sim`: one simulated world as a readable trace. Ends with 1 when a promise was broken in it. */
import { numberOf, readArgs, runProgram } from "./arguments.ts";
import { SimulationFailure } from "./world/violation.ts";
import { runWorld } from "./world/world.ts";

await runProgram(() => {
  const given = readArgs(process.argv.slice(2), {
    seed: { type: "string", default: "1" },
    crowded: { type: "boolean", default: false },
  });
  const seed = numberOf("seed", given.seed, 0, Number.MAX_SAFE_INTEGER, true);
  try {
    const report = runWorld(seed, given.crowded);
    const seconds = (ms: number) => (ms / 1_000).toFixed(0);
    console.log(report.trace.join("\n"));
    console.log(`\n${report.steps} steps, ${seconds(report.ranMs)} s of the city, the last`);
    console.log(`${seconds(report.closingMs)} s of them without faults: every promise kept`);
  } catch (error) {
    if (!(error instanceof SimulationFailure)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
});
