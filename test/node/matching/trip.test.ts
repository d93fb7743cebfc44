import { describe, expect, test } from "vitest";
import { LIMITS } from "../../../src/matching/limits.ts";
import { answerIn, at, changesNothing, driverId, ELSEWHERE, ofType, rideIdOf, ShardKit, toldTo } from "./shard-kit.ts";

const STEPS = ["arrive", "start", "complete", "cancel"] as const;

/** A ride whose driver has taken these steps. */
function tripAfter(...steps: readonly (typeof STEPS)[number][]): ShardKit {
  const kit = new ShardKit();
  kit.assigned();
  for (const step of steps) kit.step("ann", step);
  return kit;
}

const said = (kit: ShardKit, step: (typeof STEPS)[number]) =>
  kit.say({ type: "trip.stepped", ...kit.from("ann"), step });

describe("a trip", () => {
  test("[T1] goes from assigned by arrived and under way to completed, and its driver is free at the end", () => {
    const kit = tripAfter();
    for (const [step, state] of [
      ["arrive", "arrived"],
      ["start", "on_trip"],
      ["complete", "completed"],
    ] as const) {
      const effects = kit.step("ann", step);
      expect(kit.ride().state).toBe(state);
      expect(toldTo(effects, "ann")[0]).toMatchObject({
        type: "trip.verdict",
        verdict: { outcome: "done", ride: { state } },
      });
    }
    expect(kit.offerTo("ann").state).toBe("ended");
    expect(ofType(kit.effects, "release")).toHaveLength(1);
    expect(toldTo(kit.effects, "ann").at(-1)).toEqual({ type: "status", status: { state: "available" } });
  });

  test("[T1] may start without an arrival: the rider was at the kerb", () => {
    expect(tripAfter("start").ride()).toMatchObject({ state: "on_trip" });
  });

  test.each([
    ["arrive", ["arrive"]],
    ["start", ["start"]],
    ["complete", ["start", "complete"]],
    ["cancel", ["cancel"]],
  ] as const)("[T2] %s said again hears done again, and nothing happens twice", (step, before) => {
    const kit = tripAfter(...before);
    const again = said(kit, step);
    expect(answerIn(again, "trip").verdict.outcome).toBe("done");
    expect(changesNothing(again)).toBe(true);
  });

  test.each([
    ["arrive", 300_000, "cancelled_no_show"],
    ["start", 21_600_000, "abandoned"],
  ] as const)("[T2] %s said again hears done also when %d ms later a timer has ended the ride", (step, ms, state) => {
    const kit = tripAfter(step);
    kit.wait(ms);
    const again = said(kit, step);
    expect(answerIn(again, "trip").verdict).toMatchObject({ outcome: "done", ride: { state } });
    expect(changesNothing(again)).toBe(true);
  });

  test.each([
    ["complete", [], "assigned"],
    ["complete", ["arrive"], "arrived"],
    ["arrive", ["start"], "on_trip"],
    ["cancel", ["start"], "on_trip"],
    ["start", ["start", "complete"], "completed"],
    ["cancel", ["start", "complete"], "completed"],
    ["arrive", ["cancel"], "matching"],
  ] as const)("[T3] %s after %j is refused with the state, %s, and changes nothing", (step, before, state) => {
    const kit = tripAfter(...before);
    const refused = said(kit, step);
    expect(answerIn(refused, "trip").verdict).toEqual({ outcome: "refused", reason: "wrong_state", state });
    expect(changesNothing(refused)).toBe(true);
  });

  test("[T3] is nobody's but its driver's: all others' steps are unknown", () => {
    const kit = tripAfter("arrive");
    kit.driver("eve", 100);
    for (const step of STEPS) {
      const effects = kit.say({ type: "trip.stepped", ...kit.from("eve", kit.offerTo("ann").id), step });
      expect(answerIn(effects, "trip").verdict).toEqual({ outcome: "refused", reason: "unknown" });
      expect(changesNothing(effects)).toBe(true);
    }
  });
});

describe("what ends a ride by itself", () => {
  test("[T4] a rider who is not at the kerb for five minutes after the arrival", () => {
    const kit = tripAfter("arrive");
    kit.wait(299_999);
    expect(kit.ride().state).toBe("arrived");
    const effects = kit.wait(1);
    expect(kit.ride()).toMatchObject({ state: "cancelled_no_show", driverId: "ann" });
    expect(kit.offerTo("ann").state).toBe("ended");
    expect(ofType(effects, "release")).toHaveLength(1);
  });

  test("[T4] the driver is told, and a start in time keeps the ride", () => {
    const told = tripAfter("arrive");
    told.wait(50_000);
    told.locate("ann", at(10));
    const kit = tripAfter("arrive", "start");
    kit.wait(400_000);
    expect(kit.ride().state).toBe("on_trip");
    const near = tripAfter("arrive");
    for (let s = 0; s < 300; s += 30) {
      near.locate("ann", at(10));
      near.wait(30_000);
    }
    expect(toldTo(near.effects, "ann")).toContainEqual(
      expect.objectContaining({ type: "trip.changed", ride: expect.objectContaining({ state: "cancelled_no_show" }) }),
    );
  });

  test("[T6] a trip that nobody has ended after six hours is abandoned, and its driver is free", () => {
    const kit = tripAfter("start");
    kit.wait(21_599_999);
    expect(kit.ride().state).toBe("on_trip");
    kit.wait(1);
    expect(kit.ride()).toMatchObject({ state: "abandoned" });
    expect(kit.offerTo("ann")).toMatchObject({ state: "ended", released: true });
  });
});

describe("the watch over a driver on his way", () => {
  /** Fixes every 20 s at the metres that `place` gives for the second. */
  const drive = (kit: ShardKit, seconds: number, place: (s: number) => number) => {
    for (let s = 0; s < seconds && kit.ride().state === "assigned"; s += 20) {
      kit.locate("ann", at(place(s)));
      kit.wait(20_000);
    }
  };

  test("[T5] takes the ride from one who has fallen silent for five minutes, tells him, and looks on", () => {
    const kit = tripAfter();
    const start = kit.now;
    kit.wait(299_999);
    expect(kit.ride().state).toBe("assigned");
    kit.wait(1);
    expect(kit.ride()).toMatchObject({ state: "matching", redispatches: 1 });
    expect(kit.now - start).toBe(300_000);
    expect(kit.offersOf()[0]).toMatchObject({ state: "ended", driverId: "ann" });
  });

  test("[T5] takes it from one who moves and does not come nearer", () => {
    const kit = tripAfter();
    drive(kit, 900, (s) => 900 + s);
    expect(kit.ride()).toMatchObject({ state: "matching", redispatches: 1 });
    expect(toldTo(kit.effects, "ann")).toContainEqual(
      expect.objectContaining({ type: "trip.changed", ride: expect.objectContaining({ state: "matching" }) }),
    );
  });

  test("[T5] leaves it to one who comes nearer, however slowly, and to one who waits at the pickup", () => {
    const coming = new ShardKit({ startRadiusMeters: 3_000 });
    coming.driver("ann", 2_400);
    coming.request("rita");
    coming.accept("ann");
    drive(coming, 1_800, (s) => 2_400 - s);
    expect(coming.ride().state).toBe("assigned");
    const waiting = tripAfter();
    drive(waiting, 1_800, () => 150);
    expect(waiting.ride().state).toBe("assigned");
  });

  test("[T5] takes it from one who was at the pickup and has driven away, five minutes after he was last there", () => {
    const kit = tripAfter();
    drive(kit, 600, () => 150);
    const lastThereAt = kit.now - 20_000;
    drive(kit, 600, (s) => 250 + s);
    expect(kit.ride().state).toBe("matching");
    expect(kit.now - lastThereAt).toBe(300_000);
  });

  test("[T5] takes it even from one who waits at the pickup, if he never says that he has arrived", () => {
    const kit = tripAfter();
    drive(kit, LIMITS.pickupMs / 1_000, () => 150);
    expect(kit.ride().state).toBe("matching");
  });
});

describe("tracking", () => {
  test("[T8] shows the rider where the driver of his ride is, from this shard or another", () => {
    const kit = tripAfter();
    const here = ofType(kit.locate("ann", at(200)), "publish.position");
    expect(here).toMatchObject([{ rideId: rideIdOf(0), position: at(200) }]);
    const fix = kit.fix("ann", at(100));
    const elsewhere = kit.say({ type: "driver.tracked", ...kit.from("ann"), fix });
    expect(answerIn(elsewhere, "tracked")).toEqual({ type: "tracked", engaged: true, ride: null });
    expect(ofType(elsewhere, "publish.position")).toMatchObject([{ position: at(100) }]);
  });

  test("[T8] from another shard says where the driver is to be told what happens to his ride", () => {
    const kit = tripAfter("arrive");
    const from = { shard: ELSEWHERE, epoch: 7 };
    kit.say({ type: "driver.tracked", ...kit.from("ann"), fix: kit.fix("ann", at(10)), from });
    expect(ofType(kit.wait(300_000), "push")).toMatchObject([{ to: from, notice: { type: "trip.changed" } }]);
  });

  test("[T8] tells the shard of a driver whose ride is over, which then sets him free", () => {
    const kit = tripAfter("start", "complete");
    const fix = kit.fix("ann", at(100));
    const effects = kit.say({ type: "driver.tracked", ...kit.from("ann"), fix });
    expect(answerIn(effects, "tracked")).toMatchObject({ engaged: false, ride: { state: "completed" } });
    expect(ofType(effects, "publish.position")).toEqual([]);
    expect(
      answerIn(kit.say({ type: "driver.tracked", ...kit.from("eve", kit.offerTo("ann").id), fix }), "tracked"),
    ).toEqual({ type: "tracked", engaged: false, ride: null });
  });

  test("[T8] reports a driver engaged elsewhere every four seconds, and frees him when the answer says so", () => {
    const kit = new ShardKit();
    const offerId = `${rideIdOf(8)}#5` as never;
    const ride = { offerId, rideId: rideIdOf(8), state: "assigned", version: 2, pickup: at(0), dropoff: at(1) };
    kit.attach("ann", {
      holding: { kind: "ride", ride: { ...ride, state: "assigned", fareCents: 1, currency: "USD" } },
    });
    const reports = () => ofType(kit.effects, "track").length;
    for (let s = 0; s < 20; s++) {
      kit.locate("ann", at(s * 10));
      kit.wait(1_000);
    }
    expect(reports()).toBe(Math.ceil(20_000 / LIMITS.trackEveryMs));
    expect(ofType(kit.effects, "track")[0]).toMatchObject({ offerId, from: { epoch: 1 } });
    const over = { ...ride, state: "completed", version: 5, fareCents: 1, currency: "USD" } as const;
    const freed = kit.say({ type: "track.answered", driverId: driverId("ann"), offerId, ride: over, engaged: false });
    expect(toldTo(freed, "ann").map((notice) => notice.type)).toEqual(["trip.changed", "status"]);
    expect(toldTo(freed, "ann").at(-1)).toEqual({ type: "status", status: { state: "available" } });
  });

  test("[T7] a driver in another shard is told where his ride was taken from him", () => {
    const kit = new ShardKit();
    kit.world.reserves = false;
    kit.driver("ann", 300);
    kit.request("rita");
    const offerId = kit.offerTo("ann").id;
    const session = { shard: ELSEWHERE, epoch: 9 };
    kit.say({ type: "reserve.answered", offerId, outcome: "reserved", session, exchanges: 0 });
    kit.say({ type: "offer.accepted", offerId, driverId: driverId("ann"), from: session });
    const pushes = ofType(kit.wait(300_000), "push");
    expect(pushes).toMatchObject([{ to: session, notice: { type: "trip.changed", ride: { state: "matching" } } }]);
  });
});
