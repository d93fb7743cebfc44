/** Milliseconds since 1970-01-01T00:00Z. The only form in which a moment travels inside Kerb. */
export type EpochMs = number;

export const SECOND_MS = 1_000;
export const MINUTE_MS = 60 * SECOND_MS;
export const HOUR_MS = 60 * MINUTE_MS;

/** Hours since local midnight, [0, 24). */
export function localHour(now: EpochMs, utcOffsetMinutes: number): number {
  return modulo((now + utcOffsetMinutes * MINUTE_MS) / HOUR_MS, 24);
}

/** 0 Sunday to 6 Saturday; the epoch was a Thursday. */
export function localDayOfWeek(now: EpochMs, utcOffsetMinutes: number): number {
  return modulo(Math.floor((now + utcOffsetMinutes * MINUTE_MS) / (24 * HOUR_MS)) + 4, 7);
}

function modulo(value: number, by: number): number {
  return ((value % by) + by) % by;
}
