import { describe, expect, test } from "vitest";
import type { DriverProfile } from "../../../src/domain/driver.ts";
import type { EndedOffer, OfferId, Ride } from "../../../src/domain/ride.ts";
import type { CommandOf } from "../../../src/matching/commands.ts";
import { LIMITS } from "../../../src/matching/limits.ts";
import { explainRide } from "../../../src/shard/explain.ts";
import { answerIn, at, driverId, ELSEWHERE, ofType, rideIdOf, ShardKit, START, toldTo } from "./shard-kit.ts";

const WINDOW_MS = 2_000;
const METERS_PER_SECOND = 4;

interface Scene {
  readonly dispatch?: ConstructorParameters<typeof ShardKit>[0];
  readonly zones?: ConstructorParameters<typeof ShardKit>[2];
  /** Where each driver is, in metres north of the middle; his rider is where the next driver is. */
  readonly drivers?: Readonly<Record<string, number>>;
  readonly profile?: Readonly<Record<string, Partial<DriverProfile>>>;
  readonly wish?: Partial<CommandOf<"ride.requested">["request"]>;
  readonly reach?: number;
}

/**
 * Everybody is on the way to a ride, and each rider stands 20 m from the driver of another: of `ann` and `bob`, 1,000 m
 * from each other, the ride 0 is ann's and waits at bob's, and the other way round. The last accept was just now.
 */
function crossed({
  dispatch,
  zones,
  drivers = { ann: 500, bob: -500 },
  profile = {},
  wish = {},
  reach = 20,
}: Scene = {}) {
  const kit = new ShardKit({ kind: "sequential", replanning: true, ...dispatch }, {}, zones);
  const names = Object.keys(drivers);
  for (const [n, name] of names.entries()) {
    // One after the other, so that each ride finds nobody else.
    kit.driver(name, drivers[name]!, profile[name]);
    kit.request(`rider-${n}`, { pickup: at(drivers[names[(n + 1) % names.length]!]! + reach), ...wish });
    if (wish.pickupAt !== undefined) kit.wait(1);
    if (n === names.length - 1) kit.configure({ settings: { dispatch: { kind: "batched" } } });
    kit.accept(name);
  }
  return kit;
}

function swapped(scene: Scene = {}): ShardKit {
  const kit = crossed(scene);
  kit.wait(WINDOW_MS);
  return kit;
}

const drives = (kit: ShardKit, n: number) => (kit.ride(n) as Ride & { driverId: string }).driverId;
const both = (kit: ShardKit) => [drives(kit, 0), drives(kit, 1)];
const oldOffer = (kit: ShardKit, n: number) => kit.offersOf(n)[0] as EndedOffer;
const KEPT = ["ann", "bob"];
const SWAPPED = ["bob", "ann"];
const FROM = { shard: ELSEWHERE, epoch: 9 };

describe("two drivers on their way to each other's rider", () => {
  test("[X7] swap their rides when the window after the last accept is over, and nobody is asked", () => {
    const kit = crossed();
    expect(both(kit)).toEqual(KEPT);
    const effects = kit.wait(WINDOW_MS);
    expect(both(kit)).toEqual(SWAPPED);
    expect(ofType(effects, "reserve")).toEqual([]);
    expect([0, 1].map((n) => kit.offersOf(n).map(({ state }) => state))).toEqual([
      ["ended", "won"],
      ["ended", "won"],
    ]);
  });

  test("[X7] keep them where the market does not re-plan, or does no more, and while the shard is overloaded", () => {
    expect(both(swapped({ dispatch: { replanning: false } }))).toEqual(KEPT);
    const changed = crossed();
    changed.configure({ settings: { dispatch: { kind: "batched", replanning: false } } });
    changed.wait(WINDOW_MS);
    expect(both(changed)).toEqual(KEPT);
    const busy = crossed({ dispatch: { batchWindowMs: 5_000 } });
    for (let beat = 0; beat < 6; beat++) {
      busy.say({ type: "load.measured", lagMs: 200, framesPerSecond: 0, inferenceMs: 0 });
      busy.wait(1_000);
    }
    expect(both(busy)).toEqual(KEPT);
  });

  test("[X7] keep them where the new ways are not half a minute shorter for each of them", () => {
    for (const before of [1_000, 240]) {
      const least = before - LIMITS.exchangeSeconds * METERS_PER_SECOND;
      for (const [after, outcome] of [
        [least - 5, SWAPPED],
        [least + 5, KEPT],
      ] as const) {
        const kit = new ShardKit({ kind: "sequential", replanning: true });
        kit.driver("ann", 500);
        kit.request("rita", { pickup: at(500 - before) });
        kit.accept("ann");
        kit.driver("bob", 500 - before - after);
        kit.request("rolf", { pickup: at(500 - after) });
        kit.configure({ settings: { dispatch: { kind: "batched" } } });
        kit.accept("bob");
        kit.wait(WINDOW_MS);
        expect([before, after, ...both(kit)]).toEqual([before, after, ...outcome]);
      }
    }
  });

  test("[X7] keep them where somebody nearer than either comes free all the time", () => {
    const kit = crossed();
    const ended = kit.shard.recentRides.of("economy").ended;
    for (let end = 0; end < 100; end++) ended.note(at(end % 2 === 0 ? 520 : -480), kit.now);
    kit.wait(WINDOW_MS);
    expect(both(kit)).toEqual(KEPT);
  });

  test("[X7] keep them where one has not said where he is for half a minute", () => {
    const silent = crossed({ dispatch: { batchWindowMs: 40_000 } });
    silent.wait(20_000);
    silent.locate("bob", at(-500));
    silent.wait(20_000);
    expect(both(silent)).toEqual(KEPT);
  });

  test("[X7] keep them where one is not what the other's rider asked for", () => {
    expect(both(swapped({ profile: { ann: { seats: 6 } } }))).toEqual(SWAPPED);
    const wants = new ShardKit({ kind: "sequential", replanning: true });
    wants.driver("ann", 500, { seats: 6 });
    wants.request("rita", { pickup: at(-480), seats: 6 });
    wants.accept("ann");
    wants.driver("bob", -500);
    wants.request("rolf", { pickup: at(520) });
    wants.configure({ settings: { dispatch: { kind: "batched" } } });
    wants.accept("bob");
    wants.wait(WINDOW_MS);
    expect(both(wants)).toEqual(KEPT);
  });

  test("[X7] [O6] keep them where one has refused the other's ride, or rests after the one he has", () => {
    const kit = new ShardKit({ kind: "sequential", replanning: true });
    kit.driver("bob", -500);
    kit.request("rita", { pickup: at(-480) });
    kit.say({ type: "offer.declined", ...kit.from("bob") });
    kit.driver("ann", 500);
    kit.wait(3_000);
    kit.accept("ann");
    kit.request("rolf", { pickup: at(520) });
    kit.configure({ settings: { dispatch: { kind: "batched" } } });
    kit.accept("bob");
    kit.wait(WINDOW_MS);
    expect(both(kit)).toEqual(KEPT);
    const resting = crossed();
    resting.say({ type: "driver.available", driverId: driverId("ann"), epoch: 1, available: false });
    resting.wait(WINDOW_MS);
    expect(both(resting)).toEqual(KEPT);
  });

  test("[X7] [Z3] keep them where a queue has given one, or where it is for a later time", () => {
    const zones = [{ name: "station", center: at(-480), radiusMeters: 100 }];
    expect(both(swapped({ zones, dispatch: { queueZones: true } }))).toEqual(KEPT);
    const later = { wish: { pickupAt: START + 8 * 60_000 }, dispatch: { scheduledRides: true } };
    expect(both(swapped(later))).toEqual(KEPT);
  });

  test("[X7] keep them where the shard has not the sockets of both", () => {
    const kit = crossed();
    kit.say({ type: "driver.superseded", driverId: driverId("ann"), epoch: 9 });
    kit.say({
      type: "driver.tracked",
      ...kit.from("ann", oldOffer(kit, 0).id),
      from: FROM,
      fix: kit.fix("ann", at(500)),
    });
    kit.wait(WINDOW_MS);
    expect(both(kit)).toEqual(KEPT);
  });

  test("[X4] [X7] do so once: neither a nearer one who comes free nor a third on his way gets either ride after it", () => {
    const kit = swapped();
    expect(kit.offersOf(0)[1]).toMatchObject({ exchangesOfDriver: 1, instead: oldOffer(kit, 0).id });
    // Far again, as if each had driven the wrong way, and back to where a swap would save most.
    kit.locate("ann", at(-500));
    kit.locate("bob", at(500));
    kit.driver("eve", 515);
    kit.wait(WINDOW_MS);
    expect(both(kit)).toEqual(SWAPPED);
    kit.request("rosa", { pickup: at(-2_000) });
    kit.accept("eve");
    kit.wait(WINDOW_MS);
    expect(both(kit)).toEqual(SWAPPED);
  });

  test("[X7] [D19] keep them where the other's rider does not go where one is going", () => {
    const kit = crossed({ dispatch: { destinationShare: 0.5 } });
    const destination = at(4_000, 270);
    kit.say({ type: "driver.available", driverId: driverId("ann"), epoch: 1, available: true, destination });
    kit.wait(WINDOW_MS);
    expect(both(kit)).toEqual(KEPT);
  });

  test("[X7] [D17] keep them where the session of one has ended", () => {
    const kit = crossed();
    const { holding } = answerIn(kit.say({ type: "offer.viewed", ...kit.from("ann") }), "holding");
    kit.attach("ann", { holding, endsAt: kit.now + WINDOW_MS });
    kit.locate("ann", at(500));
    kit.wait(WINDOW_MS);
    expect(both(kit)).toEqual(KEPT);
  });

  test("[X7] keep them where one would have farther to the other's rider than any search goes", () => {
    for (const [maximumRadiusMeters, outcome] of [
      [1_000, KEPT],
      [1_020, SWAPPED],
    ] as const) {
      const kit = new ShardKit({ kind: "sequential", replanning: true, maximumRadiusMeters });
      kit.driver("ann", 10);
      kit.request("rita", { pickup: at(910) });
      kit.accept("ann");
      // 900 m from his own rider, and 1,010 m from hers.
      kit.attach("bob");
      kit.locate("bob", at(900, 67.8));
      kit.request("rolf");
      kit.configure({ settings: { dispatch: { kind: "batched" } } });
      kit.accept("bob");
      kit.wait(WINDOW_MS);
      expect(both(kit)).toEqual(outcome);
    }
  });

  test("[X7] keep them where 64 others have won their rides since", () => {
    for (const [others, outcome] of [
      [LIMITS.swapRides - 2, SWAPPED],
      [LIMITS.swapRides, KEPT],
    ] as const) {
      const kit = crossed();
      for (let n = 0; n < others; n++) {
        kit.attach(`driver-${n}`);
        kit.locate(`driver-${n}`, at(1_500, n * 5.6));
        kit.request(`other-${n}`, { pickup: at(1_630, n * 5.6) });
        kit.accept(`driver-${n}`);
      }
      kit.wait(WINDOW_MS);
      expect(both(kit)).toEqual(outcome);
    }
  });

  test("[X7] go round in a ring where no two would gain", () => {
    const kit = crossed({ drivers: { ann: 1_000, bob: 0, eve: -1_000 } });
    kit.wait(WINDOW_MS);
    expect([0, 1, 2].map((n) => drives(kit, n))).toEqual(["bob", "eve", "ann"]);
  });

  test("[X7] [Y3] are explained like every other decision", () => {
    const kit = swapped();
    const decisions = [...kit.rows.decisions.values()].filter(({ rideId }) => rideId === rideIdOf(0));
    const explained = explainRide({ ride: kit.ride(0), offers: kit.offersOf(0) }, decisions).decisions;
    expect(explained.map(({ candidates }) => candidates.map(({ offer }) => offer?.id))).toEqual(
      kit.offersOf(0).map(({ id }) => [id]),
    );
    expect(explained[0]!.candidates[0]!.why).toContain("swapped it for another driver's ride");
    expect(explained[1]!).toMatchObject({ instead: oldOffer(kit, 0).id });
    expect(explained[1]!.why).toContain("swapped rides");
    expect(explained[1]!.candidates[0]!.why).toContain("the ride is his, for the one that he had");
  });
});

describe("a swap", () => {
  test("[X8] [H1] is one commit: what was held ends before the first is won, and each row names what came for it", () => {
    const kit = crossed();
    const effects = kit.wait(WINDOW_MS);
    const saved = ofType(effects, "save.offer").map(({ offer }) => offer);
    expect(saved.slice(0, 4).map(({ state }) => state)).toEqual(["ended", "ended", "won", "won"]);
    const [hers, his] = [kit.offersOf(1)[1]!, kit.offersOf(0)[1]!];
    expect(oldOffer(kit, 0)).toMatchObject({ exchanged: true, next: { offerId: hers.id, seq: hers.seq } });
    expect(oldOffer(kit, 1)).toMatchObject({ exchanged: true, next: { offerId: his.id, seq: his.seq } });
    expect(ofType(effects, "append.event").map(({ event }) => `${event.type} ${event.version}`)).toEqual([
      "ride.exchanged 3",
      "ride.exchanged 3",
    ]);
  });

  test("[X8] tells each in one frame what has left him and what is his, and his rider who comes now", () => {
    const kit = crossed();
    const effects = kit.wait(WINDOW_MS);
    for (const [name, had, has] of [
      ["ann", 0, 1],
      ["bob", 1, 0],
    ] as const) {
      expect(toldTo(effects, name)).toEqual([
        {
          type: "trip.changed",
          ride: expect.objectContaining({
            offerId: oldOffer(kit, had).id,
            state: "matching",
            exchanged: true,
            next: expect.objectContaining({
              offerId: kit.offersOf(has)[1]!.id,
              rideId: rideIdOf(has),
              state: "assigned",
              version: 3,
              pickup: kit.ride(has).request.pickup,
            }),
          }),
        },
      ]);
    }
    const published = ofType(effects, "publish.ride").map(({ event, view }) => `${event.type} ${view.driver?.id}`);
    expect(published.sort()).toEqual(["ride.exchanged ann", "ride.exchanged bob"]);
    expect(ofType(effects, "publish.position")).toHaveLength(2);
  });

  test("[X8] leaves nobody free: who swapped is no candidate, and drives what he got to its end", () => {
    const kit = swapped();
    const { sessions, indexed } = kit.shard.supply;
    expect([indexed, sessions.get(driverId("ann"))?.held]).toEqual([
      0,
      { offerId: kit.offersOf(1)[1]!.id, kind: "engaged" },
    ]);
    kit.locate("ann", at(515));
    for (const step of ["arrive", "start", "complete"] as const) kit.step("ann", step);
    expect([kit.ride(1).state, drives(kit, 1)]).toEqual(["completed", "ann"]);
    expect([kit.shard.supply.indexed, drives(kit, 0), kit.ride(0).state]).toEqual([1, "bob", "assigned"]);
  });

  test("[X8] [Q2] [T5] begins a new way for each, of which is learned and which is watched", () => {
    const kit = swapped();
    expect(kit.shard.supply.sessions.get(driverId("ann"))?.leg).toMatchObject({ to: "pickup", at: kit.now });
    kit.wait(kit.shard.setting.market.dispatch.pickupWatchMs + 1);
    expect([kit.ride(0).redispatches, kit.ride(1).redispatches]).toEqual([1, 1]);
  });

  test("[X8] [K9] releases each lock with what it holds next, again until it has heard, also after a restart", () => {
    const kit = crossed();
    kit.world.acknowledges = false;
    const releases = () => {
      const said = ofType(kit.effects, "release").slice(-2);
      return said.map(({ offerId, outcome, next }) => [offerId, outcome, next?.offerId]).sort();
    };
    kit.wait(WINDOW_MS);
    const expected = [
      [oldOffer(kit, 0).id, "exchanged", kit.offersOf(1)[1]!.id],
      [oldOffer(kit, 1).id, "exchanged", kit.offersOf(0)[1]!.id],
    ].sort();
    expect(releases()).toEqual(expected);
    kit.wait(1_000);
    expect(releases()).toEqual(expected);
    kit.restart();
    expect(releases()).toEqual(expected);
  });

  test("[K6] [K9] lets a lock that asks about the old offer hold him while he has the new one, and no longer", () => {
    const kit = crossed();
    kit.world.acknowledges = false;
    kit.wait(WINDOW_MS);
    const asked = () => answerIn(kit.say({ type: "lock.asked", offerId: oldOffer(kit, 0).id }), "lock").verdict;
    expect(asked()).toBe("hold");
    kit.restart();
    expect(asked()).toBe("hold");
    kit.say({ type: "ride.cancelled", rideId: rideIdOf(1), riderId: kit.ride(1).riderId });
    expect(asked()).toBe("exchanged");
  });

  test("[X6] [X8] may be given back like any ride, and then either driver may be asked again who did not give it back", () => {
    const kit = swapped();
    kit.step("ann", "cancel");
    expect(kit.ride(1)).toMatchObject({ state: "matching", redispatches: 1 });
    expect(drives(kit, 0)).toBe("bob");
    expect(kit.offersOf(1).at(-1)).toMatchObject({ driverId: "ann", state: "ended", exchanged: false });
    expect(kit.shard.supply.indexed).toBe(1);
  });
});

describe("who has not heard that he swapped", () => {
  const wordOf = (kit: ShardKit, n = 0) => ({ ...kit.from("ann", oldOffer(kit, n).id), from: FROM });
  const his = (kit: ShardKit) => expect.objectContaining({ offerId: kit.offersOf(1)[1]!.id, state: "assigned" });

  test("[X9] is refused every step of the old ride, changes nothing by it, and is told the new one", () => {
    const kit = swapped();
    for (const step of ["arrive", "start", "complete"] as const) {
      const { verdict } = answerIn(kit.say({ type: "trip.stepped", ...wordOf(kit), step }), "trip");
      expect(verdict).toEqual({ outcome: "refused", reason: "wrong_state", state: "matching", next: his(kit) });
    }
    const { verdict } = answerIn(kit.say({ type: "trip.stepped", ...wordOf(kit), step: "cancel" }), "trip");
    expect(verdict).toMatchObject({ outcome: "done", ride: { exchanged: true, next: his(kit) } });
    expect([kit.ride(0), kit.ride(1)]).toMatchObject([
      { state: "assigned", version: 3 },
      { state: "assigned", version: 3 },
    ]);
  });

  test("[X9] [A3] [A8] is told the new one when he accepts again, looks what he holds, or says where he is", () => {
    const kit = swapped();
    for (const type of ["offer.accepted", "offer.declined"] as const) {
      const { verdict } = answerIn(kit.say({ type, ...wordOf(kit) }), "verdict");
      expect(verdict).toMatchObject({ outcome: "won", ride: { state: "matching", next: his(kit) } });
    }
    const { holding } = answerIn(kit.say({ type: "offer.viewed", ...wordOf(kit) }), "holding");
    expect(holding).toEqual({ kind: "ride", ride: his(kit) });
    const fix = kit.fix("ann", at(500));
    const tracked = answerIn(kit.say({ type: "driver.tracked", ...wordOf(kit), fix }), "tracked");
    expect(tracked).toMatchObject({ engaged: false, ride: { exchanged: true, next: his(kit) } });
  });

  test("[X9] [T7] hears what becomes of it at the socket from which he spoke of the old one", () => {
    for (const words of [
      { type: "offer.viewed" },
      { type: "offer.accepted" },
      { type: "trip.stepped", step: "arrive" },
    ] as const) {
      const kit = swapped();
      kit.say({ ...words, ...wordOf(kit) });
      const effects = kit.say({ type: "ride.cancelled", rideId: rideIdOf(1), riderId: kit.ride(1).riderId });
      expect(ofType(effects, "push")).toMatchObject([{ driverId: "ann", to: FROM, offerId: kit.offersOf(1)[1]!.id }]);
    }
  });

  test("[X9] is told nothing of it once he has left that one too", () => {
    const kit = swapped();
    kit.say({ type: "ride.cancelled", rideId: rideIdOf(1), riderId: kit.ride(1).riderId });
    const { verdict } = answerIn(kit.say({ type: "trip.stepped", ...wordOf(kit), step: "arrive" }), "trip");
    expect(verdict).toEqual({ outcome: "refused", reason: "wrong_state", state: "matching" });
    expect(answerIn(kit.say({ type: "offer.viewed", ...wordOf(kit) }), "holding").holding).toEqual({ kind: "none" });
  });
});

describe("the shard that has his socket, and not his rides", () => {
  const OLD = "elsewhere#1" as OfferId;
  const left = { rideId: "r", version: 3, pickup: at(0), dropoff: at(1), fareCents: 1, currency: "USD" } as const;
  const next = { ...left, offerId: "elsewhere#2" as OfferId, state: "assigned" } as never;
  const ride = { ...left, offerId: OLD, state: "matching", exchanged: true, next } as never;

  /** Somebody who drives a ride of another shard. */
  function engaged(): ShardKit {
    const kit = new ShardKit();
    kit.attach("ann", { holding: { kind: "ride", ride: { ...left, offerId: OLD, state: "assigned" } as never } });
    kit.locate("ann", at(0));
    return kit;
  }
  const says = { driverId: driverId("ann"), epoch: 1, cid: "c", offerId: OLD } as const;
  const heldBy = (kit: ShardKit) => kit.shard.supply.sessions.get(driverId("ann"))?.held?.offerId;

  test("[X8] [X9] goes over to the new one by whichever word brings it, and finds him free at no moment", () => {
    const refused = { outcome: "refused", reason: "wrong_state", state: "matching", next } as const;
    const words = [
      { type: "driver.told", driverId: driverId("ann"), epoch: 1, notice: { type: "trip.changed", ride } },
      { type: "trip.judged", ...says, step: "arrive", verdict: refused },
      { type: "trip.judged", ...says, step: "cancel", verdict: { outcome: "done", ride } },
      { type: "offer.judged", ...says, verdict: { outcome: "won", ride } },
      { type: "track.answered", driverId: driverId("ann"), offerId: OLD, ride, engaged: false },
    ] as const;
    for (const word of words) {
      const kit = engaged();
      const effects = kit.say(word);
      expect([heldBy(kit), kit.shard.supply.indexed]).toEqual(["elsewhere#2", 0]);
      expect(toldTo(effects, "ann").some(({ type }) => type === "status")).toBe(false);
      // Said again and late it changes nothing more.
      kit.say(word);
      expect(heldBy(kit)).toBe("elsewhere#2");
    }
  });

  test("[X9] late word of a swap does not take from him what he has had since", () => {
    const kit = engaged();
    kit.attach("ann", {
      holding: { kind: "ride", ride: { ...left, offerId: "elsewhere#7", state: "assigned" } as never },
    });
    kit.say({ type: "driver.told", driverId: driverId("ann"), epoch: 2, notice: { type: "trip.changed", ride } });
    expect(heldBy(kit)).toBe("elsewhere#7");
  });
});
