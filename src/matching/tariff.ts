import type { Market } from "../domain/market.ts";

/** Fare of a trip along a straight line of `tripMeters`, in the market's cents; never below its minimum. */
export function fareCents({ tariff, citySpeedMetersPerSecond }: Market, tripMeters: number): number {
  const minutes = tripMeters / citySpeedMetersPerSecond / 60;
  const metered = tariff.baseCents + (tripMeters / 1_000) * tariff.perKilometerCents + minutes * tariff.perMinuteCents;
  return Math.round(Math.max(metered, tariff.minimumCents));
}
