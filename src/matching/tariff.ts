/** What a trip costs, and how much more where many wait for few drivers. */
import type { Market } from "../domain/market.ts";
import { type EpochMs, MINUTE_MS } from "../domain/time.ts";

/** Fare of a trip along a straight line of `tripMeters`, in the market's cents; never below its minimum. */
export function fareCents({ tariff, citySpeedMetersPerSecond }: Market, tripMeters: number, surge: number): number {
  const minutes = tripMeters / citySpeedMetersPerSecond / 60;
  const metered = tariff.baseCents + (tripMeters / 1_000) * tariff.perKilometerCents + minutes * tariff.perMinuteCents;
  return Math.round(Math.max(metered, tariff.minimumCents) * surge);
}

/** How scarce drivers have been of late. Soft state: a shard that starts finds them plenty until it knows better. */
export interface Surge {
  readonly level: number;
  readonly at: EpochMs | null;
}

export const NO_SURGE: Surge = { level: 1, at: null };

/** Among so few riders and drivers as these, one more of either says little. */
const FEW = 5;
/** A level is mostly the last three minutes. */
const MEMORY_MS = 3 * MINUTE_MS;
/** However long nobody has looked, one look moves the level no farther than this would. */
const LONGEST_STEP_MS = MINUTE_MS;
/** Fares move in steps that people can read. */
const STEPS_PER_UNIT = 20;

/** `waiting` rides that look for a driver, `free` drivers who could be asked. A maximum of 1 knows no surge. */
export function nextSurge(
  { level, at }: Surge,
  { waiting, free }: { readonly waiting: number; readonly free: number },
  maximum: number,
  now: EpochMs,
): Surge {
  if (maximum <= 1 || at === null) return { level: 1, at: now };
  const wanted = Math.min(maximum, Math.max(1, (waiting + FEW) / (free + FEW)));
  const passedMs = Math.min(Math.max(0, now - at), LONGEST_STEP_MS);
  return { level: level + (wanted - level) * (1 - Math.exp(-passedMs / MEMORY_MS)), at: now };
}

/** What fares are multiplied with. */
export function surgeOf({ level }: Surge): number {
  return Math.round(level * STEPS_PER_UNIT) / STEPS_PER_UNIT;
}
