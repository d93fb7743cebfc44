import { describe, expect, test } from "vitest";
import { type Candidate, NEW_DRIVER_STATS } from "../../../src/domain/driver.ts";
import { LIMITS } from "../../../src/matching/limits.ts";
import { at, driverId, ELSEWHERE, ofType, PICKUP, rankedNearest, rideIdOf, ShardKit } from "./shard-kit.ts";

const radii = (kit: ShardKit) => {
  const pursuit = kit.shard.pursuits.get(rideIdOf(0));
  return pursuit && [pursuit.wave, pursuit.radiusMeters];
};
const asked = (kit: ShardKit, n = 0) => kit.offersOf(n).map((offer) => offer.driverId);
const searches = (kit: ShardKit) =>
  ofType(kit.effects, "count").filter((c) => c.name === "search" && c.label === "started").length;
const stranger = (name: string, pickupMeters: number): Candidate => ({
  driverId: driverId(name),
  shard: ELSEWHERE,
  position: at(pickupMeters),
  headingDegrees: null,
  speedMetersPerSecond: null,
  pickupMeters,
  pickupSeconds: pickupMeters / 4,
  fixAgeMs: 0,
  idleMs: 0,
  rating: 5,
  stats: NEW_DRIVER_STATS,
});

describe("the search", () => {
  test("[O1] starts at the market's radius and grows by a step each time it finds too few, up to the maximum", () => {
    const kit = new ShardKit({ waveSize: 2 });
    kit.driver("ann", 500);
    kit.request("rita");
    const seen = [radii(kit)];
    for (let i = 0; i < 4; i++) {
      kit.wait(1_500);
      seen.push(radii(kit));
    }
    expect(seen).toEqual([
      [1, 1_000],
      [2, 2_000],
      [3, 3_000],
      [4, 3_000],
      [5, 3_000],
    ]);
  });

  test("[O1] does not wait to grow while there is nobody to ask, and stops at the maximum", () => {
    const kit = new ShardKit();
    kit.request("rita");
    expect(radii(kit)).toEqual([3, 3_000]);
    kit.wait(1_500);
    expect(radii(kit)).toEqual([4, 3_000]);
  });

  test("[O1] asks nobody beyond the radius while somebody nearer is being asked", () => {
    const kit = new ShardKit({ waveSize: 2 });
    kit.driver("ann", 500);
    kit.driver("bob", 1_500);
    kit.request("rita");
    expect(asked(kit)).toEqual(["ann"]);
    kit.wait(1_500);
    expect(asked(kit)).toEqual(["ann", "bob"]);
  });

  test("[O2] asks the neighbours only when its circle reaches the border of the cell", () => {
    const kit = new ShardKit({ radiusStepMeters: 800 });
    const questions = () => ofType(kit.effects, "find.neighbours").map(({ query }) => query.radiusMeters);
    kit.request("rita");
    expect(radii(kit)).toEqual([4, 3_000]);
    expect(questions()).toEqual([2_600, 3_000]);
  });

  test("[O2] asks no neighbour when the cell itself has more candidates, all nearer than the border", () => {
    const kit = new ShardKit({ startRadiusMeters: 3_000 });
    for (let i = 0; i < LIMITS.candidatesPerSearch; i++) kit.driver(`d${i}`, 100 + i * 10);
    kit.request("rita");
    expect(ofType(kit.effects, "find.neighbours")).toEqual([]);
  });

  test("[O2] goes on with what it has when a neighbour keeps silent, and ignores him when he answers after all", () => {
    const kit = new ShardKit({ startRadiusMeters: 3_000 });
    kit.world.neighbours = false;
    kit.driver("ann", 500);
    kit.request("rita");
    expect(asked(kit)).toEqual([]);
    const [question] = ofType(kit.effects, "find.neighbours");
    kit.wait(LIMITS.searchAnswerMs);
    expect(asked(kit)).toEqual(["ann"]);
    const { rideId, searchId } = question!;
    kit.say({ type: "neighbours.found", rideId, searchId, candidates: [stranger("eve", 100)] });
    expect(asked(kit)).toEqual(["ann"]);
  });

  test("[O3] considers a driver once who was found here and by a neighbour, and puts all in order of distance", () => {
    const kit = new ShardKit({ startRadiusMeters: 3_000 });
    kit.world.neighbours = false;
    kit.world.ranks = false;
    kit.driver("ann", 500);
    kit.request("rita");
    const [question] = ofType(kit.effects, "find.neighbours");
    const { rideId, searchId } = question!;
    const candidates = [stranger("eve", 900), stranger("ann", 450), stranger("zoe", 100)];
    const [rank] = ofType(kit.say({ type: "neighbours.found", rideId, searchId, candidates }), "rank");
    expect(rank?.candidates.map((c) => [c.driverId, Math.round(c.pickupMeters)])).toEqual([
      ["zoe", 100],
      ["ann", 500],
      ["eve", 900],
    ]);
  });

  test("[O3] considers a driver once whom two neighbours found, where his fix is newer", () => {
    const newer = { ...stranger("eve", 700), fixAgeMs: 1_000 };
    const older = { ...stranger("eve", 650), fixAgeMs: 4_000 };
    for (const candidates of [
      [newer, older],
      [older, newer],
    ]) {
      const kit = new ShardKit({ startRadiusMeters: 3_000 });
      kit.world.neighbours = false;
      kit.world.ranks = false;
      kit.request("rita");
      const { rideId, searchId } = ofType(kit.effects, "find.neighbours")[0]!;
      const [rank] = ofType(kit.say({ type: "neighbours.found", rideId, searchId, candidates }), "rank");
      expect(rank?.candidates).toEqual([newer]);
    }
  });

  test("[O7] is repeated while offers are wanted and rests while enough of them are out", () => {
    const kit = new ShardKit({ waveSize: 1 });
    kit.driver("ann", 300);
    kit.request("rita");
    expect(searches(kit)).toBe(1);
    kit.wait(14_000);
    expect(searches(kit)).toBe(1);
    kit.wait(4_000);
    expect(searches(kit)).toBeGreaterThan(1);
  });

  test("[O7] is tried again when the ranker keeps silent", () => {
    const kit = new ShardKit();
    kit.world.ranks = false;
    kit.driver("ann", 300);
    kit.request("rita");
    kit.world.ranks = true;
    expect(asked(kit)).toEqual([]);
    kit.wait(LIMITS.rankAnswerMs);
    expect(asked(kit)).toEqual(["ann"]);
  });

  test("[O9] finds only drivers who are what the ride asks for", () => {
    const kit = new ShardKit();
    kit.driver("fits", 900, { accessible: true, seats: 6, rating: 4.9, payments: ["wallet"], vehicleType: "xl" });
    kit.driver("type", 100, { accessible: true, seats: 6, rating: 4.9, payments: ["wallet"], vehicleType: "economy" });
    kit.driver("pays", 100, { accessible: true, seats: 6, rating: 4.9, payments: ["card"], vehicleType: "xl" });
    kit.driver("star", 100, { accessible: true, seats: 6, rating: 4.7, payments: ["wallet"], vehicleType: "xl" });
    kit.driver("seat", 100, { accessible: true, seats: 5, rating: 4.9, payments: ["wallet"], vehicleType: "xl" });
    kit.driver("step", 100, { accessible: false, seats: 6, rating: 4.9, payments: ["wallet"], vehicleType: "xl" });
    kit.request("rita", { vehicleType: "xl", payment: "wallet", minimumRating: 4.8, seats: 6, accessible: true });
    expect(asked(kit)).toEqual(["fits"]);
  });
});

describe("the offers of a ride", () => {
  const threeDrivers = (dispatch: ConstructorParameters<typeof ShardKit>[0]) => {
    const kit = new ShardKit(dispatch);
    kit.driver("far", 900);
    kit.driver("near", 100);
    kit.driver("mid", 500);
    kit.request("rita");
    return kit;
  };

  test("[O4] go to the best of the order, as many as the wave holds; the next in the order follows who declined", () => {
    const kit = threeDrivers({ waveSize: 2 });
    expect(asked(kit)).toEqual(["near", "mid"]);
    expect(kit.offersOf().map(({ rank, wave, ranker }) => [rank, wave, ranker])).toEqual([
      [0, 1, "nearest@1"],
      [1, 1, "nearest@1"],
    ]);
    kit.say({ type: "offer.declined", ...kit.from("near") });
    expect(asked(kit)).toEqual(["near", "mid", "far"]);
    expect(ofType(kit.effects, "rank")).toHaveLength(1);
  });

  test("[O5] go to one driver after another where the market asks in sequence, whatever its wave size", () => {
    const kit = threeDrivers({ kind: "sequential", waveSize: 5 });
    expect(asked(kit)).toEqual(["near"]);
    kit.wait(15_000);
    expect(asked(kit)).toEqual(["near", "mid"]);
    kit.say({ type: "offer.declined", ...kit.from("mid") });
    expect(asked(kit)).toEqual(["near", "mid", "far"]);
  });

  test("[O6] never go again to one who declined or let it pass", () => {
    const kit = new ShardKit({ waveSize: 2 });
    kit.driver("no", 100);
    kit.driver("asleep", 200);
    kit.request("rita");
    kit.say({ type: "offer.declined", ...kit.from("no") });
    for (let s = 0; s < 25; s++) {
      for (const name of ["no", "asleep"]) kit.locate(name, at(150));
      kit.wait(4_000);
    }
    expect(kit.ride().state).toBe("matching");
    expect(asked(kit).sort()).toEqual(["asleep", "no"]);
  });

  test("[O6] may go again to one whose lock was busy, once it is not", () => {
    const kit = new ShardKit();
    kit.world.reserves = false;
    kit.driver("ann", 200);
    kit.request("rita");
    kit.say({ type: "reserve.answered", offerId: kit.offerTo("ann").id, outcome: "busy" });
    kit.world.reserves = true;
    kit.wait(1_500);
    expect(kit.offersOf().map(({ state }) => state)).toEqual(["dead", "offered"]);
  });

  test("[O6] [A10] never go again to one who gave this ride back", () => {
    const kit = new ShardKit();
    kit.assigned();
    kit.step("ann", "cancel");
    kit.wait(30_000);
    kit.locate("ann", at(300));
    kit.wait(30_000);
    expect(asked(kit)).toEqual(["ann"]);
  });

  test("[O10] are sixty at most; then it waits for those that are out", () => {
    const kit = new ShardKit({ waveSize: 10, searchEveryMs: 100 });
    kit.world.reserves = false;
    for (let i = 0; i < 12; i++) kit.driver(`d${i}`, 100 + i);
    kit.request("rita");
    for (let i = 0; i < 300 && kit.ride().state === "matching"; i++) {
      for (const offer of kit.offersOf().filter(({ state }) => state === "intent")) {
        kit.say({ type: "reserve.answered", offerId: offer.id, outcome: "busy" });
      }
      kit.wait(100);
    }
    expect(kit.offersOf()).toHaveLength(LIMITS.offersPerRide);
  });

  test("[S2] do not go to a driver whom another ride of the shard is asking", () => {
    const kit = new ShardKit();
    kit.driver("ann", 200);
    kit.request("rita");
    kit.request("rolf");
    kit.wait(5_000);
    expect(asked(kit, 0)).toEqual(["ann"]);
    expect(asked(kit, 1)).toEqual([]);
  });

  test("[S2] do not go to a candidate who was taken while the ranker thought about him", () => {
    const kit = new ShardKit();
    kit.driver("ann", 200);
    kit.world.ranks = false;
    kit.request("rita");
    kit.request("rolf");
    for (const rank of ofType(kit.effects, "rank")) {
      const { rideId, searchId } = rank;
      kit.say({ type: "candidates.ranked", rideId, searchId, ranked: rankedNearest(rank) });
    }
    expect([asked(kit, 0), asked(kit, 1)]).toEqual([["ann"], []]);
  });
});

describe("a driver who becomes free", () => {
  test("[O8] is offered the waiting ride at once, without its timer", () => {
    const kit = new ShardKit();
    kit.request("rita");
    kit.driver("ann", 400);
    expect(asked(kit)).toEqual(["ann"]);
  });

  test("[O8] is offered the nearest of the waiting rides that he serves", () => {
    const kit = new ShardKit();
    kit.request("near", { pickup: at(200) });
    kit.request("far", { pickup: at(800) });
    kit.request("nearest", { pickup: PICKUP, vehicleType: "premium" });
    kit.driver("ann", 50);
    expect([0, 1, 2].map((n) => asked(kit, n))).toEqual([["ann"], [], []]);
  });

  test("[O8] wakes no ride beyond its radius, and none that he has refused", () => {
    const kit = new ShardKit({ waveSize: 3 });
    kit.request("rita");
    kit.driver("far", 3_100);
    expect(asked(kit)).toEqual([]);
    kit.driver("ann", 300);
    const before = searches(kit);
    kit.say({ type: "offer.declined", ...kit.from("ann") });
    expect(searches(kit)).toBe(before);
  });

  test("[O8] after losing an offer, serves the next ride in the same turn", () => {
    const kit = new ShardKit({ waveSize: 2 });
    kit.driver("ann", 200);
    kit.driver("bob", 300);
    kit.request("rita");
    kit.request("rolf");
    expect(asked(kit, 1)).toEqual([]);
    kit.accept("ann");
    expect(asked(kit, 1)).toEqual(["bob"]);
  });
});
