import { describe, expect, test } from "vitest";
import type { OfferId } from "../../../src/domain/ride.ts";
import { LIMITS } from "../../../src/matching/limits.ts";
import {
  answerIn,
  at,
  changesNothing,
  driverId,
  ELSEWHERE,
  ofType,
  PICKUP,
  rideIdOf,
  riderId,
  ShardKit,
  toldTo,
} from "./shard-kit.ts";

function offeredToBoth(): ShardKit {
  const kit = new ShardKit();
  kit.driver("ann", 200);
  kit.driver("bob", 300);
  kit.request("rita");
  return kit;
}

const verdictOn = (kit: ShardKit, name: string, offerId?: OfferId) =>
  answerIn(kit.say({ type: "offer.accepted", ...kit.from(name, offerId) }), "verdict").verdict;
const cancelled = (kit: ShardKit) => kit.say({ type: "ride.cancelled", rideId: rideIdOf(0), riderId: riderId("rita") });

describe("accepting", () => {
  test("[A1] [S1] the first accept wins the ride, and the others hear at once that it is taken", () => {
    const kit = offeredToBoth();
    const effects = kit.accept("bob");
    expect(kit.ride()).toMatchObject({
      state: "assigned",
      version: 2,
      driverId: "bob",
      offerId: kit.offerTo("bob").id,
    });
    expect(kit.offerTo("bob").state).toBe("won");
    expect(kit.offerTo("ann")).toMatchObject({ state: "dead", reason: "superseded" });
    expect(toldTo(effects, "ann")[0]).toEqual({
      type: "offer.closed",
      offerId: kit.offerTo("ann").id,
      reason: "superseded",
    });
    expect(toldTo(effects, "bob")[0]).toMatchObject({
      type: "offer.verdict",
      verdict: { outcome: "won", ride: { state: "assigned", pickup: PICKUP } },
    });
  });

  test("[A2] the second accept is refused and the loser is free again", () => {
    const kit = offeredToBoth();
    kit.accept("bob");
    const effects = kit.accept("ann");
    expect(toldTo(effects, "ann")).toMatchObject([{ verdict: { outcome: "lost", reason: "superseded" } }]);
    expect(ofType(kit.effects, "release").map(({ driverId: who }) => who)).toEqual(["ann"]);
    expect(ofType(effects, "save.offer")).toEqual([]);
    expect(toldTo(kit.effects, "ann")).toContainEqual({ type: "status", status: { state: "available" } });
  });

  test("[A3] [S5] said again is answered again in the same words, with the ride as it stands by now", () => {
    const kit = offeredToBoth();
    const first = verdictOn(kit, "ann");
    expect(verdictOn(kit, "ann")).toEqual(first);
    kit.step("ann", "start");
    expect(verdictOn(kit, "ann")).toMatchObject({ outcome: "won", ride: { state: "on_trip" } });
    kit.step("ann", "complete");
    const replay = kit.say({ type: "offer.accepted", ...kit.from("ann") });
    expect(answerIn(replay, "verdict").verdict).toMatchObject({ outcome: "won", ride: { state: "completed" } });
    expect(changesNothing(replay)).toBe(true);
    expect(ofType(kit.effects, "append.event").filter(({ event }) => event.type === "ride.assigned")).toHaveLength(1);
  });

  test("[A4] another driver's offer, a made-up one and one not yet shown are all unknown, and nothing changes", () => {
    const kit = offeredToBoth();
    kit.world.reserves = false;
    kit.driver("cat", 250);
    kit.say({ type: "offer.declined", ...kit.from("ann") });
    kit.wait(1_500);
    expect(kit.offerTo("cat").state).toBe("intent");
    for (const offerId of [kit.offerTo("bob").id, `${rideIdOf(0)}#99` as OfferId, kit.offerTo("cat").id]) {
      const effects = kit.say({ type: "offer.accepted", ...kit.from("cat", offerId) });
      expect(answerIn(effects, "verdict").verdict).toEqual({ outcome: "lost", reason: "unknown" });
      expect(changesNothing(effects)).toBe(true);
    }
  });

  test("[A5] after the offer's moment is refused although the alarm has not rung yet", () => {
    const kit = offeredToBoth();
    kit.now += 14_999;
    expect(verdictOn(kit, "ann").outcome).toBe("won");
    const late = offeredToBoth();
    late.now += 15_000;
    expect(verdictOn(late, "ann")).toEqual({ outcome: "lost", reason: "expired" });
    expect(late.ride().state).toBe("matching");
    expect(verdictOn(late, "ann")).toEqual({ outcome: "lost", reason: "expired" });
  });

  test("[A6] against the rider's cancellation: whoever came first has decided it, and the other is told so", () => {
    const first = offeredToBoth();
    cancelled(first);
    expect(verdictOn(first, "ann")).toEqual({ outcome: "lost", reason: "cancelled" });
    expect(first.ride().state).toBe("cancelled_by_rider");

    const second = offeredToBoth();
    expect(verdictOn(second, "ann").outcome).toBe("won");
    expect(answerIn(cancelled(second), "ride").view).toMatchObject({ state: "cancelled_by_rider" });
    expect(second.ride()).toMatchObject({ late: true });
  });

  test("[A6] after the ride's deadline has passed is refused", () => {
    const kit = new ShardKit({ matchDeadlineMs: 10_000 });
    kit.driver("ann", 200);
    kit.request("rita");
    kit.wait(10_000);
    expect(kit.ride().state).toBe("no_driver");
    expect(verdictOn(kit, "ann", kit.offersOf()[0]!.id)).toMatchObject({ outcome: "lost" });
  });

  test("[A1] leaves no search behind: a ride with a driver looks for nobody", () => {
    const kit = offeredToBoth();
    kit.accept("ann");
    expect(kit.shard.pursuits.size).toBe(0);
    expect(kit.shard.timers.has("ride.deadline", kit.ride().id)).toBe(false);
    const before = kit.effects.length;
    kit.wait(60_000);
    const after = kit.effects.slice(before);
    expect([...ofType(after, "rank"), ...ofType(after, "reserve"), ...ofType(after, "find.neighbours")]).toEqual([]);
  });

  test("[S3] while a driver has the ride, nothing the shard says would free his lock", () => {
    const kit = offeredToBoth();
    kit.accept("ann");
    const { id } = kit.offerTo("ann");
    const before = kit.effects.length;
    kit.say({ type: "push.answered", offerId: id, outcome: "no_socket" });
    kit.say({ type: "offer.abandoned", ...kit.from("ann", id) });
    kit.say({ type: "offer.declined", ...kit.from("ann", id) });
    kit.say({ type: "reserve.answered", offerId: id, outcome: "busy" });
    kit.step("ann", "arrive");
    kit.say({ type: "driver.detached", driverId: driverId("ann"), epoch: 1 });
    kit.wait(120_000);
    kit.restart();
    expect(kit.offerTo("ann").state).toBe("won");
    expect(ofType(kit.effects.slice(before), "release").filter(({ offerId }) => offerId === id)).toEqual([]);
    expect(answerIn(kit.say({ type: "lock.asked", offerId: id }), "lock").verdict).toBe("hold");
  });
});

describe("declining", () => {
  test("[A7] is final, and said again hears the same", () => {
    const kit = offeredToBoth();
    const { id } = kit.offerTo("ann");
    const decline = () => kit.say({ type: "offer.declined", ...kit.from("ann", id) });
    const first = answerIn(decline(), "verdict").verdict;
    expect(first).toEqual({ outcome: "lost", reason: "declined" });
    const again = decline();
    expect(answerIn(again, "verdict").verdict).toEqual(first);
    expect(changesNothing(again)).toBe(true);
    expect(verdictOn(kit, "ann", id)).toEqual(first);
  });

  test("[A7] [S5] a ride that one has won does not give it back, and a stranger's offer is unknown", () => {
    const kit = offeredToBoth();
    kit.accept("ann");
    const effects = kit.say({ type: "offer.declined", ...kit.from("ann") });
    expect(answerIn(effects, "verdict").verdict).toMatchObject({ outcome: "won", ride: { state: "assigned" } });
    expect(kit.ride().state).toBe("assigned");
    const guess = kit.say({ type: "offer.declined", ...kit.from("bob", kit.offerTo("ann").id) });
    expect(answerIn(guess, "verdict").verdict).toEqual({ outcome: "lost", reason: "unknown" });
  });
});

describe("a driver who comes back", () => {
  const view = (kit: ShardKit, name: string, offerId: OfferId, epoch = 2) =>
    answerIn(
      kit.say({ type: "offer.viewed", offerId, driverId: driverId(name), from: { shard: ELSEWHERE, epoch } }),
      "holding",
    ).holding;

  test("[A8] is shown his open offer with the time that is left, and hears its end at his new place", () => {
    const kit = offeredToBoth();
    const { id } = kit.offerTo("ann");
    kit.wait(6_000);
    expect(view(kit, "ann", id)).toMatchObject({ kind: "offer", offer: { offerId: id, ttlMs: 9_000 } });
    const pushes = ofType(kit.wait(9_000), "push");
    expect(pushes).toMatchObject([
      { driverId: "ann", to: { shard: ELSEWHERE, epoch: 2 }, notice: { type: "offer.closed" } },
    ]);
  });

  test("[A8] is shown his ride as it stands, or that there is nothing", () => {
    const kit = offeredToBoth();
    kit.accept("ann");
    kit.step("ann", "arrive");
    expect(view(kit, "ann", kit.offerTo("ann").id)).toMatchObject({ kind: "ride", ride: { state: "arrived" } });
    expect(view(kit, "bob", kit.offerTo("bob").id)).toEqual({ kind: "none" });
    expect(view(kit, "bob", kit.offerTo("ann").id)).toEqual({ kind: "none" });
  });

  test("[A8] elsewhere is not given up by the shard he left: word from an older socket is ignored", () => {
    const kit = offeredToBoth();
    const offerId = kit.offerTo("ann").id;
    view(kit, "ann", offerId, 5);
    kit.say({ type: "offer.abandoned", offerId, driverId: driverId("ann"), from: { shard: ELSEWHERE, epoch: 4 } });
    expect(kit.offerTo("ann").state).toBe("offered");
    kit.say({ type: "offer.abandoned", offerId, driverId: driverId("ann"), from: { shard: ELSEWHERE, epoch: 5 } });
    expect(kit.offerTo("ann")).toMatchObject({ state: "dead", reason: "unreachable" });
  });
});

describe("a ride given back", () => {
  test("[A10] looks for another driver, with a new deadline and the same price", () => {
    const kit = new ShardKit();
    kit.assigned();
    const { fareCents } = kit.ride();
    kit.wait(60_000);
    kit.driver("bob", 400);
    kit.step("ann", "cancel");
    expect(kit.ride()).toMatchObject({ state: "matching", redispatches: 1, fareCents, deadlineAt: kit.now + 120_000 });
    expect(kit.offerTo("ann").state).toBe("ended");
    expect(ofType(kit.effects, "release").map(({ driverId: who }) => who)).toEqual(["ann"]);
    kit.accept("bob");
    expect(kit.ride()).toMatchObject({ state: "assigned", driverId: "bob" });
  });

  test("[A10] three times still looks on; the fourth ends it unserved", () => {
    const kit = new ShardKit({ waveSize: 1 });
    kit.request("rita");
    for (const [n, name] of ["ann", "bob", "cat", "dan"].entries()) {
      kit.driver(name, 200);
      kit.accept(name);
      kit.step(name, "cancel");
      expect(kit.ride().redispatches).toBe(n + 1);
      expect(kit.ride().state).toBe(n < LIMITS.redispatches ? "matching" : "no_driver");
    }
    expect(kit.ride()).toMatchObject({ reason: "redispatches" });
  });

  test("[A9] is never his again in anything its old driver hears, whoever has it now", () => {
    const kit = new ShardKit();
    kit.assigned();
    const offerId = kit.offerTo("ann").id;
    kit.step("ann", "cancel");
    kit.driver("bob", 400);
    kit.accept("bob");
    kit.step("bob", "start");
    expect(verdictOn(kit, "ann", offerId)).toMatchObject({ outcome: "won", ride: { state: "matching" } });
    const again = kit.say({ type: "trip.stepped", ...kit.from("ann", offerId), step: "cancel" });
    expect(answerIn(again, "trip").verdict).toMatchObject({ outcome: "done", ride: { state: "matching" } });
    const fix = kit.fix("ann", at(100));
    const tracked = kit.say({ type: "driver.tracked", ...kit.from("ann", offerId), fix });
    expect(answerIn(tracked, "tracked")).toMatchObject({ engaged: false, ride: { state: "matching" } });
    kit.step("bob", "complete");
    expect(verdictOn(kit, "ann", offerId)).toMatchObject({ ride: { state: "matching" } });
  });
});
