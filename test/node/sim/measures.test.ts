import { expect, test } from "vitest";
import { UsageError } from "../../../sim/arguments.ts";
import { createCityClock, fixEveryMs, serverVars } from "../../../sim/live/city-clock.ts";
import { createHistogram, createMeasures } from "../../../sim/live/measures.ts";
import { parseCityOptions } from "../../../sim/live/options.ts";
import { matchedShareOf, passes } from "../../../sim/live/report.ts";

test("percentiles are within one per cent of the sorted truth", () => {
  const histogram = createHistogram();
  for (let ms = 1; ms <= 1_000; ms++) histogram.add(ms);
  const { count, p50, p95, p99 } = histogram.percentiles();
  expect(count).toBe(1_000);
  for (const [got, true_] of [
    [p50, 500],
    [p95, 950],
    [p99, 990],
  ] as const) {
    expect(Math.abs(got - true_) / true_).toBeLessThan(0.01);
  }
});

test("the way from request to offer is measured once, whichever is heard first", () => {
  const measures = createMeasures();
  measures.requestSent("k");
  measures.offerSeen("ride");
  measures.requestNamed("k", "ride");
  measures.offerSeen("ride");
  expect(measures.requestToOffer.percentiles().count).toBe(1);
});

test("a faster city shortens what the server measures by its own clock, within bounds, and nothing else", () => {
  const markets = JSON.stringify([
    { name: "x", citySpeedMetersPerSecond: 3.4, dispatch: { noShowMs: 100_000, waveSize: 2 } },
  ]);
  const vars = serverVars(markets, 10);
  expect(vars.TOP_SPEED_METERS_PER_SECOND).toBe("700");
  expect(JSON.parse(vars.MARKETS!)).toEqual([
    {
      name: "x",
      citySpeedMetersPerSecond: 3.4,
      dispatch: {
        noShowMs: 10_000,
        waveSize: 2,
        batchWindowMs: 200,
        offerTtlMs: 1_500,
        matchDeadlineMs: 12_000,
        searchEveryMs: 250,
        pickupWatchMs: 30_000,
        tripWatchMs: 2_160_000,
      },
    },
  ]);
  expect([0.5, 1, 2, 4, 60].map(fixEveryMs)).toEqual([4_000, 4_000, 2_000, 1_000, 1_000]);
  expect(createCityClock(2).hurry).toBe(1);
});

test("options have defaults that make a living city", () => {
  expect(parseCityOptions([])).toMatchObject({
    city: "nyc",
    drivers: null,
    speed: 10,
    durationSeconds: null,
    port: 8_787,
  });
  expect(parseCityOptions(["--help"])).toBeNull();
});

test.each([
  [["--city", "atlantis"], '--city: expected one of nyc, sf, paris, berlin, got "atlantis"'],
  [["--drivers", "1.5"], "--drivers: expected a whole number from 1 to 5000"],
  [["--speed", "NaN"], "--speed: expected a number from 0.1 to 60"],
  [["--duration", ""], "--duration: expected a number from 1 to 86400"],
  [["--requests", "/no/such/file"], '--requests: there is no file "/no/such/file"'],
  [["--from", "2014-04-11T21:00Z"], "--from chooses among the pickups of a file"],
  [["--sped", "2"], "--sped"],
  [["left", "over"], "left"],
])("%j is refused in words", (args, words) => {
  expect(() => parseCityOptions(args)).toThrow(UsageError);
  expect(() => parseCityOptions(args)).toThrow(words);
});

test("a run in which nobody was served does not pass, and its share of matched requests is none", () => {
  const { counters } = createMeasures();
  const judged = (rides: Partial<typeof counters>, complete: boolean) =>
    passes({ violations: [], complete, rides: { ...counters, ...rides } });
  expect(judged({ requests: 90, refused: 90 }, true)).toBe(false);
  expect(judged({ requests: 90, refused: 90 }, false)).toBe(false);
  expect(judged({ requests: 90, unserved: 90 }, true)).toBe(false);
  expect(judged({ requests: 90, matched: 1 }, true)).toBe(true);
  expect(judged({ requests: 1 }, false)).toBe(true);
  expect(matchedShareOf({ requests: 90, refused: 90, matched: 0 })).toBe(0);
  expect(matchedShareOf({ requests: 90, refused: 50, matched: 30 })).toBe(0.75);
});
