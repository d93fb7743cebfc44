import { describe, expect, test } from "vitest";
import type { Zone } from "../../../src/domain/market.ts";
import { MINUTE_MS, SECOND_MS } from "../../../src/domain/time.ts";
import { driverWorthSeconds } from "../../../src/matching/driver-worth.ts";
import { LIMITS } from "../../../src/matching/limits.ts";
import { planeOf, RecentRides } from "../../../src/matching/recent-rides.ts";
import { ShardState } from "../../../src/matching/shard-state.ts";
import { type Choice, NOBODY_IS_MISSED, unservedSecondsIn, worthOf } from "../../../src/matching/window-worth.ts";
import { explainRide } from "../../../src/shard/explain.ts";
import { metersToCellEdge } from "../../../src/spatial/distance.ts";
import {
  at,
  CELL,
  DISPATCH,
  driverId,
  ELSEWHERE,
  HERE,
  hasBeenAsked,
  MARKET,
  PICKUP,
  rideIdOf,
  ShardKit,
  START,
} from "./shard-kit.ts";

const SECONDS_PER_METER = 1 / MARKET.citySpeedMetersPerSecond;

type Dispatch = ConstructorParameters<typeof ShardKit>[0];

const batched = (change: Dispatch = {}) => new ShardKit({ kind: "batched", startRadiusMeters: 3_000, ...change });
const asked = (kit: ShardKit, n = 0) => kit.offersOf(n).map((offer) => offer.driverId);
const weights = (kit: ShardKit) => {
  const [decision] = kit.rows.decisions.values();
  return Object.fromEntries(decision!.candidates.map((one) => [one.driverId, one.worthSeconds]));
};

/** Somebody on his way here, whom a plan may set free and weighs. */
const passing = (...meters: number[]): Choice => ({
  vehicleType: "economy",
  candidates: [],
  onTheirWay: meters.map((place) => ({ driverId: driverId(`at ${place}`), position: at(place) })),
});
const missed = (kit: ShardKit, name: string) => worthOf(kit.shard, kit.now, passing(2_900, -2_900)).get(driverId(name));

describe("what a driver is worth to those who may ask next", () => {
  /** `ann` is 50 m nearer to the rider, and nearer than anybody to where others have asked. */
  function annIsMissed(change: Dispatch = {}, isMissed = true): ShardKit {
    const kit = batched(change);
    if (isMissed) hasBeenAsked(kit, 600);
    kit.driver("ann", 500);
    kit.driver("bob", -550);
    return kit;
  }

  test("[O24] sends another who is about as near, and only where the nearest would be missed", () => {
    for (const [isMissed, first] of [
      [false, "ann"],
      [true, "bob"],
    ] as const) {
      const kit = annIsMissed({}, isMissed);
      kit.request("rita");
      expect(asked(kit)).toEqual([first]);
    }
  });

  test("[O24] is what the others would be farther, in the decision in seconds and in words", () => {
    const kit = annIsMissed();
    kit.request("rita");
    const [decision] = kit.rows.decisions.values();
    const { decisions } = explainRide({ ride: kit.ride(), offers: kit.offersOf() }, [decision!]);
    const [ann, bob] = decisions[0]!.candidates;
    const seconds = (1_150 - 100) * SECONDS_PER_METER;
    expect([bob!.driverId, bob!.outcome, bob!.offer?.afterMs]).toEqual(["bob", "offered", 0]);
    expect([ann!.driverId, ann!.outcome]).toEqual(["ann", "reserve"]);
    // In six of seven searches; in the last the rider herself has asked too, and misses either.
    expect(ann!.worthSeconds).toBeGreaterThan((6 / 7) * seconds);
    expect(bob!.worthSeconds).toBeLessThan((1 / 7) * unservedSecondsIn(kit.shard.setting));
    expect(ann!.costSeconds).toBeCloseTo(ann!.pickupSeconds, 9);
    expect([ann!.refusalSeconds, ann!.fairnessSeconds]).toEqual([expect.closeTo(0, 9), 0]);
    const words = "s more in the plan: so much longer who asks next around him may wait without him";
    for (const one of [ann!, bob!]) expect(one.weighed).toEqual([`${Math.round(one.worthSeconds)} ${words}`]);
  });

  test("[O24] decides whom a ride asks first: after a refusal the nearest of the ranking is next", () => {
    const kit = annIsMissed();
    kit.driver("cat", -650);
    kit.request("rita");
    kit.say({ type: "offer.declined", ...kit.from("bob") });
    expect(asked(kit)).toEqual(["bob", "ann"]);
  });

  test("[O24] counts on somebody right beyond the edge of the cell", () => {
    const kit = batched();
    const edge = metersToCellEdge(at(1_000), CELL);
    expect(edge).toBeGreaterThan(500);
    hasBeenAsked(kit, 1_000);
    kit.driver("ann", 900);
    expect(missed(kit, "ann")).toBeCloseTo((edge - 100) * SECONDS_PER_METER, 1);
  });

  test("[O24] counts on those whose trips end in time, and looks no farther back than both are remembered", () => {
    const kit = batched();
    hasBeenAsked(kit, 1_000);
    kit.driver("ann", 1_000);
    expect(missed(kit, "ann")).toBeGreaterThan(200);
    const { asked: places, ended } = kit.shard.recentRides.of("economy");
    for (const ago of places.since(kit.now).agoSeconds) ended.note(at(1_040), kit.now - ago * SECOND_MS);
    expect(missed(kit, "ann")).toBeCloseTo(40 * SECONDS_PER_METER, 1);
    // All that is known of trips is how many have ended just now, somewhere far.
    for (let end = 0; end < LIMITS.recentRoom; end++) ended.note(at(9_000), kit.now);
    expect(missed(kit, "ann")).toBeGreaterThan(200);
    // Who has asked last did so 130 s ago.
    for (let wait = 0; wait < 70_000; wait += 14_000) {
      kit.wait(14_000);
      kit.locate("ann", at(1_000));
    }
    expect(missed(kit, "ann")).toBe(0);
  });

  test("[O24] weighs a neighbour's drivers with those of here", () => {
    const kit = annIsMissed();
    kit.world.neighbours = false;
    const asking = kit.request("rita").find((effect) => effect.type === "find.neighbours")!;
    const { local } = kit.shard.pursuits.get(rideIdOf(0))!;
    const near = { ...local[0]!, driverId: driverId("eve"), shard: ELSEWHERE, position: at(620), pickupMeters: 700 };
    kit.say({ type: "neighbours.found", rideId: rideIdOf(0), searchId: asking.searchId, candidates: [near] });
    expect(weights(kit).eve).toBeGreaterThan(10);
    expect(weights(kit).ann).toBeLessThan(3);
  });

  test("[O24] counts who is free here, asked for by this ride or not, and nobody who is asked, paused or bound elsewhere", () => {
    const kit = batched({ destinationShare: 0.5 });
    hasBeenAsked(kit, 1_000);
    kit.driver("ann", 1_000);
    const alone = missed(kit, "ann")!;
    expect(alone).toBeGreaterThan(200);
    kit.driver("bob", 1_200);
    expect(missed(kit, "ann")).toBeCloseTo(200 * SECONDS_PER_METER, 1);
    const available = { type: "driver.available", driverId: driverId("bob"), epoch: 1 } as const;
    kit.say({ ...available, available: true, destination: at(9_000) });
    expect([missed(kit, "ann"), missed(kit, "bob")]).toEqual([alone, undefined]);
    kit.say({ ...available, available: false });
    expect(missed(kit, "ann")).toBe(alone);
    kit.say({ ...available, available: true });
    // From the moment on that his lock is asked, and before he hears of it.
    kit.world.reserves = false;
    kit.request("rita", { pickup: at(1_200) });
    expect(kit.offerTo("bob").state).toBe("intent");
    expect(missed(kit, "ann")).toBeCloseTo(alone, 0);
    kit.driver("eve", 1_000, { vehicleType: "xl" });
    expect(missed(kit, "ann")).toBeCloseTo(alone, 0);
  });

  test("[O24] is not asked about where there is nobody to choose between", () => {
    const kit = batched();
    hasBeenAsked(kit, 500);
    kit.driver("ann", 500);
    kit.request("rita");
    expect(weights(kit)).toEqual({ ann: 0 });
    expect(worthOf(kit.shard, kit.now, passing(100))).toBe(NOBODY_IS_MISSED);
  });

  test("[O24] is nothing where what places are worth is in the cost already", () => {
    const kit = annIsMissed({ lookAheadSeconds: 60 });
    kit.request("rita");
    expect([asked(kit), weights(kit)]).toEqual([["ann"], { ann: 0, bob: 0 }]);
  });

  test.each(["broadcast", "sequential"] as const)(
    "[O24] is nothing to a ride that is planned with no other, %s",
    (kind) => {
      const kit = annIsMissed({ kind, waveSize: 1 });
      kit.request("rita");
      expect([asked(kit), weights(kit)]).toEqual([["ann"], { ann: 0, bob: 0 }]);
    },
  );

  test("[O24] is nothing to a queue, which gives its rides to who has waited longest there", () => {
    const home: Zone = { name: "home", center: PICKUP, radiusMeters: 1_000 };
    const kit = new ShardKit({ kind: "batched", queueZones: true, startRadiusMeters: 3_000 }, {}, [home]);
    hasBeenAsked(kit, 600);
    kit.driver("ann", 500);
    kit.wait(1_000);
    kit.driver("bob", -550);
    kit.request("rita");
    expect([asked(kit), weights(kit)]).toEqual([["ann"], { ann: 0, bob: 0 }]);
  });

  test("[O24] [F1] is the less the longer a driver has waited where the market is fair, down to nothing", () => {
    const waited = (fairnessSeconds: number, minutes: number) => {
      const kit = batched({ fairnessSeconds, fairnessAfterMs: 10 * MINUTE_MS });
      kit.driver("ann", 500);
      for (let third = 0; third < 3 * minutes; third++) {
        kit.wait(20_000);
        kit.locate("ann", at(500));
      }
      hasBeenAsked(kit, 600);
      kit.driver("bob", -550);
      kit.request("rita");
      return { first: asked(kit)[0], worthSeconds: weights(kit).ann! };
    };
    const whole = waited(0, 20);
    expect(whole.first).toBe("bob");
    expect(waited(1, 10)).toEqual(whole);
    expect(waited(1, 15).worthSeconds).toBeCloseTo(whole.worthSeconds / 2, 9);
    expect(waited(1, 20)).toEqual({ first: "ann", worthSeconds: 0 });
  });

  test("[O24] leaves nobody without a ride who is missed: those who miss him get him", () => {
    const kit = annIsMissed();
    kit.request("rita", { pickup: at(600) });
    expect(asked(kit)).toEqual(["ann"]);
    expect(weights(kit).ann).toBeGreaterThan(200);
  });

  test("[O24] is counted in seconds of the city, however fast its clock is", () => {
    const worthAt = (clockSpeed: number) => {
      const dispatch = { ...DISPATCH, matchDeadlineMs: DISPATCH.matchDeadlineMs / clockSpeed };
      const paces = { topSpeedMetersPerSecond: 70, fixEveryMs: 4_000, clockSpeed };
      const shard = new ShardState({ name: HERE, cell: CELL, market: { ...MARKET, dispatch }, ...paces });
      const { asked: places } = shard.recentRides.of("economy");
      // Within two of the five searches that go into these ten minutes, which begin with somebody too far to be reached.
      places.note(at(-2_900), START);
      for (const minute of [1, 2, 3, 4]) places.note(at(1_000), START + (minute * MINUTE_MS) / clockSpeed);
      // A memory that is full knows how long it took to fill.
      const now = START + (10 * MINUTE_MS) / clockSpeed;
      for (let ride = 5; ride < LIMITS.recentRoom; ride++) places.note(at(-2_900), now);
      const [worth] = worthOf(shard, now, passing(1_000, -2_900)).values();
      return { worth: worth!, unserved: unservedSecondsIn(shard.setting) };
    };
    const usual = worthAt(1);
    const toEdge = metersToCellEdge(at(1_000), CELL) * SECONDS_PER_METER;
    expect(usual.worth).toBeCloseTo((2 / 5) * toEdge, 1);
    for (const clockSpeed of [10, 0.8]) {
      expect(worthAt(clockSpeed)).toEqual({ worth: expect.closeTo(usual.worth, 6), unserved: usual.unserved });
    }
  });

  test("[O24] goes by the newest rides only where there are very many drivers, and by their time", () => {
    const kit = batched();
    const recent = new RecentRides();
    for (let ride = 0; ride < 255; ride++) recent.asked.note(at(-1_000), START + ride * 1_000);
    for (let ride = 255; ride < 510; ride++) recent.asked.note(at(1_000), START + ride * 1_000);
    const worthAmong = (drivers: number) => {
      const places = Array.from({ length: drivers }, (_, driver) =>
        at(driver === 0 ? 1_000 : driver === 1 ? -1_000 : 2_500),
      );
      const question = {
        plane: planeOf(kit.shard.setting),
        clockSpeed: 1,
        unservedSeconds: 600,
        horizonSeconds: 1,
        othersSecondsFrom: () => 600,
      };
      return driverWorthSeconds(recent, places, drivers, { ...question, now: START + 510_000 });
    };
    const few = worthAmong(LIMITS.worthPairs / LIMITS.recentRoom);
    const many = worthAmong(Math.ceil(LIMITS.worthPairs / 255));
    expect([few[0]! > 0, few[1]! > 0, many[0]! > 0, many[1]]).toEqual([true, true, true, 0]);
    // One second each is rehearsed, as many as are remembered; the oldest ride that is counted begins the first.
    expect(many[0]! / few[0]!).toBeCloseTo(254 / 255 / (255 / (LIMITS.recentMs / 1_000)), 6);
  });
});
