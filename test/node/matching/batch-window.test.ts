import { describe, expect, test } from "vitest";
import { at, ofType, rankedNearest, rideIdOf, ShardKit, START } from "./shard-kit.ts";

const asked = (kit: ShardKit, n: number) => kit.offersOf(n).map((offer) => offer.driverId);

/** `mid` is nearest to both riders; `far` only serves the first without a long detour. */
function twoRidersOneGoodDriver(windowMs = 2_000, spare = false): ShardKit {
  const kit = new ShardKit({ kind: "batched", batchWindowMs: windowMs });
  kit.world.ranks = false;
  kit.driver("mid", 100);
  kit.driver("far", -500);
  if (spare) kit.driver("spare", -700);
  kit.request("rita");
  kit.request("rolf", { pickup: at(300) });
  return kit;
}

/** The ranker answers what this ride asked last. */
function rank(kit: ShardKit, n: number): void {
  const asking = ofType(kit.effects, "rank").filter(({ rideId }) => rideId === rideIdOf(n));
  const last = asking.at(-1)!;
  const { rideId, searchId } = last;
  kit.say({ type: "candidates.ranked", rideId, searchId, ranked: rankedNearest(last) });
}

describe("batched dispatch", () => {
  test("[O19] gives rides that want the same driver to those who cost all riders together least", () => {
    const kit = twoRidersOneGoodDriver();
    rank(kit, 0);
    rank(kit, 1);
    expect([asked(kit, 0), asked(kit, 1)]).toEqual([[], []]);
    kit.wait(2_000);
    expect([asked(kit, 0), asked(kit, 1)]).toEqual([["far"], ["mid"]]);
  });

  test("[Y2] leaves a ride's decision when the window closes, in the commit of its offers and not before", () => {
    const kit = twoRidersOneGoodDriver();
    rank(kit, 0);
    rank(kit, 1);
    expect(kit.rows.decisions.size).toBe(0);
    const saved = kit.wait(2_000).flatMap((effect) => {
      if (effect.type === "save.decision") return [`decided ${effect.decision.rideId} at ${effect.decision.at}`];
      if (effect.type !== "save.offer" || effect.offer.state !== "intent") return [];
      return [`asked for ${effect.offer.rideId} at ${effect.offer.createdAt}`];
    });
    const closedAt = kit.offersOf(0)[0]!.createdAt;
    expect(closedAt).toBeGreaterThan(START);
    const both = [`${rideIdOf(0)} at ${closedAt}`, `${rideIdOf(1)} at ${closedAt}`];
    expect(saved.slice(0, 2)).toEqual(both.map((ride) => `decided ${ride}`));
    expect(saved.slice(2).sort()).toEqual(both.map((ride) => `asked for ${ride}`));
  });

  test("[O19] and none of them hopes for others, however soon they come free", () => {
    const kit = new ShardKit({ kind: "batched", replanning: true });
    const ended = kit.shard.recentRides.of("economy").ended;
    for (let end = 0; end < 22; end++) ended.note(at(300 * (end % 2)), kit.now);
    kit.world.ranks = false;
    kit.driver("mid", 700);
    kit.driver("far", -800);
    kit.request("rita");
    kit.request("rolf", { pickup: at(300) });
    rank(kit, 0);
    rank(kit, 1);
    kit.wait(2_000);
    expect([asked(kit, 0), asked(kit, 1)]).toEqual([["far"], ["mid"]]);
  });

  test("[O19] would have been nearest first without a window", () => {
    const kit = twoRidersOneGoodDriver(0);
    rank(kit, 0);
    rank(kit, 1);
    expect([asked(kit, 0), asked(kit, 1)]).toEqual([["mid"], ["far"]]);
  });

  test("[O20] lets a ride wait for nobody while there are drivers enough, or no other ride", () => {
    const alone = new ShardKit({ kind: "batched" });
    alone.driver("ann", 100);
    alone.driver("bob", 200);
    alone.request("rita");
    expect(asked(alone, 0)).toEqual(["ann"]);

    const plenty = twoRidersOneGoodDriver();
    for (let i = 0; i < 16; i++) plenty.driver(`more-${i}`, 600 + i);
    plenty.say({ type: "ride.cancelled", rideId: rideIdOf(0), riderId: plenty.ride(0).riderId });
    plenty.request("rosa");
    rank(plenty, 2);
    expect(asked(plenty, 2)).toEqual(["mid"]);
  });

  test("[O20] gives a driver who alone has become free to the nearest ride at once", () => {
    const kit = new ShardKit({ kind: "batched" });
    kit.request("rita");
    kit.request("rolf", { pickup: at(300) });
    kit.driver("ann", 350);
    expect([asked(kit, 0), asked(kit, 1)]).toEqual([[], ["ann"]]);
  });

  test("[O20] waits no longer than the market's window, however many come", () => {
    const kit = twoRidersOneGoodDriver(1_000);
    rank(kit, 0);
    kit.wait(600);
    kit.request("rosa", { pickup: at(50) });
    rank(kit, 2);
    kit.wait(400);
    expect(kit.offersOf(0).length + kit.offersOf(2).length).toBe(2);
  });

  test("[O19] asks one driver at a time, and the next of the ranking as soon as one declines", () => {
    const kit = twoRidersOneGoodDriver(2_000, true);
    rank(kit, 0);
    rank(kit, 1);
    kit.wait(2_000);
    expect(asked(kit, 0)).toEqual(["far"]);
    kit.say({ type: "offer.declined", ...kit.from("far") });
    expect(asked(kit, 0)).toEqual(["far", "spare"]);
  });

  test("[O19] leaves out who was asked or left while the window was open, and a ride that was cancelled", () => {
    const kit = twoRidersOneGoodDriver();
    rank(kit, 0);
    rank(kit, 1);
    kit.say({ type: "ride.cancelled", rideId: rideIdOf(1), riderId: kit.ride(1).riderId });
    kit.wait(2_000);
    expect([asked(kit, 0), asked(kit, 1)]).toEqual([["mid"], []]);
  });

  test("[O19] does not plan with a driver whom another ride has asked while the window was open", () => {
    const kit = new ShardKit({ kind: "batched" });
    kit.driver("mid", 100);
    kit.driver("far", -500);
    kit.driver("spare", -700);
    kit.request("rita");
    kit.world.ranks = false;
    kit.request("rolf", { pickup: at(-600) });
    kit.request("rosa", { pickup: at(-1_000) });
    rank(kit, 1);
    rank(kit, 2);
    kit.say({ type: "offer.declined", ...kit.from("mid") });
    expect(asked(kit, 0)).toEqual(["mid", "far"]);
    kit.wait(2_000);
    // With both free, the plan would be `far` for rolf and `spare` for rosa.
    expect([asked(kit, 1), asked(kit, 2)]).toEqual([["spare"], []]);
  });

  test("[O19] takes up a waiting ride again after a restart", () => {
    const kit = twoRidersOneGoodDriver();
    rank(kit, 0);
    kit.restart();
    kit.world.ranks = true;
    kit.driver("mid", 100);
    kit.driver("far", -500);
    kit.wait(10_000);
    expect(new Set([...asked(kit, 0), ...asked(kit, 1)])).toEqual(new Set(["mid", "far"]));
  });
});
