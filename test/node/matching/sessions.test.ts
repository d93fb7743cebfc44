import { describe, expect, test } from "vitest";
import type { ShardName } from "../../../src/domain/place.ts";
import type { OfferId } from "../../../src/domain/ride.ts";
import type { ReserveOutcome } from "../../../src/matching/commands.ts";
import { LIMITS } from "../../../src/matching/limits.ts";
import { memoryOf } from "../../../src/matching/supply.ts";
import {
  at,
  changesNothing,
  driverId,
  ELSEWHERE,
  HERE,
  ofType,
  PICKUP,
  rideIdOf,
  ShardKit,
  toldTo,
} from "./shard-kit.ts";

const available = (kit: ShardKit) => kit.shard.supply.indexed;
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

  test("[D1] and an older one that was never told so is closed when its driver's lock is asked for him", () => {
    const closed = (answered: ReserveOutcome) => {
      const kit = new ShardKit();
      kit.world.reserves = false;
      kit.attach("ann", { epoch: 3 });
      kit.locate("ann", at(200));
      kit.request("rita");
      const effects = kit.say({ type: "reserve.answered", offerId: kit.offerTo("ann").id, ...answered });
      expect(kit.shard.supply.sessions.has(driverId("ann"))).toBe(ofType(effects, "close").length === 0);
      return ofType(effects, "close");
    };
    const reserved = (shard: ShardName, epoch: number) =>
      closed({ outcome: "reserved", exchanges: 0, session: { shard, epoch } });
    const older = [{ type: "close", driverId: "ann", epoch: 3, why: "superseded" }];
    // The newer one is elsewhere, or was to be here, or has gone again.
    expect(reserved(ELSEWHERE, 4)).toEqual(older);
    expect(reserved(HERE, 4)).toEqual(older);
    expect(closed({ outcome: "offline", epoch: 4 })).toEqual(older);
    expect(reserved(HERE, 3)).toEqual([]);
    // Asked before this one had attached.
    expect(reserved(ELSEWHERE, 2)).toEqual([]);
    expect(closed({ outcome: "offline", epoch: 2 })).toEqual([]);
    expect(closed({ outcome: "busy" })).toEqual([]);
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

describe("a driver whose ride is in another shard", () => {
  const offerId = `${rideIdOf(5)}#3` as never;
  const card = {
    offerId,
    rideId: rideIdOf(5),
    pickup: PICKUP,
    dropoff: at(3_000),
    pickupMeters: 100,
    pickupSeconds: 30,
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

  test("[O16] is not shown it when he has paused meanwhile, unless it is on his screen already", () => {
    const kit = pushed();
    const push = (shown: OfferId) => {
      const notice = { type: "offer", ...card, offerId: shown } as const;
      const effects = kit.say({ type: "driver.told", driverId: driverId("ann"), epoch: 1, notice });
      return ofType(effects, "answer")[0]?.answer;
    };
    kit.say({ type: "driver.available", driverId: driverId("ann"), epoch: 1, available: false });
    expect(push(offerId)).toEqual({ type: "pushed", outcome: "sent" });
    expect(push(`${rideIdOf(5)}#4` as OfferId)).toEqual({ type: "pushed", outcome: "no_socket" });
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
