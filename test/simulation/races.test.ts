/** What is called a race: the soak's million is worth as much as this definition. */
import { expect, test } from "vitest";
import { Races } from "../../sim/world/races.ts";
import type { DriverId } from "../../src/domain/driver.ts";
import type { RideEvent } from "../../src/domain/event.ts";
import type { ShardName } from "../../src/domain/place.ts";
import type { OfferId, Ride, RideId, RiderId } from "../../src/domain/ride.ts";

const RIDE = "dr72j.r1" as RideId;
const HOME = "cell:dr72j" as ShardName;
const ACROSS = "cell:dr5ru" as ShardName;

class Kit {
  now = 1_000;
  readonly counted: string[] = [];
  readonly races = new Races(
    () => this.now,
    (name) => this.counted.push(name),
  );

  at(ms: number): this {
    this.now = 1_000 + ms;
    return this;
  }

  says(driver: string): void {
    this.races.said({ about: RIDE, by: driver, kind: "accept", offerId: `${RIDE}#${driver}` });
  }

  accepts(driver: string, { wins = false, shard = HOME } = {}): void {
    const [driverId, offerId] = [driver as DriverId, `${RIDE}#${driver}` as OfferId];
    const ride = { id: RIDE, state: "assigned", driverId, offerId, version: 2 } as Ride;
    const event: RideEvent = { id: `${RIDE}:2`, type: "ride.assigned", rideId: RIDE, version: 2, at: this.now, ride };
    if (wins) this.races.rideChanged(event, undefined);
    this.races.answered({ type: "offer.accepted", driverId, offerId, from: { shard, epoch: 1 } });
  }
}

test("two accepts on their way at once are one race, whoever is judged first", () => {
  const kit = new Kit();
  kit.at(0).says("ann");
  kit.at(2).says("bob");
  kit.at(9).accepts("bob", { wins: true });
  kit.at(11).accepts("ann");
  expect(kit.counted).toEqual(["message overtaken", "race accept, then accept"]);
});

test("who speaks when all is decided has raced with nobody, and a copy races no second time", () => {
  const kit = new Kit();
  kit.at(0).says("ann");
  kit.at(5).accepts("ann", { wins: true });
  kit.at(6).says("bob");
  kit.at(9).accepts("bob");
  kit.at(12).accepts("bob");
  kit.at(13).accepts("cid");
  expect(kit.counted).toEqual([]);
});

test("a word that is repeated is on its way from the last time it was said", () => {
  const kit = new Kit();
  kit.at(0).says("bob");
  kit.at(1).says("ann");
  kit.at(5).accepts("ann", { wins: true });
  kit.at(6).says("bob");
  kit.at(9).accepts("bob");
  expect(kit.counted).toEqual([]);
});

test("a race whose sides spoke through two shards is counted as one across shards too", () => {
  const kit = new Kit();
  kit.at(0).says("ann");
  kit.at(0).says("bob");
  kit.at(5).accepts("ann", { wins: true });
  kit.at(6).accepts("bob", { shard: ACROSS });
  expect(kit.counted).toEqual(["race accept, then accept", "race (of all) across two shards"]);
});

test("a rider who cancels races with the accept that was said before and judged after", () => {
  const kit = new Kit();
  kit.at(0).says("ann");
  const ride = { id: RIDE, state: "cancelled_by_rider", riderId: "rita" as RiderId, version: 2 } as Ride;
  kit
    .at(3)
    .races.rideChanged(
      { id: `${RIDE}:2`, type: "ride.cancelled", rideId: RIDE, version: 2, at: kit.now, ride },
      undefined,
    );
  kit.at(4).accepts("ann");
  expect(kit.counted).toEqual(["race cancel, then accept"]);
});

test("two shards' reserves race for a driver; a release and an attach are nothing to each other", () => {
  const kit = new Kit();
  const about = "driver-1" as DriverId;
  const reserve = (shard: ShardName) =>
    ({ type: "reserve", offerId: `${shard.slice(5)}.r1#1` as OfferId, seq: 1, shard }) as const;
  for (const shard of [HOME, ACROSS]) {
    kit.races.said({ about, by: shard, kind: "reserve", offerId: reserve(shard).offerId });
  }
  kit.at(4).races.lockAnswered(about, reserve(HOME), true);
  kit.at(5).races.lockAnswered(about, reserve(ACROSS), false);
  expect(kit.counted).toEqual(["race reserve, then reserve", "race (of all) across two shards"]);
  kit.races.said({ about, by: "ticket", kind: "attach" });
  kit.at(7).races.lockAnswered(about, { ...reserve(HOME), type: "release", outcome: "none" }, true);
  kit.at(8).races.lockAnswered(about, { type: "attach", shard: HOME, ticketId: "ticket", ticketExpiresAt: 9 }, true);
  expect(kit.counted).toHaveLength(2);
});
