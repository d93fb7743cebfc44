import { describe, expect, test } from "vitest";
import { createRandom } from "../../../sim/random.ts";
import { RecentPlaces } from "../../../src/matching/recent-places.ts";
import { secondsWithExchange, turnoverSeconds } from "../../../src/matching/turnover.ts";

describe("what a rider may expect of drivers who are not free yet", () => {
  test("where nobody came free, nothing", () => {
    expect(turnoverSeconds(new Float64Array(0), 600)).toBe(Number.POSITIVE_INFINITY);
  });

  test("is where one more second of waiting saves just one", () => {
    const random = createRandom(1);
    for (let round = 0; round < 500; round++) {
      const observedSeconds = 1 + random.next() * 900;
      const away = Float64Array.from({ length: 1 + random.int(40) }, () => random.next() * 900);
      const expected = turnoverSeconds(away.slice(), observedSeconds);
      const saved = away.reduce((sum, seconds) => sum + Math.max(0, expected - seconds), 0);
      expect(saved / observedSeconds).toBeCloseTo(1, 9);
    }
  });

  test("is what waiting turns out to cost when drivers do come free like that", () => {
    const random = createRandom(2);
    const away = (): number => 600 * Math.sqrt(random.next());
    const perSecond = 0.05;
    const seen = Float64Array.from({ length: 40_000 }, away);
    const expected = turnoverSeconds(seen, seen.length / perSecond);
    let total = 0;
    for (let rider = 0; rider < 20_000; rider++) {
      let waited = random.exponential(1 / perSecond);
      let pickup = away();
      while (pickup >= expected) {
        waited += random.exponential(1 / perSecond);
        pickup = away();
      }
      total += waited + pickup;
    }
    expect(total / 20_000 / expected).toBeCloseTo(1, 1);
  });
});

describe("the memory of where drivers came free", () => {
  const near = (seconds: number) => ({ lat: seconds, lng: 0 });
  const latsSince = (memory: RecentPlaces, now: number) => {
    const { places, seconds } = memory.since(now);
    return [places.map(({ lat }) => lat).sort((a, b) => a - b), seconds];
  };

  test("takes it that nothing had happened before it began to look", () => {
    const cameFree = new RecentPlaces(900_000, 8);
    cameFree.note(near(20), 5_000);
    expect(latsSince(cameFree, 10_000)).toEqual([[20], 900]);
  });

  test("forgets what is too old", () => {
    const cameFree = new RecentPlaces(60_000, 8);
    cameFree.note(near(5), 10_000);
    cameFree.note(near(30), 80_000);
    expect(latsSince(cameFree, 100_000)).toEqual([[30], 60]);
    expect(latsSince(cameFree, 200_000)).toEqual([[], 60]);
  });

  test("when full looks back no farther than it can remember", () => {
    const cameFree = new RecentPlaces(900_000, 3);
    for (let second = 1; second <= 10; second++) cameFree.note(near(second), second * 1_000);
    expect(latsSince(cameFree, 12_000)).toEqual([[8, 9, 10], 4]);
  });

  test("knows how long ago each was", () => {
    const cameFree = new RecentPlaces(900_000, 2);
    for (let second = 1; second <= 3; second++) cameFree.note(near(second), second * 1_000);
    const { places, agoSeconds } = cameFree.since(12_000);
    expect(new Map(places.map(({ lat }, at) => [lat, agoSeconds[at]]))).toEqual(
      new Map([
        [2, 10],
        [3, 9],
      ]),
    );
  });
});

describe("what a pickup may be expected to take while the driver may still be exchanged", () => {
  test("is the pickup itself when he is near or nobody else will come", () => {
    expect(secondsWithExchange(10, 300)).toBeCloseTo(10, 2);
    expect(secondsWithExchange(500, Number.POSITIVE_INFINITY)).toBe(500);
    expect(secondsWithExchange(0, 300)).toBe(0);
  });

  test("never more than the pickup, nor than what others promise, and more the farther he is", () => {
    let before = -1;
    for (let pickup = 0; pickup <= 2_000; pickup += 10) {
      const expected = secondsWithExchange(pickup, 300);
      expect(expected).toBeLessThanOrEqual(Math.min(pickup, 300));
      expect(expected).toBeGreaterThan(before);
      before = expected;
    }
  });

  test("is within 5 % of the equation that it stands for", () => {
    const turnover = 250;
    let exact = 0;
    const step = 0.05;
    for (let pickup = step; pickup <= 1_500; pickup += step) {
      exact += step * (1 - (exact / turnover) ** 3);
      if (pickup > 1) expect(Math.abs(secondsWithExchange(pickup, turnover) / exact - 1)).toBeLessThan(0.05);
    }
  });
});
