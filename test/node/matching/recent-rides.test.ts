import { describe, expect, test } from "vitest";
import { MINUTE_MS } from "../../../src/domain/time.ts";
import { LIMITS } from "../../../src/matching/limits.ts";
import { turnoverOf } from "../../../src/matching/recent-rides.ts";
import { haversineMeters } from "../../../src/spatial/distance.ts";
import { at, MARKET, PICKUP, rideIdOf, ShardKit } from "./shard-kit.ts";

const SECONDS_PER_METER = 1 / MARKET.citySpeedMetersPerSecond;
const OBSERVED_SECONDS = LIMITS.recentMs / 1_000;

const replanning = () => new ShardKit({ kind: "batched", replanning: true });
const endsOf = (kit: ShardKit, vehicleType: "economy" | "xl" = "economy") => {
  return kit.shard.recentRides.of(vehicleType).ended.since(kit.now).places;
};
const turnover = (kit: ShardKit) => turnoverOf(kit.shard, kit.now, [{ pickup: PICKUP, vehicleType: "economy" }])[0]!;

const askedFor = (kit: ShardKit, vehicleType: "economy" | "xl" = "economy") => {
  return kit.shard.recentRides.of(vehicleType).asked.since(kit.now).places;
};

describe("what a shard remembers of rides", () => {
  test("[O24] is where each was asked for, once, though it was given back and rated", () => {
    const kit = replanning();
    kit.assigned("ann");
    kit.driver("bob", 400);
    kit.step("ann", "cancel");
    expect(kit.ride().state).toBe("matching");
    kit.accept("bob");
    kit.step("bob", "start");
    kit.step("bob", "complete");
    expect([askedFor(kit), askedFor(kit, "xl")]).toEqual([[PICKUP], []]);
    kit.restart();
    expect(askedFor(kit)).toEqual([]);
  });

  test("[O24] is nothing of a ride for later until its search begins", () => {
    const kit = new ShardKit({ kind: "batched", scheduledRides: true });
    kit.request("rita", { pickupAt: kit.now + 60 * MINUTE_MS });
    expect(askedFor(kit)).toEqual([]);
    kit.wait(60 * MINUTE_MS - LIMITS.leadLeastMs);
    expect(kit.ride().state).toBe("matching");
    expect(askedFor(kit)).toEqual([PICKUP]);
  });

  test("[O24] is said to nobody", () => {
    const kit = replanning();
    kit.request("rita");
    kit.say({ type: "ride.cancelled", rideId: rideIdOf(0), riderId: kit.ride().riderId });
    kit.driver("ann", 300);
    kit.driver("bob", 400);
    const effects = kit.request("rolf", { pickup: at(-500) });
    expect(askedFor(kit)).toContainEqual(PICKUP);
    expect(JSON.stringify(effects)).not.toContain(`${PICKUP.lat}`);
  });
});

describe("what a shard remembers of trips", () => {
  test("[X1] is where each ended, once, for its kind of car and until the object dies", () => {
    const kit = replanning();
    const dropoff = at(4_000, 90);
    kit.driver("ann", 300, { vehicleType: "xl" });
    kit.request("rita", { vehicleType: "xl", dropoff });
    kit.accept("ann");
    kit.step("ann", "start");
    expect(endsOf(kit, "xl")).toEqual([]);
    kit.step("ann", "complete");
    kit.step("ann", "complete");
    const { riderId } = kit.ride();
    kit.say({ type: "ride.rated", rideId: rideIdOf(0), by: { role: "rider", riderId }, stars: 5 });
    expect(kit.ride().ratings).toEqual({ driver: 5 });
    expect([endsOf(kit, "xl"), endsOf(kit)]).toEqual([[dropoff], []]);
    kit.restart();
    expect(endsOf(kit, "xl")).toEqual([]);
  });

  test("[X1] is no end of a ride that was not driven, and nobody who came free by an exchange", () => {
    const kit = replanning();
    kit.driver("ann", 900);
    kit.request("rita");
    kit.accept("ann");
    kit.driver("bob", -100);
    kit.wait(2_000);
    kit.accept("bob");
    expect(kit.ride()).toMatchObject({ driverId: "bob" });
    kit.say({ type: "ride.cancelled", rideId: rideIdOf(0), riderId: kit.ride().riderId });
    expect(endsOf(kit)).toEqual([]);
  });
});

describe("what a ride may expect of drivers who are not free yet", () => {
  test("[X1] is nothing before a trip has ended, then what the ends of trips say", () => {
    const kit = replanning();
    expect(turnover(kit)).toBe(Number.POSITIVE_INFINITY);
    for (const meters of [100, 200, 300, 400, 500]) kit.shard.recentRides.of("economy").ended.note(at(meters), kit.now);
    expect(turnover(kit)).toBeCloseTo((OBSERVED_SECONDS + 1_500 * SECONDS_PER_METER) / 5, 1);
  });

  test("[X1] is said of each ride by its own kind of car", () => {
    const kit = replanning();
    for (let end = 0; end < 9; end++) kit.shard.recentRides.of("xl").ended.note(PICKUP, kit.now);
    for (let end = 0; end < 6; end++) kit.shard.recentRides.of("economy").ended.note(PICKUP, kit.now);
    const request = (vehicleType: "economy" | "xl") => ({ pickup: PICKUP, vehicleType });
    const asked = [request("economy"), request("xl"), request("economy")];
    expect(turnoverOf(kit.shard, kit.now, asked)).toEqual([150, 100, 150]);
  });

  test("[X1] is measured on a plane, which is the sphere but for its last percent", () => {
    const kit = replanning();
    const place = at(2_000, 60);
    for (let end = 0; end < LIMITS.recentRoom; end++) kit.shard.recentRides.of("economy").ended.note(place, kit.now);
    kit.now += LIMITS.recentMs;
    const away = haversineMeters(PICKUP, place) * SECONDS_PER_METER;
    expect(turnover(kit) / (away + OBSERVED_SECONDS / LIMITS.recentRoom)).toBeCloseTo(1, 3);
  });
});
