/** The case that cannot happen: every switch over a union ends here, so a new member fails to compile. */
export function assertNever(value: never): never {
  throw new Error(`unexpected case: ${JSON.stringify(value)}`);
}

/** An invariant of the code itself. Its failure is a bug here, never a peer's fault; the caller fail-stops. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`invariant broken: ${message}`);
}
