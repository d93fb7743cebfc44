import { describe, expect, test } from "vitest";
import {
  acceptChance,
  answerOffer,
  BEHAVIOUR,
  createDriverTemper,
  createRiderPatience,
  driverCancel,
  type OfferView,
  riderNoShow,
} from "../../../sim/behaviour.ts";
import { createRandom } from "../../../sim/random.ts";

const ORDINARY: OfferView = {
  pickupMeters: 800,
  pickupSeconds: 200,
  tripMeters: 4_000,
  fareCents: 1_500,
  headingOffDegrees: 45,
  idleSeconds: 300,
  hourLocal: 12,
  ttlMs: 15_000,
};
const PLAIN = { strictness: 0, reachSeconds: 420, inattention: 0.04, reactionMs: 3_500 };
const chanceOf = (changes: Partial<OfferView>, temper = PLAIN) => acceptChance(temper, { ...ORDINARY, ...changes });

describe("a driver's willingness", () => {
  test.each<[string, Partial<OfferView>]>([
    ["a longer way", { pickupMeters: 2_400, pickupSeconds: 600 }],
    ["turning round", { headingOffDegrees: 180 }],
    ["having just become free", { idleSeconds: 0 }],
    ["a poorer fare", { fareCents: 1_000 }],
    ["a tiny fare", { fareCents: 600 }],
    ["evening traffic", { hourLocal: 18 }],
    ["a short time to answer", { ttlMs: 2_000 }],
  ])("is lowered by %s", (_, changes) => {
    expect(chanceOf(changes)).toBeLessThan(chanceOf({}) - 0.02);
  });

  test("drops where the unpaid share of the same driving passes what he puts up with", () => {
    const shared = (share: number) => chanceOf({ pickupMeters: 4_800 * share, tripMeters: 4_800 * (1 - share) });
    expect(shared(0.3)).toBe(shared(BEHAVIOUR.unpaidShare - 0.01));
    expect(shared(BEHAVIOUR.unpaidShare + 0.01)).toBeLessThan(shared(0.3) - 0.02);
  });

  test("a long trip before dawn is refused more often than the same trip at noon", () => {
    const long = { tripMeters: 12_000, fareCents: 4_000 };
    expect(chanceOf({ ...long, hourLocal: 4 })).toBeLessThan(chanceOf(long) - 0.02);
  });

  test("depends on who he is", () => {
    expect(chanceOf({}, { ...PLAIN, strictness: 1 })).toBeLessThan(chanceOf({}, { ...PLAIN, strictness: -1 }) - 0.2);
    expect(chanceOf({ pickupSeconds: 600 }, { ...PLAIN, reachSeconds: 200 })).toBeLessThan(
      chanceOf({ pickupSeconds: 600 }),
    );
  });

  test("is what his answers show: the share accepted in time is the chance", () => {
    const random = createRandom(1);
    for (const view of [ORDINARY, { ...ORDINARY, ttlMs: 3_000 }, { ...ORDINARY, pickupSeconds: 500 }]) {
      let accepted = 0;
      const rounds = 20_000;
      for (let round = 0; round < rounds; round++) {
        const reply = answerOffer(PLAIN, view, random);
        if (reply.answer === "accept" && reply.afterMs <= view.ttlMs) accepted++;
      }
      const chance = acceptChance(PLAIN, view);
      expect(Math.abs(accepted / rounds - chance)).toBeLessThan(4 * Math.sqrt((chance * (1 - chance)) / rounds));
    }
  });

  test("of refusals, the documented share is silence", () => {
    const random = createRandom(2);
    const temper = { ...PLAIN, inattention: 0, strictness: 100 };
    const silent = Array.from({ length: 5_000 }, () => answerOffer(temper, ORDINARY, random).answer === "ignore");
    expect(silent.filter(Boolean).length / 5_000).toBeCloseTo(BEHAVIOUR.silentShare, 1);
  });
});

describe("people", () => {
  test("are the same from the same seed, and differ among each other", () => {
    expect(createDriverTemper(createRandom(3))).toEqual(createDriverTemper(createRandom(3)));
    const random = createRandom(3);
    const tempers = Array.from({ length: 200 }, () => createDriverTemper(random));
    expect(new Set(tempers.map((temper) => temper.strictness)).size).toBe(200);
    expect(
      tempers.every((temper) => temper.reachSeconds > 0 && temper.reactionMs > 0 && temper.inattention <= 0.5),
    ).toBe(true);
  });

  test("wait, give back and stay away about as often as documented", () => {
    const random = createRandom(4);
    const patience = Array.from({ length: 4_001 }, () => createRiderPatience(random).matchMs).sort((a, b) => a - b);
    expect(patience[2_000]! / BEHAVIOUR.riderMatchMs).toBeCloseTo(1, 1);
    const count = (happens: () => boolean) => Array.from({ length: 20_000 }, happens).filter(Boolean).length / 20_000;
    expect(count(() => driverCancel(random) !== null)).toBeCloseTo(BEHAVIOUR.driverCancelShare, 2);
    expect(count(() => riderNoShow(random))).toBeCloseTo(BEHAVIOUR.riderNoShowShare, 2);
  });
});
