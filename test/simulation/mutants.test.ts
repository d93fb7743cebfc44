/** The simulation's own examination: each known bug is noticed within so many seeds, by the promise that it breaks. */
import { describe, expect, test } from "vitest";
import { SimulationFailure } from "../../sim/world/violation.ts";
import { runWorld } from "../../sim/world/world.ts";
import { HARMLESS, MUTANTS } from "./mutants.ts";

/** The shyest, a release matched by ride, shows itself in one world of fifteen. */
const WITHIN_SEEDS = 100;
const HARMLESS_SEEDS = 40;

function firstFailure(mutant: (typeof MUTANTS)[string]["mutant"]): SimulationFailure | null {
  for (let seed = 1; seed <= WITHIN_SEEDS; seed++) {
    try {
      runWorld(seed, false, mutant());
    } catch (error) {
      if (error instanceof SimulationFailure) return error;
      throw error;
    }
  }
  return null;
}

describe(`within ${WITHIN_SEEDS} seeds the auditor notices`, () => {
  test.each(Object.entries(MUTANTS))("%s", (_, { mutant, breaks }) => {
    const failure = firstFailure(mutant);
    expect(failure, "nothing noticed it").not.toBeNull();
    expect(breaks).toContain(failure?.invariant);
    expect(failure?.message).toContain(`npm run sim -- --seed ${failure?.seed}`);
  });
});

describe(`in ${HARMLESS_SEEDS} seeds the auditor passes`, () => {
  test.each(Object.entries(HARMLESS))("%s", (_, mutant) => {
    for (let seed = 1; seed <= HARMLESS_SEEDS; seed++) runWorld(seed, false, mutant());
  });
});
