/** The simulation's own examination: each known bug is noticed within so many seeds, by the promise that it breaks. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import { HARMLESS, MUTANTS, type Mutant } from "./mutants.ts";

const WITHIN_SEEDS = 500;
const HARMLESS_SEEDS = 40;

interface Failure {
  readonly seed: number;
  readonly invariant: string;
  readonly message: string;
}

async function firstFailure(mutant: Mutant, seeds: number): Promise<Failure | null> {
  const thread = new Worker(new URL("./mutant-thread.ts", import.meta.url), { workerData: { ...mutant, seeds } });
  const [failure] = await once(thread, "message");
  await thread.terminate();
  return failure as Failure | null;
}

describe(`within ${WITHIN_SEEDS} seeds the auditor notices`, () => {
  test.each(Object.entries(MUTANTS))("%s", async (_, mutant) => {
    const failure = await firstFailure(mutant, WITHIN_SEEDS);
    expect(failure, "nothing noticed it").not.toBeNull();
    expect(mutant.breaks, failure?.message).toContain(failure?.invariant);
    expect(failure?.message).toContain(`npm run sim -- --seed ${failure?.seed}`);
  });
});

describe(`in ${HARMLESS_SEEDS} seeds the auditor passes`, () => {
  test.each(Object.entries(HARMLESS))("%s", async (_, mutant) => {
    expect((await firstFailure(mutant, HARMLESS_SEEDS))?.message).toBeUndefined();
  });
});

test("an edit that does not stand in its file exactly once is no mutant", async () => {
  const stale = { file: "src/matching/offer.ts", find: "no such text", replace: "" };
  await expect(firstFailure({ edits: [stale], breaks: [] }, 1)).rejects.toThrow("0 times, not once");
});
