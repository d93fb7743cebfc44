import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Candidate } from "../../../src/domain/driver.ts";
import { DISPATCH_KINDS } from "../../../src/domain/market.ts";
import { HOUR_MS, MINUTE_MS } from "../../../src/domain/time.ts";
import { BatchPlanner } from "../../../src/matching/batch.ts";
import { LookAhead, lookingAhead, type Passage, premiumsOf, type Spot } from "../../../src/matching/look-ahead.ts";
import type { RankedCandidate } from "../../../src/ranking/ranked.ts";
import { explainRide } from "../../../src/shard/explain.ts";
import { destinationPoint } from "../../../src/spatial/distance.ts";
import { at, driverId, ELSEWHERE, PICKUP, rideIdOf, ShardKit, START } from "./shard-kit.ts";

const UTC = { utcOffsetMinutes: 0 };
const HERE: Spot = { square: 1, hour: 17 };
const THERE: Spot = { square: 2, hour: 17 };
/** After `waited` without pay, ten minutes with a rider, and back where he was. */
const ride = (at: Spot, waited: number): Passage => ({
  from: at,
  to: at,
  tookSeconds: waited + 600,
  paidSeconds: 600,
});

function taught(times: number, ...passages: readonly Passage[]): LookAhead {
  const learned = new LookAhead(UTC);
  for (let time = 0; time < times; time++) for (const passage of passages) learned.learn(passage);
  return learned;
}

describe("what a place is worth", () => {
  test("[N1] is the share of time that is paid there, over about half an hour", () => {
    const learned = taught(3_000, ride(HERE, 120), ride(THERE, 1_200));
    expect(learned.paidSecondsAhead(HERE)! / 1_800).toBeCloseTo(600 / 720, 1);
    expect(learned.paidSecondsAhead(THERE)! / 1_800).toBeCloseTo(600 / 1_800, 1);
  });

  test("[N1] is more where a ride leads to a better place, and where one is near", () => {
    const further: Spot = { square: 3, hour: 17 };
    const worse: Spot = { square: 4, hour: 17 };
    const to = (passage: Passage, end: Spot) => ({ ...passage, to: end });
    const left = (from: Spot, end: Spot) => ({ from, to: end, tookSeconds: 60, paidSeconds: 0 });
    const learned = taught(
      1_000,
      ...[ride(HERE, 60), ride(THERE, 1_800), to(ride(further, 600), HERE), to(ride(worse, 600), THERE)],
      ...[left({ square: 5, hour: 17 }, HERE), left({ square: 6, hour: 17 }, THERE)],
    );
    const worth = (square: number) => learned.paidSecondsAhead({ square, hour: 17 })!;
    expect(worth(3)).toBeGreaterThan(worth(4) + 100);
    expect(worth(5)).toBeGreaterThan(worth(6) + 100);
  });

  test("[N1] is another at another hour, and what is known of all hours where an hour is not", () => {
    const at = (hour: number): Spot => ({ square: 1, hour });
    const learned = taught(300, ride(at(8), 60), ride(at(12), 1_200), ride(THERE, 600));
    const worth = (hour: number) => learned.paidSecondsAhead(at(hour))!;
    expect(worth(8)).toBeGreaterThan(worth(20) + 50);
    expect(worth(20)).toBeGreaterThan(worth(12) + 50);
  });

  test("[N1] is not known before twenty passages ended, and grows with them", () => {
    expect(taught(19, ride(HERE, 60), ride(THERE, 1_200)).paidSecondsAhead(HERE)).toBeNull();
    const apart = [20, 60, 400].map((times) => {
      const learned = taught(times, ride(HERE, 60), ride(THERE, 1_200));
      return learned.paidSecondsAhead(HERE)! - learned.paidSecondsAhead(THERE)!;
    });
    expect(apart[0]).toBeGreaterThan(0);
    expect(apart).toEqual(apart.toSorted((a, b) => a - b));
    expect(taught(400, ride(HERE, 60)).paidSecondsAhead(THERE)).toBeNull();
  });

  test("[N1] stays within what can be earned about half an hour ahead, whatever happened", () => {
    const Square = fc.integer({ min: 0, max: 3 });
    const AnyPassage = fc
      .record({ from: Square, to: Square, waited: fc.nat(20_000), paidSeconds: fc.nat(20_000) })
      .map(({ from, to, waited, paidSeconds }): Passage => {
        const spot = (square: number): Spot => ({ square, hour: 3 });
        return { from: spot(from), to: spot(to), tookSeconds: waited + paidSeconds, paidSeconds };
      });
    fc.assert(
      fc.property(fc.array(AnyPassage, { maxLength: 400 }), (passages) => {
        const learned = taught(1, ...passages);
        for (const square of [0, 1, 2, 3]) {
          const worth = learned.paidSecondsAhead({ square, hour: 3 }) ?? 0;
          // A step of temporal difference may overshoot by what both means of a place take of one surprise.
          expect(worth).toBeGreaterThan(-1_800);
          expect(worth).toBeLessThan(3_600);
        }
      }),
    );
  });

  test("[N1] remembers so many places and forgets the first of them", () => {
    const learned = new LookAhead(UTC);
    for (let square = 0; square < 600; square++) {
      for (let time = 0; time < 25; time++) learned.learn(ride({ square, hour: 9 }, 60));
    }
    const { squares, squareHours } = learned.memory();
    expect([squares.length, squareHours.length]).toEqual([512, 600]);
    expect(learned.paidSecondsAhead({ square: 0, hour: 9 })).toBeNull();
    expect(learned.paidSecondsAhead({ square: 599, hour: 9 })).not.toBeNull();
  });

  test("[Q3] is the same after it was kept and recalled", () => {
    const learned = taught(50, ride(HERE, 60), ride(THERE, 1_200));
    const recalled = new LookAhead(UTC);
    recalled.recall(JSON.parse(JSON.stringify(learned.memory())));
    expect(recalled.memory()).toEqual(learned.memory());
    expect(recalled.paidSecondsAhead(HERE)).toBe(learned.paidSecondsAhead(HERE));
  });
});

describe("an order that looks ahead", () => {
  const candidate = (aheadSeconds?: number) => (aheadSeconds === undefined ? {} : { aheadSeconds }) as Candidate;
  const AnyDriver = fc.record({
    score: fc.integer({ min: 0, max: 900 }),
    ahead: fc.option(fc.integer({ min: 0, max: 1_800 }), { nil: undefined }),
  });
  const ranked = (drivers: readonly { readonly score: number; readonly ahead: number | undefined }[]) =>
    drivers
      .toSorted((a, b) => a.score - b.score)
      .map(
        ({ score, ahead }, row): RankedCandidate => ({
          candidate: candidate(ahead),
          score,
          acceptProbability: null,
          row,
        }),
      );

  test("[N3] never puts a driver first who costs more than the best and the whole setting", () => {
    fc.assert(
      fc.property(fc.array(AnyDriver, { minLength: 1 }), fc.integer({ min: 1, max: 300 }), (drivers, most) => {
        const order = ranked(drivers);
        const candidates = order.map((one) => one.candidate);
        const weighed = lookingAhead(order, candidates, { lookAheadSeconds: most });
        expect(weighed.map(({ row }) => row).sort((a, b) => a - b)).toEqual(order.map(({ row }) => row));
        expect(order[weighed[0]!.row]!.score).toBeLessThanOrEqual(order[0]!.score + most);
        const premium = premiumsOf(candidates, most);
        for (const { row, score } of weighed) expect(score).toBe(order[row]!.score + premium(candidates[row]!));
      }),
    );
  });

  test("[N3] lets rides that are decided together cost at most the setting more for each of them", () => {
    const drivers = 5;
    const Rides = fc.array(fc.array(fc.integer({ min: 0, max: 600 }), { minLength: drivers, maxLength: drivers }), {
      minLength: 1,
      maxLength: 4,
    });
    const Places = fc.array(fc.integer({ min: 0, max: 1_800 }), { minLength: drivers, maxLength: drivers });
    const planned = (rides: readonly (readonly number[])[], cost: (ride: number, driver: number) => number) => {
      const { choices } = new BatchPlanner().plan({
        rides: rides.map(() => ({
          driver: null,
          waitedSeconds: 0,
          exchanges: 0,
          turnoverSeconds: Number.POSITIVE_INFINITY,
          candidates: [...Array(drivers).keys()],
        })),
        drivers: Array.from({ length: drivers }, () => ({ exchanges: 0, worthSeconds: 0 })),
        unservedSeconds: 2_000,
        estimate: (ride, driver) => ({ pickupSeconds: cost(ride, driver) }),
      });
      expect(choices).toHaveLength(rides.length);
      return choices.reduce((sum, { ride, driver }) => sum + rides[ride]![driver]!, 0);
    };
    fc.assert(
      fc.property(Rides, Places, fc.integer({ min: 1, max: 300 }), (rides, places, most) => {
        const candidates = places.map(candidate);
        const premium = premiumsOf(candidates, most);
        const best = planned(rides, (ride, driver) => rides[ride]![driver]!);
        const weighed = planned(rides, (ride, driver) => rides[ride]![driver]! + premium(candidates[driver]!));
        expect(weighed).toBeLessThanOrEqual(best + rides.length * most);
      }),
    );
  });

  test("[N3] leaves the order as it is where nothing is known, and where it is off", () => {
    fc.assert(
      fc.property(fc.array(AnyDriver), (drivers) => {
        const order = ranked(drivers);
        const candidates = order.map((one) => one.candidate);
        expect(lookingAhead(order, candidates, { lookAheadSeconds: 0 })).toBe(order);
        const unknown = ranked(drivers.map(({ score }) => ({ score, ahead: undefined })));
        const nobody = unknown.map((one) => one.candidate);
        expect(lookingAhead(unknown, nobody, { lookAheadSeconds: 60 })).toEqual(unknown);
      }),
    );
  });

  test("[N3] counts a second of pay as a second of waiting, from what the others are worth", () => {
    const drivers = [candidate(1_000), candidate(960), candidate(1_040), candidate()];
    const premium = premiumsOf(drivers, 60);
    expect(drivers.map(premium)).toEqual([0, -30, 30, 0]);
    expect(drivers.map(premiumsOf(drivers, 200))).toEqual([0, -40, 40, 0]);
    expect(premiumsOf([candidate(500), candidate()], 60)(candidate(500))).toBe(0);
  });
});

/** Squares meet in the middle of the kit's cell: one lies to the north-east of the pickup, another to the south-west. */
const EAST = at(300, 45);
const WEST = at(300, 225);

describe("what a shard learns it from", () => {
  const kitLookingAhead = () => new ShardKit({ lookAheadSeconds: 60, kind: "sequential", startRadiusMeters: 3_000 });
  const learned = (kit: ShardKit) => kit.shard.lookAhead.learned;

  function stay(kit: ShardKit, name: string, place: typeof EAST, ms: number): void {
    for (let left = ms; left > 0; left -= 20_000) {
      kit.wait(Math.min(left, 20_000));
      kit.locate(name, place);
    }
  }

  test("[N2] a stay without a ride ends in the next square, with the hour, and not before", () => {
    const kit = kitLookingAhead();
    kit.attach("ann");
    kit.locate("ann", EAST);
    stay(kit, "ann", EAST, 5 * MINUTE_MS);
    expect(learned(kit)).toBe(0);
    stay(kit, "ann", WEST, 20_000);
    expect(kit.shard.lookAhead.memory()).toMatchObject({ tookSeconds: 320, paidSeconds: 0 });
    stay(kit, "ann", WEST, HOUR_MS - (kit.now % HOUR_MS) - 20_000);
    expect(learned(kit)).toBe(1);
    stay(kit, "ann", WEST, 40_000);
    expect(learned(kit)).toBe(2);
  });

  test("[N2] a completed ride is paid from its start, and ends the stay in which it was won", () => {
    const kit = kitLookingAhead();
    kit.attach("ann");
    kit.locate("ann", EAST);
    stay(kit, "ann", EAST, MINUTE_MS);
    kit.request("rita");
    kit.accept("ann");
    stay(kit, "ann", WEST, 2 * MINUTE_MS);
    kit.step("ann", "arrive");
    kit.step("ann", "start");
    stay(kit, "ann", EAST, 7 * MINUTE_MS);
    expect(learned(kit)).toBe(0);
    kit.step("ann", "complete");
    expect(kit.shard.lookAhead.memory()).toMatchObject({ tookSeconds: 600, paidSeconds: 420 });
    kit.step("ann", "complete");
    expect(learned(kit)).toBe(1);
    // And the next begins where it ended.
    stay(kit, "ann", WEST, 20_000);
    expect(learned(kit)).toBe(2);
  });

  test("[N2] a stay goes on through offers that come to nothing, and a driver of another shard's ride teaches as well", () => {
    const kit = kitLookingAhead();
    kit.attach("ann");
    kit.locate("ann", EAST);
    kit.wait(10_000);
    const offerId = `${rideIdOf(9).replace(/^[^.]+/, ELSEWHERE)}#1` as Parameters<ShardKit["accept"]>[1] & string;
    const own = { driverId: driverId("ann"), epoch: kit.epochOf("ann") };
    kit.request("rita");
    kit.say({ type: "offer.declined", ...kit.from("ann") });
    const closed = { type: "offer.closed", offerId: kit.offerTo("ann").id, reason: "declined" } as const;
    kit.say({ type: "driver.told", ...own, notice: closed });
    kit.wait(20_000);
    kit.locate("ann", EAST);
    const place = { pickup: PICKUP, dropoff: at(4_000), fareCents: 900, currency: "USD" };
    const heard = { ...own, cid: "c", offerId };
    const ride = { offerId, rideId: rideIdOf(9), version: 2, state: "assigned", ...place } as const;
    kit.say({ type: "offer.judged", ...heard, verdict: { outcome: "won", ride } });
    const step = (name: "start" | "complete", state: "on_trip" | "completed", version: number) =>
      kit.say({
        type: "trip.judged",
        ...heard,
        step: name,
        verdict: { outcome: "done", ride: { ...ride, state, version } },
      });
    step("start", "on_trip", 3);
    stay(kit, "ann", at(4_000, 0), 5 * MINUTE_MS);
    step("complete", "completed", 4);
    expect(kit.shard.lookAhead.memory()).toMatchObject({ tookSeconds: 330, paidSeconds: 300 });
  });

  test.each<[what: string, happens: (kit: ShardKit) => void]>([
    ["a ride that was given back", (kit) => kit.step("ann", "cancel")],
    [
      "a ride whose rider did not come",
      (kit) => {
        kit.step("ann", "arrive");
        stay(kit, "ann", EAST, 5 * MINUTE_MS);
      },
    ],
    [
      "a driver who pauses",
      (kit) => {
        kit.step("ann", "cancel");
        stay(kit, "ann", EAST, MINUTE_MS);
        const own = { driverId: driverId("ann"), epoch: kit.epochOf("ann") };
        kit.say({ type: "driver.available", ...own, available: false });
        stay(kit, "ann", WEST, MINUTE_MS);
        stay(kit, "ann", EAST, MINUTE_MS);
        kit.say({ type: "driver.available", ...own, available: true });
      },
    ],
  ])("[N2] %s teaches nothing, and his next stay begins then", (_, happens) => {
    const kit = kitLookingAhead();
    kit.attach("ann");
    kit.locate("ann", EAST);
    stay(kit, "ann", EAST, MINUTE_MS);
    kit.request("rita");
    kit.accept("ann");
    happens(kit);
    kit.locate("ann", EAST);
    expect(learned(kit)).toBe(0);
    stay(kit, "ann", EAST, MINUTE_MS);
    stay(kit, "ann", WEST, 20_000);
    expect(kit.shard.lookAhead.memory()).toMatchObject({ tookSeconds: 80, paidSeconds: 0 });
  });

  test("[N2] where it is off nothing is learned", () => {
    const kit = new ShardKit();
    kit.attach("ann");
    for (const place of [EAST, WEST, EAST]) {
      kit.locate("ann", place);
      kit.wait(20_000);
    }
    expect(learned(kit)).toBe(0);
    kit.configure({ settings: { dispatch: { lookAheadSeconds: 1 } } });
    for (const place of [EAST, WEST, EAST]) {
      kit.locate("ann", place);
      kit.wait(20_000);
    }
    expect(learned(kit)).toBe(2);
  });
});

describe("a shard that looks ahead", () => {
  /** Ann, where rides begin all the time, is 25 s nearer than bob, where hardly any does. */
  function annIsWanted(dispatch: ConstructorParameters<typeof ShardKit>[0], known = true): ShardKit {
    const kit = new ShardKit({ waveSize: 1, startRadiusMeters: 3_000, ...dispatch });
    const { lookAhead } = kit.shard;
    const [good, poor] = [lookAhead.spotAt(EAST, START), lookAhead.spotAt(WEST, START)];
    for (let time = 0; known && time < 400; time++) {
      lookAhead.learn(ride(good, 60));
      lookAhead.learn(ride(poor, 1_800));
    }
    kit.attach("ann");
    kit.locate("ann", EAST);
    kit.attach("bob");
    kit.locate("bob", at(400, 225));
    return kit;
  }
  const asked = (kit: ShardKit) => kit.offersOf().map((offer) => offer.driverId);

  test.each(DISPATCH_KINDS)("[N3] asks who is worth less where he is before who is little nearer, %s", (kind) => {
    const kit = annIsWanted({ kind, lookAheadSeconds: 60 });
    kit.request("rita");
    expect(asked(kit)).toEqual(["bob"]);
  });

  test.each([0, 20])("[N3] asks the nearer one where all it may change is %i s", (lookAheadSeconds) => {
    const kit = annIsWanted({ lookAheadSeconds });
    kit.request("rita");
    expect(asked(kit)).toEqual(["ann"]);
  });

  test("[N3] does so whatever the ride and wherever it leads", () => {
    for (const dropoff of [at(4_000, 90), EAST, destinationPoint(WEST, 225, 600), at(9_000, 0)]) {
      const kit = annIsWanted({ lookAheadSeconds: 60 });
      kit.request("rita", { dropoff });
      const [decision] = kit.rows.decisions.values();
      expect(decision!.candidates.map((one) => one.lookAheadSeconds)).toEqual([-30, 30]);
    }
  });

  test("[N3] says in the decision what was added and what was taken off, in seconds and in words", () => {
    const kit = annIsWanted({ lookAheadSeconds: 60 });
    kit.request("rita");
    const [decision] = kit.rows.decisions.values();
    const [bob, ann] = decision!.candidates;
    expect(bob!.score).toBeCloseTo(bob!.pickupSeconds - 30, 9);
    expect(ann!.score).toBeCloseTo(ann!.pickupSeconds + 30, 9);
    const { decisions } = explainRide({ ride: kit.ride(), offers: kit.offersOf() }, [decision!]);
    expect(decisions[0]!.candidates).toMatchObject([
      {
        driverId: "bob",
        lookAheadSeconds: -30,
        refusalSeconds: expect.closeTo(0, 9),
        weighed: ["30 s taken off: less is expected of where he is than of where the others are"],
      },
      { driverId: "ann", weighed: ["30 s added: more is expected of where he is than of where the others are"] },
    ]);
  });

  test("[N3] weighs a neighbour's driver by what his own shard knows", () => {
    const kit = annIsWanted({ lookAheadSeconds: 60, startRadiusMeters: 2_500 });
    kit.world.neighbours = false;
    const asking = kit.request("rita").find((effect) => effect.type === "find.neighbours")!;
    const local = kit.shard.pursuits.get(rideIdOf(0))!.local;
    const cat = { ...local[0]!, driverId: driverId("cat"), shard: ELSEWHERE, pickupSeconds: 90, aheadSeconds: 0 };
    kit.say({ type: "neighbours.found", rideId: rideIdOf(0), searchId: asking.searchId, candidates: [cat] });
    expect(asked(kit)[0]).toBe("cat");
  });

  test("[N3] decides byte for byte as if it were not there while it has learned nothing, and where it is off", () => {
    const story = (kit: ShardKit) => {
      kit.request("rita");
      kit.request("rolf", { pickup: at(200, 200) });
      kit.wait(5_000);
      for (const offer of [...kit.rows.offers.values()]) if (offer.state === "offered") kit.accept(offer.driverId);
      kit.wait(60_000);
      return JSON.stringify(kit.effects);
    };
    for (const kind of DISPATCH_KINDS) {
      const without = story(annIsWanted({ kind }, false));
      expect(story(annIsWanted({ kind, lookAheadSeconds: 0 }, true))).toBe(without);
      const learning = story(annIsWanted({ kind, lookAheadSeconds: 120 }, false));
      // Where a market looks ahead, a plan asks no more who else would miss a driver (O24).
      if (kind === "batched") expect(story(annIsWanted({ kind, lookAheadSeconds: 1 }, false))).toBe(learning);
      else expect(learning).toBe(without);
    }
  });
});
