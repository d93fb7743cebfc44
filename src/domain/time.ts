/** Milliseconds since 1970-01-01T00:00Z. The only form in which a moment travels inside Kerb. */
export type EpochMs = number;

export const SECOND_MS = 1_000;
export const MINUTE_MS = 60 * SECOND_MS;
export const HOUR_MS = 60 * MINUTE_MS;
