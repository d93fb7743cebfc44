import { describe, expect, test } from "vitest";
import type { DriverProfile } from "../../../src/domain/driver.ts";
import type { Market } from "../../../src/domain/market.ts";
import type { LatLng } from "../../../src/domain/place.ts";
import { MINUTE_MS, SECOND_MS } from "../../../src/domain/time.ts";
import { LIMITS } from "../../../src/matching/limits.ts";
import { RecentWishes } from "../../../src/matching/recent-wishes.ts";
import { cellOf, centerOf } from "../../../src/spatial/geohash.ts";
import { at, driverId, ofType, riderId, ShardKit, toldTo } from "./shard-kit.ts";

const SOUTH = 180;
/** Ten minutes and more from the drivers, at 4 m/s: nobody there is asked for the rides, and nobody covers them. */
const BUSY = at(1_600, SOUTH);
const QUIET_METERS = 1_000;
const EVERY_MS = 10 * MINUTE_MS;

/** Drivers in the north of the cell, riders in its south; searches do not reach from the one to the other. */
class HintKit extends ShardKit {
  readonly #places = new Map<string, LatLng>();

  constructor(
    dispatch: Partial<Market["dispatch"]> = {},
    tariff: Partial<Market["tariff"]> = {},
    zones: Market["zones"] = [],
  ) {
    super({ hintEveryMs: EVERY_MS, maximumRadiusMeters: 1_000, ...dispatch }, tariff, zones);
  }

  idler(name: string, meters = QUIET_METERS, profile: Partial<DriverProfile> = {}): void {
    this.driver(name, meters, profile);
    this.#places.set(name, at(meters));
  }

  /** Time passes, and everybody says where he is. */
  pass(minutes: number): void {
    for (let beat = 0; beat < minutes * 3; beat++) {
      this.wait(MINUTE_MS / 3);
      for (const [name, place] of this.#places)
        if (this.shard.supply.sessions.has(driverId(name))) this.locate(name, place);
    }
  }

  riders(count: number, pickup = BUSY): void {
    for (let rider = 0; rider < count; rider++) this.request(`rider${rider}`, { pickup });
  }

  hintsTo(name: string) {
    return toldTo(this.effects, name).filter((notice) => notice.type === "hint");
  }

  hinted(): string[] {
    return ofType(this.effects, "tell").flatMap(({ driverId: who, notice }) => (notice.type === "hint" ? [who] : []));
  }
}

/** Ann has nearly waited long enough, and three riders have just heard that nobody comes. */
function annWaits(dispatch: Partial<Market["dispatch"]> = {}, zones: Market["zones"] = []): HintKit {
  const kit = new HintKit(dispatch, {}, zones);
  kit.idler("ann");
  kit.pass(6);
  kit.riders(3);
  kit.pass(3);
  return kit;
}

describe("a driver who waits while riders elsewhere have no driver", () => {
  test("[D20] [D22] hears in the middle of which cell, how far it is and what fares are there; not before his time", () => {
    const kit = annWaits();
    expect(kit.hintsTo("ann")).toEqual([]);
    kit.pass(2);
    const to = centerOf(cellOf(BUSY.lat, BUSY.lng, 30));
    const [hint, ...others] = kit.hintsTo("ann");
    expect(others).toEqual([]);
    expect(hint).toMatchObject({ type: "hint", to, surge: 1, ttlMs: 900_000 });
    const { meters, seconds } = hint as Extract<typeof hint, { type: "hint" }>;
    expect(meters).toBeGreaterThan(2_000);
    expect(seconds).toBe(Math.round(meters / 4));
    expect(ofType(kit.effects, "count").filter(({ name }) => name === "hint")).toHaveLength(1);
  });

  test("[D20] says what fares are multiplied with there", () => {
    const kit = new HintKit({ matchDeadlineMs: 20 * MINUTE_MS }, { surgeMaximum: 2 });
    kit.idler("ann");
    kit.pass(6);
    kit.riders(8);
    kit.pass(5);
    const surge = kit.hintsTo("ann").map((notice) => notice.type === "hint" && notice.surge);
    expect(surge).toEqual([expect.closeTo(1.75, 1)]);
  });

  test("[D20] hears another only when he has waited as long again, and the first holds no longer", () => {
    for (const [everyMinutes, gap] of [
      [5, 15],
      [25, 25],
    ] as const) {
      const kit = new HintKit({ hintEveryMs: everyMinutes * MINUTE_MS });
      kit.idler("ann");
      const heardAt: number[] = [];
      for (let minute = 0; minute < 80; minute++) {
        if (minute % 6 === 0) kit.riders(3);
        kit.pass(1);
        if (kit.hintsTo("ann").length > heardAt.length) heardAt.push(minute);
      }
      expect(heardAt.length).toBeGreaterThan(2);
      for (const [index, minute] of heardAt.entries()) {
        const before = heardAt[index - 1];
        if (before !== undefined) expect([gap, gap + 1]).toContain(minute - before);
      }
    }
  });

  test("[D20] [D16] hears none again because the object slept or he took up his other device", () => {
    const kit = annWaits({ hintEveryMs: 8 * MINUTE_MS });
    kit.pass(2);
    expect(kit.hinted()).toEqual(["ann"]);
    const memory = ofType(kit.effects, "remember").at(-1)!.memory;
    kit.restart();
    kit.say({ type: "driver.woken", driverId: driverId("ann"), memory: structuredClone(memory) });
    kit.riders(3);
    kit.pass(5);
    kit.attach("ann");
    kit.riders(3);
    kit.pass(6);
    expect(kit.hinted()).toEqual(["ann"]);
    kit.pass(6);
    expect(kit.hinted()).toEqual(["ann", "ann"]);
  });

  test("[D20] hears none where the market gives none, and nobody is noted there", () => {
    const kit = annWaits({ hintEveryMs: 0 });
    kit.pass(4);
    expect(kit.hinted()).toEqual([]);
    expect(kit.shard.wishes.since(kit.now).wishes).toEqual([]);
  });

  test("[D20] hears none while the shard is overloaded", () => {
    const kit = annWaits();
    for (let beat = 0; beat < 3; beat++) {
      kit.say({ type: "load.measured", lagMs: 150, framesPerSecond: 10, inferenceMs: 0 });
    }
    expect(kit.shard.overload.level).toBe(1);
    kit.pass(4);
    expect(kit.hinted()).toEqual([]);
  });

  test.each([
    ["on his way to somewhere of his own", { available: true, destination: at(5_000) }],
    ["resting", { available: false }],
  ])("[D20] hears none who is %s", (_, standing) => {
    const kit = annWaits();
    kit.say({ type: "driver.available", driverId: driverId("ann"), epoch: 1, ...standing });
    kit.pass(4);
    expect(kit.hinted()).toEqual([]);
  });

  test.each([true, false])("[D20] hears none who stands in a queue: %s", (queueZones) => {
    const kit = annWaits({ queueZones }, [{ name: "home", center: at(QUIET_METERS), radiusMeters: 100 }]);
    kit.pass(4);
    expect(kit.hinted()).toEqual(queueZones ? [] : ["ann"]);
  });

  test("[D20] hears none who drives another kind of car than is wanted there", () => {
    const kit = new HintKit();
    kit.idler("ann", QUIET_METERS, { vehicleType: "xl" });
    kit.pass(6);
    kit.riders(5);
    kit.pass(6);
    expect(kit.hinted()).toEqual([]);
  });

  test("[D20] stays a candidate: nothing is saved, and a rider where he is has him", () => {
    const kit = annWaits();
    const rows = JSON.stringify([...kit.rows.rides, ...kit.rows.offers]);
    kit.pass(2);
    expect(kit.hinted()).toEqual(["ann"]);
    expect(JSON.stringify([...kit.rows.rides, ...kit.rows.offers])).toBe(rows);
    kit.request("nora", { pickup: at(QUIET_METERS) });
    expect(kit.offerTo("ann").state).toBe("offered");
  });
});

describe("many drivers who wait", () => {
  /** Three riders whom nobody took call for six. */
  function tenWait(before: (kit: HintKit) => void = () => {}): HintKit {
    const kit = new HintKit();
    for (let driver = 0; driver < 10; driver++) kit.idler(`driver${driver}`, QUIET_METERS + driver);
    before(kit);
    kit.pass(6);
    kit.riders(3);
    kit.pass(5);
    return kit;
  }

  test("[D21] are sent only as many as the cell is short of, and no more while those are on their way", () => {
    const kit = tenWait();
    expect(new Set(kit.hinted()).size).toBe(6);
    kit.pass(3);
    expect(kit.hinted()).toHaveLength(6);
  });

  test("[D21] are sent less by those who are free near it", () => {
    // He is asked for a ride there, lets it pass, and is free again.
    const kit = tenWait((near) => near.idler("carl", -1_500));
    expect(kit.hinted()).toHaveLength(5);
    expect(kit.hinted()).not.toContain("carl");
  });

  test("[D21] are sent less by a trip that ends there soon", () => {
    const kit = tenWait();
    expect(kit.hinted()).toHaveLength(6);
    const other = new HintKit({ tripWatchMs: 60 * MINUTE_MS });
    for (let driver = 0; driver < 10; driver++) other.idler(`driver${driver}`, QUIET_METERS + driver);
    other.pass(9);
    other.attach("carl");
    other.locate("carl", at(800, SOUTH));
    other.request("nora", { pickup: at(800, SOUTH), dropoff: BUSY });
    other.accept("carl");
    other.step("carl", "start");
    other.riders(3);
    other.pass(3);
    expect(other.hinted()).toHaveLength(5);
  });
});

describe("a cell", () => {
  test("[D22] is never named for one rider who asks again and again, nor for two", () => {
    const kit = new HintKit({ matchDeadlineMs: MINUTE_MS });
    kit.idler("ann");
    for (let minute = 0; minute < 14; minute += 2) {
      kit.riders(2);
      kit.pass(2);
    }
    expect(kit.hinted()).toEqual([]);
    kit.riders(3);
    kit.pass(1);
    expect(kit.hinted()).toEqual(["ann"]);
  });

  test("[D22] is forgotten a quarter of an hour after its riders asked", () => {
    const kit = new HintKit({ hintEveryMs: 17 * MINUTE_MS });
    kit.idler("ann");
    kit.riders(3);
    kit.pass(20);
    expect(kit.hinted()).toEqual([]);
  });
});

describe("what a shard remembers of riders", () => {
  test("[D22] is the cell of each one's newest request, and whether nobody came", () => {
    const kit = new HintKit({ matchDeadlineMs: MINUTE_MS });
    kit.request("rita", { pickup: at(1_500, SOUTH) });
    kit.request("rolf");
    kit.pass(1.5);
    kit.request("rita", { pickup: BUSY });
    const cellAt = ({ lat, lng }: LatLng) => cellOf(lat, lng, 30);
    const { wishes, observedSeconds } = kit.shard.wishes.since(kit.now);
    expect(wishes.map(({ cell, missed }) => [cell, missed])).toEqual([
      [cellAt(at(0)), true],
      [cellAt(BUSY), false],
    ]);
    expect(observedSeconds).toBe(900);
    kit.say({ type: "ride.cancelled", rideId: kit.ride(2).id, riderId: kit.ride(2).riderId });
    expect(kit.shard.wishes.since(kit.now).wishes.map(({ missed }) => missed)).toEqual([true, true]);
    kit.pass(16);
    expect(kit.shard.wishes.since(kit.now).wishes).toEqual([]);
  });

  test("[D22] [P1] is nothing of a ride for later until its search begins", () => {
    const kit = new HintKit({ scheduledRides: true, matchDeadlineMs: 60 * MINUTE_MS });
    kit.request("rita", { pickupAt: kit.now + 60 * MINUTE_MS });
    kit.request("rolf", { pickupAt: kit.now + 60 * MINUTE_MS });
    kit.say({ type: "ride.cancelled", rideId: kit.ride(1).id, riderId: kit.ride(1).riderId });
    expect(kit.shard.wishes.since(kit.now).wishes).toEqual([]);
    while (kit.ride().state === "scheduled") kit.wait(MINUTE_MS);
    expect(kit.shard.wishes.since(kit.now).wishes.map(({ rideId }) => rideId)).toEqual([kit.ride().id]);
  });

  test("[D21] reaches back no farther than it had room for", () => {
    const wishes = new RecentWishes();
    const ride = annWaits().ride();
    for (let rider = 0; rider < LIMITS.recentRoom + 10; rider++) {
      wishes.note({ ...ride, riderId: riderId(`rider${rider}`) }, undefined, rider * SECOND_MS);
    }
    const { wishes: known, observedSeconds } = wishes.since((LIMITS.recentRoom + 10) * SECOND_MS);
    expect(known).toHaveLength(LIMITS.recentRoom);
    expect(observedSeconds).toBe(LIMITS.recentRoom + 1);
  });
});
