/**
 * Explores the assignment protocol exhaustively and prints what came of it.
 *
 *   node sim/model/run.ts            small worlds, every mutation, every weakening: seconds each
 *   node sim/model/run.ts --long     the large worlds as well: one or two minutes
 */
import { readArgs, runProgram } from "../arguments.ts";
import { CASES, exploreCase, verdictOf } from "./cases.ts";
import { headingOf, rowOf, stepsTable, storyOf } from "./report.ts";

await runProgram(() => {
  const { long } = readArgs(process.argv.slice(2), { long: { type: "boolean", default: false } });
  const cases = CASES.filter((one) => long || !one.long);
  const stories: string[] = [];
  const taken = new Map<string, number>();
  let surprises = 0;
  let kind = "";
  for (const item of cases) {
    if (item.kind !== kind) console.log(headingOf(item.kind));
    kind = item.kind;
    const startedAt = performance.now();
    const result = exploreCase(item);
    console.log(rowOf(item, result, (performance.now() - startedAt) / 1_000));
    if (kind === "protocol") for (const [name, n] of result.taken) taken.set(name, (taken.get(name) ?? 0) + n);
    if (result.finding !== null) stories.push(storyOf(item.title, result.finding));
    if (verdictOf(result) !== item.expected) surprises++;
  }
  console.log("\nHow each mutation goes wrong, by the shortest way");
  for (const story of stories) console.log(story);
  console.log(
    `\nSteps that changed something in the protocol's worlds (o: an offer, d: its driver)\n${stepsTable(taken)}`,
  );
  console.log(`\n${cases.length} explorations, ${surprises} not as expected`);
  process.exitCode = surprises === 0 ? 0 : 1;
});
