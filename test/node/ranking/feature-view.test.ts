import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Candidate } from "../../../src/domain/driver.ts";
import { localDayOfWeek, localHour } from "../../../src/domain/time.ts";
import {
  FEATURE_COUNT,
  FEATURE_SET_HASH,
  FEATURE_VIEW_VERSION,
  FEATURES,
  featureMatrix,
  featureSetHash,
  writeFeatureRow,
} from "../../../src/ranking/feature-view.ts";
import { candidateAt, contextAt, NOW } from "./scenes.ts";

function featuresOf(candidate: Candidate, context = contextAt()): Record<string, number> {
  const row = featureMatrix([candidate], context);
  return Object.fromEntries(FEATURES.map(({ name }, column) => [name, row[column]!]));
}

describe("a row of features", () => {
  test("says of a plain candidate what a reader would work out by hand", () => {
    const stats = { offersSeen: 12, acceptRate: 0.5, declinesInRow: 2 };
    const row = featuresOf(candidateAt("d", 800, { stats }));
    expect(row.pickup_meters).toBeCloseTo(800, 2);
    expect(row.pickup_seconds).toBeCloseTo(200, 3);
    expect(row.heading_off_degrees).toBeCloseTo(0, 3);
    expect(row.fare_cents_per_meter).toBeCloseTo(1_500 / 4_800, 6);
    expect(row.pickup_share).toBeCloseTo(800 / 4_800, 6);
    expect(row).toMatchObject({
      speed_meters_per_second: 5,
      idle_seconds: 300,
      fix_age_seconds: 1.5,
      driver_rating: Math.fround(4.8),
      driver_accept_rate: 0.5,
      driver_declines_in_row: 2,
      driver_offers_seen: 12,
      fare_cents: 1_500,
      hour_local: 8.5,
      day_of_week_local: 3,
      waiting_seconds: 2,
      wave: 1,
    });
  });

  test.each([
    [0, 0],
    [90, 90],
    [180, 180],
    [270, 90],
    [359, 1],
  ])("a driver heading %d degrees, due south of the pickup, must turn %d", (headingDegrees, turn) => {
    expect(featuresOf(candidateAt("d", 800, { headingDegrees })).heading_off_degrees).toBeCloseTo(turn, 3);
  });

  test("leaves NaN where nobody knows, for the model to judge", () => {
    const row = featuresOf(candidateAt("d", 800, { headingDegrees: null, speedMetersPerSecond: null }));
    expect(row).toMatchObject({ heading_off_degrees: Number.NaN, speed_meters_per_second: Number.NaN });
    expect(featuresOf(candidateAt("d", 3)).heading_off_degrees).toBeNaN();
  });

  test("holds no infinity, even from a market with no speed or a way of no length", () => {
    const still = featuresOf(candidateAt("d", 800), contextAt({ citySpeedMetersPerSecond: 0 }));
    expect(still.pickup_seconds).toBeNaN();
    const nowhere = featuresOf(candidateAt("d", 0, { pickupMeters: 0 }), contextAt({ tripMeters: 0 }));
    expect(nowhere.fare_cents_per_meter).toBeNaN();
  });

  test("is the same whether it is written alone or among others, and touches no other row", () => {
    const candidates = [100, 700, 2_000].map((meters, n) => candidateAt(`d${n}`, meters));
    const together = featureMatrix(candidates, contextAt());
    candidates.forEach((candidate, row) => {
      const alone = new Float32Array(3 * FEATURE_COUNT).fill(-1);
      writeFeatureRow(alone, row, candidate, contextAt());
      const [from, to] = [row * FEATURE_COUNT, (row + 1) * FEATURE_COUNT];
      expect(alone.subarray(from, to)).toEqual(together.subarray(from, to));
      expect(alone.filter((value) => value === -1).length).toBe(2 * FEATURE_COUNT);
    });
  });

  test("of an ordinary ride lies within the expected ranges", () => {
    const row = featuresOf(candidateAt("d", 1_200));
    for (const { name, expected } of FEATURES) {
      expect(row[name], name).toBeGreaterThanOrEqual(expected.min);
      expect(row[name], name).toBeLessThanOrEqual(expected.max);
    }
  });
});

describe("local time", () => {
  test.each([
    [NOW, -240, 8.5, 3],
    [NOW, 0, 12.5, 3],
    [NOW, 720, 0.5, 4],
    [0, -60, 23, 3],
    [-1, 0, 24 - 1 / 3_600_000, 3],
  ])("at %d with %d minutes east it is hour %d of day %d", (now, offset, hour, day) => {
    expect(localHour(now, offset)).toBeCloseTo(hour, 9);
    expect(localDayOfWeek(now, offset)).toBe(day);
  });

  test("agrees with the calendar at any moment", () => {
    const moments = fc.date({ min: new Date("1950-01-01"), max: new Date("2100-01-01"), noInvalidDate: true });
    for (const moment of fc.sample(moments, 300)) {
      expect(localDayOfWeek(moment.getTime(), 0)).toBe(moment.getUTCDay());
      expect(Math.floor(localHour(moment.getTime(), 0))).toBe(moment.getUTCHours());
    }
  });
});

describe("the name of a feature set", () => {
  test("[M1] is pinned: a change of features is a new set, and every model must be trained again", () => {
    expect([FEATURE_COUNT, FEATURE_SET_HASH]).toEqual([18, "bf7bcf8bfe623bc7"]);
  });

  test("changes with the version, the order, a name, a unit, a default and a range", () => {
    const first = FEATURES[0]!;
    const swap = (changed: Partial<typeof first>) => [{ ...first, ...changed }, ...FEATURES.slice(1)];
    const variants = [
      featureSetHash(FEATURE_VIEW_VERSION + 1, FEATURES),
      featureSetHash(FEATURE_VIEW_VERSION, FEATURES.toReversed()),
      featureSetHash(FEATURE_VIEW_VERSION, FEATURES.slice(1)),
      ...[{ name: "x" }, { unit: "km" }, { missing: 0 }, { expected: { min: 0, max: 1 } }].map((changed) =>
        featureSetHash(FEATURE_VIEW_VERSION, swap(changed)),
      ),
    ];
    expect(new Set([FEATURE_SET_HASH, ...variants]).size).toBe(variants.length + 1);
  });
});
