import { describe, expect, test } from "vitest";
import type { Candidate } from "../../../src/domain/driver.ts";
import type { Market } from "../../../src/domain/market.ts";
import type { DriverNotice } from "../../../src/domain/notice.ts";
import type { Effect } from "../../../src/matching/commands.ts";
import { LIMITS } from "../../../src/matching/limits.ts";
import { RideExplanationBody } from "../../../src/protocol/ops.ts";
import { explainRide } from "../../../src/shard/explain.ts";
import { destinationPoint } from "../../../src/spatial/distance.ts";
import { answerIn, at, changesNothing, driverId, ELSEWHERE, ofType, PICKUP, ShardKit, toldTo } from "./shard-kit.ts";

const HOME = { name: "home", center: PICKUP, radiusMeters: 500 };
const AWAY_MS = LIMITS.queueAwayMs;

const queueing = (dispatch: Partial<Market["dispatch"]> = {}, zones = [HOME]) =>
  new ShardKit({ queueZones: true, kind: "sequential", ...dispatch }, {}, zones);

/** Everybody stays where he is and says so. */
function wait(kit: ShardKit, ms: number, where: Readonly<Record<string, number>>): Effect[] {
  const from = kit.effects.length;
  for (const end = kit.now + ms; kit.now < end; ) {
    kit.wait(Math.min(20_000, end - kit.now));
    for (const [name, meters] of Object.entries(where)) kit.locate(name, at(meters));
  }
  return kit.effects.slice(from);
}

/** Ann came a minute before bob, who is nearer. */
function annThenBob(dispatch: Partial<Market["dispatch"]> = {}): ShardKit {
  const kit = queueing(dispatch);
  kit.driver("ann", 400);
  wait(kit, 60_000, { ann: 400 });
  kit.driver("bob", 100);
  wait(kit, 10_000, { ann: 400, bob: 100 });
  return kit;
}

const asked = (kit: ShardKit, n = 0) => kit.offersOf(n).map((offer) => offer.driverId);
const placeOf = (kit: ShardKit, name: string) => kit.shard.places.get(driverId(name)) ?? null;
const standings = (effects: readonly Effect[], name: string) =>
  toldTo(effects, name).flatMap((notice) => (notice.type === "queue" ? [notice.standing] : []));
const memoryOf = (kit: ShardKit, name: string) =>
  ofType(kit.effects, "remember").findLast(({ driverId: who }) => who === name)!.memory;

describe("a ride from a zone with a queue", () => {
  test("[Z3] is offered to who has waited longest, and where the market has no queue to who is nearest", () => {
    const kit = annThenBob();
    kit.request("rita");
    expect(asked(kit)).toEqual(["ann"]);
    const off = annThenBob({ queueZones: false });
    off.request("rita");
    expect(asked(off)).toEqual(["bob"]);
    expect([off.shard.places.size, ofType(off.effects, "save.place"), off.shard.timers.has("queue.tell", "")]).toEqual([
      0,
      [],
      false,
    ]);
  });

  test.each(["broadcast", "batched"] as const)("[Z3] is offered to one after another also by %s", (kind) => {
    const kit = annThenBob({ kind, waveSize: 3 });
    kit.request("rita");
    kit.request("rolf");
    expect([asked(kit, 0), asked(kit, 1)]).toEqual([["ann"], ["bob"]]);
    kit.say({ type: "offer.declined", ...kit.from("ann") });
    kit.wait(0);
    expect(asked(kit)).toEqual(["ann"]);
  });

  test("[Z3] [O23] is offered to nobody beside one who keeps silent", () => {
    const kit = annThenBob({ kind: "batched", waveSize: 3 });
    kit.request("rita");
    kit.wait(14_000);
    expect(asked(kit)).toEqual(["ann"]);
  });

  test("[Z3] is offered to the next at once where a lock is busy, and to whoever is first by then after a refusal", () => {
    const kit = annThenBob();
    kit.driver("cat", 300);
    kit.world.reserves = false;
    kit.request("rita");
    kit.say({ type: "reserve.answered", offerId: kit.offerTo("ann").id, outcome: "busy" });
    expect(asked(kit)).toEqual(["ann", "bob"]);
    kit.world.reserves = true;
    const session = { shard: kit.shard.setting.name, epoch: 1 };
    const { id } = kit.offerTo("bob");
    kit.say({ type: "reserve.answered", offerId: id, outcome: "reserved", session, exchanges: 0 });
    kit.wait(5_000);
    kit.say({ type: "offer.declined", ...kit.from("bob") });
    expect(asked(kit)).toEqual(["ann", "bob"]);
    kit.wait(0);
    expect(asked(kit)).toEqual(["ann", "bob", "ann"]);
  });

  test("[Z3] asks nobody of the reserve who has left the queue since", () => {
    const kit = annThenBob();
    kit.driver("cat", 300);
    kit.world.reserves = false;
    kit.request("rita");
    kit.say({ type: "driver.available", driverId: driverId("bob"), epoch: 1, available: false });
    kit.say({ type: "reserve.answered", offerId: kit.offerTo("ann").id, outcome: "busy" });
    expect(asked(kit)).toEqual(["ann", "cat"]);
  });

  test("[Z3] is offered to the first of a queue that is longer than a list of candidates", () => {
    const kit = queueing();
    for (let n = 0; n <= LIMITS.candidatesPerSearch + 1; n++) {
      kit.driver(`driver-${n}`, 450 - 10 * n);
      kit.wait(100);
    }
    kit.request("rita");
    expect(asked(kit)).toEqual(["driver-0"]);
  });

  test("[Z3] [O9] [D19] passes over who does not serve it or is going elsewhere", () => {
    const kit = queueing({ destinationShare: 0.3 });
    kit.driver("big", 300, { vehicleType: "xl" });
    kit.wait(1_000);
    kit.attach("west", { destination: destinationPoint(PICKUP, 270, 9_000) });
    kit.locate("west", at(200));
    kit.wait(1_000);
    kit.driver("ann", 450);
    kit.request("rita");
    expect(asked(kit)).toEqual(["ann"]);
  });

  test("[Z3] is dispatched as elsewhere where the queue holds nobody who may be asked", () => {
    const kit = queueing({ kind: "broadcast", waveSize: 2 });
    kit.driver("ann", 400);
    kit.driver("cat", 800);
    kit.driver("dan", 900);
    kit.request("rita");
    expect(asked(kit)).toEqual(["ann"]);
    kit.wait(1_000);
    kit.say({ type: "offer.declined", ...kit.from("ann") });
    kit.wait(0);
    expect(asked(kit)).toEqual(["ann", "cat", "dan"]);
  });

  test("[Z3] [X1] is not exchanged for somebody nearer", () => {
    const kit = queueing({ kind: "batched", replanning: true, startRadiusMeters: 1_000 });
    kit.driver("ann", 640);
    kit.driver("far", 480);
    kit.request("rita");
    kit.accept("far");
    kit.wait(10_000);
    const effects = kit.driver("bob", 20);
    expect([ofType(effects, "rank"), kit.shard.nearer.size]).toEqual([[], 0]);
  });
});

describe("a zone beyond the cell's border", () => {
  /** Its middle is 1.5 km east of the pickup, and the border 1.85 km. */
  const WIDE = { name: "wide", center: at(1_500, 90), radiusMeters: 2_000 };

  function stranger(name: string, queuedMs: number): Candidate {
    const base = { headingDegrees: null, speedMetersPerSecond: 0, pickupMeters: 2_500, pickupSeconds: 600, rating: 5 };
    const stats = { offersSeen: 0, acceptRate: 0.7, declinesInRow: 0 };
    const position = at(2_500, 90);
    return { ...base, driverId: driverId(name), shard: ELSEWHERE, position, fixAgeMs: 0, idleMs: 0, stats, queuedMs };
  }

  test("[Z3] asks the shards that it reaches, and whoever has waited longest over all of them", () => {
    const kit = queueing({}, [WIDE]);
    kit.world.neighbours = false;
    kit.driver("ann", 100);
    wait(kit, 60_000, { ann: 100 });
    const [asking] = ofType(kit.request("rita"), "find.neighbours");
    expect(asking).toMatchObject({ around: { center: WIDE.center, radiusMeters: 2_150 }, query: { zone: "wide" } });
    const { rideId, searchId } = asking!;
    const late = Array.from({ length: LIMITS.candidatesPerSearch }, (_, n) => stranger(`late-${n}`, n));
    const candidates = [...late, { ...stranger("sue", 71_000), pickupMeters: 2_900 }, stranger("tom", 59_000)];
    kit.say({ type: "neighbours.found", rideId, searchId, candidates });
    expect(asked(kit)[0]).toBe("sue");
    const [decision] = kit.rows.decisions.values();
    expect(decision!.candidates.map((driver) => driver.driverId).slice(0, 3)).toEqual(["sue", "ann", "tom"]);
  });

  test("[Z3] looks for who is near where no shard's queue holds anybody, and takes no late answer of a queue for theirs", () => {
    const kit = queueing({ startRadiusMeters: 3_000 }, [WIDE]);
    kit.world.neighbours = false;
    const [queue] = ofType(kit.request("rita"), "find.neighbours");
    const near = ofType(kit.wait(LIMITS.searchAnswerMs), "find.neighbours").find(
      ({ query }) => query.zone === undefined,
    );
    expect(near!.searchId).toBeGreaterThan(queue!.searchId);
    const { rideId, searchId } = queue!;
    expect(
      changesNothing(kit.say({ type: "neighbours.found", rideId, searchId, candidates: [stranger("sue", 1)] })),
    ).toBe(true);
  });

  test("[Z2] a driver takes his place to the other shard, and has it back here if he comes back soon", () => {
    const kit = queueing({}, [WIDE]);
    kit.driver("ann", 100);
    wait(kit, 60_000, { ann: 100 });
    const left = () => kit.say({ type: "driver.superseded", driverId: driverId("ann"), epoch: 2 });
    const brought = { zone: "wide", queuedMs: 60_000 };
    expect(answerIn(left(), "superseded").brought).toEqual(brought);
    expect(answerIn(left(), "superseded").brought).toEqual(brought);

    const there = queueing({}, [WIDE]);
    there.driver("bob", 100);
    wait(there, 50_000, { bob: 100 });
    there.driver("ann", 200);
    there.say({ type: "place.brought", driverId: driverId("ann"), epoch: 1, brought });
    there.request("rita");
    expect(asked(there)).toEqual(["ann"]);
    expect(standings(there.effects, "ann").at(-1)).toEqual({ zone: "wide", place: 1, of: 2 });
  });

  test("[Z2] what is said of a socket that is no longer his, or of another zone, brings nothing", () => {
    const kit = queueing({}, [WIDE]);
    kit.driver("ann", 100);
    const brought = { zone: "wide", queuedMs: 60_000 };
    kit.say({ type: "place.brought", driverId: driverId("ann"), epoch: 9, brought });
    kit.say({ type: "place.brought", driverId: driverId("ann"), epoch: 1, brought: { ...brought, zone: "other" } });
    expect(placeOf(kit, "ann")).toMatchObject({ zone: "wide", since: kit.now });
    const newer = kit.say({ type: "driver.superseded", driverId: driverId("ann"), epoch: 0 });
    expect(answerIn(newer, "superseded").brought).toBeNull();
  });
});

describe("a place", () => {
  test("[Z2] [D16] is his after a reconnect, the object's sleep and its death, with his socket or without it", () => {
    const kit = annThenBob();
    kit.attach("ann");
    expect(standings(kit.locate("ann", at(400)), "ann")).toEqual([]);
    kit.say({ type: "driver.detached", driverId: driverId("ann"), epoch: 2 });
    kit.wait(5_000);
    kit.driver("ann", 400);
    const [ann, bob] = [memoryOf(kit, "ann"), memoryOf(kit, "bob")];
    kit.restart();
    kit.say({ type: "driver.woken", driverId: driverId("bob"), memory: structuredClone(bob) });
    kit.say({ type: "driver.woken", driverId: driverId("ann"), memory: structuredClone(ann) });
    kit.request("rita");
    expect(asked(kit)).toEqual(["ann"]);
    kit.restart();
    kit.driver("bob", 100);
    kit.driver("ann", 400);
    kit.request("rolf");
    kit.say({ type: "ride.cancelled", rideId: kit.ride(0).id, riderId: "rita" as never });
    kit.wait(LIMITS.intentMs);
    expect([placeOf(kit, "ann"), placeOf(kit, "bob")]).toMatchObject([{ endsAt: null }, { endsAt: null }]);
    expect(placeOf(kit, "ann")!.since).toBeLessThan(placeOf(kit, "bob")!.since);
  });

  test("[Z2] [L4] is forgotten two minutes after he was there last, and no row of it remains", () => {
    const kit = annThenBob();
    kit.say({ type: "driver.detached", driverId: driverId("ann"), epoch: 1 });
    kit.restart();
    kit.wait(AWAY_MS - 1);
    expect([...kit.rows.places.keys()].sort()).toEqual(["ann", "bob"]);
    kit.wait(1);
    expect([...kit.rows.places.keys(), ...kit.shard.places.keys()]).toEqual([]);
    kit.wait(LIMITS.queueTellMs);
    expect([kit.shard.timers.has("queue.tell", ""), kit.shard.timers.has("queue.place", "ann")]).toEqual([
      false,
      false,
    ]);
  });

  test("[Z2] is forgotten two minutes after his socket was closed", () => {
    const kit = annThenBob();
    kit.say({ type: "driver.detached", driverId: driverId("ann"), epoch: 1 });
    kit.wait(AWAY_MS - 1);
    expect(kit.rows.places.has(driverId("ann"))).toBe(true);
    kit.wait(1);
    expect(kit.rows.places.has(driverId("ann"))).toBe(false);
  });

  test("[Z2] is lost where the position is, for two minutes, and at once with a pause or the market's queues", () => {
    const kit = annThenBob();
    kit.wait(LIMITS.fixTtlMs + LIMITS.sweepEveryMs);
    expect(placeOf(kit, "ann")!.endsAt).not.toBeNull();
    kit.locate("ann", at(400));
    expect(placeOf(kit, "ann")!.endsAt).toBeNull();
    kit.say({ type: "driver.available", driverId: driverId("ann"), epoch: 1, available: false });
    expect(placeOf(kit, "ann")).toBeNull();
    kit.configure({ settings: { dispatch: { queueZones: false } } });
    kit.locate("bob", at(100));
    expect([placeOf(kit, "bob"), standings(kit.effects, "bob").at(-1)]).toEqual([null, null]);
  });

  test("[Z4] goes to the end with an offer of his zone that he declines or lets pass", () => {
    for (const passes of [
      (kit: ShardKit) => kit.say({ type: "offer.declined", ...kit.from("ann") }),
      (kit: ShardKit) => wait(kit, 15_000, { ann: 400, bob: 100 }),
    ]) {
      const kit = annThenBob();
      kit.request("rita");
      passes(kit);
      kit.wait(0);
      kit.accept("bob");
      expect(placeOf(kit, "ann")!.since).toBeGreaterThan(placeOf(kit, "bob")!.since);
    }
  });

  test("[Z4] goes to the end also where the verdict comes before the word that the offer is closed", () => {
    const kit = annThenBob();
    const { since } = placeOf(kit, "ann")!;
    const card = { pickup: PICKUP, dropoff: at(4_000), pickupMeters: 1, pickupSeconds: 1, tripMeters: 1, fareCents: 1 };
    const offerId = "elsewhere#1" as never;
    const base = { ...card, offerId, rideId: "elsewhere" as never, currency: "USD", vehicleType: "economy" } as const;
    const notice: DriverNotice = { type: "offer", ...base, ttlMs: 15_000, zone: "home" };
    const her = { driverId: driverId("ann"), epoch: 1 };
    kit.say({ type: "driver.told", ...her, notice });
    kit.wait(1_000);
    const verdict = { outcome: "lost", reason: "declined" } as const;
    kit.say({ type: "offer.judged", ...her, cid: "c", offerId, verdict });
    expect(placeOf(kit, "ann")!.since).toBe(kit.now);
    expect(placeOf(kit, "ann")!.since).toBeGreaterThan(since);
  });

  test("[Z4] stays where it is with an offer that is withdrawn, and with one of a ride from elsewhere", () => {
    const kit = annThenBob();
    const before = placeOf(kit, "ann");
    kit.request("rita");
    kit.say({ type: "ride.cancelled", rideId: kit.ride(0).id, riderId: "rita" as never });
    expect([kit.offersOf()[0], placeOf(kit, "ann")]).toMatchObject([{ driverId: "ann", reason: "cancelled" }, before!]);
    kit.request("rolf", { pickup: at(800) });
    expect(asked(kit, 1)).toEqual(["ann"]);
    kit.say({ type: "offer.declined", ...kit.from("ann") });
    expect(placeOf(kit, "ann")).toEqual(before);
  });
});

describe("a driver who takes a ride", () => {
  const cancelled = (kit: ShardKit) =>
    kit.say({ type: "ride.cancelled", rideId: kit.ride().id, riderId: "rita" as never });
  const noShow = (kit: ShardKit) => {
    kit.step("ann", "arrive");
    wait(kit, 300_000, { ann: 0, bob: 100 });
  };
  const givenBack = (kit: ShardKit) => kit.step("ann", "cancel");
  const driven = (kit: ShardKit) => {
    kit.step("ann", "start");
    kit.step("ann", "complete");
  };

  test.each([
    ["the rider cancels it", cancelled, true],
    ["nobody is at the kerb", noShow, true],
    ["he gives it back", givenBack, false],
    ["he has driven it", driven, false],
  ] as const)("[Z5] has left the queue; when %s he has his old place: %s", (_, ends, isBack) => {
    const kit = annThenBob();
    const { since } = placeOf(kit, "ann")!;
    kit.request("rita");
    const accepted = kit.accept("ann");
    expect(standings(accepted, "ann")).toEqual([null]);
    kit.wait(5_000);
    const from = kit.effects.length;
    ends(kit);
    expect(placeOf(kit, "ann")).toMatchObject({ since: isBack ? since : kit.now, endsAt: null });
    kit.wait(LIMITS.queueTellMs);
    expect(standings(kit.effects.slice(from), "ann").at(-1)).toEqual({ zone: "home", place: isBack ? 1 : 2, of: 2 });
  });

  test("[Z5] has two minutes to be back where he was far when it was cancelled", () => {
    for (const [ms, isBack] of [
      [AWAY_MS - 40_000, true],
      [AWAY_MS + 40_000, false],
    ] as const) {
      const kit = annThenBob();
      const { since } = placeOf(kit, "ann")!;
      kit.request("rita", { pickup: at(900) });
      kit.accept("ann");
      wait(kit, 60_000, { ann: 700, bob: 100 });
      cancelled(kit);
      wait(kit, ms, { ann: 700, bob: 100 });
      kit.locate("ann", at(450));
      expect(placeOf(kit, "ann")).toMatchObject({ since: isBack ? since : kit.now });
    }
  });

  test("[Z5] keeps what he has come to since when an old ride is said to be over again", () => {
    const kit = annThenBob();
    kit.request("rita");
    kit.accept("ann");
    const { id } = kit.offerTo("ann");
    kit.step("ann", "cancel");
    const place = placeOf(kit, "ann");
    kit.step("ann", "cancel", id);
    expect(placeOf(kit, "ann")).toEqual(place);
  });
});

describe("what a driver is told of his queue", () => {
  test("[Z6] is his place at once when he comes and goes, and of others' coming and going within seconds, together", () => {
    const kit = annThenBob();
    const ofHer = [1, 2].map((of) => ({ zone: "home", place: 1, of }));
    expect(standings(kit.effects, "ann")).toEqual(ofHer);
    expect(standings(kit.effects, "bob")).toEqual([{ zone: "home", place: 2, of: 2 }]);
    const from = kit.effects.length;
    kit.driver("cat", 200);
    kit.say({ type: "driver.available", driverId: driverId("ann"), epoch: 1, available: false });
    const soon = kit.effects.slice(from);
    expect([standings(soon, "ann"), standings(soon, "bob")]).toEqual([[null], []]);
    const then = kit.wait(LIMITS.queueTellMs);
    expect([standings(then, "bob"), standings(then, "cat")]).toEqual([
      [{ zone: "home", place: 1, of: 2 }],
      [{ zone: "home", place: 2, of: 2 }],
    ]);
    expect(standings(kit.wait(20_000), "bob")).toEqual([]);
  });

  test("[Z6] is said again at his welcome, and his offers name the zone", () => {
    const kit = annThenBob();
    const types = toldTo(kit.attach("ann"), "ann").map(({ type }) => type);
    expect(types).toEqual(["welcome", "queue"]);
    kit.locate("ann", at(400));
    const [offer] = toldTo(kit.request("rita"), "ann").filter(({ type }) => type === "offer");
    expect(offer).toMatchObject({ zone: "home" });
  });
});

describe("the decision of a queue", () => {
  test("[Z7] [Y1] says whose queue it was and how long each has waited, in place of what his order cost", () => {
    const kit = annThenBob({ fairnessSeconds: 60, fairnessAfterMs: 1_000 });
    wait(kit, 30_000, { ann: 400, bob: 100 });
    kit.request("rita");
    const [decision] = kit.rows.decisions.values();
    const explained = explainRide({ ride: kit.ride(), offers: kit.offersOf() }, [decision!]);
    const [said] = RideExplanationBody.parse(explained).decisions;
    expect(said).toMatchObject({ zone: "home", waveSize: 1, candidates: [{ driverId: "ann" }, { driverId: "bob" }] });
    expect(said!.candidates.map((one) => [one.queuedSeconds, one.fairnessSeconds, one.refusalSeconds])).toEqual([
      [100, 0, 0],
      [40, 0, 0],
    ]);
    expect(said!.why).toContain("found 2 in the queue of home");
  });

  test("[Z7] [Y1] names no queue where none decided", () => {
    const kit = annThenBob({ queueZones: false });
    kit.request("rita");
    const [decision] = kit.rows.decisions.values();
    const explained = explainRide({ ride: kit.ride(), offers: kit.offersOf() }, [decision!]);
    const [said] = RideExplanationBody.parse(explained).decisions;
    expect([said!.zone, said!.candidates[0]!.queuedSeconds]).toEqual([null, null]);
  });
});
