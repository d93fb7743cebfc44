import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, describe, expect, test } from "vitest";
import { UsageError } from "../../../sim/arguments.ts";
import { CITY_PLANS } from "../../../sim/city/places.ts";
import { type Comparison, compare, type Experiment } from "../../../sim/lab/comparison.ts";
import { differenceText, estimateText, verdictOn } from "../../../sim/lab/figures-text.ts";
import { legOf, positionOn } from "../../../sim/lab/leg.ts";
import { parseCompareOptions } from "../../../sim/lab/options.ts";
import { parsePolicies } from "../../../sim/lab/policies.ts";
import { reportPage } from "../../../sim/lab/report-page.ts";
import { estimate, gini, pairedDifference, quantileOf } from "../../../sim/lab/statistics.ts";
import { fitted, generatedTravelTimes, travelTimesFor } from "../../../sim/lab/travel-times.ts";
import { generatedWishes } from "../../../sim/lab/wishes.ts";
import { ZoneWaits } from "../../../sim/lab/zone-waits.ts";
import type { DriverId } from "../../../src/domain/driver.ts";
import type { RideEvent } from "../../../src/domain/event.ts";
import { DISPATCH_KINDS, type Zone } from "../../../src/domain/market.ts";
import type { LatLng } from "../../../src/domain/place.ts";
import type { RideId } from "../../../src/domain/ride.ts";
import { localHour, MINUTE_MS } from "../../../src/domain/time.ts";
import { destinationPoint } from "../../../src/spatial/distance.ts";

const SF = CITY_PLANS.sf!;
const folder = mkdtempSync(join(tmpdir(), "kerb-test-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function experiment(policies: string, seeds: readonly number[]): Experiment {
  const wishes = generatedWishes(SF, 100);
  const travel = generatedTravelTimes(SF);
  return { plan: SF, wishes, travel, drivers: 25, zoneShare: 0, hours: 0.25, policies: parsePolicies(policies), seeds };
}

async function run(policies: string, seeds: readonly number[]): Promise<Comparison> {
  const comparison = await compare(experiment(policies, seeds), {
    signal: new AbortController().signal,
    onProgress: () => {},
  });
  return comparison!;
}

/** Whole cities run inside: not a matter of moments when the machine is busy. */
const PATIENT = { timeout: 60_000 };

describe("a comparison", PATIENT, () => {
  test("run twice is the same to the last digit, and so is its page", async () => {
    const policies = `${DISPATCH_KINDS.join(",")},broadcast:5`;
    const [once, again] = [await run(policies, [1]), await run(policies, [1])];
    expect(again.results).toEqual(once.results);
    expect(again.events).toEqual(once.events);
    expect(reportPage(again)).toBe(reportPage(once));
  });

  test("gives every policy the same requests, and another seed others", async () => {
    const { results } = await run("sequential,broadcast", [1, 2]);
    const [sequential, broadcast] = results;
    const askedFor = (result: typeof sequential) =>
      result!.runs.map(({ byCell }) => byCell.map(({ key, requests }) => `${key} ${requests}`));
    expect(askedFor(broadcast)).toEqual(askedFor(sequential));
    expect(askedFor(sequential)[0]).not.toEqual(askedFor(sequential)[1]);
    expect(sequential!.runs[0]!.requests).toBeGreaterThan(10);
  });

  test("sees people served, and every request end in one way", async () => {
    const { results } = await run("broadcast", [3]);
    const { figures, requests, waits, incomes } = results[0]!.runs[0]!;
    expect(figures.servedShare).toBeGreaterThan(0.2);
    expect(figures.servedShare + figures.unservedShare + figures.cancelledShare).toBeGreaterThan(0.9);
    expect(figures.servedShare + figures.unservedShare + figures.cancelledShare).toBeLessThanOrEqual(1 + 1e-9);
    expect(waits.length).toBeLessThanOrEqual(requests);
    expect(waits.length).toBeGreaterThanOrEqual(figures.servedShare * requests);
    expect(incomes.some((income) => income > 0)).toBe(true);
    expect(figures.idleShare).toBeGreaterThan(0);
    expect(figures.idleShare).toBeLessThan(1);
  });

  test("finds that asking several at once is accepted sooner than asking one after another", async () => {
    const { results } = await run("sequential,broadcast", [1, 2, 3]);
    expect(results[1]!.differences!.matchSeconds!.mean).toBeLessThan(0);
    expect(results[1]!.differences!.offersPerRequest!.mean).toBeGreaterThan(0);
    expect(results[0]!.differences).toBeNull();
  });

  test("[P2] [P3] sees drivers come before the time of riders who knew it and could schedule, and to the others after", async () => {
    const file = join(folder, "scheduled.json");
    writeFileSync(file, JSON.stringify({ settings: { dispatch: { kind: "sequential", scheduledRides: true } } }));
    const whole = { ...experiment(`sequential,${file}`, [1]), hours: 1, drivers: 60 };
    const comparison = await compare(whole, { signal: new AbortController().signal, onProgress: () => {} });
    const [none, scheduled] = comparison!.results.map(({ runs }) => runs[0]!);
    expect(scheduled!.requests).toBe(none!.requests);
    expect(none!.figures.plannedEarlyMinutes).toBe(0);
    expect(scheduled!.figures.plannedEarlyMinutes).toBeGreaterThan(1);
    expect(scheduled!.figures.plannedLateMinutes).toBeLessThan(none!.figures.plannedLateMinutes);
  });

  test("is nothing when it is stopped", async () => {
    const stop = new AbortController();
    const onProgress = () => stop.abort();
    expect(await compare(experiment("sequential", [1]), { signal: stop.signal, onProgress })).toBeNull();
  });
});

describe("its page", PATIENT, () => {
  test("loads nothing from anywhere, and says what it compares", async () => {
    const page = reportPage(await run("sequential,broadcast@model", [1]));
    expect(page).not.toMatch(/<(?:script|link|img|iframe)|@import|https?:|url\(/);
    expect(page).toContain("broadcast@model");
    expect(page).toContain("One run says nothing of chance");
    expect(page).not.toMatch(/NaN|Infinity|undefined/);
  });
});

describe("drivers who wait at zones", PATIENT, () => {
  const zone: Zone = { name: "home", center: { lat: 40, lng: -74 }, radiusMeters: 500 };
  const profile = { vehicleType: "economy", seats: 4, accessible: false, rating: 5, payments: ["card"] } as const;
  const near = (meters: number) => destinationPoint(zone.center, 0, meters);
  const who = (name: string) => name as DriverId;

  function rideFrom(pickup: LatLng, name: string, driver: string): RideEvent[] {
    const request = { pickup };
    const base = { rideId: name as RideId, at: 10 * MINUTE_MS };
    const assigned = { ...base, type: "ride.assigned", ride: { request, state: "assigned", driverId: driver } };
    return [{ ...base, type: "ride.requested", ride: { request } }, assigned] as unknown as RideEvent[];
  }

  test("are overtaken by who came later, but not after they refused, nor by who drives another kind of car", () => {
    const overtaken = (refuses: boolean, vehicleType: "economy" | "xl") => {
      const waits = new ZoneWaits([zone], 60 * MINUTE_MS);
      waits.seen(who("ann"), profile, zone, near(100), 0);
      waits.seen(who("bob"), { ...profile, vehicleType }, zone, near(501), 0);
      waits.seen(who("bob"), { ...profile, vehicleType }, zone, near(100), 4 * MINUTE_MS);
      if (refuses) waits.refused(who("ann"), near(0));
      for (const event of rideFrom(near(0), "one", "bob")) waits.changed(event);
      return waits.figures();
    };
    expect(overtaken(false, "economy")).toMatchObject({ zoneOvertakenShare: 1, zoneWaitMinutes: (6 + 60) / 2 });
    expect(overtaken(true, "economy").zoneOvertakenShare).toBe(0);
    expect(overtaken(false, "xl").zoneOvertakenShare).toBe(0);
  });

  test("wait for what their market makes of it, and nobody waits there who does not want to", async () => {
    const plan = CITY_PLANS.nyc!;
    const wishes = generatedWishes(plan, 200);
    const travel = generatedTravelTimes(plan);
    const some = { plan, wishes, travel, drivers: 60, hours: 0.75, policies: parsePolicies("sequential"), seeds: [1] };
    const watcher = { signal: new AbortController().signal, onProgress: () => {} };
    const [few, none] = [
      await compare({ ...some, zoneShare: 0.5 }, watcher),
      await compare({ ...some, zoneShare: 0 }, watcher),
    ];
    expect(few!.results[0]!.means.zoneWaitMinutes!.mean).toBeGreaterThan(0);
    expect(none!.results[0]!.means.zoneWaitMinutes).toBeNull();
  });
});

describe("statistics", () => {
  test("an interval is Student's, and of one run there is none", () => {
    // Mean 2, standard deviation 1, t(2) = 4.3027.
    expect(estimate([1, 2, 3])).toEqual({ mean: 2, half: expect.closeTo(4.3027 / Math.sqrt(3), 9) });
    // Nine 0s and nine 2s: standard deviation of the mean 1/√17, t(17) = 2.1098.
    const eighteen = Array.from({ length: 18 }, (_, index) => 2 * (index % 2));
    expect(estimate(eighteen)!.half! * Math.sqrt(17)).toBeCloseTo(2.1098, 3);
    expect(estimate([7])).toEqual({ mean: 7, half: null });
    expect(estimate([Number.NaN, 7])).toEqual({ mean: 7, half: null });
    expect(estimate([])).toBeNull();
  });

  test("what two runs of a seed share falls out of their difference", () => {
    const base = [10, 20, 30, 40];
    const better = base.map((value) => value + 1);
    expect(pairedDifference(better, base)).toEqual({ mean: 1, half: 0 });
    expect(estimate(better)!.half).toBeGreaterThan(10);
  });

  test("the Gini coefficient of equals is 0, and of one who has all among four it is 3/4", () => {
    expect(gini([5, 5, 5])).toBeCloseTo(0, 12);
    expect(gini([0, 0, 0, 8])).toBeCloseTo(0.75, 12);
    expect(gini([1, 2, 3])).toBeCloseTo(2 / 9, 12);
    expect(gini([])).toBeNaN();
  });

  test("a quantile is a value that occurred", () => {
    expect(quantileOf([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 0.9)).toBe(10);
    expect(quantileOf([], 0.9)).toBeNaN();
  });

  test("a difference is called clear only where its interval keeps away from zero", () => {
    const less = { unit: "min", better: "less" } as const;
    expect(verdictOn(less, { mean: -1, half: 0.5 })).toBe("better");
    expect(verdictOn(less, { mean: 1, half: 0.5 })).toBe("worse");
    expect(verdictOn(less, { mean: -1, half: 1 })).toBe("unclear");
    expect(verdictOn(less, { mean: -1, half: null })).toBe("unclear");
    expect(verdictOn({ better: "more" }, { mean: 1, half: 0.5 })).toBe("better");
  });

  test("figures are written as people read them", () => {
    expect(estimateText({ unit: "%" }, { mean: 0.8123, half: 0.01 })).toBe("81.2 ± 1.0 %");
    expect(estimateText({ unit: "min" }, { mean: -0.0001, half: null }, true)).toBe("0.00 min");
    expect(estimateText({ unit: "s" }, null)).toBe("–");
    const figure = { key: "servedShare", title: "", unit: "%", better: "more" } as const;
    expect(differenceText(figure, { mean: -0.02, half: 0.01 })).toBe("−2.0 ± 1.0 pp (worse)");
  });
});

describe("what is compared", () => {
  test("every kind of dispatch that there is, with a wave and a ranker", () => {
    const kinds = parsePolicies(DISPATCH_KINDS.join(",")).map(({ configuration }) => configuration.settings);
    expect(kinds).toEqual(DISPATCH_KINDS.map((kind) => ({ dispatch: { kind } })));
    const settings = { dispatch: { kind: "broadcast", waveSize: 5 } };
    expect(parsePolicies("broadcast:5@model")).toEqual([
      { name: "broadcast:5@model", configuration: { settings, hours: [] }, byModel: true },
    ]);
  });

  test.each([
    "",
    "fastest",
    "broadcast:0",
    "broadcast:11",
    "broadcast@oracle",
    "sequential,sequential",
    "current:3",
    "nowhere.json",
  ])("but not %j", (text) => expect(() => parsePolicies(text)).toThrow(UsageError));

  test("the market as it is, beside a file with what an operator would send", async () => {
    const file = join(folder, "candidate.json");
    const candidate = { settings: { dispatch: { kind: "broadcast", waveSize: 1 } } };
    writeFileSync(file, JSON.stringify(candidate));
    expect(parsePolicies(`current,${file}@model`)).toEqual([
      { name: "current", configuration: { settings: {}, hours: [] }, byModel: false },
      { name: `${file}@model`, configuration: { ...candidate, hours: [] }, byModel: true },
    ]);
    const { results } = await run(`current,${file},sequential`, [1]);
    const [current, one, sequential] = results.map(({ runs }) => runs);
    expect(one).toEqual(sequential);
    expect(one).not.toEqual(current);
  });

  test("[C1] an hour's settings hold while it lasts in the city's own time", async () => {
    const file = join(folder, "hours.json");
    const days = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
    const other = { dispatch: { kind: "broadcast", waveSize: 1 } };
    const played = async (fromHour: number, toHour: number) => {
      writeFileSync(file, JSON.stringify({ hours: [{ days, fromHour, toHour, settings: other }] }));
      const { results } = await run(`current,sequential,${file}`, [1]);
      return results.map(({ runs }) => runs);
    };
    const { startAt } = generatedWishes(SF, 100);
    const hour = Math.floor(localHour(startAt, SF.utcOffsetMinutes));
    const [, sequential, inForce] = await played(hour, (hour + 2) % 24 || 24);
    expect(inForce).toEqual(sequential);
    const [current, , elsewhere] = await played((hour + 12) % 24, (hour + 13) % 24 || 24);
    expect(elsewhere).toEqual(current);
  });

  test.each([
    ['{"settings":{"dispatch":{"kind":"fastest"}}}', "settings.dispatch.kind"],
    ['{"hours":[{"days":["mon"],"fromHour":7,"toHour":7,"settings":{}}]}', "hours.0.toHour"],
    ['{"setings":{}}', "setings"],
    ["{", "is not JSON"],
  ])("[C3] a file that an operator could not send is refused by the field: %s", (text, words) => {
    const file = join(folder, "wrong.json");
    writeFileSync(file, text);
    expect(() => parsePolicies(file)).toThrow(words);
  });

  test.each([
    [["--city", "atlantis"], "--city"],
    [["--requests", "nowhere.csv"], "--requests"],
    [["--from", "2014-04-11T21:00Z"], "--from"],
    [["--seeds", "0"], "--seeds"],
    [["--hours", "25"], "--hours"],
  ])("options that make no sense are refused by name: %j", (args, words) => {
    expect(() => parseCompareOptions(args)).toThrow(words);
  });

  test("without options it is five seeds of every kind in New York", () => {
    const options = parseCompareOptions([])!;
    expect(options.plan.name).toBe("nyc");
    expect(options.policies.map(({ name }) => name)).toEqual(DISPATCH_KINDS);
    expect(options.seeds).toEqual([1, 2, 3, 4, 5]);
    expect(parseCompareOptions(["--help"])).toBeNull();
  });
});

describe("roads", () => {
  test("a leg is driven at even pace from its beginning to its end", () => {
    const leg = legOf({ lat: 0, lng: 0 }, { lat: 0.01, lng: 0.02 }, 1_000, 100, 2_500);
    expect(leg.endAt).toBe(101_000);
    expect(leg.speedMetersPerSecond).toBe(25);
    expect(positionOn(leg, 51_000)).toEqual({ lat: 0.005, lng: 0.01 });
    expect(positionOn(leg, 200_000)).toEqual({ lat: 0.01, lng: 0.02 });
  });

  test("times learnt from trips know the hour, the length and the spread", () => {
    const samples = [3, 17].flatMap((hour) =>
      [500, 5_000].flatMap((meters) =>
        Array.from({ length: 60 }, (_, index) => {
          const speed = (hour === 3 ? 8 : 4) * (meters > 1_000 ? 1.5 : 1) * Math.exp(((index % 3) - 1) * 0.2);
          return { hour, meters, logSpeed: Math.log(speed) };
        }),
      ),
    );
    const seconds = fitted(samples);
    expect(seconds(500, 3.5, 0) / seconds(500, 17.5, 0)).toBeCloseTo(0.5, 6);
    expect(seconds(5_000, 17, 0) / seconds(500, 17, 0)).toBeLessThan(10);
    expect(seconds(500, 17, 1)).toBeGreaterThan(seconds(500, 17, 0));
  });

  test("a file of real trips is read where there is one, and generated times say that they are", async () => {
    expect((await travelTimesFor(SF, folder)).source).toContain("generated");
    const head = "cab,pickup_t,dropoff_t,pickup_lat,pickup_lon,dropoff_lat,dropoff_lon,path_km,n_fixes";
    const trip = "1,1211018400,1211018800,37.78,-122.41,37.78,-122.43,2,9";
    writeFileSync(join(folder, "sf-cab-trips-2008-05-17_31.csv.gz"), gzipSync(`${head}\n${`${trip}\n`.repeat(40)}`));
    const travel = await travelTimesFor(SF, folder);
    expect(travel.source).toBe("40 real trips (cabs, San Francisco, May 2008)");
    // 1,758 m in 400 s.
    expect(travel.seconds(1_758, 3, 0)).toBeCloseTo(400, -1);
  });
});
