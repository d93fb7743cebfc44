import { describe, expect, test } from "vitest";
import type { RiderId } from "../../../src/domain/ride.ts";
import { finishQuote } from "../../../src/matching/quote.ts";
import { fareCents, NO_SURGE, nextSurge, type Surge, surgeOf } from "../../../src/matching/tariff.ts";
import { answerIn, at, changesNothing, MARKET, PICKUP, ShardKit } from "./shard-kit.ts";

const REQUEST = {
  pickup: PICKUP,
  dropoff: at(4_000, 90),
  vehicleType: "economy",
  payment: "card",
  minimumRating: 0,
  seats: 1,
  accessible: false,
} as const;

const asked = (change: object = {}, rider = "rita") =>
  ({ type: "quote.asked", riderId: rider as RiderId, request: { ...REQUEST, ...change } }) as const;

const drafted = (kit: ShardKit, change: object = {}) => answerIn(kit.say(asked(change)), "quote").draft;

describe("[Q5] a quote", () => {
  test("tells the trip, its fare and the quickest of the drivers who could take it, in half minutes", () => {
    const kit = new ShardKit();
    kit.driver("ann", 500);
    kit.driver("ben", 900);
    kit.driver("xena", 100, { vehicleType: "xl" });
    expect(finishQuote(drafted(kit), [])).toEqual({
      tripMeters: 4_000,
      tripSeconds: 1_000,
      fareCents: fareCents({ ...MARKET, dispatch: kit.shard.setting.market.dispatch }, 4_000, 1),
      currency: "USD",
      surge: 1,
      drivers: 2,
      pickupSeconds: 150,
    });
  });

  test("counts a driver once whom a neighbour has found too, and eight at most", () => {
    const kit = new ShardKit();
    kit.driver("ann", 600);
    const draft = drafted(kit);
    const [ann] = draft.found;
    const strangers = Array.from({ length: 9 }, (_, n) => ({ ...ann!, driverId: `d${n}` as never, pickupSeconds: 61 }));
    expect(finishQuote(draft, [ann!])).toMatchObject({ drivers: 1, pickupSeconds: 150 });
    expect(finishQuote(draft, strangers)).toMatchObject({ drivers: 8, pickupSeconds: 90 });
  });

  test("knows of nobody where nobody is", () => {
    expect(finishQuote(drafted(new ShardKit()), [])).toMatchObject({ drivers: 0, pickupSeconds: null });
  });

  test("asks the neighbours unless eight drivers are nearer than the border", () => {
    const kit = new ShardKit();
    expect(drafted(kit).beyond).toMatchObject({ radiusMeters: 3_000, limit: 8 });
    for (let n = 0; n < 8; n++) kit.driver(`d${n}`, 100 + 10 * n);
    expect(drafted(kit).beyond).toBeNull();
  });

  test("keeps nothing and tells nobody else", () => {
    const kit = new ShardKit();
    kit.driver("ann", 500);
    expect(changesNothing(kit.say(asked()))).toBe(true);
  });

  test("is refused to a rider who has asked for thirty within a minute, until it is past", () => {
    const kit = new ShardKit();
    for (let n = 0; n < 30; n++) drafted(kit);
    kit.now += 20_000;
    expect(answerIn(kit.say(asked()), "too_many_quotes").retryAfterMs).toBe(40_000);
    expect(answerIn(kit.say(asked({}, "rosa")), "quote").draft.found).toEqual([]);
    kit.now += 40_000;
    expect(drafted(kit).found).toEqual([]);
  });

  test("is refused while the shard takes no new rides", () => {
    const kit = new ShardKit();
    kit.shard.overload = { ...kit.shard.overload, level: 3 };
    const answer = answerIn(kit.say(asked()), "refused");
    expect(answer.reason).toBe("overloaded");
  });
});

describe("[Q6] a quoted fare", () => {
  test("is the ride's fare, whatever the tariff says by then", () => {
    const kit = new ShardKit();
    kit.request("rita", {}, { quoted: { fareCents: 4_242, expiresAt: kit.now + 1 } });
    expect(kit.ride().fareCents).toBe(4_242);
  });

  test("holds no longer than promised, and a refused request leaves nothing", () => {
    const kit = new ShardKit();
    const effects = kit.request("rita", {}, { quoted: { fareCents: 4_242, expiresAt: kit.now } });
    expect(answerIn(effects, "refused").reason).toBe("quote_expired");
    expect(changesNothing(effects)).toBe(true);
  });

  test("[R2] is heard again by who says his request again after the quote has expired", () => {
    const kit = new ShardKit();
    const quoted = { fareCents: 4_242, expiresAt: kit.now + 1_000 };
    kit.request("rita", {}, { key: "k", quoted });
    kit.wait(1_000);
    const again = answerIn(kit.request("rita", {}, { key: "k", quoted }), "ride");
    expect(again).toMatchObject({ replayed: true, view: { fareCents: 4_242 } });
  });
});

describe("[Q7] surge", () => {
  const MINUTE = 60_000;
  /** Looks every 15 s, as a shard with drivers does. */
  function lookedFor(
    minutes: number,
    seen: { waiting: number; free: number },
    maximum: number,
    from: Surge = NO_SURGE,
  ) {
    let surge = nextSurge(from, seen, maximum, from.at ?? 0);
    for (let ms = 15_000; ms <= minutes * MINUTE; ms += 15_000) {
      surge = nextSurge(surge, seen, maximum, (from.at ?? 0) + ms);
    }
    return surge;
  }

  test("rises over minutes where many wait for few, and falls over minutes when they are served", () => {
    const busy = { waiting: 30, free: 2 };
    const levels = [0, 1, 3, 30].map((minutes) => surgeOf(lookedFor(minutes, busy, 2.5)));
    expect(levels[0]).toBe(1);
    expect(levels[1]).toBeGreaterThan(1.2);
    expect(levels[1]).toBeLessThan(1.6);
    expect(levels[2]).toBeGreaterThan(levels[1]!);
    expect(levels[3]).toBe(2.5);
    const calm = lookedFor(2, { waiting: 0, free: 20 }, 2.5, lookedFor(30, busy, 2.5));
    expect(surgeOf(calm)).toBeGreaterThan(1.5);
    expect(surgeOf(calm)).toBeLessThan(2.2);
  });

  test.each([
    ["nobody waits", { waiting: 0, free: 0 }, 3, 1],
    ["drivers are as many as riders", { waiting: 40, free: 40 }, 3, 1],
    ["a single rider waits and nobody is free", { waiting: 1, free: 0 }, 3, 1.2],
    ["the market knows none", { waiting: 90, free: 0 }, 1, 1],
  ])("where %s it comes to what it should", (_, seen, maximum, expected) => {
    expect(surgeOf(lookedFor(60, seen, maximum))).toBe(expected);
  });

  test("is not moved far by one look, however long nobody has looked", () => {
    const first = nextSurge(NO_SURGE, { waiting: 90, free: 0 }, 3, 0);
    expect(surgeOf(first)).toBe(1);
    expect(surgeOf(nextSurge(first, { waiting: 90, free: 0 }, 3, 60 * MINUTE))).toBeLessThan(1.7);
  });

  test("is on the fares of quotes and of rides without one alike", () => {
    const kit = new ShardKit({}, { surgeMaximum: 2 });
    const plain = drafted(kit).fareCents;
    kit.shard.surge = { level: 1.5, at: kit.now };
    expect(drafted(kit)).toMatchObject({ fareCents: Math.round(plain * 1.5), surge: 1.5 });
    kit.request("rita");
    expect(kit.ride().fareCents).toBe(Math.round(plain * 1.5));
  });

  test("goes on while drivers are connected, though nobody asks for a quote", () => {
    const kit = new ShardKit({ matchDeadlineMs: 600_000 }, { surgeMaximum: 2 });
    kit.driver("ann", 500, { vehicleType: "xl" });
    for (let n = 0; n < 30; n++) kit.request(`rider-${n}`);
    for (let step = 0; step < 8; step++) {
      kit.wait(20_000);
      kit.locate("ann", at(500));
    }
    expect(surgeOf(kit.shard.surge)).toBeGreaterThan(1.2);
  });
});
