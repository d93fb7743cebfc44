import { describe, expect, test } from "vitest";
import { LIMITS } from "../../../src/matching/limits.ts";
import { destinationPoint, metersToCell } from "../../../src/spatial/distance.ts";
import { at, CELL, driverId, ofType, PICKUP, ShardKit, toldTo } from "./shard-kit.ts";

const indexed = (kit: ShardKit) => kit.shard.supply.indexed;
const statusesOf = (kit: ShardKit, name: string) =>
  toldTo(kit.effects, name).flatMap((notice) => (notice.type === "status" ? [notice.status] : []));

describe("supply", () => {
  test("[D6] a driver is a candidate for thirty seconds after his fix, and hears when he is no longer one", () => {
    const kit = new ShardKit();
    kit.driver("ann", 200);
    const found = () => {
      const request = {
        vehicleType: "economy",
        payment: "card",
        minimumRating: 0,
        seats: 1,
        accessible: false,
        dropoff: at(4_000),
      } as const;
      const query = { pickup: PICKUP, request, radiusMeters: 1_000, limit: 5, exclude: [] };
      return kit.shard.supply.candidatesNear(query, kit.shard.setting, kit.shard.travelTimes, kit.now).length;
    };
    kit.wait(29_999);
    expect(found()).toBe(1);
    kit.wait(1);
    expect(found()).toBe(0);
    kit.wait(LIMITS.sweepEveryMs);
    expect(statusesOf(kit, "ann").at(-1)).toEqual({ state: "unlocated", reason: "stale-fix" });
    kit.locate("ann", at(200));
    expect([found(), statusesOf(kit, "ann").at(-1)]).toEqual([1, { state: "available" }]);
  });

  test("[D6] a fix that was old when it came lives only for what is left of its thirty seconds", () => {
    const kit = new ShardKit({ waveSize: 1 });
    kit.attach("ann");
    kit.locate("ann", PICKUP, { at: kit.now - 25_000 });
    kit.request("rita");
    expect(kit.offerTo("ann").state).toBe("offered");
    kit.attach("bob");
    kit.locate("bob", PICKUP, { at: kit.now - 25_000 });
    kit.wait(5_000);
    kit.request("rolf");
    expect(kit.offersOf(1)).toEqual([]);
  });

  test("[D10] a socket silent for a minute is closed and its driver detached; any frame keeps it", () => {
    const kit = new ShardKit();
    kit.driver("ann", 200);
    kit.driver("bob", 300);
    for (let s = 0; s < 60; s += 15) {
      kit.wait(15_000);
      if (s < 45) kit.say({ type: "driver.heard", driverId: driverId("bob"), epoch: 1 });
    }
    expect(ofType(kit.effects, "close")).toEqual([{ type: "close", driverId: "ann", epoch: 1, why: "silent" }]);
    expect(ofType(kit.effects, "detach")).toEqual([{ type: "detach", driverId: "ann", epoch: 1 }]);
    expect([...kit.shard.supply.sessions.keys()]).toEqual(["bob"]);
  });

  test("[D11] a driver who pauses is offered nothing until he is back, and his status says why", () => {
    const kit = new ShardKit();
    kit.driver("ann", 200);
    const available = (value: boolean) =>
      kit.say({ type: "driver.available", driverId: driverId("ann"), epoch: 1, available: value });
    available(false);
    expect(statusesOf(kit, "ann").at(-1)).toEqual({ state: "paused", reason: "driver" });
    kit.request("rita");
    expect(kit.offersOf()).toEqual([]);
    available(true);
    expect(kit.offerTo("ann").state).toBe("offered");
  });

  test("[D11] a driver who pauses after he was found is passed over when the next is asked", () => {
    const kit = new ShardKit({ waveSize: 1 });
    for (const [name, meters] of Object.entries({ ann: 200, bob: 300, cat: 400 })) kit.driver(name, meters);
    kit.request("rita");
    kit.say({ type: "driver.available", driverId: driverId("bob"), epoch: 1, available: false });
    kit.say({ type: "offer.declined", ...kit.from("ann", kit.offerTo("ann").id) });
    expect(kit.offersOf().map(({ driverId: asked }) => asked)).toEqual(["ann", "cat"]);
  });

  test("[D11] a driver's status follows him through an offer and a ride, told once at each change", () => {
    const kit = new ShardKit();
    kit.assigned();
    kit.locate("ann", at(250));
    kit.step("ann", "start");
    kit.step("ann", "complete");
    expect(statusesOf(kit, "ann").map(({ state }) => state)).toEqual(["available", "offered", "engaged", "available"]);
  });

  test("[D9] three held jumps take a driver out of dispatch, and he is told; after ten minutes he is back", () => {
    const kit = new ShardKit();
    kit.driver("ann", 200);
    for (const bearing of [0, 120, 240]) {
      kit.wait(1_000);
      kit.locate("ann", at(20_000, bearing));
    }
    expect(indexed(kit)).toBe(0);
    expect(kit.shard.supply.suspectsAt(kit.now)).toBe(1);
    expect(statusesOf(kit, "ann").at(-1)).toEqual({ state: "unlocated", reason: "held-fix" });
    kit.wait(1_000);
    kit.locate("ann", at(200));
    expect(indexed(kit)).toBe(0);
    for (let s = 0; s <= 600; s += 20) {
      kit.wait(20_000);
      kit.locate("ann", at(200));
    }
    expect([indexed(kit), statusesOf(kit, "ann").at(-1)]).toEqual([1, { state: "available" }]);
    expect(kit.shard.supply.suspectsAt(kit.now)).toBe(0);
  });

  test("[D9] a second socket does not make a suspect driver a candidate again", () => {
    const kit = new ShardKit();
    kit.driver("ann", 200);
    for (const bearing of [0, 120, 240]) {
      kit.wait(1_000);
      kit.locate("ann", at(20_000, bearing));
    }
    kit.driver("ann", 200);
    expect([indexed(kit), kit.shard.supply.suspectsAt(kit.now)]).toEqual([0, 1]);
  });

  test("[D9] held jumps take no ride away: its rider goes on seeing the last place that was believed", () => {
    const kit = new ShardKit();
    const rideId = kit.assigned();
    for (const bearing of [0, 120, 240]) {
      kit.wait(1_000);
      kit.locate("ann", at(20_000, bearing));
    }
    expect(kit.shard.supply.suspectsAt(kit.now)).toBe(1);
    expect(kit.ride().state).toBe("assigned");
    expect(kit.shard.tracks.get(rideId)?.fix.position).toEqual(at(300));
    for (const step of ["arrive", "start", "complete"] as const) kit.step("ann", step);
    expect(kit.ride().state).toBe("completed");
    expect(indexed(kit)).toBe(0);
  });
});

describe("beyond the border of the cell", () => {
  /** Northward from the middle until the point is this far outside. */
  const outside = (meters: number) => {
    let distance = 0;
    while (metersToCell(at(distance), CELL) < meters) distance += 1;
    return at(distance);
  };
  const driveOut = (kit: ShardKit, meters: number) => {
    const target = outside(meters);
    for (let i = 0; i < 3; i++) kit.locate("ann", target);
    return kit.effects;
  };

  test("[D12] a free driver is asked to move once he is 150 m outside, at most every fifteen seconds", () => {
    const near = new ShardKit();
    near.attach("ann");
    expect(ofType(driveOut(near, 149), "rehome")).toEqual([]);
    const kit = new ShardKit();
    kit.attach("ann");
    expect(ofType(driveOut(kit, 152), "rehome")).toHaveLength(1);
    kit.wait(LIMITS.rehomeEveryMs);
    kit.locate("ann", outside(152));
    expect(ofType(kit.effects, "rehome")).toHaveLength(2);
  });

  test("[D12] one who holds an offer or a ride stays", () => {
    const kit = new ShardKit();
    kit.assigned();
    kit.wait(50_000);
    expect(ofType(driveOut(kit, 500), "rehome")).toEqual([]);
  });
});

test("[D12] the point of a rehome is where the driver is", () => {
  const kit = new ShardKit();
  kit.attach("ann");
  const away = destinationPoint(PICKUP, 90, 8_000);
  for (let i = 0; i < 4; i++) kit.locate("ann", away);
  expect(ofType(kit.effects, "rehome")[0]?.position).toEqual(away);
});
