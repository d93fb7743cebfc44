/** The object died: rows are all there is. What was promised is kept, and what was in the air is settled. */
import { describe, expect, test } from "vitest";
import { answerIn, at, ofType, ShardKit } from "./shard-kit.ts";

describe("after a restart", () => {
  test("[H6] an intent asks its lock again, and the ride goes on from the answer", () => {
    const kit = new ShardKit();
    kit.world.reserves = false;
    kit.driver("ann", 200);
    kit.request("rita");
    const { id } = kit.offerTo("ann");
    const reserves = ofType(kit.restart(), "reserve");
    expect(reserves.map(({ offerId }) => offerId)).toContain(id);
    kit.say({ type: "reserve.answered", offerId: id, outcome: "busy" });
    expect(kit.rows.offers.get(id)).toMatchObject({ state: "dead", reason: "busy" });
  });

  test("[H6] an offer that is out can still be accepted, and still expires at its moment", () => {
    const kit = new ShardKit();
    kit.driver("ann", 200);
    kit.request("rita");
    kit.wait(5_000);
    kit.restart();
    expect(answerIn(kit.say({ type: "offer.accepted", ...kit.from("ann") }), "verdict").verdict.outcome).toBe("won");

    const late = new ShardKit();
    late.driver("ann", 200);
    late.request("rita");
    late.wait(5_000);
    late.restart();
    late.wait(9_999);
    expect(late.offersOf()[0]?.state).toBe("offered");
    late.wait(1);
    expect(late.offersOf()[0]).toMatchObject({ state: "dead", reason: "expired" });
  });

  test("[H6] a release that was not acknowledged is said again", () => {
    const kit = new ShardKit();
    kit.world.acknowledges = false;
    kit.driver("ann", 200);
    kit.request("rita");
    const { id } = kit.offerTo("ann");
    kit.say({ type: "offer.declined", ...kit.from("ann") });
    expect(ofType(kit.restart(), "release").map(({ offerId }) => offerId)).toEqual([id]);
  });

  test.each([
    ["matching", [], 120_000, "no_driver"],
    ["arrived", ["arrive"], 300_000, "cancelled_no_show"],
    ["on_trip", ["start"], 21_600_000, "abandoned"],
  ] as const)("[H6] [L1] the bound of a ride that is %s is what it was before", (state, steps, boundMs, end) => {
    const kit = new ShardKit();
    if (state === "matching") kit.request("rita");
    else {
      kit.assigned();
      for (const step of steps) kit.step("ann", step);
    }
    kit.wait(60_000);
    expect(kit.ride().state).toBe(state);
    kit.restart();
    kit.wait(boundMs - 60_001);
    expect(kit.ride().state).toBe(state);
    kit.wait(1);
    expect(kit.ride().state).toBe(end);
  });

  test("[H6] a ride that waits is searched for again, with who had his chance still left out", () => {
    const kit = new ShardKit();
    kit.driver("no", 100);
    kit.request("rita");
    kit.say({ type: "offer.declined", ...kit.from("no") });
    kit.restart();
    kit.driver("no", 100);
    kit.driver("ann", 200);
    kit.wait(2_000);
    expect(kit.offersOf().map(({ driverId: who }) => who)).toEqual(["no", "ann"]);
  });
});

describe("left alone", () => {
  test("[L1] every ride ends by itself, whatever state its people leave it in, within its bounds", () => {
    for (const steps of [[], ["arrive"], ["start"]] as const) {
      const kit = new ShardKit();
      kit.assigned();
      for (const step of steps) kit.step("ann", step);
      kit.wait(300_000 + 120_000 + 21_600_000);
      expect(["no_driver", "cancelled_no_show", "abandoned"]).toContain(kit.ride().state);
    }
  });

  test("[L2] [L4] every lock is released and nothing is left to do once rides are over and drivers are gone", () => {
    const kit = new ShardKit();
    for (const [i, name] of ["ann", "bob", "cat"].entries()) kit.driver(name, 100 + i * 100);
    kit.request("rita");
    kit.request("rolf");
    kit.accept("ann");
    kit.step("ann", "start");
    kit.locate("bob", at(50));
    kit.wait(24 * 3_600_000);
    kit.say({ type: "events.archived", eventIds: [...kit.rows.events.keys()] });
    expect([...kit.rows.offers.values()].filter((o) => !("released" in o && o.released))).toEqual([]);
    const { rides, offers, timers, supply, pursuits, tracks, addressOf, liveOfferOf } = kit.shard;
    const sizes = { rides, offers, timers, sessions: supply.sessions, pursuits, tracks, addressOf, liveOfferOf };
    expect(Object.entries(sizes).filter(([, { size }]) => size > 0)).toEqual([]);
  });
});
