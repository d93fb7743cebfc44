import { describe, expect, test } from "vitest";
import type { DriverId } from "../../../src/domain/driver.ts";
import type { Offer, OfferId, Ride, RideId } from "../../../src/domain/ride.ts";
import { Audit, type AuditSources } from "../../../src/shard/audit.ts";

/** A shard with rides of this many drivers, whose locks say what they should unless a test says otherwise. */
class Scene implements AuditSources {
  readonly rides = new Map<RideId, Ride>();
  readonly offers = new Map<OfferId, Offer>();
  readonly asked: DriverId[] = [];
  clock = 0;
  underWay = 0;
  mostAtOnce = 0;
  lock: (driverId: DriverId) => OfferId | null | undefined = (driverId) =>
    [...this.offers.values()].find((offer) => offer.driverId === driverId)?.id ?? null;
  shard: (offerId: OfferId) => "hold" | "dead" | null = () => "hold";
  onAsk: (driverId: DriverId) => void = () => {};

  constructor(drivers: number) {
    for (let seq = 1; seq <= drivers; seq++) {
      const rideId = `dr5ru.${seq}` as RideId;
      const id = `${rideId}#${seq}` as OfferId;
      this.offers.set(id, { id, seq, rideId, driverId: `driver-${seq}` as DriverId, state: "won", wonAt: 0 } as Offer);
      this.rides.set(rideId, { id: rideId, state: "assigned", offerId: id } as Ride);
    }
  }

  openRides = () => [...this.rides.values()];
  liveOffers = () => [...this.offers.values()].filter(({ state }) => state === "won");
  findOffer = (offerId: OfferId) => this.offers.get(offerId) ?? null;
  now = () => this.clock;
  askShard = async (offerId: OfferId) => this.shard(offerId);
  askLock = async (driverId: DriverId) => {
    this.asked.push(driverId);
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.underWay);
    await Promise.resolve();
    this.underWay--;
    this.onAsk(driverId);
    const holds = this.lock(driverId);
    return holds === undefined ? null : { holds };
  };

  end(driverId: DriverId): void {
    const offer = this.liveOffers().find((one) => one.driverId === driverId)!;
    this.offers.set(offer.id, { ...offer, state: "ended", endedAt: 0, released: true } as Offer);
    this.rides.delete(offer.rideId);
  }
}

describe("an audit", () => {
  test("finds nothing where everybody holds what he should", async () => {
    expect(await new Audit(new Scene(3)).run()).toEqual({ checked: 3, engaged: 3, unanswered: 0, violations: [] });
  });

  test("[W2] names the ride and the offer whose driver is free, or has another", async () => {
    const scene = new Scene(3);
    const right = scene.lock;
    const other = "dr5rv.9#9" as OfferId;
    scene.lock = (driver) => (driver === "driver-1" ? null : driver === "driver-2" ? other : right(driver));
    const { violations } = await new Audit(scene).run();
    expect(violations).toEqual([
      { name: "S3", rideId: "dr5ru.1", offerId: "dr5ru.1#1" },
      { name: "S3", rideId: "dr5ru.2", offerId: "dr5ru.2#2" },
      { name: "S2", rideId: "dr5ru.2", offerId: "dr5ru.2#2" },
    ]);
    scene.shard = () => "dead";
    expect((await new Audit(scene).run()).violations.map(({ name }) => name)).toEqual(["S3", "S3"]);
    scene.shard = () => null;
    expect((await new Audit(scene).run()).violations.map(({ name }) => name)).toEqual(["S3", "S3"]);
  });

  test("[W2] [X8] finds nothing where a lock has yet to hear that its driver has swapped rides", async () => {
    const scene = new Scene(1);
    const [won] = scene.liveOffers();
    const before = { id: "dr5ru.9#0" as OfferId, state: "ended", next: { offerId: won!.id, seq: 1 } } as Offer;
    scene.offers.set(before.id, before);
    scene.lock = () => before.id;
    expect((await new Audit(scene).run()).violations).toEqual([]);
    scene.offers.set(before.id, { ...before, next: { offerId: "dr5ru.9#3", seq: 3 } } as Offer);
    expect((await new Audit(scene).run()).violations.map(({ name }) => name)).toEqual(["S3", "S2"]);
  });

  test("[W2] looks again: a ride that ended while the lock was being asked is no violation", async () => {
    const scene = new Scene(2);
    scene.onAsk = (driver) => scene.end(driver);
    scene.lock = () => null;
    expect(await new Audit(scene).run()).toEqual({ checked: 2, engaged: 2, unanswered: 0, violations: [] });
  });

  test("[W2] takes silence for nothing but silence", async () => {
    const scene = new Scene(2);
    scene.lock = () => undefined;
    expect(await new Audit(scene).run()).toEqual({ checked: 0, engaged: 2, unanswered: 2, violations: [] });
  });

  test("[W6] asks 500 locks in a run, 20 at once, and goes on where the last run ended", async () => {
    const scene = new Scene(700);
    const audit = new Audit(scene);
    expect(await audit.run()).toMatchObject({ checked: 500, engaged: 700 });
    expect(scene.mostAtOnce).toBe(20);
    await audit.run();
    expect(new Set(scene.asked).size).toBe(700);
    expect(scene.asked.slice(500, 502)).toEqual(["driver-501", "driver-502"]);
  });

  test("[W6] ends a run that silent locks draw out, and goes on from there the next time", async () => {
    const scene = new Scene(100);
    scene.lock = () => undefined;
    scene.onAsk = () => {
      scene.clock += 40;
    };
    const audit = new Audit(scene);
    expect(await audit.run()).toMatchObject({ checked: 0, unanswered: 40 });
    await audit.run();
    expect(scene.asked[40]).toBe("driver-41");
  });
});
