import { describe, expect, test } from "vitest";
import type { DeadReason } from "../../../src/domain/ride.ts";
import { LIMITS } from "../../../src/matching/limits.ts";
import { haversineMeters } from "../../../src/spatial/distance.ts";
import { at, ELSEWHERE, ofType, PICKUP, rankedNearest, rideIdOf, riderId, ShardKit, toldTo } from "./shard-kit.ts";

/** A ride whose only offer is an intent: its lock has not answered. */
function intended(): ShardKit {
  const kit = new ShardKit();
  kit.world.reserves = false;
  kit.driver("ann", 200);
  kit.request("rita");
  return kit;
}

function offered(): ShardKit {
  const kit = new ShardKit();
  kit.driver("ann", 200);
  kit.request("rita");
  return kit;
}

const answer = (kit: ShardKit, outcome: "busy" | "offline" | "stale" | "unanswered") => {
  const { id: offerId } = kit.offerTo("ann");
  return kit.say({
    type: "reserve.answered",
    offerId,
    ...(outcome === "offline" ? { outcome, epoch: 0 } : { outcome }),
  });
};
const reserve = (kit: ShardKit, session = { shard: ELSEWHERE, epoch: 1 }) =>
  kit.say({ type: "reserve.answered", offerId: kit.offerTo("ann").id, outcome: "reserved", session, exchanges: 0 });
const releases = (effects: ReturnType<ShardKit["say"]>) => ofType(effects, "release").map(({ offerId }) => offerId);

describe("an offer begins", () => {
  test("[O11] as an intent that is saved, with one question to the lock and not a word to the driver", () => {
    const kit = intended();
    const { id, seq } = kit.offerTo("ann");
    expect(kit.offerTo("ann").state).toBe("intent");
    expect(ofType(kit.effects, "reserve")).toEqual([{ type: "reserve", offerId: id, seq, driverId: "ann" }]);
    expect(toldTo(kit.effects, "ann").filter((notice) => notice.type === "offer")).toEqual([]);
  });

  test("[O11] to be heard once the lock holds the driver, after the row that says so", () => {
    const kit = intended();
    const effects = reserve(kit, { shard: kit.shard.setting.name, epoch: 1 });
    const types = effects.map(({ type }) => type);
    expect(types.indexOf("save.offer")).toBeLessThan(types.indexOf("tell"));
    expect(kit.offerTo("ann")).toMatchObject({ state: "offered", expiresAt: kit.now + 15_000 });
    expect(toldTo(effects, "ann")[0]).toMatchObject({ type: "offer", offerId: kit.offerTo("ann").id, ttlMs: 15_000 });
  });

  test("[O12] with places blurred by tens of metres and no word of who the rider is", () => {
    const kit = new ShardKit();
    kit.driver("ann", 234);
    kit.request("rita");
    const [card] = toldTo(kit.effects, "ann").filter((notice) => notice.type === "offer");
    const away = haversineMeters(card!.pickup, PICKUP);
    expect(away).toBeLessThan(120);
    expect(card!.pickup).not.toEqual(PICKUP);
    expect(JSON.stringify(card)).not.toContain("rita");
    // Also the distance: three drivers' exact ones would meet at the door.
    expect(card).toMatchObject({ pickupMeters: 200, tripMeters: 4_000, currency: "USD", vehicleType: "economy" });
  });

  test("[O11] with numbers that rise over the whole shard, also after a restart", () => {
    const kit = new ShardKit();
    for (const name of ["ann", "bob"]) kit.driver(name, 200);
    kit.request("rita");
    kit.restart();
    for (const name of ["cat"]) kit.driver(name, 200);
    kit.request("rolf");
    expect([...kit.rows.offers.values()].map(({ seq }) => seq)).toEqual([1, 2, 3]);
  });
});

describe("an offer dies", () => {
  test.each(["busy", "offline", "stale"] as const)("[O14] of a lock that is %s, which owes no release", (outcome) => {
    const kit = intended();
    const effects = answer(kit, outcome);
    expect(kit.offerTo("ann")).toMatchObject({ state: "dead", reason: outcome, released: true });
    expect(ofType(effects, "release")).toEqual([]);
    kit.wait(20_000);
    expect(releases(kit.effects)).not.toContain(kit.offersOf()[0]!.id);
  });

  const ways: readonly [DeadReason, (kit: ShardKit) => ReturnType<ShardKit["say"]>][] = [
    ["unanswered", (kit) => answer(kit, "unanswered")],
    ["declined", (kit) => kit.say({ type: "offer.declined", ...kit.from("ann") })],
    ["expired", (kit) => kit.wait(15_000)],
    ["unreachable", (kit) => kit.say({ type: "push.answered", offerId: kit.offerTo("ann").id, outcome: "no_socket" })],
    ["unreachable", (kit) => kit.say({ type: "offer.abandoned", ...kit.from("ann") })],
    ["cancelled", (kit) => kit.say({ type: "ride.cancelled", rideId: rideIdOf(0), riderId: riderId("rita") })],
  ];
  test.each(ways)("[O14] %s, saved before its lock is released", (reason, way) => {
    const kit = reason === "unanswered" ? intended() : offered();
    const offer = kit.offerTo("ann");
    const effects = way(kit);
    expect(kit.rows.offers.get(offer.id)).toMatchObject({ state: "dead", reason, released: true });
    const saved = effects.findIndex((effect) => effect.type === "save.offer" && effect.offer.id === offer.id);
    const released = effects.findIndex((effect) => effect.type === "release" && effect.offerId === offer.id);
    expect(saved).toBeGreaterThanOrEqual(0);
    expect(released).toBeGreaterThan(saved);
  });

  test("[O13] when its reservation is not settled within five seconds", () => {
    const kit = intended();
    const { id } = kit.offerTo("ann");
    kit.wait(LIMITS.intentMs - 1);
    expect(kit.rows.offers.get(id)?.state).toBe("intent");
    kit.wait(1);
    expect(kit.rows.offers.get(id)).toMatchObject({ state: "dead", reason: "unanswered" });
    expect(releases(kit.effects)).toContain(id);
  });

  test("[O16] at once where its driver has no socket, here or elsewhere, and the next in the order is asked", () => {
    const kit = new ShardKit({ waveSize: 1 });
    kit.driver("ann", 200);
    kit.driver("bob", 300);
    kit.world.reserves = false;
    kit.request("rita");
    reserve(kit, { shard: kit.shard.setting.name, epoch: 99 });
    expect(kit.offerTo("ann")).toMatchObject({ state: "dead", reason: "unreachable" });
    expect(kit.offerTo("bob").state).toBe("intent");
  });

  test("[O14] expired at its moment, and the driver is told so", () => {
    const kit = offered();
    kit.wait(14_999);
    expect(kit.offerTo("ann").state).toBe("offered");
    const effects = kit.wait(1);
    expect(toldTo(effects, "ann")).toContainEqual({
      type: "offer.closed",
      offerId: kit.offersOf()[0]!.id,
      reason: "expired",
    });
  });
});

describe("a dead offer", () => {
  test("[O15] is released at once and then after 1, 2, 4 … 60 s for ever, until the lock has acknowledged it", () => {
    const kit = offered();
    kit.world.acknowledges = false;
    const { id } = kit.offerTo("ann");
    kit.say({ type: "offer.declined", ...kit.from("ann") });
    const moments: number[] = [];
    const start = kit.now;
    for (let s = 0; s < 400; s++) {
      if (releases(kit.wait(1_000)).includes(id)) moments.push((kit.now - start) / 1_000);
    }
    expect(moments).toEqual([1, 3, 7, 15, 31, 63, 123, 183, 243, 303, 363]);
    kit.say({ type: "release.acknowledged", offerId: id });
    expect(kit.rows.offers.get(id)).toMatchObject({ state: "dead", reason: "declined", released: true });
    expect(releases(kit.wait(3_600_000))).not.toContain(id);
  });

  test("[W1] is released again at once when somebody looks after the shard, as long as it is owed", () => {
    const kit = offered();
    kit.world.acknowledges = false;
    const { id } = kit.offerTo("ann");
    kit.say({ type: "offer.declined", ...kit.from("ann") });
    kit.wait(10_000);
    expect(releases(kit.say({ type: "releases.repeated" }))).toContain(id);
    kit.say({ type: "release.acknowledged", offerId: id });
    expect(releases(kit.say({ type: "releases.repeated" }))).not.toContain(id);
  });

  test("[O17] is not raised by a late answer of its lock", () => {
    const kit = intended();
    const offer = kit.offerTo("ann");
    kit.wait(LIMITS.intentMs);
    const dead = kit.rows.offers.get(offer.id);
    kit.say({
      type: "reserve.answered",
      offerId: offer.id,
      outcome: "reserved",
      exchanges: 0,
      session: { shard: ELSEWHERE, epoch: 1 },
    });
    kit.say({ type: "push.answered", offerId: offer.id, outcome: "no_socket" });
    expect(kit.rows.offers.get(offer.id)).toEqual(dead);
  });

  test("[O17] of a search that is over is not made: late rankings are ignored", () => {
    const kit = new ShardKit();
    kit.world.ranks = false;
    kit.driver("ann", 200);
    kit.request("rita");
    const [late] = ofType(kit.effects, "rank");
    kit.wait(LIMITS.rankAnswerMs);
    const { rideId, searchId } = late!;
    kit.say({ type: "candidates.ranked", rideId, searchId, ranked: rankedNearest(late!) });
    expect(kit.offersOf()).toEqual([]);
  });

  test("[K7] tells the lock whose doing it was: only the driver's own answer counts for his record", () => {
    const outcome = (way: (kit: ShardKit) => unknown) => {
      const kit = offered();
      way(kit);
      return ofType(kit.effects, "release")[0]?.outcome;
    };
    expect(outcome((kit) => kit.say({ type: "offer.declined", ...kit.from("ann") }))).toBe("declined");
    expect(outcome((kit) => kit.wait(15_000))).toBe("declined");
    const cancel = { type: "ride.cancelled", rideId: rideIdOf(0), riderId: riderId("rita") } as const;
    expect(outcome((kit) => kit.say(cancel))).toBe("none");
    const won = (kit: ShardKit) => {
      kit.accept("ann");
      kit.step("ann", "cancel");
    };
    expect(outcome(won)).toBe("accepted");
  });
});

describe("what the lock is told when it asks", () => {
  const verdict = (kit: ShardKit, offerId = kit.offersOf()[0]!.id) =>
    ofType(kit.say({ type: "lock.asked", offerId }), "answer")[0]?.answer;

  test("[K6] hold, while the offer is an intent, out, or won", () => {
    expect(verdict(intended())).toEqual({ type: "lock", verdict: "hold" });
    const kit = offered();
    expect(verdict(kit)).toEqual({ type: "lock", verdict: "hold" });
    kit.accept("ann");
    expect(verdict(kit)).toEqual({ type: "lock", verdict: "hold" });
  });

  test("[K6] dead, once it is dead or ended, and for an offer that nobody here remembers", () => {
    const declined = offered();
    declined.say({ type: "offer.declined", ...declined.from("ann") });
    expect(verdict(declined)).toEqual({ type: "lock", verdict: "dead" });
    const ended = offered();
    ended.accept("ann");
    ended.step("ann", "cancel");
    expect(verdict(ended)).toEqual({ type: "lock", verdict: "dead" });
    expect(verdict(ended, `${rideIdOf(9)}#77` as never)).toEqual({ type: "lock", verdict: "dead" });
  });
});

test("[O12] the same ride at the same place is blurred to the same place for everyone", () => {
  const kit = new ShardKit();
  kit.driver("ann", 200);
  kit.driver("bob", 300);
  kit.request("rita", { dropoff: at(4_000, 45) });
  const cards = ["ann", "bob"].map((name) => toldTo(kit.effects, name).find((notice) => notice.type === "offer"));
  expect(cards[0]?.pickup).toEqual(cards[1]?.pickup);
});
