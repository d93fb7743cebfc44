/** One ride with two drivers and one crash point: its people, what they do, and what the objects know when it is over. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { ulid } from "ulidx";
import type { DriverId } from "../../src/domain/driver.ts";
import type { RideEvent } from "../../src/domain/event.ts";
import type { LatLng } from "../../src/domain/place.ts";
import type { OfferId, Ride, RideId, RiderId } from "../../src/domain/ride.ts";
import type { LockState } from "../../src/matching/driver-lock.ts";
import type { Answer } from "../../src/protocol/peer.ts";
import { newRideId } from "../../src/routing/shard-map.ts";
import type { CrashPoint } from "./crash-steps.ts";
import { type Crash, follow, stubOf } from "./crash-taps.ts";
import { PersistentDriver } from "./persistent-driver.ts";
import { acrossBorder, shardNameAt, shardOf } from "./shard-tools.ts";

/** Longer than a shard that has just restarted needs to find and ask two drivers. */
const ASKED_WITHIN_MS = 8_000;

export class CrashRide {
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
    this.ada = new PersistentDriver(ada, beyond);
    this.bob = new PersistentDriver(bob, here);
    const names = {
      "ride's shard": shardNameAt(here),
      "socket's shard": shardNameAt(beyond),
      lock: `drv:${ada}`,
      "loser's lock": `drv:${bob}`,
    };
    this.crash = { point, names, armed: false, reached: false, victim: null };
    follow(this.crash, ...Object.values(names), ada, bob, this.#rideId);
  }

  /** From the request to the accepts, and on to the end. */
  async live(): Promise<void> {
    const { life } = this.crash.point;
    await this.ada.start();
    this.crash.armed = true;
    await this.#request();
    // Bob comes when Ada has been asked: on a slow machine her shard may answer only a later search.
    const offers = [await this.ada.offered(this.#rideId, ASKED_WITHIN_MS)];
    await this.bob.start();
    offers.push(await this.bob.offered(this.#rideId, ASKED_WITHIN_MS));
    if (life === "cancelled while asked") await this.#cancel();
    // Ada is the first to say yes, wherever both were asked.
    for (const [i, driver] of [this.ada, this.bob].entries()) await this.#accept(driver, offers[i]!);

    if (life === "cancelled while asked") return;
    if (life === "cancelled on the way") return this.#cancel();
    if (life === "given back") await this.#giveBack();
    await this.#drive();
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
    const call = { rideId: this.#rideId, riderId: this.#rider, request, key: this.#key, bodyHash: "-" };
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

  async #drive(): Promise<void> {
    if (this.#winner === null) return;
    const { driver, offerId } = this.#winner;
    for (const step of ["arrive", "start", "complete"] as const) await driver.step(offerId, step);
  }

  /** What is still open: zeros when the ride is at rest. */
  async owed() {
    const rows = await this.#rows<{ open: number; live: number; owed: number; unconfirmed: number }>(
      `SELECT (SELECT count(*) FROM rides WHERE ended_at IS NULL) AS open,
         (SELECT count(*) FROM offers WHERE state IN ('intent', 'offered', 'won')) AS live,
         (SELECT count(*) FROM offers WHERE released = 0 AND state IN ('dead', 'ended')) AS owed,
         (SELECT count(*) FROM events WHERE archived = 0) AS unconfirmed`,
    );
    const { lock, "loser's lock": losers } = this.crash.names;
    const held = await Promise.all(
      [lock, losers].map((name) =>
        runInDurableObject(stubOf(name), (_, { storage }) => storage.kv.get<LockState>("lock")?.holder?.offerId),
      ),
    );
    return { ...rows[0]!, held: held.filter((offerId) => offerId !== undefined) };
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
      victim: await runInDurableObject(stubOf(this.crash.names["ride's shard"]), (instance) => instance),
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
