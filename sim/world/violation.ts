/**
 * A promise that was broken, by its name in the protocol (S1 to S9, L0 to L5, X2 to X4, X8, X9, Y1, N3, Z3) or `core` for what the core
 * itself asserts.
 */
class Violation extends Error {
  readonly invariant: string;

  constructor(invariant: string, message: string) {
    super(`${invariant}: ${message}`);
    this.invariant = invariant;
  }
}

export function promise(kept: boolean, invariant: string, message: () => string): asserts kept {
  if (!kept) throw new Violation(invariant, message());
}

export function replayCommand(seed: number, crowded: boolean): string {
  return `npm run sim -- --seed ${seed}${crowded ? " --crowded" : ""}`;
}

/** A violation with everything a reader needs to see it again. */
export class SimulationFailure extends Error {
  readonly seed: number;
  readonly invariant: string;

  constructor(seed: number, crowded: boolean, cause: unknown, tail: (complaint: string) => string) {
    const complaint = cause instanceof Error ? cause.message : String(cause);
    super(`seed ${seed}: ${complaint}\n\n${tail(complaint)}\n\nreplay: ${replayCommand(seed, crowded)}`, { cause });
    this.seed = seed;
    this.invariant = cause instanceof Violation ? cause.invariant : (complaint.match(/\b[SLX]\d\b/)?.[0] ?? "core");
  }
}
