/** Runs worlds on mutated source until a promise is broken. The source is changed as it is loaded, in this thread only. */
import { registerHooks } from "node:module";
import { parentPort, workerData } from "node:worker_threads";
import { type Mutant, mutated } from "./mutants.ts";

const { edits, seeds } = workerData as Mutant & { readonly seeds: number };
const root = new URL("../../", import.meta.url);

registerHooks({
  load(url, context, nextLoad) {
    const own = edits.filter(({ file }) => url === new URL(file, root).href);
    if (own.length === 0) return nextLoad(url, context);
    return { format: "module-typescript", source: mutated(new URL(url), own), shortCircuit: true };
  },
});

const { runWorld } = await import("../../sim/world/world.ts");
const { SimulationFailure } = await import("../../sim/world/violation.ts");

let failure: { readonly seed: number; readonly invariant: string; readonly message: string } | null = null;
for (let seed = 1; seed <= seeds && failure === null; seed++) {
  try {
    runWorld(seed);
  } catch (error) {
    if (!(error instanceof SimulationFailure)) throw error;
    failure = { seed, invariant: error.invariant, message: error.message };
  }
}
parentPort?.postMessage(failure);
