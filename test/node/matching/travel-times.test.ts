import { describe, expect, test } from "vitest";
import { createRandom } from "../../../sim/random.ts";
import { TravelTimes, turnSeconds, type Way } from "../../../src/matching/travel-times.ts";
import { destinationPoint, haversineMeters } from "../../../src/spatial/distance.ts";
import { PICKUP, START } from "./shard-kit.ts";

const PRIOR = { citySpeedMetersPerSecond: 4, utcOffsetMinutes: -240 };
const HOUR = 3_600_000;

/** A way somewhere within 6 km, at any hour of a week. */
function ways(count: number, seed = 1): Way[] {
  const random = createRandom(seed);
  return Array.from({ length: count }, () => {
    const from = destinationPoint(PICKUP, random.next() * 360, 4_000 * random.next());
    const to = destinationPoint(from, random.next() * 360, 400 + 6_000 * random.next());
    return { from, to, at: START + random.int(7 * 24) * HOUR };
  });
}

const taughtBy = (lessons: readonly Way[], took: (way: Way) => number) => {
  const table = new TravelTimes(PRIOR);
  for (const way of lessons) table.learn(way, took(way));
  return table;
};
const straight = ({ from, to }: Way) => haversineMeters(from, to) / PRIOR.citySpeedMetersPerSecond;
const north = (way: Way) => way.to.lat > PICKUP.lat;
const atNight = ({ at }: Way) => (at / HOUR - 4 + 24_000_000) % 24 < 6;
/** A city unlike the prior: minutes for every start, slow in the north, fast at night. */
const truth = (way: Way) => (120 + straight(way) * 0.7) * (north(way) ? 1.5 : 1) * (atNight(way) ? 0.6 : 1);
const meanError = (table: TravelTimes, asked: readonly Way[]) =>
  asked.reduce((sum, way) => sum + Math.abs(Math.log(table.seconds(way) / truth(way))), 0) / asked.length;

describe("[Q1] the time a way takes", () => {
  test("is, before anything is learned, the straight way at the market's speed, to the bit", () => {
    const table = new TravelTimes(PRIOR);
    for (const way of ways(20)) expect(table.seconds(way)).toBe(straight(way));
  });

  test("comes near the truth of another city after some thousand ways, also where and when none of them was", () => {
    const asked = ways(500, 2);
    const [few, many] = [300, 4_000].map((count) => meanError(taughtBy(ways(count), truth), asked));
    const none = meanError(new TravelTimes(PRIOR), asked);
    expect(few).toBeLessThan(none * 0.7);
    expect(many).toBeLessThan(none * 0.35);
  });

  test("follows a city that changes", () => {
    const table = taughtBy(ways(30_000), straight);
    for (const way of ways(8_000, 3)) table.learn(way, 2 * straight(way));
    const ratios = Float64Array.from(ways(201, 4), (way) => table.seconds(way) / straight(way)).sort();
    expect(ratios[100]).toBeGreaterThan(1.95);
    expect(ratios[100]).toBeLessThan(2.05);
  });

  test("is never moved far by one absurd way, nor by all of them beyond five times the prior", () => {
    const [way] = ways(1);
    const once = taughtBy([way!], (w) => 1_000 * straight(w));
    expect(once.seconds(way!) / straight(way!)).toBeLessThan(1.6);
    const always = taughtBy(ways(5_000), (w) => 1_000 * straight(w));
    expect(always.seconds(way!) / straight(way!)).toBeLessThan(5);
  });

  test("learns nothing of ways that are too short in meters or in seconds to be ways", () => {
    const [way] = ways(1);
    const stub = { ...way!, to: destinationPoint(way!.from, 90, 150) };
    const table = taughtBy([stub], () => 600);
    table.learn(way!, 10);
    expect(table.learned).toBe(0);
    expect(table.seconds(way!)).toBe(straight(way!));
  });

  test("remembers a bounded number of places, whatever drivers claim", () => {
    const random = createRandom(5);
    const table = new TravelTimes(PRIOR);
    for (let n = 0; n < 4_000; n++) {
      const from = { lat: random.next() * 160 - 80, lng: random.next() * 360 - 180 };
      table.learn({ from, to: destinationPoint(from, 0, 2_000), at: START + n * HOUR }, 500);
    }
    const { lengths, hours, begins, ends } = table.memory();
    expect(lengths.length).toBeLessThanOrEqual(7);
    expect(hours.length).toBe(48);
    expect([begins.length, ends.length]).toEqual([512, 512]);
    expect(JSON.stringify(table.memory()).length).toBeLessThan(64 * 1_024);
  });

  test("[Q3] is the same, to the bit, in a table that recalls what another kept", () => {
    const table = taughtBy(ways(1_000), truth);
    const again = new TravelTimes(PRIOR);
    again.recall(JSON.parse(JSON.stringify(table.memory())));
    for (const way of ways(50, 6)) expect(again.seconds(way)).toBe(table.seconds(way));
  });
});

test("[Q1] a driver who drives away pays for the turn, one who stands or drives there pays nothing", () => {
  const to = destinationPoint(PICKUP, 0, 1_000);
  const turn = (headingDegrees: number | null, speedMetersPerSecond: number | null, at = to) =>
    Math.round(2 * turnSeconds(PICKUP, at, { headingDegrees, speedMetersPerSecond }));
  expect([turn(0, 8), turn(90, 8), turn(180, 8), turn(270, 8)]).toEqual([0, 45, 90, 45]);
  expect([turn(null, 8), turn(180, null), turn(180, 0.5)]).toEqual([0, 0, 0]);
  expect(turn(180, 8, destinationPoint(PICKUP, 0, 30))).toBe(0);
});
