import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { DriverProfile } from "../../../src/domain/driver.ts";
import { DISPATCH_KINDS, type Market } from "../../../src/domain/market.ts";
import type { CommandOf } from "../../../src/matching/commands.ts";
import { RISE_BEATS } from "../../../src/matching/overload.ts";
import { explainRide } from "../../../src/shard/explain.ts";
import { at, driverId, ofType, rankedNearest, rideIdOf, riderId, ShardKit } from "./shard-kit.ts";

/** Ride 0 is rita's, who is on her trip; rolf asks meanwhile. At 4 m/s a hundred metres are 25 s. */
const ROLFS = 1;
const FORWARD: Partial<Market["dispatch"]> = { kind: "sequential", forwardSeconds: 60 };

const asked = (kit: ShardKit, n = ROLFS) => kit.offersOf(n).map((offer) => offer.driverId);
const pursuitOf = (kit: ShardKit, n = ROLFS) => kit.shard.pursuits.get(rideIdOf(n));
const holdOf = (kit: ShardKit, n = ROLFS) => {
  const pursuit = pursuitOf(kit, n);
  return pursuit?.phase === "held" ? pursuit.hold : null;
};
const counted = (kit: ShardKit) =>
  ofType(kit.effects, "count").flatMap(({ name, label }) =>
    name === "search" && label!.startsWith("held") ? [label] : [],
  );

/** A driver somewhere, since a moment ago. */
function stands(kit: ShardKit, name: string, meters: number): void {
  if (kit.epochOf(name) === 0) kit.attach(name);
  kit.locate(name, at(meters));
}

/** The driver takes a ride from the middle to 800 m in the north, and is so far from its end after a while. */
function drives(kit: ShardKit, name: string, rider: string, left = 100, profile: Partial<DriverProfile> = {}) {
  kit.driver(name, 20, profile);
  kit.request(rider, { dropoff: at(800) });
  kit.accept(name);
  kit.step(name, "arrive");
  kit.step(name, "start");
  kit.wait(20_000);
  kit.locate(name, at(800 - left));
}

/** Ann is 25 s from the end of rita's trip, which is 25 s from rolf; bob is free, and so far in the north. */
function annIsAboutToFinish(
  dispatch: Partial<Market["dispatch"]> = {},
  bobMeters = 1_700,
  left = 100,
  profile: Partial<DriverProfile> = {},
  zones: Market["zones"] = [],
): ShardKit {
  const kit = new ShardKit({ ...FORWARD, ...dispatch }, {}, zones);
  drives(kit, "ann", "rita", left, profile);
  stands(kit, "bob", bobMeters);
  return kit;
}

const ask = (kit: ShardKit, wish: Partial<CommandOf<"ride.requested">["request"]> = {}) =>
  kit.request("rolf", { pickup: at(900), ...wish });

/** So many seconds pass, and these drivers stay where they are and say so. */
function pass(kit: ShardKit, seconds: number, ...names: string[]): void {
  for (let second = 0; second < seconds; second++) {
    kit.wait(1_000);
    for (const name of names) kit.locate(name, kit.shard.supply.sessions.get(driverId(name))!.fix!.position);
  }
}

describe("a ride that a driver about to end his trip could be there for first", () => {
  test("[O21] is held back for him, and offered to nobody else meanwhile", () => {
    const kit = annIsAboutToFinish();
    ask(kit);
    expect(asked(kit)).toEqual([]);
    expect(holdOf(kit)).toMatchObject({ driverId: "ann", since: kit.now, until: kit.now + 45_000, ended: null });
    const { tripSeconds, pickupSeconds, freeSeconds } = holdOf(kit)!;
    expect([tripSeconds, pickupSeconds, freeSeconds].map(Math.round)).toEqual([25, 50, 200]);
    pass(kit, 20, "ann", "bob");
    expect([asked(kit), counted(kit)]).toEqual([[], ["held"]]);
  });

  test("[O22] asks him as soon as he is free, by an offer like any other", () => {
    const kit = annIsAboutToFinish();
    ask(kit);
    pass(kit, 10, "ann", "bob");
    kit.step("ann", "complete");
    expect(asked(kit)).toEqual(["ann"]);
    expect(counted(kit)).toEqual(["held", "held-came"]);
    kit.say({ type: "offer.declined", ...kit.from("ann") });
    kit.wait(1_500);
    expect(asked(kit)).toEqual(["ann", "bob"]);
  });

  test("[O22] goes on without him when he is 20 s late, and is not held again", () => {
    const kit = annIsAboutToFinish({ forwardSeconds: 120 });
    ask(kit);
    pass(kit, 44, "ann", "bob");
    expect(asked(kit)).toEqual([]);
    pass(kit, 1, "ann", "bob");
    expect(asked(kit)).toEqual(["bob"]);
    expect(counted(kit)).toEqual(["held", "held-late"]);
  });

  test("[O22] waits no longer than the market's time since it was asked for, also when it was ranked late", () => {
    const kit = annIsAboutToFinish({ forwardSeconds: 40 });
    kit.say({ type: "driver.available", driverId: driverId("bob"), epoch: 1, available: false });
    ask(kit);
    pass(kit, 10, "ann", "bob");
    kit.say({ type: "driver.available", driverId: driverId("bob"), epoch: 1, available: true });
    expect(holdOf(kit)).toMatchObject({ since: kit.now, until: kit.now + 30_000 });
    pass(kit, 29, "ann", "bob");
    expect(asked(kit)).toEqual([]);
    pass(kit, 1, "ann", "bob");
    expect(asked(kit)).toEqual(["bob"]);
  });

  test.each(DISPATCH_KINDS)("[O21] [O22] waits for him where dispatch is %s", (kind) => {
    const kit = annIsAboutToFinish({ kind, waveSize: 1 });
    ask(kit);
    pass(kit, 5, "ann", "bob");
    expect(asked(kit)).toEqual([]);
    kit.step("ann", "complete");
    expect(asked(kit)).toEqual(["ann"]);
  });

  test("[O22] is over with the ride: no timer remains, and he is free for others", () => {
    const kit = annIsAboutToFinish();
    ask(kit);
    kit.say({ type: "ride.cancelled", rideId: rideIdOf(ROLFS), riderId: riderId("rolf") });
    expect(kit.shard.timers.has("ride.search", rideIdOf(ROLFS))).toBe(false);
    kit.request("rosa", { pickup: at(900) });
    expect(holdOf(kit, 2)).toMatchObject({ driverId: "ann" });
  });
});

describe("a ride is dispatched as it is", () => {
  const paused = (kit: ShardKit) =>
    kit.say({ type: "driver.available", driverId: driverId("ann"), epoch: 1, available: false });

  test.each<[why: string, scene: () => ShardKit, wish?: Parameters<typeof ask>[1]]>([
    ["where the market holds nothing back", () => annIsAboutToFinish({ forwardSeconds: 0 })],
    ["where less than a minute is saved", () => annIsAboutToFinish({}, 1_338)],
    ["where his trip lasts longer than the market waits", () => annIsAboutToFinish({ forwardSeconds: 24 })],
    ["where he will stop working", () => then(annIsAboutToFinish(), paused)],
    ["where he does not serve it", () => annIsAboutToFinish({}, 1_700, 100, { seats: 2 }), { seats: 3 }],
    [
      "where it does not bring him home",
      () =>
        then(annIsAboutToFinish({ destinationShare: 0.5 }), (kit) => {
          const destination = at(8_000, 270);
          kit.say({ type: "driver.available", driverId: driverId("ann"), epoch: 1, available: true, destination });
        }),
    ],
    ["where nobody has heard of him for 30 s", () => then(annIsAboutToFinish(), (kit) => pass(kit, 30, "bob"))],
    [
      "where his session ends before his trip does",
      () => {
        const kit = annIsAboutToFinish();
        const session = kit.shard.supply.sessions.get(driverId("ann"))!;
        Object.assign(session, { endsAt: kit.now + 24_000 });
        return kit;
      },
    ],
    [
      "where his socket is elsewhere",
      () =>
        then(annIsAboutToFinish(), (kit) => {
          kit.say({ type: "driver.superseded", driverId: driverId("ann"), epoch: 2 });
        }),
    ],
    [
      "where a queue has drivers for it",
      () => {
        const zone = { name: "north", center: at(1_300), radiusMeters: 450 };
        return annIsAboutToFinish({ queueZones: true }, 1_700, 100, {}, [zone]);
      },
    ],
    [
      "where the shard is overloaded",
      () =>
        then(annIsAboutToFinish(), (kit) => {
          const load = { lagMs: 300, framesPerSecond: 0, inferenceMs: 0 };
          for (let beat = 0; beat < RISE_BEATS; beat++) kit.say({ type: "load.measured", ...load });
        }),
    ],
  ])("[O21] %s", (_, scene, wish = {}) => {
    const kit = scene();
    ask(kit, wish);
    expect(asked(kit)).toEqual(["bob"]);
    expect(counted(kit)).toEqual([]);
  });

  test("[O21] where his trip ends too far for its search to find him there, however long a router says others need", () => {
    const kit = annIsAboutToFinish({ startRadiusMeters: 850 }, -860);
    kit.world.ranks = false;
    const [asking] = ofType(ask(kit, { pickup: at(-60) }), "rank");
    const [bob] = asking!.candidates;
    const slow = { ...asking!, candidates: [{ ...bob!, pickupSeconds: 1_000 }] };
    const { rideId, searchId } = asking!;
    kit.say({ type: "candidates.ranked", rideId, searchId, ranked: rankedNearest(slow) });
    expect(asked(kit)).toEqual(["bob"]);
  });

  test("[O21] where it was offered before: he who gave it back is not waited out", () => {
    const kit = annIsAboutToFinish({ forwardSeconds: 120 }, 1_000);
    stands(kit, "cat", 1_700);
    ask(kit);
    kit.accept("bob");
    kit.step("bob", "cancel");
    expect(asked(kit)).toEqual(["bob", "cat"]);
  });
});

/** What then happens to it. */
function then(kit: ShardKit, happens: (kit: ShardKit) => unknown): ShardKit {
  happens(kit);
  return kit;
}

describe("among several", () => {
  test("[O21] one driver is waited for by one ride, and the driver who is there first by whoever asks first", () => {
    const kit = annIsAboutToFinish();
    drives(kit, "dan", "rosa", 60);
    for (const name of ["ann", "bob"]) kit.locate(name, kit.shard.supply.sessions.get(driverId(name))!.fix!.position);
    const wishes = ["rolf", "rita-2", "rex"].map((rider) => kit.request(rider, { pickup: at(900) }));
    expect(wishes).toHaveLength(3);
    expect([2, 3, 4].map((n) => holdOf(kit, n)?.driverId)).toEqual(["dan", "ann", undefined]);
    expect(asked(kit, 4)).toEqual(["bob"]);
  });

  test("[O21] fairness takes nobody's ride away: what it gives a driver who is free counts for him here too", () => {
    const fair = { fairnessSeconds: 100, fairnessAfterMs: 1_000 };
    const kit = annIsAboutToFinish(fair);
    pass(kit, 3, "ann", "bob");
    ask(kit);
    expect(asked(kit)).toEqual(["bob"]);
  });

  test.each([
    [1_059, ["cat"], ["held", "held-other"]],
    [1_065, [], ["held"]],
  ])("[O22] another who becomes free at %i m ends the wait if he would be there no later", (meters, first, ends) => {
    const kit = annIsAboutToFinish();
    ask(kit);
    pass(kit, 10, "ann", "bob");
    stands(kit, "cat", meters);
    expect([asked(kit), counted(kit)]).toEqual([first, ends]);
  });

  test("[O22] [O8] who comes a little late is still the ride's that is held for him, if another is farther", () => {
    const kit = annIsAboutToFinish();
    ask(kit);
    kit.request("rosa", { pickup: at(1_200) });
    kit.say({ type: "offer.declined", ...kit.from("bob") });
    pass(kit, 40, "ann", "bob");
    kit.step("ann", "complete");
    expect([asked(kit), asked(kit, 2)]).toEqual([["ann"], ["bob"]]);
  });

  test("[O22] [O8] who is free goes to the nearest ride that waits, and the one held for him goes on without", () => {
    const kit = annIsAboutToFinish();
    ask(kit);
    kit.request("rosa", { pickup: at(820) });
    expect(asked(kit, 2)).toEqual(["bob"]);
    kit.say({ type: "offer.declined", ...kit.from("bob") });
    pass(kit, 10, "ann", "bob");
    expect([asked(kit), asked(kit, 2)]).toEqual([[], ["bob"]]);
    kit.step("ann", "complete");
    expect([asked(kit), asked(kit, 2)]).toEqual([["bob"], ["bob", "ann"]]);
    expect(counted(kit)).toEqual(["held", "held-came"]);
  });
});

describe("what is kept of it", () => {
  const explained = (kit: ShardKit) => {
    const decisions = [...kit.rows.decisions.values()].filter(({ rideId }) => rideId === rideIdOf(ROLFS));
    return explainRide({ ride: kit.ride(ROLFS), offers: kit.offersOf(ROLFS) }, decisions).decisions;
  };

  test("[O22] [Y1] [Y3] the decision says for whom, what was expected, and what came of it", () => {
    const kit = annIsAboutToFinish();
    ask(kit);
    const since = kit.now;
    const waiting = explained(kit);
    expect(waiting.map(({ hold }) => hold)).toEqual([
      expect.objectContaining({ driverId: "ann", since, ended: null, tripSeconds: expect.closeTo(25, 0) }),
    ]);
    expect(waiting[0]!.hold!.why).toBe(
      "held back for ann, expected to end his trip in 25 s and at the pickup in 50 s, the best who was free in 200 s; he is waited for",
    );
    pass(kit, 10, "ann", "bob");
    kit.step("ann", "complete");
    const [decision, ...others] = explained(kit);
    expect(others).toEqual([]);
    expect(decision!.hold).toMatchObject({ since, ended: { at: kit.now, why: "came" } });
    expect(decision!.hold!.why).toContain("; after 10000 ms he became free");
    expect(decision!.candidates.map(({ driverId: who, outcome }) => [who, outcome])).toEqual([
      ["ann", "offered"],
      ["bob", "reserve"],
    ]);
  });

  test("[O22] nothing outlives the object: the ride searches again, and its time to wait has gone on", () => {
    const kit = annIsAboutToFinish();
    ask(kit);
    pass(kit, 20, "ann", "bob");
    kit.restart();
    kit.attach("bob");
    kit.locate("bob", at(1_700));
    kit.wait(2_000);
    expect(asked(kit)).toEqual(["bob"]);

    const woken = annIsAboutToFinish();
    ask(woken);
    const until = woken.now + 60_000;
    pass(woken, 30, "ann", "bob");
    const memories = ["ann", "bob"].map((name) => {
      const said = ofType(woken.effects, "remember").findLast((effect) => effect.driverId === name);
      return { name, memory: structuredClone(said!.memory) };
    });
    woken.restart();
    for (const { name, memory } of memories) woken.say({ type: "driver.woken", driverId: driverId(name), memory });
    woken.wait(2_000);
    expect(holdOf(woken)?.until).toBeLessThanOrEqual(until);
  });
});

describe("whatever happens", () => {
  type Step = (kit: ShardKit) => unknown;
  const places = fc.integer({ min: -1_500, max: 2_000 });
  const name = fc.constantFrom("ann", "bob", "cat", "dan");
  const guarded =
    (act: Step): Step =>
    (kit) => {
      try {
        return act(kit);
      } catch (error) {
        // Whom nobody has asked yet has nothing to answer.
        if (!(error instanceof Error) || !error.message.includes("was never asked")) throw error;
      }
    };
  const step: fc.Arbitrary<Step> = fc.oneof(
    fc.tuple(name, places).map(
      ([who, meters]): Step =>
        (kit) =>
          stands(kit, who, meters),
    ),
    fc.tuple(fc.integer({ min: 0, max: 99 }), places, places).map(
      ([rider, from, to]): Step =>
        (kit) =>
          kit.request(`rider-${rider}`, { pickup: at(from), dropoff: at(to) }),
    ),
    name.map((who) => guarded((kit) => kit.offerTo(who).state === "offered" && kit.accept(who))),
    fc
      .tuple(name, fc.constantFrom("arrive", "start", "complete", "cancel"))
      .map(([who, what]) => guarded((kit) => kit.step(who, what as "arrive"))),
    fc.integer({ min: 1, max: 20 }).map(
      (seconds): Step =>
        (kit) =>
          pass(kit, seconds, ...kit.shard.supply.sessions.keys()),
    ),
    fc.boolean().map(
      (available): Step =>
        (kit) => {
          if (kit.epochOf("ann") > 0)
            kit.say({ type: "driver.available", driverId: driverId("ann"), epoch: kit.epochOf("ann"), available });
        },
    ),
  );

  test("[O21] [O22] no ride is held twice, nor longer than the market says since it was asked for", () => {
    const held = new Map<number, number>();
    fc.assert(
      fc.property(
        fc.constantFrom(...DISPATCH_KINDS),
        fc.integer({ min: 1, max: 120 }),
        fc.array(step, { minLength: 20, maxLength: 60 }),
        (kind, forwardSeconds, steps) => {
          const kit = annIsAboutToFinish({ kind, forwardSeconds });
          const since = new Map<string, number>();
          for (const act of steps) {
            act(kit);
            for (const { id, createdAt } of kit.rows.rides.values()) {
              const pursuit = kit.shard.pursuits.get(id);
              if (pursuit?.phase !== "held") continue;
              const { since: began } = pursuit.hold!;
              expect(since.get(id) ?? began).toBe(began);
              since.set(id, began);
              expect(kit.now).toBeLessThan(createdAt + forwardSeconds * 1_000);
              expect(kit.shard.offersFor(id)).toEqual([]);
            }
          }
          held.set(since.size, (held.get(since.size) ?? 0) + 1);
        },
      ),
      { numRuns: 100, seed: 21 },
    );
    // Worlds in which nothing is ever held would prove nothing.
    expect(held.get(1)).toBeGreaterThan(20);
  });
});
