import { describe, expect, test } from "vitest";
import { isOnHisWay } from "../../../src/matching/destination.ts";
import { at, driverId, ShardKit } from "./shard-kit.ts";

const [EAST, WEST] = [90, 270];

describe("a ride on a driver's way", () => {
  const from = at(0);
  const destination = at(8_000, EAST);

  test.each([
    [4_010, EAST, 0.5, true],
    [3_990, EAST, 0.5, false],
    [11_990, EAST, 0.5, true],
    [12_010, EAST, 0.5, false],
    [4_000, WEST, 0.1, false],
    [4_000, WEST, 0, true],
  ])(
    "[D19] of 8 km to the east, that ends after %i m towards %i°, by a share of %f: %s",
    (meters, bearing, share, is) => {
      expect(isOnHisWay({ from, destination }, at(meters, bearing), share)).toBe(is);
    },
  );

  test("[D19] is any for who is going nowhere in particular", () => {
    expect(isOnHisWay({ from }, at(9_000, WEST), 0.9)).toBe(true);
  });
});

/** Rides go from the pickup to 4 km in the east. */
describe("a shard with a driver who is going somewhere", () => {
  const going = (kit: ShardKit, bearing: number | null) => {
    const destination = bearing === null ? undefined : at(8_000, bearing);
    return kit.say({ type: "driver.available", driverId: driverId("ann"), epoch: 1, available: true, destination });
  };
  const asked = (kit: ShardKit) => kit.offersOf().map((offer) => offer.driverId);

  function annWhoIsGoing(bearing: number, destinationShare: number): ShardKit {
    const kit = new ShardKit({ destinationShare, waveSize: 1, startRadiusMeters: 3_000 });
    kit.driver("ann", 100);
    going(kit, bearing);
    return kit;
  }

  test("[D19] asks him for a ride that brings him nearer, and another driver for one that does not", () => {
    const kit = annWhoIsGoing(EAST, 0.3);
    kit.driver("bob", 400);
    kit.request("rita");
    expect(asked(kit)).toEqual(["ann"]);
    const other = annWhoIsGoing(WEST, 0.3);
    other.driver("bob", 400);
    other.request("rita");
    expect(asked(other)).toEqual(["bob"]);
  });

  test("[D19] asks him for any ride where the market does not know such, and when he is going nowhere any more", () => {
    const off = annWhoIsGoing(WEST, 0);
    off.request("rita");
    expect(asked(off)).toEqual(["ann"]);
    const kit = annWhoIsGoing(WEST, 0.3);
    kit.request("rita");
    kit.wait(10_000);
    expect(asked(kit)).toEqual([]);
    going(kit, null);
    kit.wait(10_000);
    expect(asked(kit)).toEqual(["ann"]);
  });

  test("[D19] does not wake a ride for him that is not on his way", () => {
    const kit = new ShardKit({ destinationShare: 0.3, startRadiusMeters: 3_000 });
    kit.request("rita");
    const searches = () => kit.shard.pursuits.get(kit.ride().id)!.searchId;
    const before = searches();
    kit.attach("ann", { destination: at(8_000, WEST) });
    kit.locate("ann", at(100));
    expect([searches(), asked(kit)]).toEqual([before, []]);
    kit.attach("bob", { destination: at(8_000, EAST) });
    kit.locate("bob", at(100));
    expect([searches(), asked(kit)]).toEqual([before + 1, ["bob"]]);
  });

  test("[D19] [D16] knows it again after its sleep", () => {
    const kit = annWhoIsGoing(WEST, 0.3);
    const memory = kit.effects.flatMap((effect) => (effect.type === "remember" ? [effect.memory] : [])).at(-1)!;
    kit.restart();
    kit.say({ type: "driver.woken", driverId: driverId("ann"), memory: structuredClone(memory) });
    kit.request("rita");
    expect(asked(kit)).toEqual([]);
    going(kit, null);
    kit.wait(2_000);
    expect(asked(kit)).toEqual(["ann"]);
  });
});
