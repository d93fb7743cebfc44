/** One line of JSON per happening. Places are never logged finer than a shard's cell, people only by nothing at all. */

export type LogFields = Readonly<Record<string, string | number | boolean | null>>;

/** Something failed that somebody should look at. The error's text stays on this side; clients get a reason code. */
export function logError(what: string, error: unknown, fields: LogFields = {}): void {
  const message = error instanceof Error ? error.message : String(error);
  console.error(JSON.stringify({ level: "error", what, message, ...fields }));
}

/** Something is another way than it was, and operators may ask later when that began. */
export function logChange(what: string, fields: LogFields): void {
  console.log(JSON.stringify({ level: "info", what, ...fields }));
}
