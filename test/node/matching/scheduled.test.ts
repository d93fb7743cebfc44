import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Market } from "../../../src/domain/market.ts";
import { HOUR_MS, MINUTE_MS, SECOND_MS } from "../../../src/domain/time.ts";
import { LIMITS } from "../../../src/matching/limits.ts";
import { rowViolations } from "../../../src/matching/reconcile.ts";
import { leadMs, quietMs } from "../../../src/matching/scheduled.ts";
import { answerIn, changesNothing, ofType, rideIdOf, riderId, ShardKit, toldTo } from "./shard-kit.ts";

const taking = (dispatch: Partial<Market["dispatch"]> = {}) => new ShardKit({ scheduledRides: true, ...dispatch });
const inMinutes = (kit: ShardKit, minutes: number) => ({ pickupAt: kit.now + minutes * MINUTE_MS });
const cancelBy = (kit: ShardKit, rider: string, n = 0) =>
  kit.say({ type: "ride.cancelled", rideId: rideIdOf(n), riderId: riderId(rider) });
/** So many free drivers, the nearest of them this far. */
function drivers(kit: ShardKit, meters: readonly number[]): void {
  for (const [index, away] of meters.entries()) kit.driver(`d${index}`, away);
}
const stateOf = (kit: ShardKit, n = 0) => kit.ride(n).state;

describe("a request for a time", () => {
  test("[P1] makes one scheduled ride in its first version, priced at once, and looks for nobody", () => {
    const kit = taking();
    kit.driver("ann", 200);
    const effects = kit.request("rita", inMinutes(kit, 60));
    expect(answerIn(effects, "ride").view).toMatchObject({ state: "scheduled", version: 1, ...inMinutes(kit, 60) });
    expect(ofType(effects, "append.event").map(({ event }) => event.type)).toEqual(["ride.scheduled"]);
    expect(ofType(effects, "rank")).toEqual([]);
    const other = new ShardKit();
    other.request("rita");
    expect(kit.ride().fareCents).toBe(other.ride().fareCents);
    const quoted = taking();
    const promised = { fareCents: 4_321, expiresAt: quoted.now + 1 };
    quoted.request("rita", inMinutes(quoted, 60), { quoted: promised });
    quoted.wait(HOUR_MS);
    expect(quoted.ride()).toMatchObject({ state: "matching", fareCents: 4_321 });
  });

  test.each([
    [5 * MINUTE_MS - 1, "too_soon"],
    [5 * MINUTE_MS, null],
    [7 * 24 * HOUR_MS, null],
    [7 * 24 * HOUR_MS + 1, "too_late"],
    [-HOUR_MS, "too_soon"],
  ])("[P1] %i ms ahead is refused as %s", (ahead, why) => {
    const kit = taking();
    const effects = kit.request("rita", { pickupAt: kit.now + ahead });
    if (why === null) expect(answerIn(effects, "ride").view.state).toBe("scheduled");
    else expect(answerIn(effects, "refused")).toEqual({ type: "refused", reason: "pickup_at", why });
    expect(changesNothing(effects)).toBe(why !== null);
  });

  test("[P1] is refused where the market takes none, in this hour, and only there", () => {
    const kit = new ShardKit();
    const refused = kit.request("rita", inMinutes(kit, 60));
    expect(answerIn(refused, "refused")).toMatchObject({ reason: "pickup_at", why: "off" });
    kit.configure({ settings: { dispatch: { scheduledRides: true } } });
    expect(answerIn(kit.request("rita", inMinutes(kit, 60)), "ride").view.state).toBe("scheduled");
  });

  test("[P1] [R2] [S8] said again when its time is past hears its ride as it was first answered", () => {
    const kit = taking();
    const wish = inMinutes(kit, 6);
    kit.request("rita", wish, { key: "k" });
    kit.wait(5 * MINUTE_MS);
    const again = kit.request("rita", wish, { key: "k" });
    expect(answerIn(again, "ride")).toMatchObject({ replayed: true, view: { id: rideIdOf(0), state: "scheduled" } });
    expect(changesNothing(again)).toBe(true);
  });
});

describe("the search for a scheduled ride", () => {
  test("[P2] begins twenty minutes before where few are free, by itself, as the next version", () => {
    const kit = taking();
    kit.request("rita", inMinutes(kit, 60));
    kit.wait(40 * MINUTE_MS - 1);
    expect(stateOf(kit)).toBe("scheduled");
    const effects = kit.wait(1);
    expect(kit.ride()).toMatchObject({ state: "matching", version: 2 });
    expect(ofType(effects, "append.event").map(({ event }) => event.type)).toEqual(["ride.dispatched"]);
    expect(ofType(effects, "count").filter(({ name }) => name === "search")).not.toHaveLength(0);
  });

  test.each([
    // 120 s of search, and at 4 m/s the way of the third; rounded up to minutes.
    [[100, 200, 300], 5],
    [[100, 200, 1_000], 7],
    [[100, 200, 2_400], 12],
    [[100, 200], 20],
    [[], 20],
  ])("[P2] begins with drivers %j m away %i minutes before", (meters, minutes) => {
    const kit = taking({ maximumRadiusMeters: 5_000 });
    drivers(kit, meters);
    const { pickupAt } = inMinutes(kit, 60);
    kit.request("rita", { pickupAt });
    expect(leadMs(kit.shard, kit.ride().request, kit.now)).toBe(minutes * MINUTE_MS);
  });

  test("[P2] comes later when drivers come free while it is waited for", () => {
    const kit = taking();
    const { pickupAt } = inMinutes(kit, 30);
    kit.request("rita", { pickupAt });
    kit.wait(10 * MINUTE_MS - 1_000);
    drivers(kit, [100, 200, 300]);
    kit.wait(1_000);
    expect(stateOf(kit)).toBe("scheduled");
    // Their fixes are old by then: nobody is free as far as the shard knows, and it is more than time.
    kit.wait(15 * MINUTE_MS - 1);
    expect(stateOf(kit)).toBe("scheduled");
    kit.wait(1);
    expect(stateOf(kit)).toBe("matching");
    expect(pickupAt - kit.now).toBe(5 * MINUTE_MS);
  });

  test("[P2] begins at once where the time is nearer than the lead", () => {
    const kit = taking();
    kit.request("rita", inMinutes(kit, 6));
    kit.wait(0);
    expect(stateOf(kit)).toBe("matching");
  });

  test("[P2] never begins before its bounds, and never after them, wherever drivers are and whenever the shard dies", () => {
    const ahead = fc.integer({ min: 5 * MINUTE_MS, max: 3 * HOUR_MS });
    const happening = fc.record({
      afterMs: fc.integer({ min: 1, max: 20 * MINUTE_MS }),
      meters: fc.array(fc.integer({ min: 10, max: 3_000 }), { maxLength: 4 }),
      dies: fc.boolean(),
    });
    fc.assert(
      fc.property(ahead, fc.array(happening, { maxLength: 12 }), (aheadMs, happenings) => {
        const kit = taking();
        const pickupAt = kit.now + aheadMs;
        const latestAt = Math.max(kit.now, pickupAt - LIMITS.leadLeastMs);
        kit.request("rita", { pickupAt, minimumRating: 4 });
        const events = () => ofType(kit.effects, "append.event").map(({ event }) => event);
        for (const { afterMs, meters, dies } of happenings) {
          kit.wait(afterMs);
          if (dies) kit.restart();
          drivers(kit, meters);
        }
        kit.wait(Math.max(0, latestAt - kit.now));
        const begun = events().filter(({ type }) => type === "ride.dispatched");
        expect(begun).toHaveLength(1);
        expect(begun[0]!.at).toBeGreaterThanOrEqual(pickupAt - LIMITS.leadMostMs);
        expect(begun[0]!.at).toBeLessThanOrEqual(latestAt);
      }),
      { numRuns: 100 },
    );
  }, 60_000);

  test("[P2] [H6] is not forgotten by a shard that dies and is away until after its time", () => {
    const kit = taking();
    kit.request("rita", inMinutes(kit, 30));
    kit.now += 20 * MINUTE_MS;
    kit.restart();
    expect(stateOf(kit)).toBe("scheduled");
    kit.wait(0);
    expect(kit.ride()).toMatchObject({ state: "matching", version: 2 });
  });
});

describe("a ride whose time has not come", () => {
  test("[P3] [R7] is searched for until then and the deadline after it, however early the search began", () => {
    const kit = taking();
    const { pickupAt } = inMinutes(kit, 30);
    kit.request("rita", { pickupAt });
    kit.wait(pickupAt + 120_000 - 1 - kit.now);
    expect(kit.ride()).toMatchObject({ state: "matching", deadlineAt: pickupAt + 120_000 });
    kit.wait(1);
    expect(kit.ride()).toMatchObject({ state: "no_driver", reason: "deadline" });
  });

  test("[P3] tells its driver the time, and is searched for as long again when he gives it back", () => {
    const kit = taking();
    const { pickupAt } = inMinutes(kit, 10);
    kit.request("rita", { pickupAt });
    const told = toldTo([...kit.driver("ann", 100), ...kit.wait(0)], "ann");
    expect(told.find(({ type }) => type === "offer")).toMatchObject({ type: "offer", pickupAt });
    const { verdict } = answerIn(kit.accept("ann").slice(0, 99), "verdict");
    expect(verdict).toMatchObject({ outcome: "won", ride: { pickupAt } });
    kit.step("ann", "cancel");
    expect(kit.ride()).toMatchObject({ state: "matching", redispatches: 1, deadlineAt: pickupAt + 120_000 });
  });

  test.each([false, true])("[P3] [T4] has no rider who is late before it has; the shard died meanwhile: %s", (dies) => {
    const kit = taking();
    const { pickupAt } = inMinutes(kit, 12);
    kit.request("rita", { pickupAt });
    kit.wait(0);
    kit.driver("ann", 100);
    kit.wait(0);
    kit.accept("ann");
    kit.step("ann", "arrive");
    if (dies) kit.restart();
    kit.wait(pickupAt + 300_000 - 1 - kit.now);
    expect(stateOf(kit)).toBe("arrived");
    kit.wait(1);
    expect(stateOf(kit)).toBe("cancelled_no_show");
  });

  test("[P3] has kept its rider waiting for no time as far as rankers know", () => {
    const kit = taking();
    kit.request("rita", inMinutes(kit, 60));
    kit.wait(45 * MINUTE_MS);
    const [asked] = ofType(kit.driver("ann", 100), "rank");
    expect(asked!.context).toMatchObject({ requestedAt: kit.now, now: kit.now });
    const late = taking();
    const { pickupAt } = inMinutes(late, 60);
    late.request("rita", { pickupAt });
    late.wait(HOUR_MS + 30_000);
    expect(ofType(late.driver("ann", 100), "rank")[0]!.context.requestedAt).toBe(pickupAt);
  });
});

describe("a rider with scheduled rides", () => {
  test("[P4] [R6] cancels one like any other, nobody is late, and its search never begins", () => {
    const kit = taking();
    kit.request("rita", inMinutes(kit, 60));
    const effects = cancelBy(kit, "rita");
    expect(kit.ride()).toMatchObject({ state: "cancelled_by_rider", version: 2, late: false });
    expect(answerIn(effects, "ride").replayed).toBe(false);
    expect(kit.shard.timers.size).toBe(0);
    kit.wait(2 * HOUR_MS);
    expect(kit.ride().version).toBe(2);
  });

  test("[P4] [R4] has another ride now, and schedules while he rides", () => {
    const kit = taking();
    kit.request("rita", inMinutes(kit, 60));
    expect(answerIn(kit.request("rita"), "ride").view.state).toBe("matching");
    expect(answerIn(kit.request("rita", inMinutes(kit, 90)), "ride").view.state).toBe("scheduled");
    expect(answerIn(kit.request("rita"), "refused")).toMatchObject({ reason: "rider_busy", view: { id: rideIdOf(1) } });
  });

  test("[P4] [R4] is promised a search that begins beside his open ride, and then stands in the way of another", () => {
    const kit = taking({ matchDeadlineMs: 24 * HOUR_MS });
    kit.request("rita", inMinutes(kit, 60));
    kit.request("rita");
    kit.configure({ settings: { dispatch: { scheduledRides: false } } });
    kit.wait(HOUR_MS);
    expect([stateOf(kit), stateOf(kit, 1)]).toEqual(["matching", "matching"]);
    expect(kit.shard.openRides).toBe(2);
    cancelBy(kit, "rita", 1);
    expect(answerIn(kit.request("rita"), "refused")).toMatchObject({ reason: "rider_busy", view: { id: rideIdOf(0) } });
    cancelBy(kit, "rita", 0);
    expect(answerIn(kit.request("rita"), "ride").view.state).toBe("matching");
  });

  test("[P4] has at most five, and then one more for each that is over or begun", () => {
    const kit = taking();
    for (let n = 0; n < 5; n++) {
      kit.request("rita", inMinutes(kit, 60 + 30 * n));
      kit.wait(MINUTE_MS);
    }
    const sixth = kit.request("rita", inMinutes(kit, 60), { key: "k" });
    expect(answerIn(sixth, "refused")).toEqual({ type: "refused", reason: "pickup_at", why: "too_many" });
    expect(changesNothing(sixth)).toBe(true);
    expect(answerIn(kit.request("remo", inMinutes(kit, 60)), "ride").replayed).toBe(false);
    cancelBy(kit, "rita", 4);
    expect(answerIn(kit.request("rita", inMinutes(kit, 60), { key: "k" }), "ride").replayed).toBe(false);
  });

  test("[R12] asks for no more of them within a minute than of any", () => {
    const kit = taking();
    for (let n = 0; n < 5; n++) {
      kit.request("rita", inMinutes(kit, 60));
      cancelBy(kit, "rita", n);
    }
    expect(answerIn(kit.request("rita", inMinutes(kit, 60)), "refused").reason).toBe("too_many_rides");
  });
});

describe("a shard with scheduled rides", () => {
  test("[P4] [R5] has room for as many besides its open ones, and none for more", () => {
    const kit = taking();
    for (let n = 0; n < LIMITS.scheduledRides; n++) kit.request(`rider-${n}`, inMinutes(kit, 60));
    expect(answerIn(kit.request("rita", inMinutes(kit, 60)), "refused").reason).toBe("overloaded");
    expect(answerIn(kit.request("remo"), "ride").view.state).toBe("matching");
    expect([kit.shard.scheduledRides, kit.shard.openRides]).toEqual([LIMITS.scheduledRides, 1]);
  }, 60_000);

  test("[P5] has one timer for each, and is not looked at before it may be time", () => {
    const kit = taking();
    const { pickupAt } = inMinutes(kit, 6 * 24 * 60);
    kit.request("rita", { pickupAt });
    expect(kit.shard.timers.size).toBe(1);
    expect(kit.shard.timers.nextDueAt()).toBe(pickupAt - 20 * MINUTE_MS);
    kit.restart();
    expect(kit.shard.timers.nextDueAt()).toBe(pickupAt - 20 * MINUTE_MS);
  });

  test("[P5] [W3] has forgotten one that is scheduled two hours after its time, and not before", () => {
    const kit = taking();
    const { pickupAt } = inMinutes(kit, 60);
    kit.request("rita", { pickupAt });
    expect(rowViolations([kit.ride()], [], pickupAt + 2 * HOUR_MS)).toEqual([]);
    const violation = { name: "L1", rideId: rideIdOf(0), offerId: null };
    expect(rowViolations([kit.ride()], [], pickupAt + 2 * HOUR_MS + 1)).toEqual([violation]);
  });

  test("[P6] sends who watches one away for a quarter of an hour, or until it may be time", () => {
    const kit = taking();
    kit.request("rita", inMinutes(kit, 60));
    const at = (minutes: number) => quietMs(kit.ride(), kit.now + minutes * MINUTE_MS);
    expect([at(0), at(30), at(38), at(39.5), at(50)]).toEqual([15, 10, 2, null, null].map((m) => m && m * MINUTE_MS));
    kit.wait(40 * MINUTE_MS + SECOND_MS);
    expect(quietMs(kit.ride(), kit.now)).toBeNull();
  });
});
