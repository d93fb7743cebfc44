import { describe, expect, test } from "vitest";
import type { OfferId } from "../../../src/domain/ride.ts";
import { LIMITS } from "../../../src/matching/limits.ts";
import {
  AT_EASE,
  FALL_AFTER_MS,
  type LoadSample,
  nextOverload,
  type Overload,
  RISE_BEATS,
} from "../../../src/matching/overload.ts";
import { answerIn, at, driverId, ofType, rideIdOf, riderId, ShardKit, toldTo } from "./shard-kit.ts";

const sample = (change: Partial<LoadSample>): LoadSample => ({ ...AT_EASE.sample, ...change });
const CALM = sample({});
const LATE = [99, 100, 300, 1_000].map((lagMs) => sample({ lagMs }));
const [, LEVEL_1, LEVEL_2, LEVEL_3] = LATE as [LoadSample, LoadSample, LoadSample, LoadSample];

/** One beat a second, each with the next sample; answers with the level after each. */
function levels(samples: readonly LoadSample[], from: Overload = AT_EASE): number[] {
  let state = from;
  return samples.map((beat, second) => {
    state = nextOverload(state, beat, second * 1_000);
    return state.level;
  });
}

const times = (count: number, beat: LoadSample) => Array<LoadSample>(count).fill(beat);
const SETTLE_BEATS = FALL_AFTER_MS / 1_000;

describe("the level of overload", () => {
  test.each([
    [0, sample({ lagMs: 99 })],
    [1, sample({ lagMs: 100 })],
    [2, sample({ lagMs: 300 })],
    [3, sample({ lagMs: 1_000 })],
    [0, sample({ framesPerSecond: 499 })],
    [1, sample({ framesPerSecond: 500 })],
    [1, sample({ framesPerSecond: 100_000 })],
    [0, sample({ inferenceMs: 11.9 })],
    [2, sample({ inferenceMs: 12 })],
    [2, sample({ inferenceMs: 10_000 })],
  ])("[V1] becomes %i after three beats of %j, and not before", (level, beat) => {
    expect(levels(times(RISE_BEATS, beat))).toEqual([0, 0, level]);
  });

  test("[V1] does not rise by one long pause, nor by three with a calm beat between", () => {
    const pauses = [LEVEL_3, CALM, LEVEL_3, LEVEL_3, CALM, LEVEL_3, LEVEL_3];
    expect(levels(pauses).every((level) => level === 0)).toBe(true);
  });

  test("[V1] is what the mildest of the last three calls for", () => {
    expect(levels([LEVEL_3, LEVEL_1, LEVEL_2, LEVEL_2, LEVEL_2])).toEqual([0, 0, 1, 1, 2]);
  });

  test("[V1] falls one step at a time, each after ten calm seconds", () => {
    const seen = levels([...times(3, LEVEL_3), ...times(3 * SETTLE_BEATS + 1, CALM)]);
    expect([seen.indexOf(3), seen.lastIndexOf(3), seen.lastIndexOf(2), seen.lastIndexOf(1)]).toEqual([
      2,
      2 + SETTLE_BEATS,
      2 + 2 * SETTLE_BEATS,
      2 + 3 * SETTLE_BEATS,
    ]);
    expect(seen.at(-1)).toBe(0);
  });

  test("[V1] stays while beats come near to what called for it, and a calm that is broken begins anew", () => {
    const near = sample({ lagMs: 40 });
    expect(levels([...times(3, LEVEL_1), ...times(30, near)]).at(-1)).toBe(1);
    expect(levels([...times(3, LEVEL_1), ...times(30, sample({ lagMs: 39 }))]).at(-1)).toBe(0);
    const broken = [...times(3, LEVEL_1), ...times(SETTLE_BEATS, CALM), near, ...times(SETTLE_BEATS, CALM)];
    expect(levels(broken).at(-1)).toBe(1);
  });

  test("[V1] that frames have brought goes when half of them are left, so that it does not come back at once", () => {
    const beats = [...times(3, sample({ framesPerSecond: 500 })), ...times(30, sample({ framesPerSecond: 250 }))];
    expect(levels(beats).at(-1)).toBe(1);
    const fewer = [...times(3, sample({ framesPerSecond: 500 })), ...times(30, sample({ framesPerSecond: 199 }))];
    expect(levels(fewer).at(-1)).toBe(0);
  });
});

/** A shard at this level. */
function strained(kit: ShardKit, beat: LoadSample): ShardKit {
  for (let i = 0; i < RISE_BEATS; i++) kit.say({ type: "load.measured", ...beat });
  return kit;
}

function relieved(kit: ShardKit): void {
  for (let i = 0; i <= 3 * SETTLE_BEATS + 1; i++) {
    kit.wait(1_000);
    kit.say({ type: "load.measured", ...CALM });
  }
}

const cadencesTold = (kit: ShardKit, name: string) =>
  toldTo(kit.effects, name).flatMap((notice) => (notice.type === "config" ? [notice.fixEveryMs] : []));

describe("a strained shard", () => {
  test("[V1] counts each change of its level", () => {
    const kit = strained(new ShardKit(), LEVEL_2);
    relieved(kit);
    const counted = ofType(kit.effects, "count").filter(({ name }) => name === "overload");
    expect(counted.map(({ label }) => label)).toEqual(["level-2", "level-1", "level-0"]);
  });

  test("[V2] asks drivers for fixes half as often, each once, and for the usual ones when it is over", () => {
    const kit = new ShardKit();
    kit.driver("ann", 200);
    strained(kit, LEVEL_1);
    expect(cadencesTold(kit, "ann")).toEqual([]);
    kit.locate("ann", at(200));
    kit.locate("ann", at(200));
    expect(cadencesTold(kit, "ann")).toEqual([8_000]);
    const [welcome] = toldTo(kit.attach("bob"), "bob");
    expect(welcome).toMatchObject({ type: "welcome", fixEveryMs: 8_000 });
    kit.locate("bob", at(300));
    expect(cadencesTold(kit, "bob")).toEqual([]);
    relieved(kit);
    kit.locate("ann", at(200));
    kit.locate("bob", at(300));
    expect([cadencesTold(kit, "ann"), cadencesTold(kit, "bob")]).toEqual([[8_000, 4_000], [4_000]]);
  });

  test("[V2] asks half as many drivers at once, of half as many candidates", () => {
    const asked = (beat: LoadSample) => {
      const kit = strained(new ShardKit(), beat);
      for (let i = 0; i < 30; i++) kit.driver(`d${i}`, 100 + i);
      const effects = kit.request("rita");
      return [ofType(effects, "rank")[0]?.candidates.length, kit.offersOf().length];
    };
    expect(asked(CALM)).toEqual([LIMITS.candidatesPerSearch, 2]);
    expect(asked(LEVEL_1)).toEqual([LIMITS.candidatesPerSearch / 2, 1]);
  });

  test("[V3] ranks without a model from level 2, and with it below", () => {
    const byModel = (beat: LoadSample) => {
      const kit = strained(new ShardKit(), beat);
      kit.driver("ann", 200);
      return ofType(kit.request("rita"), "rank").map((rank) => rank.byModel);
    };
    expect([LEVEL_1, LEVEL_2].map(byModel)).toEqual([[true], [false]]);
  });

  test("[V4] takes new rides up to level 2; at 3 it hears repeats of those it took, and leaves no reply to others", () => {
    const kit = strained(new ShardKit(), LEVEL_2);
    kit.driver("ann", 200);
    kit.request("rita", {}, { key: "k" });
    expect(kit.ride().state).toBe("matching");
    strained(kit, LEVEL_3);
    const refused = kit.request("ralf", {}, { key: "r" });
    expect(answerIn(refused, "refused")).toMatchObject({ reason: "overloaded" });
    expect(refused.filter(({ type }) => type !== "answer")).toEqual([]);
    expect(answerIn(kit.request("rita", {}, { key: "k" }), "ride")).toMatchObject({ replayed: true });
    relieved(kit);
    expect(answerIn(kit.request("ralf", {}, { key: "r" }), "ride")).toMatchObject({ replayed: false });
  });

  test("[V5] settles at level 3 whatever was begun: accept, trip, release, decline, cancellation", () => {
    const kit = new ShardKit();
    kit.driver("ann", 200);
    kit.request("rita");
    kit.driver("bob", 300);
    strained(kit, LEVEL_3);
    const verdictOf = (name: string, offerId: OfferId) =>
      answerIn(kit.say({ type: "offer.accepted", ...kit.from(name, offerId) }), "verdict").verdict.outcome;
    const { id } = kit.offerTo("ann");
    expect(verdictOf("ann", id)).toBe("won");
    for (const step of ["arrive", "start", "complete"] as const) {
      const effects = kit.step("ann", step, id);
      expect(ofType(effects, "save.ride")).toHaveLength(1);
      if (step === "complete") expect(ofType(effects, "release")).toMatchObject([{ offerId: id }]);
    }
    const other = new ShardKit();
    other.driver("cem", 200);
    other.request("rosa");
    strained(other, LEVEL_3);
    const declined = other.say({ type: "offer.declined", ...other.from("cem") });
    expect(ofType(declined, "release")).toMatchObject([{ driverId: driverId("cem") }]);
    const cancelled = other.say({ type: "ride.cancelled", rideId: rideIdOf(0), riderId: riderId("rosa") });
    expect(answerIn(cancelled, "ride").view.state).toBe("cancelled_by_rider");
  });
});
