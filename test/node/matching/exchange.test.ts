import { describe, expect, test } from "vitest";
import type { Ride } from "../../../src/domain/ride.ts";
import { LIMITS } from "../../../src/matching/limits.ts";
import type { Spot } from "../../../src/matching/look-ahead.ts";
import { secondsWithExchange } from "../../../src/matching/turnover.ts";
import { explainRide } from "../../../src/shard/explain.ts";
import { answerIn, at, hasBeenAsked, ofType, PICKUP, rideIdOf, ShardKit, toldTo } from "./shard-kit.ts";

/** Seconds of a straight line at the kit's speed. */
const METERS_PER_SECOND = 4;

/** `ann` has the ride and is 900 m away, 225 s; nobody else is there. */
function onTheWay(
  change: ConstructorParameters<typeof ShardKit>[0] = {},
  meters = 900,
  before: (kit: ShardKit) => void = () => {},
): ShardKit {
  const kit = new ShardKit({ kind: "batched", replanning: true, ...change });
  before(kit);
  kit.driver("ann", meters);
  kit.request("rita");
  kit.accept("ann");
  return kit;
}

/** `bob` comes on duty so near, and is asked once the window is over. */
function askedNearer(kit = onTheWay(), meters = 100): ShardKit {
  kit.driver("bob", -meters);
  kit.wait(2_000);
  return kit;
}

const asked = (kit: ShardKit, n = 0) => kit.offersOf(n).map(({ driverId }) => driverId);
const isRidden = (kit: ShardKit, n = 0) => (kit.ride(n) as Ride & { driverId: string }).driverId;
const heardBy = (kit: ShardKit, name: string) => toldTo(kit.effects, name).map(({ type }) => type);
const acceptedBy = (kit: ShardKit, name: string) =>
  answerIn(kit.say({ type: "offer.accepted", ...kit.from(name) }), "verdict").verdict;

describe("a nearer driver", () => {
  test("[X1] is asked for a ride whose driver is on his way, and asked like anybody else", () => {
    const kit = askedNearer();
    expect(asked(kit)).toEqual(["ann", "bob"]);
    expect(kit.offerTo("bob")).toMatchObject({ state: "offered", instead: kit.offerTo("ann").id });
    expect(toldTo(kit.effects, "bob").at(-2)).toMatchObject({ type: "offer", pickupMeters: 100 });
    expect(kit.ride()).toMatchObject({ state: "assigned", version: 2, driverId: "ann" });
  });

  test("[X1] is not asked where the market does not re-plan, which none does that does not say so", () => {
    expect(asked(askedNearer(onTheWay({ replanning: false })))).toEqual(["ann"]);
    expect(asked(askedNearer(onTheWay({ kind: "sequential" })))).toEqual(["ann"]);
  });

  test("[X1] is asked only where that is worth more than to wait for whoever comes free nearer", () => {
    const askedAt = (onWay: number, meters: number, ends: number) => {
      // With what places are worth in their costs nobody is worth anything besides (O24).
      const kit = onTheWay({ lookAheadSeconds: 60 }, onWay);
      for (let end = 0; end < ends; end++) kit.shard.recentRides.of("economy").ended.note(PICKUP, kit.now);
      return asked(askedNearer(kit, meters));
    };
    for (const onWay of [500, 900]) {
      for (const ends of [0, 5, 10]) {
        const turnover = LIMITS.recentMs / 1_000 / ends;
        const worthSeconds = secondsWithExchange(onWay / METERS_PER_SECOND, turnover) - LIMITS.exchangeSeconds;
        const far = worthSeconds * METERS_PER_SECOND;
        expect(askedAt(onWay, far - 1, ends)).toEqual(["ann", "bob"]);
        expect(askedAt(onWay, far + 1, ends)).toEqual(["ann"]);
      }
    }
    expect(askedAt(900, 10, LIMITS.recentRoom)).toEqual(["ann"]);
  });

  test("[X1] is not asked where he would be there later, for he drives the other way, however much the first is missed", () => {
    const gone = (headingDegrees: number) => {
      const kit = onTheWay();
      for (let ride = 0; ride < 200; ride++) kit.shard.recentRides.of("economy").asked.note(at(900), kit.now);
      kit.attach("bob");
      kit.locate("bob", at(-750), { headingDegrees, speedMetersPerSecond: 8 });
      kit.wait(2_000);
      return asked(kit);
    };
    expect(gone(0)).toEqual(["ann", "bob"]);
    expect(gone(180)).toEqual(["ann"]);
  });

  test("[X1] [O24] is asked sooner where the first is missed, and not where he is himself", () => {
    const whenAskedAt = (place: number, meters: number, isMissed = true) => {
      const kit = onTheWay({}, 900, (before) => {
        if (isMissed) hasBeenAsked(before, place);
      });
      kit.driver("eve", -2_500);
      return asked(askedNearer(kit, meters));
    };
    expect(whenAskedAt(900, 750, false)).toEqual(["ann"]);
    expect(whenAskedAt(900, 750)).toEqual(["ann", "bob"]);
    expect(whenAskedAt(-100, 100, false)).toEqual(["ann", "bob"]);
    expect(whenAskedAt(-100, 100)).toEqual(["ann"]);
  });

  test("[X1] is the best for all rides together, those that wait included", () => {
    const kit = onTheWay();
    kit.world.ranks = false;
    kit.driver("bob", -100);
    kit.request("rolf", { pickup: at(-150) });
    kit.world.ranks = true;
    for (const asking of ofType(kit.effects, "rank").slice(-2)) kit.rank(asking);
    kit.wait(2_000);
    expect([asked(kit, 0), asked(kit, 1)]).toEqual([["ann"], ["bob"]]);
  });

  test("[X1] is not asked while the shard is overloaded, nor by a ride that asks another already", () => {
    const busy = onTheWay();
    for (let beat = 0; beat < 3; beat++) {
      busy.say({ type: "load.measured", lagMs: 200, framesPerSecond: 0, inferenceMs: 0 });
      busy.wait(1_000);
    }
    expect(asked(askedNearer(busy))).toEqual(["ann"]);
    const kit = askedNearer();
    kit.driver("eve", 50);
    kit.wait(2_000);
    expect(asked(kit)).toEqual(["ann", "bob"]);
  });

  test("[X1] may say no: three are asked, then the ride keeps whom it has", () => {
    const kit = onTheWay();
    for (const name of ["bob", "eve", "kim", "lou"]) {
      kit.driver(name, -100);
      kit.wait(2_000);
      const mine = kit.offersOf().find(({ driverId }) => driverId === name);
      if (mine) kit.say({ type: "offer.declined", ...kit.from(name) });
      kit.locate("ann", at(890));
    }
    expect(asked(kit)).toEqual(["ann", "bob", "eve", "kim"]);
    expect(kit.ride()).toMatchObject({ state: "assigned", version: 2, driverId: "ann" });
  });

  test("[X1] [Y3] is explained like every other", () => {
    const kit = askedNearer();
    kit.accept("bob");
    const decisions = [...kit.rows.decisions.values()];
    const explained = explainRide({ ride: kit.ride(), offers: kit.offersOf() }, decisions).decisions;
    expect(explained.map(({ instead }) => instead)).toEqual([null, kit.offerTo("ann").id]);
    expect(explained[1]!.why).toContain("search 1 for somebody nearer than the driver on his way");
    expect(explained[0]!.candidates[0]!.why).toContain("a nearer driver took the ride over on the way");
  });
});

describe("the accept of a nearer driver", () => {
  test("[X1] [F1] [N3] is decided by the way alone, and says so", () => {
    const kit = onTheWay({ fairnessSeconds: 60, fairnessAfterMs: 100, lookAheadSeconds: 60 });
    const { lookAhead } = kit.shard;
    const [from, elsewhere] = [at(-100), at(-2_000)].map((place) => lookAhead.spotAt(place, kit.now)) as [Spot, Spot];
    for (let time = 0; time < 50; time++) {
      lookAhead.learn({ from, to: from, tookSeconds: 600, paidSeconds: 500 });
      lookAhead.learn({ from: elsewhere, to: elsewhere, tookSeconds: 600, paidSeconds: 0 });
    }
    kit.attach("bob");
    kit.wait(1_000);
    kit.locate("bob", at(-100));
    kit.wait(2_000);
    expect(asked(kit)).toEqual(["ann", "bob"]);
    const nearer = [...kit.rows.decisions.values()].find(({ instead }) => instead !== null)!;
    const [bob] = nearer.candidates;
    expect(bob).toMatchObject({ driverId: "bob", score: bob!.pickupSeconds, fairnessSeconds: 0, lookAheadSeconds: 0 });
  });

  test("[X2] moves the ride in one commit, and no other word of it", () => {
    const kit = askedNearer();
    const [ann, bob] = [kit.offerTo("ann").id, kit.offerTo("bob").id];
    const effects = kit.say({ type: "offer.accepted", ...kit.from("bob") });
    expect(answerIn(effects, "verdict").verdict).toMatchObject({
      outcome: "won",
      ride: { state: "assigned", version: 3 },
    });
    const saved = ofType(effects, "save.offer").map(({ offer: { id, state } }) => [id, state]);
    expect(saved).toEqual(
      expect.arrayContaining([
        [ann, "ended"],
        [bob, "won"],
      ]),
    );
    expect(saved[0]).toEqual([ann, "ended"]);
    expect(ofType(effects, "append.event").map(({ event }) => event.type)).toEqual(["ride.exchanged"]);
    expect(kit.ride()).toMatchObject({ state: "assigned", version: 3, driverId: "bob", offerId: bob, redispatches: 0 });
    expect(acceptedBy(kit, "bob")).toMatchObject({ outcome: "won" });
    expect(kit.ride().version).toBe(3);
  });

  test("[X2] until then the ride is the first driver's: a decline or silence changes nothing for him", () => {
    for (const after of ["declined", "expired"] as const) {
      const kit = askedNearer();
      const before = heardBy(kit, "ann").length;
      if (after === "declined") kit.say({ type: "offer.declined", ...kit.from("bob") });
      else kit.wait(15_000);
      expect(kit.offerTo("bob")).toMatchObject({ state: "dead", reason: after });
      expect(kit.ride()).toMatchObject({ state: "assigned", version: 2, driverId: "ann" });
      expect(heardBy(kit, "ann").length).toBe(before);
      expect(kit.step("ann", "arrive").length).toBeGreaterThan(0);
      expect(kit.ride().state).toBe("arrived");
    }
  });

  test("[X3] comes too late once the first driver has arrived, or has begun the trip", () => {
    for (const step of ["arrive", "start"] as const) {
      const kit = askedNearer();
      kit.step("ann", step);
      expect(kit.offerTo("bob")).toMatchObject({ state: "dead", reason: "superseded" });
      expect(heardBy(kit, "bob")).toContain("offer.closed");
      expect(acceptedBy(kit, "bob")).toEqual({ outcome: "lost", reason: "superseded" });
      expect(isRidden(kit)).toBe("ann");
    }
  });

  test("[X3] is refused when the first driver is nearly there by then, or nobody knows where he is", () => {
    const kit = askedNearer();
    const near = LIMITS.nearlyThereSeconds * METERS_PER_SECOND;
    kit.wait(8_000);
    kit.locate("ann", at(400));
    kit.wait(5_000);
    kit.locate("ann", at(near - 1));
    expect(acceptedBy(kit, "bob")).toEqual({ outcome: "lost", reason: "superseded" });
    expect(isRidden(kit)).toBe("ann");
    expect(kit.offerTo("bob")).toMatchObject({ state: "dead", reason: "superseded" });

    const silent = askedNearer();
    silent.restart();
    expect(acceptedBy(silent, "bob")).toEqual({ outcome: "lost", reason: "superseded" });
  });

  test("[X3] nobody is asked when the first driver is nearly there", () => {
    const near = LIMITS.nearlyThereSeconds * METERS_PER_SECOND;
    const kit = onTheWay({}, near);
    kit.driver("bob", 0);
    kit.wait(2_000);
    expect(asked(kit)).toEqual(["ann"]);
  });
});

describe("an exchange", () => {
  test("[X4] happens once to a ride", () => {
    const kit = askedNearer(onTheWay(), 200);
    kit.accept("bob");
    kit.locate("bob", at(-200));
    kit.driver("eve", 10);
    kit.wait(2_000);
    expect(ofType(kit.effects, "rank")).toHaveLength(2);
    expect([asked(kit), isRidden(kit)]).toEqual([["ann", "bob"], "bob"]);
  });

  test("[X4] happens once to a driver until he has driven: his lock says how often it has", () => {
    const kit = onTheWay();
    kit.world.reserves = false;
    kit.say({ type: "ride.cancelled", rideId: rideIdOf(0), riderId: kit.ride().riderId });
    kit.request("rolf");
    const { id: offerId } = kit.offerTo("ann");
    const session = { shard: kit.from("ann").from.shard, epoch: 1 };
    kit.say({ type: "reserve.answered", offerId, outcome: "reserved", session, exchanges: 1 });
    kit.accept("ann");
    kit.driver("bob", -100);
    kit.wait(2_000);
    expect(asked(kit, 1)).toEqual(["ann"]);
    expect(ofType(kit.effects, "rank")).toHaveLength(2);
  });

  test("[X4] is told to the lock of who lost the ride, and so is the trip that he drives then", () => {
    const kit = askedNearer();
    const from = kit.effects.length;
    kit.accept("bob");
    kit.step("bob", "start");
    kit.step("bob", "complete");
    const outcomes = ofType(kit.effects.slice(from), "release").map(({ driverId, outcome }) => [driverId, outcome]);
    expect(outcomes).toEqual([
      ["ann", "exchanged"],
      ["bob", "driven"],
    ]);
  });

  test("[X4] is heard by a lock that asks before the release has come", () => {
    const kit = askedNearer();
    const { id: offerId } = kit.offerTo("ann");
    kit.world.acknowledges = false;
    kit.accept("bob");
    expect(answerIn(kit.say({ type: "lock.asked", offerId }), "lock").verdict).toBe("exchanged");
  });

  test("[X5] is told to him who lost the ride, who is free and has nothing against him", () => {
    const kit = askedNearer();
    const { id: offerId } = kit.offerTo("ann");
    kit.accept("bob");
    const told = toldTo(kit.effects, "ann").find(({ type }) => type === "trip.changed");
    expect(told).toMatchObject({ ride: { offerId, state: "matching", exchanged: true } });
    expect(toldTo(kit.effects, "ann").at(-1)).toEqual({ type: "status", status: { state: "available" } });
    expect(kit.shard.supply.sessions.get(kit.offerTo("ann").driverId)).toMatchObject({
      held: null,
      stats: { declinesInRow: 0 },
    });
    // He may be asked again where the one who took it gives it back.
    kit.step("bob", "cancel");
    expect(asked(kit)).toEqual(["ann", "bob", "ann"]);
  });

  test("[X5] is told to the rider, who sees his new driver", () => {
    const kit = askedNearer();
    const [published] = ofType(kit.accept("bob"), "publish.ride");
    expect(published).toMatchObject({
      event: { type: "ride.exchanged" },
      view: { state: "assigned", driver: { id: "bob" } },
    });
  });

  test("[X5] leaves nothing for him who lost it to do: his steps are refused, giving it back is done", () => {
    const kit = askedNearer();
    const { id } = kit.offerTo("ann");
    kit.accept("bob");
    const verdict = (step: "arrive" | "cancel") =>
      answerIn(kit.say({ type: "trip.stepped", ...kit.from("ann", id), step }), "trip").verdict;
    expect(verdict("arrive")).toEqual({ outcome: "refused", reason: "wrong_state", state: "matching" });
    expect(verdict("cancel")).toMatchObject({ outcome: "done", ride: { state: "matching", exchanged: true } });
    expect(kit.ride()).toMatchObject({ state: "assigned", driverId: "bob" });
  });

  test("[X6] that is open when the ride is given back becomes an offer like any other", () => {
    const kit = askedNearer();
    kit.step("ann", "cancel");
    expect(kit.ride()).toMatchObject({ state: "matching", redispatches: 1 });
    expect(kit.offerTo("bob").state).toBe("offered");
    kit.accept("bob");
    expect(kit.ride()).toMatchObject({ state: "assigned", driverId: "bob" });
    expect([...kit.rows.events.values()].map(({ type }) => type)).toEqual([
      "ride.requested",
      "ride.assigned",
      "ride.redispatched",
      "ride.assigned",
    ]);
    expect(kit.offersOf()[0]).toMatchObject({ state: "ended", exchanged: false });
  });

  test("[X6] that is open when the ride is cancelled, or given back for the last time, is called off", () => {
    const kit = askedNearer();
    kit.say({ type: "ride.cancelled", rideId: rideIdOf(0), riderId: kit.ride().riderId });
    expect(kit.offerTo("bob")).toMatchObject({ state: "dead", reason: "cancelled" });
    expect(acceptedBy(kit, "bob")).toEqual({ outcome: "lost", reason: "cancelled" });

    const last = onTheWay();
    for (const name of ["kim", "lou", "max"]) {
      last.step(asked(last).at(-1)!, "cancel");
      last.driver(name, 900);
      last.wait(2_000);
      last.accept(name);
    }
    askedNearer(last);
    expect(last.offerTo("bob").state).toBe("offered");
    last.step("max", "cancel");
    expect([last.ride().state, last.offerTo("bob")]).toMatchObject([
      "no_driver",
      { state: "dead", reason: "cancelled" },
    ]);
  });

  test("[X2] [H6] goes on after a restart, as soon as it is known where the first driver is", () => {
    const kit = askedNearer();
    kit.restart();
    const { holding } = answerIn(kit.say({ type: "offer.viewed", ...kit.from("ann") }), "holding");
    kit.attach("ann", { holding });
    kit.locate("ann", at(900));
    expect(acceptedBy(kit, "bob")).toMatchObject({ outcome: "won" });
    expect(isRidden(kit)).toBe("bob");
  });
});
