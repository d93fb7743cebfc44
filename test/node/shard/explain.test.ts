import { describe, expect, test } from "vitest";
import { type Candidate, NEW_DRIVER_STATS } from "../../../src/domain/driver.ts";
import type { ReserveOutcome } from "../../../src/matching/commands.ts";
import type { Decision } from "../../../src/matching/decision.ts";
import { LIMITS } from "../../../src/matching/limits.ts";
import { FEATURE_SET_HASH, FEATURES, featureMatrix } from "../../../src/ranking/feature-view.ts";
import { type FallbackReason, rankByAcceptance } from "../../../src/ranking/ranker.ts";
import { explainRide } from "../../../src/shard/explain.ts";
import { at, driverId, ELSEWHERE, ofType, rankedNearest, rideIdOf, riderId, ShardKit } from "../matching/shard-kit.ts";

function explain(kit: ShardKit, n = 0) {
  const decisions = [...kit.rows.decisions.values()].filter(({ rideId }) => rideId === rideIdOf(n));
  const inOrder = decisions.sort((a, b) => a.offersBefore - b.offersBefore);
  return explainRide({ ride: kit.ride(n), offers: kit.offersOf(n) }, inOrder).decisions;
}
type Explained = ReturnType<typeof explain>[number];
const last = (kit: ShardKit, n = 0) => explain(kit, n).at(-1)!;
const outcomes = (kit: ShardKit, n = 0) => last(kit, n).candidates.map((c) => [c.driverId, c.outcome]);
const leftOut = (kit: ShardKit, n = 0) => last(kit, n).leftOut.map((left) => [left.driverId, left.reason]);
/** What is said of this driver in the newest decision that ranked him. */
const saidOf = (kit: ShardKit, name: string) => {
  const candidates = explain(kit).flatMap((decision) => decision.candidates);
  return candidates.findLast((candidate) => candidate.driverId === name)!;
};

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

/** Ann's lock has not answered; rita waits. */
function intended(): ShardKit {
  const kit = new ShardKit();
  kit.world.reserves = false;
  kit.driver("ann", 200);
  kit.request("rita");
  return kit;
}

function offered(): ShardKit {
  const kit = new ShardKit({ waveSize: 2 });
  kit.driver("ann", 200);
  kit.driver("bob", 300);
  kit.request("rita");
  return kit;
}

describe("of a driver who was asked", () => {
  const answer = (answered: Exclude<ReserveOutcome, { outcome: "reserved" }>) => {
    const kit = intended();
    kit.say({ type: "reserve.answered", offerId: kit.offerTo("ann").id, ...answered });
    return kit;
  };
  const having = (happened: (kit: ShardKit) => unknown) => {
    const kit = offered();
    happened(kit);
    return kit;
  };

  test.each<[state: string, reason: string | null, words: string, kit: ShardKit]>([
    ["intent", null, "his lock has not answered yet", intended()],
    ["offered", null, "he has not answered yet", offered()],
    ["won", null, "he accepted, and the ride is his", having((kit) => kit.accept("ann"))],
    [
      "ended",
      null,
      "he accepted; the ride has ended or left him since",
      having((kit) => {
        kit.accept("ann");
        kit.step("ann", "cancel");
      }),
    ],
    ["dead", "busy", "his lock held him for another offer or ride", answer({ outcome: "busy" })],
    ["dead", "offline", "he had no socket", answer({ outcome: "offline", epoch: 0 })],
    ["dead", "stale", "his lock had heard of a later offer", answer({ outcome: "stale" })],
    ["dead", "unanswered", "his lock did not answer in time", answer({ outcome: "unanswered" })],
    ["dead", "declined", "he declined", having((kit) => kit.say({ type: "offer.declined", ...kit.from("ann") }))],
    ["dead", "expired", "he let it pass", having((kit) => kit.wait(15_000))],
    ["dead", "superseded", "another driver accepted first", having((kit) => kit.accept("bob"))],
    [
      "dead",
      "cancelled",
      "the ride was called off",
      having((kit) => kit.say({ type: "ride.cancelled", rideId: rideIdOf(0), riderId: riderId("rita") })),
    ],
    [
      "dead",
      "unreachable",
      "his socket was gone",
      having((kit) => kit.say({ type: "push.answered", offerId: kit.offerTo("ann").id, outcome: "no_socket" })),
    ],
  ])("[Y3] %s %s: %s", (state, reason, words, kit) => {
    const said = saidOf(kit, "ann");
    expect(said).toMatchObject({ outcome: "offered", offer: { id: kit.offerTo("ann").id, state, reason, afterMs: 0 } });
    expect(said.why).toContain(`asked at once: ${words}`);
  });
});

describe("of a driver who was ranked and not asked at once", () => {
  test("[Y3] he is in reserve, and when his turn comes he is asked so much later", () => {
    const kit = new ShardKit({ waveSize: 1 });
    kit.driver("ann", 200);
    kit.driver("bob", 300);
    kit.request("rita");
    expect(outcomes(kit)).toEqual([
      ["ann", "offered"],
      ["bob", "reserve"],
    ]);
    expect(saidOf(kit, "bob").offer).toBeNull();
    kit.wait(700);
    kit.say({ type: "offer.declined", ...kit.from("ann") });
    expect(explain(kit)).toHaveLength(1);
    expect(saidOf(kit, "bob")).toMatchObject({ outcome: "offered", offer: { state: "offered", afterMs: 700 } });
    expect(saidOf(kit, "bob").why).toContain("asked from the reserve after 700 ms");
  });

  test("[Y3] he stays in reserve in the one decision and is asked in the next", () => {
    const kit = new ShardKit({ waveSize: 1 });
    for (const [name, meters] of Object.entries({ ann: 200, bob: 300, cat: 400 })) kit.driver(name, meters);
    kit.request("rita");
    kit.accept("ann");
    kit.step("ann", "cancel");
    const became = (decision: Explained) => decision.candidates.map((c) => [c.driverId, c.outcome]);
    const [first, second] = [
      [
        ["ann", "offered"],
        ["bob", "reserve"],
        ["cat", "reserve"],
      ],
      [
        ["bob", "offered"],
        ["cat", "reserve"],
      ],
    ];
    expect(explain(kit).map(became)).toEqual([first, second]);
    // Were these all the offers it may cause, only who is next in line now would go without for that.
    const offers = Array.from({ length: LIMITS.offersPerRide }, (_, i) => kit.offersOf()[Math.min(i, 1)]!);
    const spent = explainRide({ ride: kit.ride(), offers }, [...kit.rows.decisions.values()]).decisions;
    expect(spent.map(became)).toEqual([first, [second![0], ["cat", "spent"]]]);
  });

  test("[Y3] he was taken by another ride while he was ranked; that decision asked nobody and gives way to the next", () => {
    const kit = new ShardKit({ waveSize: 1 });
    kit.driver("ann", 200);
    kit.world.ranks = false;
    kit.request("rita");
    kit.request("rolf");
    for (const rank of ofType(kit.effects, "rank")) {
      const { rideId, searchId } = rank;
      kit.say({ type: "candidates.ranked", rideId, searchId, ranked: rankedNearest(rank) });
    }
    kit.world.ranks = true;
    expect(outcomes(kit, 0)).toEqual([["ann", "offered"]]);
    expect(outcomes(kit, 1)).toEqual([["ann", "taken"]]);
    expect(last(kit, 1).candidates[0]!.why).toContain("another ride");
    kit.driver("bob", 400);
    expect(explain(kit, 1)).toHaveLength(1);
    expect(outcomes(kit, 1)).toEqual([["bob", "offered"]]);
  });

  test("[Y3] his ride had spent its offers", () => {
    const kit = new ShardKit({ waveSize: 10, searchEveryMs: 100 });
    kit.world.reserves = false;
    for (let i = 0; i < 13; i++) kit.driver(`d${i}`, 100 + i);
    kit.request("rita");
    for (let i = 0; i < 100 && kit.ride().state === "matching"; i++) {
      for (const offer of kit.offersOf().filter(({ state }) => state === "intent")) {
        kit.say({ type: "reserve.answered", offerId: offer.id, outcome: "busy" });
      }
      kit.wait(100);
    }
    const counts = explain(kit).map(({ candidates }) => candidates.filter((c) => c.outcome === "offered").length);
    expect(counts).toEqual([13, 10, 10, 10, 10, 7]);
    expect(explain(kit).flatMap(({ candidates }) => candidates.filter((c) => c.outcome === "spent"))).toEqual(
      last(kit).candidates.slice(7),
    );
    expect(
      last(kit)
        .candidates.slice(7)
        .map(({ driverId: who }) => who),
    ).toEqual(["d7", "d8", "d9"]);
    expect(last(kit).candidates[7]!.why).toContain("60 offers");
  });
});

describe("of a driver who was left out", () => {
  test("[Y1] this ride was asking him already, or another was", () => {
    const kit = new ShardKit({ waveSize: 2 });
    kit.world.reserves = false;
    kit.driver("ann", 500);
    kit.request("rita");
    kit.driver("bob", 1_500);
    kit.wait(1_500);
    expect(outcomes(kit)).toEqual([["bob", "offered"]]);
    expect(leftOut(kit)).toEqual([["ann", "asked"]]);
    kit.driver("cat", 600);
    kit.request("rolf");
    expect(outcomes(kit, 1)).toEqual([["cat", "offered"]]);
    expect(leftOut(kit, 1)).toEqual([["ann", "busy"]]);
    expect([last(kit).leftOut[0]!.why, last(kit, 1).leftOut[0]!.why]).toEqual([
      "left out: this ride was asking him already",
      "left out: another ride of this shard was asking him or had him",
    ]);
  });

  test("[Y1] he had declined, let it pass, or had the ride before", () => {
    const kit = new ShardKit({ waveSize: 3 });
    for (const [name, meters] of [
      ["no", 100],
      ["asleep", 200],
      ["gone", 300],
    ] as const)
      kit.driver(name, meters);
    kit.request("rita");
    kit.say({ type: "offer.declined", ...kit.from("no") });
    kit.wait(15_000);
    kit.driver("gone", 300);
    kit.driver("bob", 400);
    kit.accept("bob");
    kit.step("bob", "cancel");
    kit.driver("cat", 900);
    const { attempt, leftOut: out } = last(kit);
    expect(attempt).toBe(2);
    expect(out.map(({ driverId: who, reason }) => [who, reason])).toEqual([
      ["no", "declined"],
      ["asleep", "expired"],
      ["gone", "expired"],
      ["bob", "gave_back"],
    ]);
    expect(new Set(out.map(({ why }) => why)).size).toBe(3);
  });

  test("[Y1] nearer drivers filled the list; so many are named and the rest are counted", () => {
    const kit = new ShardKit({ startRadiusMeters: 3_000 });
    kit.world.neighbours = false;
    kit.driver("ann", 500);
    kit.request("rita");
    const { rideId, searchId } = ofType(kit.effects, "find.neighbours")[0]!;
    const far = LIMITS.leftOutPerDecision + 5;
    const count = LIMITS.candidatesPerSearch - 1 + far;
    const candidates = Array.from({ length: count }, (_, i) => stranger(`s${i}`, 600 + i));
    kit.say({ type: "neighbours.found", rideId, searchId, candidates });
    const { found, candidates: ranked, leftOut: out, leftOutMore } = last(kit);
    expect([found, ranked.length, out.length, leftOutMore]).toEqual([
      count + 1,
      LIMITS.candidatesPerSearch,
      LIMITS.leftOutPerDecision,
      5,
    ]);
    expect(out[0]).toEqual({
      driverId: `s${LIMITS.candidatesPerSearch - 1}`,
      reason: "beyond_limit",
      why: "left out: 24 nearer drivers were considered",
    });
  });
});

describe("a decision", () => {
  test("[Y1] says what was searched, by whom it was ranked and what each driver was to the ranker", () => {
    const kit = new ShardKit({ kind: "sequential", waveSize: 5 });
    kit.driver("ann", 200);
    kit.driver("bob", 300);
    kit.driver("off", 100, { vehicleType: "premium" });
    kit.say({ type: "driver.available", driverId: driverId("off"), epoch: 1, available: false });
    kit.world.ranks = false;
    kit.request("rita");
    const { rideId, searchId, candidates, context } = ofType(kit.effects, "rank")[0]!;
    const rows = featureMatrix(candidates, context);
    const ranked = rankByAcceptance(candidates, rows, Float32Array.of(0.25, 0.875), "accept@7");
    kit.say({ type: "candidates.ranked", rideId, searchId, ranked });
    const decision = last(kit);
    expect(decision).toMatchObject({
      at: kit.now,
      attempt: 1,
      wave: 1,
      radiusMeters: 1_000,
      policy: "sequential",
      waveSize: 1,
      ranker: "accept@7",
      fallback: null,
      featureSet: FEATURE_SET_HASH,
      connected: 3,
      available: 2,
      found: 2,
      leftOut: [],
      leftOutMore: 0,
    });
    expect(decision.why).toBe(
      "search 1 of attempt 1 found 2 within 1000 m; accept@7 put 2 in order of expected seconds; 1 asked at a time",
    );
    const [bob, ann] = decision.candidates;
    expect([bob!.driverId, bob!.rank, bob!.acceptProbability]).toEqual(["bob", 0, 0.875]);
    expect([ann!.driverId, ann!.rank, ann!.acceptProbability]).toEqual(["ann", 1, 0.25]);
    for (const candidate of [ann!, bob!]) {
      expect(candidate.pickupSeconds + candidate.refusalSeconds).toBeCloseTo(candidate.costSeconds, 9);
      expect(Object.keys(candidate.features)).toEqual(FEATURES.map(({ name }) => name));
      expect(candidate.features.pickup_meters).toBe(Math.fround(candidate.driverId === "ann" ? 200 : 300));
      expect(candidate.features.heading_off_degrees).toBeNull();
    }
    expect(ann!.refusalSeconds).toBeCloseTo(60, 9);
  });

  test.each<FallbackReason>(["loading", "deadline", "error", "invalid", "off", "overload"])(
    "[Y1] says why no model ranked: %s",
    (fallback) => {
      const kit = new ShardKit();
      kit.driver("ann", 200);
      kit.world.ranks = false;
      kit.request("rita");
      const rank = ofType(kit.effects, "rank")[0]!;
      const { rideId, searchId } = rank;
      kit.say({ type: "candidates.ranked", rideId, searchId, ranked: rankedNearest(rank, fallback) });
      expect(last(kit)).toMatchObject({ ranker: "nearest@1", fallback, candidates: [{ refusalSeconds: 0 }] });
      expect(last(kit).why).toMatch(/nearest@1 put 1 in order of expected seconds \([^)]{10,}\);/);
    },
  );

  test("[Y1] [O23] says that batched asks another beside whoever keeps silent", () => {
    const whyOf = (kind: "broadcast" | "batched") => {
      const kit = new ShardKit({ kind, waveSize: 3 });
      kit.driver("ann", 200);
      kit.request("rita");
      return last(kit).why;
    };
    expect(whyOf("broadcast")).toMatch(/; 3 asked at a time$/);
    expect(whyOf("batched")).toMatch(/; 1 asked at a time, another beside whoever keeps silent$/);
  });

  test("[Y1] whose features this code does not know shows them by column", () => {
    const kit = offered();
    const [decision] = kit.rows.decisions.values();
    const older = { ...decision!, featureSet: "0123456789abcdef", features: Float32Array.of(1, 2, 3, 4, 5, 6) };
    const [shown] = explainRide({ ride: kit.ride(), offers: kit.offersOf() }, [older]).decisions;
    expect(shown!.candidates.map(({ features }) => features)).toEqual([
      { column_0: 1, column_1: 2, column_2: 3 },
      { column_0: 4, column_1: 5, column_2: 6 },
    ]);
  });

  test("[Y2] is saved with the intents of its offers, and not at all where there was nobody to rank", () => {
    const kit = new ShardKit({ waveSize: 2 });
    expect(ofType(kit.request("rita"), "save.decision")).toEqual([]);
    kit.say({ type: "ride.cancelled", rideId: rideIdOf(0), riderId: riderId("rita") });
    kit.driver("ann", 200);
    kit.driver("bob", 300);
    kit.world.ranks = false;
    kit.world.reserves = false;
    const rank = ofType(kit.request("rolf"), "rank")[0]!;
    const { rideId, searchId } = rank;
    const effects = kit.say({ type: "candidates.ranked", rideId, searchId, ranked: rankedNearest(rank) });
    const saved = effects.map(({ type }) => type).filter((type) => type.startsWith("save."));
    expect(saved).toEqual(["save.decision", "save.offer", "save.offer"]);
  });

  test("[Y2] holds no place, and its row stays below 16 KiB whoever is in it", () => {
    const kit = new ShardKit({ startRadiusMeters: 3_000 });
    kit.world.neighbours = false;
    kit.driver("ann", 500);
    kit.request("rita");
    const { rideId, searchId } = ofType(kit.effects, "find.neighbours")[0]!;
    const candidates = Array.from({ length: 300 }, (_, i) => stranger(`${i}`.padEnd(64, "x"), 600 + i / 7));
    kit.say({ type: "neighbours.found", rideId, searchId, candidates });
    const { features, ...body } = kit.rows.decisions.values().next().value as Decision;
    expect(body.candidates).toHaveLength(LIMITS.candidatesPerSearch);
    expect(JSON.stringify(body).length + features.byteLength).toBeLessThan(16_384);
    expect(JSON.stringify(body)).not.toMatch(/lat|lng|position|pickup"|dropoff/);
  });
});
