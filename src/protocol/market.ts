/** How configuration writes markets, with what each number is where it is left out. */
import * as z from "zod";
import { DISPATCH_KINDS, type Market, type Zone } from "../domain/market.ts";

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

/** What may be said of each setting, wherever it is said. */
export const TARIFF_FIELDS = {
  currency: z.string().regex(/^[A-Z]{3}$/),
  baseCents: cents,
  perKilometerCents: cents,
  perMinuteCents: cents,
  minimumCents: cents,
  surgeMaximum: z.number().min(1).max(5),
};
export const DISPATCH_FIELDS = {
  kind: z.enum(DISPATCH_KINDS),
  waveSize: z.int().min(1).max(10),
  batchWindowMs: z.int().min(0).max(5_000),
  replanning: z.boolean(),
  fairnessSeconds: z.number().min(0).max(300),
  fairnessAfterMs: durationMs,
  lookAheadSeconds: z.number().min(0).max(300),
  destinationShare: z.number().min(0).max(0.9),
  hintEveryMs: z.int().min(0).max(86_400_000),
  forwardSeconds: z.number().min(0).max(120),
  scheduledRides: z.boolean(),
  queueZones: z.boolean(),
  offerTtlMs: durationMs,
  matchDeadlineMs: durationMs,
  startRadiusMeters: positive,
  radiusStepMeters: positive,
  maximumRadiusMeters: positive.max(50_000),
  searchEveryMs: durationMs,
  noShowMs: durationMs,
  pickupWatchMs: durationMs,
  tripWatchMs: durationMs,
};

/** `center` is [lat, lng], as `bounds` are written. Where a zone may lie is in src/routing/zone-bounds.ts. */
const ZoneEntry = z
  .strictObject({
    name: z.string().min(1).max(40),
    center: z.tuple([z.number().min(-90).max(90), z.number().min(-180).max(180)]),
    radiusMeters: z.number().min(50).max(5_000),
  })
  .transform(({ center: [lat, lng], ...zone }): Zone => ({ ...zone, center: { lat, lng } }));

const MarketEntry = z.strictObject({
  name: z.string().min(1).max(40),
  bounds: z.tuple([z.number(), z.number(), z.number(), z.number()]),
  utcOffsetMinutes: z.int().min(-720).max(840),
  citySpeedMetersPerSecond: positive.max(2_000),
  zones: z.array(ZoneEntry).max(100).default([]),
  tariff: z.strictObject({
    ...TARIFF_FIELDS,
    surgeMaximum: TARIFF_FIELDS.surgeMaximum.default(1),
  }),
  dispatch: z
    .strictObject({
      kind: DISPATCH_FIELDS.kind.default("batched"),
      waveSize: DISPATCH_FIELDS.waveSize.default(3),
      batchWindowMs: DISPATCH_FIELDS.batchWindowMs.default(2_000),
      replanning: DISPATCH_FIELDS.replanning.default(true),
      fairnessSeconds: DISPATCH_FIELDS.fairnessSeconds.default(0),
      fairnessAfterMs: DISPATCH_FIELDS.fairnessAfterMs.default(600_000),
      lookAheadSeconds: DISPATCH_FIELDS.lookAheadSeconds.default(0),
      destinationShare: DISPATCH_FIELDS.destinationShare.default(0),
      hintEveryMs: DISPATCH_FIELDS.hintEveryMs.default(0),
      forwardSeconds: DISPATCH_FIELDS.forwardSeconds.default(0),
      scheduledRides: DISPATCH_FIELDS.scheduledRides.default(false),
      queueZones: DISPATCH_FIELDS.queueZones.default(false),
      offerTtlMs: DISPATCH_FIELDS.offerTtlMs.default(15_000),
      matchDeadlineMs: DISPATCH_FIELDS.matchDeadlineMs.default(120_000),
      startRadiusMeters: DISPATCH_FIELDS.startRadiusMeters.default(3_000),
      radiusStepMeters: DISPATCH_FIELDS.radiusStepMeters.default(1_500),
      maximumRadiusMeters: DISPATCH_FIELDS.maximumRadiusMeters.default(9_000),
      searchEveryMs: DISPATCH_FIELDS.searchEveryMs.default(1_500),
      noShowMs: DISPATCH_FIELDS.noShowMs.default(300_000),
      pickupWatchMs: DISPATCH_FIELDS.pickupWatchMs.default(300_000),
      tripWatchMs: DISPATCH_FIELDS.tripWatchMs.default(21_600_000),
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
