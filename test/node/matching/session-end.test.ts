import { expect, test } from "vitest";
import { LIMITS } from "../../../src/matching/limits.ts";
import { memoryOf } from "../../../src/matching/supply.ts";
import { changesNothing, driverId, ofType, PICKUP, ShardKit, toldTo } from "./shard-kit.ts";

const ends = (kit: ShardKit) => ofType(kit.effects, "close").filter(({ why }) => why === "expired");
const notices = (kit: ShardKit) => toldTo(kit.effects, "ann").filter(({ type }) => type === "session.ending");

/** Ann's token is good for so long, and she has sent a fix. */
function withToken(forMs: number): ShardKit {
  const kit = new ShardKit();
  kit.attach("ann", { endsAt: kit.now + forMs });
  kit.locate("ann", PICKUP);
  return kit;
}

/** So long, in which she is heard of every ten seconds. */
function wait(kit: ShardKit, ms: number): void {
  for (let passed = 0; passed < ms; passed += 10_000) {
    kit.say({ type: "driver.heard", driverId: driverId("ann"), epoch: 1 });
    kit.wait(Math.min(10_000, ms - passed));
  }
}

test("[D17] a driver is told once, about a minute before, and closed by the first sweep after his session's end", () => {
  // Sweeps come every 15 s after he did: the one at 855 s is the first within a minute of the end.
  const kit = withToken(905_000);
  wait(kit, 854_999);
  expect(notices(kit)).toEqual([]);
  wait(kit, 1);
  expect(notices(kit)).toEqual([{ type: "session.ending", endsInMs: 50_000 }]);
  kit.wait(59_999);
  expect(ends(kit)).toEqual([]);
  kit.wait(1);
  expect(notices(kit)).toHaveLength(1);
  expect(ends(kit)).toEqual([{ type: "close", driverId: "ann", epoch: 1, why: "expired" }]);
  expect(ofType(kit.effects, "detach")).toEqual([{ type: "detach", driverId: "ann", epoch: 1 }]);
  expect([kit.shard.supply.sessions.size, kit.shard.supply.indexed]).toEqual([0, 0]);
});

test("[D17] what he says after the end does not count, and closes him", () => {
  const kit = withToken(5_000);
  kit.wait(4_999);
  kit.locate("ann", PICKUP);
  expect(ends(kit)).toEqual([]);
  kit.wait(1);
  const before = kit.shard.supply.current(driverId("ann"), 1)?.fix;
  const effects = kit.locate("ann", { ...PICKUP, lat: PICKUP.lat + 0.001 });
  expect(ofType(effects, "close")).toEqual([{ type: "close", driverId: "ann", epoch: 1, why: "expired" }]);
  expect(ofType(effects, "remember")).toEqual([]);
  expect(before?.position).toEqual(PICKUP);
  expect(changesNothing(kit.locate("ann", PICKUP))).toBe(true);
});

test("[D17] he keeps his offer when he comes back in time, as after any other loss of his socket", () => {
  const kit = withToken(5_000);
  kit.request("rita");
  const { id } = kit.offerTo("ann");
  kit.wait(5_000);
  kit.locate("ann", PICKUP);
  expect(ends(kit)).toHaveLength(1);
  kit.attach("ann");
  kit.wait(LIMITS.returnMs);
  expect(ofType(kit.effects, "abandon")).toEqual([]);
  kit.accept("ann", id);
  expect(kit.ride().state).toBe("assigned");
});

test("[D16] [D17] the end is remembered through the object's sleep", () => {
  const kit = withToken(5_000);
  const memory = memoryOf(kit.shard.supply.current(driverId("ann"), 1)!);
  kit.restart();
  kit.say({ type: "driver.woken", driverId: driverId("ann"), memory });
  kit.wait(5_000);
  expect(ends(kit)).toEqual([]);
  kit.locate("ann", PICKUP);
  expect(ends(kit)).toHaveLength(1);
});
