import { describe, expect, test } from "vitest";
import { LIMITS } from "../../../src/matching/limits.ts";
import { memoryOf } from "../../../src/matching/supply.ts";
import { destinationPoint, metersToCell } from "../../../src/spatial/distance.ts";
import { at, CELL, changesNothing, driverId, HERE, ofType, PICKUP, rideIdOf, ShardKit, toldTo } from "./shard-kit.ts";

const available = (kit: ShardKit) => kit.shard.supply.indexed;
const statusesOf = (kit: ShardKit, name: string) =>
  toldTo(kit.effects, name).flatMap((notice) => (notice.type === "status" ? [notice.status] : []));
const superseded = (kit: ShardKit, name: string, epoch: number) =>
  kit.say({ type: "driver.superseded", driverId: driverId(name), epoch });
const detached = (kit: ShardKit, name: string, epoch = 1) =>
  kit.say({ type: "driver.detached", driverId: driverId(name), epoch });

function offered(): ShardKit {
  const kit = new ShardKit();
  kit.driver("ann", 200);
  kit.request("rita");
  return kit;
}

describe("a socket attaches", () => {
  test("[D4] and is welcomed with its epoch, the cadence of fixes, its status and what the driver holds", () => {
    const kit = new ShardKit();
    expect(toldTo(kit.attach("ann"), "ann")).toEqual([
      {
        type: "welcome",
        epoch: 1,
        fixEveryMs: 4_000,
        status: { state: "unlocated", reason: "no-fix" },
        holding: { kind: "none" },
      },
    ]);
    expect(toldTo(kit.locate("ann", PICKUP), "ann")).toEqual([{ type: "status", status: { state: "available" } }]);
  });

  test("[D1] and the older socket of the same driver is closed, whose words count no more", () => {
    const kit = new ShardKit();
    kit.driver("ann", 200);
    const effects = kit.attach("ann");
    expect(ofType(effects, "close")).toEqual([{ type: "close", driverId: "ann", epoch: 1, why: "superseded" }]);
    const stale = kit.say({
      type: "driver.located",
      driverId: driverId("ann"),
      epoch: 1,
      fixes: [kit.fix("ann", at(900))],
    });
    const late = [detached(kit, "ann"), superseded(kit, "ann", 1)];
    for (const words of [stale, ...late]) expect(changesNothing(words)).toBe(true);
    expect(kit.shard.supply.current(driverId("ann"), 2)).not.toBeNull();
  });

  test("[D1] but not when a newer one was faster: then it is the one that is closed", () => {
    const kit = new ShardKit();
    kit.attach("ann", { epoch: 5 });
    const effects = kit.attach("ann", { epoch: 4 });
    expect(ofType(effects, "close")).toEqual([{ type: "close", driverId: "ann", epoch: 4, why: "superseded" }]);
    expect(toldTo(effects, "ann")).toEqual([]);
    expect(kit.shard.supply.current(driverId("ann"), 5)).not.toBeNull();
  });

  test("[D13] and numbers its fixes anew: the first of a new device is believed whatever the old one had reached", () => {
    const kit = new ShardKit();
    kit.driver("ann", 200);
    for (let i = 0; i < 50; i++) kit.locate("ann", at(200));
    kit.attach("ann");
    const effects = kit.locate("ann", at(230), { seq: 1 });
    expect(ofType(effects, "count").filter(({ name }) => name === "fix_refused")).toEqual([]);
    expect(kit.shard.supply.current(driverId("ann"), 2)?.fix?.position).toEqual(at(230));
  });

  test("[D1] elsewhere, and the session here ends without taking the driver from his new place", () => {
    const kit = new ShardKit();
    kit.driver("ann", 200);
    const effects = superseded(kit, "ann", 1);
    expect(ofType(effects, "close")).toEqual([{ type: "close", driverId: "ann", epoch: 1, why: "superseded" }]);
    expect(ofType(effects, "detach")).toEqual([]);
    expect([kit.shard.supply.sessions.size, available(kit)]).toEqual([0, 0]);
  });
});

describe("a driver who leaves in the middle of an offer", () => {
  test("[D5] has eight seconds to come back; then his offer is given up", () => {
    const kit = offered();
    const { id } = kit.offerTo("ann");
    expect(ofType(detached(kit, "ann"), "detach")).toHaveLength(1);
    kit.wait(LIMITS.returnMs - 1);
    expect(ofType(kit.effects, "abandon")).toEqual([]);
    kit.wait(1);
    expect(ofType(kit.effects, "abandon")).toEqual([
      { type: "abandon", driverId: "ann", offerId: id, from: { shard: HERE, epoch: 1 } },
    ]);
  });

  test("[D5] and is back in time keeps it, here or elsewhere", () => {
    for (const back of [(kit: ShardKit) => kit.attach("ann"), (kit: ShardKit) => superseded(kit, "ann", 1)]) {
      const kit = offered();
      detached(kit, "ann");
      kit.wait(LIMITS.returnMs - 1);
      back(kit);
      kit.wait(60_000);
      expect(ofType(kit.effects, "abandon")).toEqual([]);
      expect(kit.shard.departed.size).toBe(0);
    }
  });

  test("[D5] though one who held nothing is simply gone", () => {
    const kit = new ShardKit();
    kit.driver("ann", 200);
    detached(kit, "ann");
    kit.wait(60_000);
    expect(ofType(kit.effects, "abandon")).toEqual([]);
    expect([kit.shard.supply.sessions.size, available(kit)]).toEqual([0, 0]);
  });
});

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
      } as const;
      const query = { pickup: PICKUP, request, radiusMeters: 1_000, limit: 5, exclude: [] };
      return kit.shard.supply.candidatesNear(query, HERE, kit.now).length;
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
    const kit = new ShardKit();
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
    expect(available(kit)).toBe(0);
    expect(statusesOf(kit, "ann").at(-1)).toEqual({ state: "unlocated", reason: "held-fix" });
    kit.wait(1_000);
    kit.locate("ann", at(200));
    expect(available(kit)).toBe(0);
    for (let s = 0; s <= 600; s += 20) {
      kit.wait(20_000);
      kit.locate("ann", at(200));
    }
    expect([available(kit), statusesOf(kit, "ann").at(-1)]).toEqual([1, { state: "available" }]);
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
    const kit = offered();
    kit.accept("ann");
    kit.wait(60_000);
    expect(ofType(driveOut(kit, 500), "rehome")).toEqual([]);
  });
});

describe("a driver whose ride is in another shard", () => {
  const offerId = `${rideIdOf(5)}#3` as never;
  const card = {
    offerId,
    rideId: rideIdOf(5),
    pickup: PICKUP,
    dropoff: at(3_000),
    pickupMeters: 100,
    tripMeters: 3_000,
    fareCents: 900,
    currency: "USD",
    vehicleType: "economy",
    ttlMs: 15_000,
  } as const;
  const pushed = () => {
    const kit = new ShardKit();
    kit.driver("ann", 200);
    kit.say({ type: "driver.told", driverId: driverId("ann"), epoch: 1, notice: { type: "offer", ...card } });
    return kit;
  };

  test("[A8] hears its offer here, is no candidate while he holds it, and is one again when it closes", () => {
    const kit = pushed();
    expect(toldTo(kit.effects, "ann")).toContainEqual({ type: "offer", ...card });
    expect(available(kit)).toBe(0);
    const notice = { type: "offer.closed", offerId, reason: "superseded" } as const;
    kit.say({ type: "driver.told", driverId: driverId("ann"), epoch: 1, notice });
    expect(available(kit)).toBe(1);
  });

  test("[O16] is not reached at an epoch that is not his, and the ride's shard is told so", () => {
    const kit = new ShardKit();
    kit.driver("ann", 200);
    const effects = kit.say({
      type: "driver.told",
      driverId: driverId("ann"),
      epoch: 2,
      notice: { type: "offer", ...card },
    });
    expect(ofType(effects, "answer")[0]?.answer).toEqual({ type: "pushed", outcome: "no_socket" });
    expect(toldTo(effects, "ann")).toEqual([]);
  });

  test("[D5] is free again ten seconds after an offer that nobody closed", () => {
    const kit = pushed();
    for (let s = 0; s < 5; s++) {
      kit.wait(4_999);
      kit.locate("ann", at(200));
    }
    expect(available(kit)).toBe(0);
    kit.wait(5);
    expect(available(kit)).toBe(1);
    expect(toldTo(kit.effects, "ann").at(-1)).toEqual({ type: "status", status: { state: "available" } });
  });

  test("[D5] and who leaves, is given up at the ride's shard", () => {
    const kit = pushed();
    detached(kit, "ann");
    kit.wait(LIMITS.returnMs);
    expect(ofType(kit.effects, "abandon")).toMatchObject([{ offerId, from: { shard: HERE, epoch: 1 } }]);
  });

  test("[A8] reconnects and is watched over again with the time that is left", () => {
    const kit = new ShardKit();
    kit.attach("ann", { holding: { kind: "offer", offer: { ...card, ttlMs: 4_000 } } });
    kit.locate("ann", at(100));
    expect(available(kit)).toBe(0);
    kit.wait(4_000 + LIMITS.heldGraceMs);
    expect(available(kit)).toBe(1);
  });
});

describe("sleep", () => {
  test("[D16] a session is as it was after the object slept: place, offer, record, and still a candidate or not", () => {
    const kit = offered();
    kit.driver("bob", 300, { vehicleType: "premium" });
    const memories = [...kit.shard.supply.sessions.values()].map((session) => ({
      driverId: session.driverId,
      memory: memoryOf(session),
    }));
    const remembered = ofType(kit.effects, "remember")
      .filter(({ driverId: who }) => who === "ann")
      .at(-1);
    expect(remembered?.memory).toEqual(memories.find(({ driverId: who }) => who === "ann")?.memory);
    kit.restart();
    for (const memory of memories) kit.say({ type: "driver.woken", ...memory });
    expect([kit.shard.supply.sessions.size, available(kit)]).toEqual([2, 1]);
    const effects = kit.wait(15_000);
    expect(toldTo(effects, "ann")).toContainEqual({
      type: "offer.closed",
      offerId: kit.offersOf()[0]!.id,
      reason: "expired",
    });
  });
});

test("[D12] the point of a rehome is where the driver is", () => {
  const kit = new ShardKit();
  kit.attach("ann");
  const away = destinationPoint(PICKUP, 90, 8_000);
  for (let i = 0; i < 4; i++) kit.locate("ann", away);
  expect(ofType(kit.effects, "rehome")[0]?.position).toEqual(away);
});
