/** One ride with two drivers and one crash point: its people, what they do, and what the objects know when it is over. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { ulid } from "ulidx";
import { expect, vi } from "vitest";
import type { DriverId } from "../../src/domain/driver.ts";
import type { RideEvent } from "../../src/domain/event.ts";
import type { LatLng } from "../../src/domain/place.ts";
import type { OfferId, Ride, RideId, RiderId } from "../../src/domain/ride.ts";
import type { LockState } from "../../src/matching/driver-lock.ts";
import type { Answer } from "../../src/protocol/peer.ts";
import { newRideId } from "../../src/routing/shard-map.ts";
import { PATIENTLY } from "../patience.ts";
import type { CrashPoint } from "./crash-steps.ts";
import { type Crash, newCrash, stubOf } from "./crash-taps.ts";
import { PersistentDriver } from "./persistent-driver.ts";
import { acrossBorder, debtsOf, shardNameAt, shardOf } from "./shard-tools.ts";

/** Longer than a shard that has just restarted needs to find and ask two drivers, whatever else its machine does. */
const ASKED_WITHIN_MS = 60_000;
const STRUCK_WITHIN = { ...PATIENTLY, interval: 2 };
/** An alarm that failed is rung again by the platform after two seconds, then four. */
const ASKED_FREE = { ...PATIENTLY, interval: 100 };

/** After what a ride comes to rest for a moment: its drivers decide, drive or have been told; no message is on its way. */
export type Rest = "offered" | "assigned" | "arrive" | "start" | "complete";

export class CrashRide {
  readonly point: CrashPoint;
  readonly crash: Crash;
  readonly ada: PersistentDriver;
  readonly bob: PersistentDriver;
  readonly #pickup: LatLng;
  readonly #rider: RiderId;
  readonly #rideId: RideId;
  readonly #key = crypto.randomUUID();
  /** Who has the ride, and by which offer. */
  #winner: { readonly driver: PersistentDriver; readonly offerId: OfferId } | null = null;

  constructor(point: CrashPoint, index: number) {
    const { here, beyond } = acrossBorder({ lat: -60 + (index % 240) * 0.5, lng: 20 + Math.floor(index / 240) });
    const [ada, bob] = [`ada-${index}`, `bob-${index}`];
    this.#pickup = here;
    this.#rider = `rita-${index}` as RiderId;
    this.#rideId = newRideId(here, Number(env.SHARD_BITS), ulid());
    const adasPlace = point.life === "driven in one cell" ? here : beyond;
    this.ada = new PersistentDriver(ada, adasPlace);
    this.bob = new PersistentDriver(bob, here);
    this.point = point;
    const names = {
      "ride's shard": shardNameAt(here),
      "socket's shard": shardNameAt(adasPlace),
      lock: `drv:${ada}`,
      "other lock": `drv:${bob}`,
    };
    this.crash = newCrash(point, names, ada, bob, this.#rideId);
  }

  /** From the first hello to the accepts, and on to the end. `rest` comes between what people do, and all wait for it. */
  async live(rest: (after: Rest) => Promise<void> = async () => {}): Promise<void> {
    const { life } = this.point;
    this.crash.armed = true;
    await this.ada.start();
    await this.#request();
    if (life === "cancelled in the search") {
      // As soon as the victim is back, before it can have searched again.
      await this.#struck();
      return this.#cancel();
    }
    // Bob comes when Ada has been asked: on a slow machine her shard may answer only a later search.
    const offers = [await this.ada.offered(this.#rideId, ASKED_WITHIN_MS)];
    await this.bob.start();
    offers.push(await this.bob.offered(this.#rideId, ASKED_WITHIN_MS));
    await rest("offered");
    if (life === "cancelled while asked") await this.#cancel();
    // Ada is the first to say yes, wherever both were asked.
    for (const [i, driver] of [this.ada, this.bob].entries()) await this.#accept(driver, offers[i]!);

    await rest("assigned");
    if (life === "cancelled while asked") return;
    if (life === "cancelled on the way") return this.#cancel();
    if (life === "given back") await this.#giveBack();
    if (life === "asked about by the lock") await this.#letLockAsk();
    if (life === "over, its releases lost") this.crash.losesReleases = true;
    await this.#drive(rest);
    if (!this.crash.losesReleases) return;
    await this.#letLockAsk();
    // Its shard has not reached the lock yet: the lock has freed itself by asking.
    await vi.waitFor(async () => expect(await this.#holderOf("lock")).toBeUndefined(), ASKED_FREE);
    this.crash.losesReleases = false;
  }

  /** Half a minute passes for Ada's lock: it wakes up with its question due, and its alarm rings. */
  async #letLockAsk(): Promise<void> {
    const lock = this.crash.names.lock;
    await runInDurableObject(stubOf(lock), (_, { storage }) => {
      const state = storage.kv.get<LockState>("lock")!;
      storage.kv.put("lock", { ...state, ask: state.ask && { ...state.ask, at: Date.now() } });
      return storage.sync();
    });
    await runInDurableObject(stubOf(lock), (_, state) => state.abort("sleeps")).catch(() => {});
    await runInDurableObject(stubOf(lock), (_, { storage }) => storage.setAlarm(Date.now()));
    await this.#struck();
  }

  /** The crash point has come and its victim has gone; or it does not come, and the test will say so. */
  async #struck(): Promise<void> {
    await vi.waitFor(() => expect(this.crash.gone).toBe(true), STRUCK_WITHIN).catch(() => {});
  }

  async #request(): Promise<void> {
    const request = {
      pickup: this.#pickup,
      dropoff: { ...this.#pickup, lat: this.#pickup.lat + 0.03 },
      vehicleType: "economy",
      payment: "card",
      minimumRating: 0,
      seats: 1,
      accessible: false,
    } as const;
    const order = { rideId: this.#rideId, riderId: this.#rider, request, key: this.#key };
    const call = { ...order, bodyHash: "-", quoted: null };
    await this.#insist(() => shardOf(this.#pickup).requestRide(call));
  }

  async #cancel(): Promise<void> {
    await this.#insist(() => shardOf(this.#pickup).cancelRide({ rideId: this.#rideId, riderId: this.#rider }));
  }

  /** The rider's app: an answer that was lost is asked for again. */
  async #insist(call: () => Promise<Answer>): Promise<void> {
    for (let tries = 0; ; tries++) {
      try {
        const answer = await call();
        if (answer.type === "ride") return;
        throw new Error(`refused: ${JSON.stringify(answer)}`, { cause: answer });
      } catch (error) {
        if (tries === 5 || (error instanceof Error && error.cause !== undefined)) throw error;
      }
    }
  }

  async #accept(driver: PersistentDriver, offerId: OfferId | null): Promise<void> {
    if (offerId === null) return;
    const verdict = await driver.accept(offerId);
    if (verdict.outcome === "won") this.#winner = { driver, offerId };
  }

  async #giveBack(): Promise<void> {
    if (this.#winner === null) return;
    const { driver, offerId } = this.#winner;
    await driver.step(offerId, "cancel");
    const other = driver === this.ada ? this.bob : this.ada;
    await this.#accept(other, await other.offered(this.#rideId, ASKED_WITHIN_MS));
  }

  async #drive(rest: (after: Rest) => Promise<void>): Promise<void> {
    if (this.#winner === null) return;
    const { driver, offerId } = this.#winner;
    for (const step of ["arrive", "start", "complete"] as const) {
      await driver.step(offerId, step);
      await rest(step);
    }
  }

  /** What is still open: zeros when the ride is at rest. */
  async owed() {
    const debts = await runInDurableObject(shardOf(this.#pickup), (_, { storage }) => debtsOf(storage));
    const held = await Promise.all([this.#holderOf("lock"), this.#holderOf("other lock")]);
    return { ...debts, held: held.filter((offerId) => offerId !== undefined) };
  }

  #holderOf(lock: "lock" | "other lock"): Promise<OfferId | undefined> {
    return runInDurableObject(
      stubOf(this.crash.names[lock]),
      (_, { storage }) => storage.kv.get<LockState>("lock")?.holder?.offerId,
    );
  }

  /** Everything that can be known about the ride afterwards, from its rows, from D1 and from what its drivers heard. */
  async told() {
    const [rides, events, kept, history] = await Promise.all([
      this.#rows<{ body: string }>("SELECT body FROM rides"),
      this.#rows<{ body: string }>("SELECT body FROM events ORDER BY version"),
      env.HISTORY.prepare("SELECT body FROM rides WHERE ride_id = ?").bind(this.#rideId).all<{ body: string }>(),
      env.HISTORY.prepare("SELECT body FROM ride_events WHERE ride_id = ? ORDER BY version")
        .bind(this.#rideId)
        .all<{ body: string }>(),
    ]);
    return {
      rides: rides.map(({ body }) => JSON.parse(body) as Ride),
      events: events.map(({ body }) => JSON.parse(body) as RideEvent),
      keptRides: kept.results.map(({ body }) => JSON.parse(body)),
      keptEvents: history.results.map(({ body }) => JSON.parse(body)),
      verdicts: [...this.ada.verdicts, ...this.bob.verdicts].sort(),
      verdictsAgain: (await this.#askAgain()).sort(),
    };
  }

  async #askAgain(): Promise<string[]> {
    const again: string[] = [];
    for (const driver of [this.ada, this.bob]) {
      for (const heard of driver.verdicts) {
        const offerId = heard.slice(0, heard.indexOf(" ")) as OfferId;
        const from = { shard: shardNameAt(this.#pickup), epoch: 1 };
        const answer = await shardOf(this.#pickup).acceptOffer({ offerId, driverId: driver.name as DriverId, from });
        again.push(`${offerId} ${answer.type === "verdict" ? answer.verdict.outcome : answer.type}`);
      }
    }
    return again;
  }

  #rows<T extends Record<string, SqlStorageValue>>(query: string): Promise<T[]> {
    return runInDurableObject(shardOf(this.#pickup), (_, { storage }) => storage.sql.exec<T>(query).toArray());
  }
}
