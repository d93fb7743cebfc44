import { describe, expect, test } from "vitest";
import type { Market } from "../../../src/domain/market.ts";
import { RISE_BEATS } from "../../../src/matching/overload.ts";
import { HERE, PICKUP, ShardKit } from "./shard-kit.ts";

const asked = (kit: ShardKit) => kit.offersOf().map(({ driverId }) => driverId);
const stateOf = (kit: ShardKit, name: string) => kit.offerTo(name).state;

/** Nearest first; with three at a time and 15 s to answer, each is waited for for 5 s. */
function asking(dispatch: Partial<Market["dispatch"]> = {}, drivers = ["ann", "bob", "cat", "dan", "eve"]): ShardKit {
  const kit = new ShardKit({ kind: "batched", waveSize: 3, ...dispatch });
  for (const [place, name] of drivers.entries()) kit.driver(name, 100 * (place + 1));
  kit.request("rita");
  return kit;
}

describe("a driver who keeps silent", () => {
  test("[O23] is waited for for his share of the time to live; then the next is asked beside him", () => {
    const kit = asking();
    kit.wait(4_999);
    expect(asked(kit)).toEqual(["ann"]);
    kit.wait(1);
    expect(asked(kit)).toEqual(["ann", "bob"]);
    expect([stateOf(kit, "ann"), stateOf(kit, "bob")]).toEqual(["offered", "offered"]);
    kit.wait(5_000);
    expect(asked(kit)).toEqual(["ann", "bob", "cat"]);
  });

  test("[O23] is asked beside no more than the wave holds", () => {
    const kit = asking();
    for (let second = 0; second < 24; second++) {
      kit.wait(1_000);
      expect(kit.offersOf().filter(({ state }) => state === "offered").length).toBeLessThanOrEqual(3);
    }
    expect(asked(kit)).toEqual(["ann", "bob", "cat", "dan", "eve"]);
    expect(["ann", "bob", "cat"].map((name) => stateOf(kit, name))).toEqual(["dead", "dead", "offered"]);
  });

  test("[O23] may still accept, and whoever was asked beside him hears that it is gone", () => {
    const kit = asking();
    kit.wait(6_000);
    kit.accept("ann");
    expect(kit.ride()).toMatchObject({ state: "assigned", driverId: "ann" });
    expect(kit.offerTo("bob")).toMatchObject({ state: "dead", reason: "superseded" });
    expect(kit.shard.timers.has("ride.silence", kit.ride().id)).toBe(false);
    kit.wait(30_000);
    expect(asked(kit)).toEqual(["ann", "bob"]);
  });

  test("[O19] [O23] is not made up for by a refusal: one who declines is followed by one, who has his own share", () => {
    const kit = asking();
    kit.wait(7_000);
    kit.say({ type: "offer.declined", ...kit.from("bob") });
    expect(asked(kit)).toEqual(["ann", "bob", "cat"]);
    kit.wait(4_999);
    expect(asked(kit)).toEqual(["ann", "bob", "cat"]);
    kit.wait(1);
    expect(asked(kit)).toEqual(["ann", "bob", "cat", "dan"]);
  });

  test("[O23] is not he whose lock has not answered yet: his time begins when he is shown the offer", () => {
    const kit = new ShardKit({ kind: "batched", waveSize: 5 });
    kit.driver("ann", 100);
    kit.driver("bob", 200);
    kit.world.reserves = false;
    kit.request("rita");
    kit.wait(4_000);
    kit.say({ type: "events.archived", eventIds: [...kit.rows.events.keys()] });
    expect(asked(kit)).toEqual(["ann"]);
    const { id } = kit.offerTo("ann");
    const session = { shard: HERE, epoch: kit.epochOf("ann") };
    kit.say({ type: "reserve.answered", offerId: id, outcome: "reserved", session, exchanges: 0 });
    kit.wait(2_999);
    expect(asked(kit)).toEqual(["ann"]);
    kit.wait(1);
    expect(asked(kit)).toEqual(["ann", "bob"]);
  });

  test("[O23] [O7] [O8] leaves the ride waiting for whoever becomes free, from the end of his share on", () => {
    const kit = asking({}, ["ann"]);
    kit.wait(4_000);
    kit.driver("bob", 200);
    expect(asked(kit)).toEqual(["ann"]);
    kit.wait(3_000);
    expect(asked(kit)).toEqual(["ann", "bob"]);

    const later = asking({}, ["ann"]);
    later.wait(6_000);
    later.driver("bob", 200);
    expect(asked(later)).toEqual(["ann", "bob"]);
  });

  test("[O23] [H6] is waited for no longer because the shard died meanwhile", () => {
    const kit = asking();
    kit.wait(3_000);
    kit.restart();
    for (const [place, name] of ["ann", "bob"].entries()) kit.driver(name, 100 * (place + 1));
    kit.wait(1_999);
    expect(asked(kit)).toEqual(["ann"]);
    kit.wait(1_501);
    expect(asked(kit)).toEqual(["ann", "bob"]);
  });

  test("[O23] [V2] is waited for longer while the shard is overloaded, because the wave is smaller", () => {
    const kit = asking();
    for (let beat = 0; beat < RISE_BEATS; beat++) {
      kit.say({ type: "load.measured", lagMs: 150, framesPerSecond: 0, inferenceMs: 0 });
    }
    kit.request("rolf", { pickup: PICKUP });
    kit.wait(7_499);
    expect(kit.offersOf(1)).toHaveLength(1);
    kit.wait(1);
    expect(kit.offersOf(1)).toHaveLength(2);
  });

  test.each([
    ["[O23] where the wave is one", { waveSize: 1 }],
    ["[O5] where drivers are asked in sequence", { kind: "sequential" }],
  ] as const)("is waited for until his offer ends %s", (_, dispatch) => {
    const kit = asking(dispatch);
    kit.wait(14_999);
    expect(asked(kit)).toEqual(["ann"]);
    kit.wait(1);
    expect(asked(kit)).toEqual(["ann", "bob"]);
  });

  test("[O4] is one of the wave until his offer ends where drivers are asked together", () => {
    const kit = asking({ kind: "broadcast", waveSize: 2 });
    kit.wait(14_999);
    expect(asked(kit)).toEqual(["ann", "bob"]);
    kit.wait(1);
    expect(asked(kit)).toEqual(["ann", "bob", "cat", "dan"]);
  });
});
