import { describe, expect, test } from "vitest";
import { LIMITS } from "../../../src/matching/limits.ts";
import { haversineMeters } from "../../../src/spatial/distance.ts";
import {
  answerIn,
  at,
  changesNothing,
  driverId,
  HERE,
  ofType,
  PICKUP,
  rideIdOf,
  riderId,
  ShardKit,
} from "./shard-kit.ts";

const cancelBy = (kit: ShardKit, rider: string, n = 0) =>
  kit.say({ type: "ride.cancelled", rideId: rideIdOf(n), riderId: riderId(rider) });

describe("a request", () => {
  test("[R1] makes one ride in its first version, priced by the straight line, with its reply in the same commit", () => {
    const kit = new ShardKit();
    const effects = kit.request("rita");
    const tripMeters = haversineMeters(PICKUP, at(4_000, 90));
    const fareCents = Math.round(255 + (tripMeters / 1_000) * 109 + (tripMeters / 4 / 60) * 35);
    expect(kit.ride()).toMatchObject({ state: "matching", version: 1, riderId: "rita", fareCents, redispatches: 0 });
    expect(kit.ride()).toMatchObject({ createdAt: kit.now, deadlineAt: kit.now + 120_000 });
    expect(effects.slice(0, 2).map(({ type }) => type)).toEqual(["save.ride", "append.event"]);
    expect(ofType(effects, "save.reply")).toHaveLength(1);
    expect(answerIn(effects, "ride")).toMatchObject({
      replayed: false,
      view: { id: kit.ride().id, state: "matching" },
    });
  });

  test("[R1] for a short trip costs the market's minimum", () => {
    const kit = new ShardKit();
    kit.request("rita", { dropoff: at(100) });
    expect(kit.ride().fareCents).toBe(700);
  });

  test("[R2] [S8] said again under its key hears its own ride as it was first answered, and nothing is saved", () => {
    const kit = new ShardKit();
    kit.driver("ann", 200);
    kit.request("rita", {}, { key: "k" });
    kit.accept("ann");
    const again = kit.request("rita", {}, { key: "k" });
    expect(answerIn(again, "ride")).toMatchObject({
      replayed: true,
      view: { id: rideIdOf(0), version: 1, state: "matching" },
    });
    expect(changesNothing(again)).toBe(true);
    expect(kit.rows.rides.size).toBe(1);
  });

  test("[R3] under a used key with another body is refused", () => {
    const kit = new ShardKit();
    kit.request("rita", {}, { key: "k" });
    const other = kit.request("rita", { seats: 3 }, { key: "k" });
    expect(answerIn(other, "refused")).toEqual({ type: "refused", reason: "key_reused" });
    expect(changesNothing(other)).toBe(true);
  });

  test("[R4] of a rider with an open ride is refused with that ride, and is made once that ride is over", () => {
    const kit = new ShardKit();
    kit.request("rita");
    const second = kit.request("rita");
    expect(answerIn(second, "refused")).toMatchObject({ reason: "rider_busy", view: { id: rideIdOf(0) } });
    expect(changesNothing(second)).toBe(true);
    cancelBy(kit, "rita");
    expect(answerIn(kit.request("rita"), "ride").view.id).toBe(rideIdOf(2));
  });

  test("[R12] of a rider who had five rides within a minute waits until the first of them is that old", () => {
    const kit = new ShardKit();
    for (let n = 0; n < 5; n++) {
      expect(answerIn(kit.request("rita"), "ride").replayed).toBe(false);
      cancelBy(kit, "rita", n);
      kit.wait(1_000);
    }
    const sixth = kit.request("rita", {}, { key: "sixth" });
    expect(answerIn(sixth, "refused")).toEqual({ type: "refused", reason: "too_many_rides", retryAfterMs: 55_000 });
    expect(changesNothing(sixth)).toBe(true);
    // What was answered before is answered again, and others are not slowed down.
    expect(answerIn(kit.request("rita", {}, { key: "key-4" }), "ride").replayed).toBe(true);
    expect(answerIn(kit.request("remo"), "ride").replayed).toBe(false);
    kit.wait(54_999);
    expect(answerIn(kit.request("rita", {}, { key: "sixth" }), "refused")).toMatchObject({ retryAfterMs: 1 });
    kit.wait(1);
    expect(answerIn(kit.request("rita", {}, { key: "sixth" }), "ride").replayed).toBe(false);
  });

  test("[R12] that was refused because of an open ride is not counted", () => {
    const kit = new ShardKit();
    kit.request("rita");
    for (let n = 1; n < 9; n++) expect(answerIn(kit.request("rita"), "refused").reason).toBe("rider_busy");
    cancelBy(kit, "rita");
    expect(answerIn(kit.request("rita"), "ride").replayed).toBe(false);
  });

  test("[R5] to a full shard is refused and leaves no reply, so the same key may succeed later", () => {
    const kit = new ShardKit();
    for (let n = 0; n < LIMITS.openRides; n++) kit.request(`rider-${n}`, { minimumRating: 5 });
    const refused = kit.request("rita", {}, { key: "k" });
    expect(answerIn(refused, "refused")).toEqual({ type: "refused", reason: "overloaded" });
    expect(changesNothing(refused)).toBe(true);
    cancelBy(kit, "rider-0");
    expect(answerIn(kit.request("rita", {}, { key: "k" }), "ride").replayed).toBe(false);
  });
});

describe("a cancellation", () => {
  test("[R6] of a waiting ride withdraws every offer at once and frees its drivers' locks", () => {
    const kit = new ShardKit();
    kit.driver("ann", 200);
    kit.driver("bob", 300);
    kit.request("rita");
    const effects = cancelBy(kit, "rita");
    expect(kit.ride()).toMatchObject({ state: "cancelled_by_rider", late: false, version: 2 });
    expect(kit.offersOf().map(({ state }) => state)).toEqual(["dead", "dead"]);
    expect(ofType(effects, "release").map(({ driverId: who }) => who)).toEqual(["ann", "bob"]);
    expect(
      ofType(effects, "tell").flatMap(({ notice }) => (notice.type === "offer.closed" ? [notice.reason] : [])),
    ).toEqual(["cancelled", "cancelled"]);
  });

  test("[R6] of a ride with a driver on his way is late, ends his offer and tells him", () => {
    const kit = new ShardKit();
    kit.assigned();
    const effects = cancelBy(kit, "rita");
    expect(kit.ride()).toMatchObject({ state: "cancelled_by_rider", late: true });
    expect(kit.offerTo("ann").state).toBe("ended");
    expect(ofType(effects, "tell")).toContainEqual(
      expect.objectContaining({
        driverId: "ann",
        notice: expect.objectContaining({
          type: "trip.changed",
          ride: expect.objectContaining({ state: "cancelled_by_rider" }),
        }),
      }),
    );
  });

  test("[R6] said again hears the same and changes nothing; on the trip it is refused", () => {
    const kit = new ShardKit();
    kit.request("rita");
    cancelBy(kit, "rita");
    const again = cancelBy(kit, "rita");
    expect(answerIn(again, "ride")).toMatchObject({
      replayed: true,
      view: { state: "cancelled_by_rider", version: 2 },
    });
    expect(changesNothing(again)).toBe(true);

    const trip = new ShardKit();
    trip.assigned();
    trip.step("ann", "start");
    const refused = cancelBy(trip, "rita");
    expect(answerIn(refused, "refused")).toMatchObject({ reason: "wrong_state", view: { state: "on_trip" } });
    expect(changesNothing(refused)).toBe(true);
  });

  test("[R9] by anybody but its rider is told that there is no such ride", () => {
    const kit = new ShardKit();
    kit.request("rita");
    for (const [rider, n] of [
      ["mallory", 0],
      ["rita", 7],
    ] as const) {
      const effects = cancelBy(kit, rider, n);
      expect(answerIn(effects, "refused")).toEqual({ type: "refused", reason: "not_found" });
      expect(changesNothing(effects)).toBe(true);
    }
  });
});

test("[R7] a ride that nobody takes by its deadline ends without a driver, and its live offers with it", () => {
  const kit = new ShardKit();
  kit.driver("ann", 200);
  kit.request("rita");
  kit.wait(14_000);
  kit.locate("ann", at(200));
  expect(kit.offerTo("ann").state).toBe("offered");
  kit.wait(105_999);
  expect(kit.ride().state).toBe("matching");
  kit.wait(1);
  expect(kit.ride()).toMatchObject({ state: "no_driver", reason: "deadline", endedAt: kit.now });
  expect(kit.offersOf().every(({ state }) => state === "dead")).toBe(true);
});

describe("a rating", () => {
  const rider = { role: "rider", riderId: riderId("rita") } as const;
  const driver = { role: "driver", driverId: driverId("ann") } as const;
  const rate = (kit: ShardKit, by: typeof rider | typeof driver, stars: number) =>
    kit.say({ type: "ride.rated", rideId: rideIdOf(0), by, stars });
  const completed = () => {
    const kit = new ShardKit();
    kit.assigned();
    kit.step("ann", "start");
    kit.step("ann", "complete");
    return kit;
  };

  test("[R8] is given once by each side, and each rates the other", () => {
    const kit = completed();
    const { version } = kit.ride();
    rate(kit, rider, 5);
    rate(kit, driver, 3);
    expect(kit.ride()).toMatchObject({ state: "completed", ratings: { driver: 5, rider: 3 }, version: version + 2 });
    const same = rate(kit, rider, 5);
    expect(answerIn(same, "ride").replayed).toBe(true);
    const other = rate(kit, rider, 1);
    expect(answerIn(other, "refused").reason).toBe("already_rated");
    for (const effects of [same, other]) expect(changesNothing(effects)).toBe(true);
  });

  test("[R8] before the end of the trip, or by a stranger, is refused", () => {
    const open = new ShardKit();
    open.assigned();
    expect(answerIn(rate(open, rider, 5), "refused").reason).toBe("wrong_state");
    const kit = completed();
    const stranger = { role: "driver", driverId: driverId("mallory") } as const;
    const effects = kit.say({ type: "ride.rated", rideId: rideIdOf(0), by: stranger, stars: 1 });
    expect(answerIn(effects, "refused")).toEqual({ type: "refused", reason: "not_found" });
    expect(changesNothing(effects)).toBe(true);
  });
});

test("[R10] [S6] every change of a ride is one version and one event, and a ride that is over stays over", () => {
  const kit = new ShardKit();
  kit.assigned();
  for (const step of ["arrive", "start", "complete"] as const) kit.step("ann", step);
  const events = ofType(kit.effects, "append.event").map(({ event }) => event);
  expect(events.map(({ type, version }) => [type, version])).toEqual([
    ["ride.requested", 1],
    ["ride.assigned", 2],
    ["ride.arrived", 3],
    ["ride.started", 4],
    ["ride.completed", 5],
  ]);
  for (const event of events) {
    expect(event).toMatchObject({ id: `${event.rideId}:${event.version}`, ride: { version: event.version } });
  }
  const after = [
    cancelBy(kit, "rita"),
    kit.say({ type: "trip.stepped", ...kit.from("ann"), step: "cancel" }),
    kit.say({ type: "offer.declined", ...kit.from("ann") }),
    kit.wait(24 * 3_600_000),
  ];
  for (const effects of after) expect(ofType(effects, "save.ride")).toEqual([]);
});

test("[R11] a rider sees where his driver is while the ride is his, how old that is, and not a moment longer", () => {
  const kit = new ShardKit();
  kit.assigned();
  const [seen] = ofType(kit.locate("ann", at(250)), "publish.position");
  expect(seen?.position).toMatchObject({ ...at(250), ageMs: 0, stale: false });
  kit.wait(40_000);
  const arrived = ofType(kit.step("ann", "arrive"), "publish.ride")[0];
  expect(arrived?.view.driver).toMatchObject({ id: "ann", position: { ageMs: 40_000, stale: true } });
  kit.step("ann", "start");
  const [over] = ofType(kit.step("ann", "complete"), "publish.ride");
  expect(over?.view.driver).toEqual({ id: "ann" });
});

test("[S10] what the core counts names kinds of things and never a person, a ride or a place", () => {
  const kit = new ShardKit();
  kit.assigned();
  kit.locate("ann", at(9_000));
  kit.step("ann", "cancel");
  cancelBy(kit, "rita");
  const labels = ofType(kit.effects, "count").map(({ name, label }) => `${name} ${label}`);
  expect(labels.length).toBeGreaterThan(5);
  for (const label of labels) {
    expect(label).toMatch(/^[a-z_]+ [a-z._]+$/);
    for (const secret of ["ann", "rita", rideIdOf(0), HERE]) expect(label.split(" ")).not.toContain(secret);
  }
});
