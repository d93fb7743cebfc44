/** How configuration writes markets, with what each number is where it is left out. */
import * as z from "zod";
import { DISPATCH_KINDS, type Market } from "../domain/market.ts";

export interface MarketArea {
  readonly south: number;
  readonly west: number;
  readonly north: number;
  readonly east: number;
  readonly market: Market;
}

const positive = z.number().positive();
const cents = z.int().min(0).max(1_000_000);
const durationMs = z.int().min(100).max(86_400_000);

const MarketEntry = z.strictObject({
  name: z.string().min(1).max(40),
  bounds: z.tuple([z.number(), z.number(), z.number(), z.number()]),
  utcOffsetMinutes: z.int().min(-720).max(840),
  citySpeedMetersPerSecond: positive.max(2_000),
  tariff: z.strictObject({
    currency: z.string().regex(/^[A-Z]{3}$/),
    baseCents: cents,
    perKilometerCents: cents,
    perMinuteCents: cents,
    minimumCents: cents,
    surgeMaximum: z.number().min(1).max(5).default(1),
  }),
  dispatch: z
    .strictObject({
      kind: z.enum(DISPATCH_KINDS).default("broadcast"),
      waveSize: z.int().min(1).max(10).default(3),
      batchWindowMs: z.int().min(0).max(5_000).default(2_000),
      offerTtlMs: durationMs.default(15_000),
      matchDeadlineMs: durationMs.default(120_000),
      startRadiusMeters: positive.default(3_000),
      radiusStepMeters: positive.default(1_500),
      maximumRadiusMeters: positive.max(50_000).default(9_000),
      searchEveryMs: durationMs.default(1_500),
      noShowMs: durationMs.default(300_000),
      pickupWatchMs: durationMs.default(300_000),
      tripWatchMs: durationMs.default(21_600_000),
    })
    .prefault({}),
});

export const Markets = z
  .array(MarketEntry)
  .min(1)
  .max(500)
  .transform((entries) =>
    entries.map(
      ({ bounds: [south, west, north, east], ...market }): MarketArea => ({ south, west, north, east, market }),
    ),
  );
