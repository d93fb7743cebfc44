import { describe, expect, test } from "vitest";
import { offerCard } from "../../../src/matching/views.ts";
import { at, driverId, ofType, PICKUP, ShardKit, START } from "./shard-kit.ts";

/** Ann stands 800 m south, has won the ride and is on her way. */
function onTheWay(): ShardKit {
  const kit = new ShardKit();
  kit.attach("ann");
  kit.locate("ann", at(800, 180));
  kit.request("rita");
  kit.accept("ann");
  return kit;
}

/** Her fixes come every 20 s; the last tells of `place`. */
function drive(kit: ShardKit, place: ReturnType<typeof at>, steps: number): void {
  const from = kit.shard.supply.sessions.get(driverId("ann"))!.fix!.position;
  for (let step = 1; step <= steps; step++) {
    kit.wait(20_000);
    const along = (a: number, b: number) => a + ((b - a) * step) / steps;
    kit.locate("ann", { lat: along(from.lat, place.lat), lng: along(from.lng, place.lng) });
  }
}

describe("[Q2] travel times are learned", () => {
  test("from the accept to the arrival, and from the start to the end of the trip", () => {
    const kit = onTheWay();
    const { travelTimes } = kit.shard;
    const before = travelTimes.seconds({ from: at(800, 180), to: PICKUP, at: START });
    drive(kit, PICKUP, 20);
    expect(travelTimes.learned).toBe(0);
    kit.step("ann", "arrive");
    expect(travelTimes.learned).toBe(1);
    expect(travelTimes.seconds({ from: at(800, 180), to: PICKUP, at: START })).toBeGreaterThan(before);
    drive(kit, PICKUP, 3);
    kit.step("ann", "start");
    drive(kit, at(4_000, 90), 40);
    kit.step("ann", "complete");
    expect(travelTimes.learned).toBe(2);
  });

  test("once from each way, however often its driver says that he is there", () => {
    const kit = onTheWay();
    drive(kit, PICKUP, 10);
    for (let said = 0; said < 3; said++) kit.step("ann", "arrive");
    expect(kit.shard.travelTimes.learned).toBe(1);
  });

  test("not from a ride that was given back on the way, and the next ride's way begins where it does", () => {
    const kit = onTheWay();
    drive(kit, at(300, 180), 5);
    kit.step("ann", "cancel");
    expect(kit.shard.travelTimes.learned).toBe(0);
    drive(kit, at(600, 90), 5);
    kit.request("rosa");
    kit.accept("ann");
    const { leg, fix } = kit.shard.supply.sessions.get(driverId("ann"))!;
    expect(leg).toEqual({ to: "pickup", from: fix, at: kit.now });
  });

  test("not where the place of the arrival is too old to be where he is", () => {
    const kit = onTheWay();
    drive(kit, PICKUP, 10);
    kit.wait(30_001);
    kit.step("ann", "arrive");
    expect(kit.shard.travelTimes.learned).toBe(0);
  });
});

describe("[Q4] the learned time", () => {
  /** Ways that begin where ben stands are slow; those from ann's side are as the market says. */
  function slowEast(kit: ShardKit): void {
    for (let n = 0; n < 400; n++) {
      kit.shard.travelTimes.learn({ from: at(2_600, 90), to: PICKUP, at: START }, 2_600);
      kit.shard.travelTimes.learn({ from: at(2_600, 270), to: PICKUP, at: START }, 650);
    }
  }

  test("ranks drivers: the farther one comes first where the way of the nearer is slow", () => {
    const kit = new ShardKit({ waveSize: 1, startRadiusMeters: 3_000 });
    kit.attach("ben");
    kit.locate("ben", at(2_500, 90));
    kit.attach("ann");
    kit.locate("ann", at(2_700, 270));
    slowEast(kit);
    kit.request("rita");
    expect(kit.offersOf().map((offer) => offer.driverId)).toEqual(["ann"]);
  });

  test("is on the offer, rounded up to half a minute, and with the offer's row", () => {
    const kit = new ShardKit();
    kit.driver("ann", 800);
    kit.request("rita");
    const offer = kit.offerTo("ann");
    if (offer.state !== "offered") throw new Error(offer.state);
    expect(offer.pickupSeconds).toBeCloseTo(200, 3);
    expect(offerCard(kit.shard, kit.ride(), offer, kit.now).pickupSeconds).toBe(210);
  });

  test("tells the rider how long his driver needs to the pickup, then to the dropoff, and nothing at the kerb", () => {
    const kit = onTheWay();
    const shown = () => ofType(kit.effects, "publish.position").at(-1)?.position.etaSeconds;
    drive(kit, at(400, 180), 1);
    expect(shown()).toBe(100);
    drive(kit, PICKUP, 2);
    kit.step("ann", "arrive");
    drive(kit, at(10, 180), 1);
    expect(shown()).toBeNull();
    kit.step("ann", "start");
    drive(kit, at(2_000, 90), 5);
    const { travelTimes } = kit.shard;
    const way = { from: at(2_000, 90), to: at(4_000, 90), at: kit.now };
    expect(shown()).toBe(Math.round(travelTimes.seconds(way)));
    expect(kit.shard.supply.sessions.get(driverId("ann"))?.leg?.to).toBe("dropoff");
  });
});
