/** The shard's rows in its object's SQLite. The only SQL of a shard; it decides nothing. */
import type { DriverId } from "../../src/domain/driver.ts";
import type { RideEvent } from "../../src/domain/event.ts";
import { isTerminal, type Offer, type OfferId, type Ride, type RideId, type RiderId } from "../../src/domain/ride.ts";
import type { EpochMs } from "../../src/domain/time.ts";
import type { PriorReply, Write } from "../../src/matching/commands.ts";
import type { Decision } from "../../src/matching/decision.ts";
import type { QueuePlace } from "../../src/matching/queue-zones.ts";
import { parseConfigured } from "../../src/protocol/market-configuration.ts";
import type { RideRange, RideVersion } from "../../src/protocol/ride-digest.ts";
import type { Learned, RecalledRide, RestoredShard, ShardStorage } from "../../src/shard/ports.ts";
import { applySchema } from "./sql-schema.ts";

/**
 * Applied in order, once each, and never changed afterwards. The two partial indexes make the database itself refuse a
 * second winner of a ride (S1) and a second live offer of a driver (S2).
 */
export const SCHEMA = [
  `CREATE TABLE rides (
     ride_id TEXT PRIMARY KEY, rider_id TEXT NOT NULL, state TEXT NOT NULL, ended_at INTEGER, body TEXT NOT NULL
   ) WITHOUT ROWID`,
  "CREATE UNIQUE INDEX one_open_ride_per_rider ON rides (rider_id) WHERE ended_at IS NULL",
  "CREATE INDEX settled_rides ON rides (ended_at) WHERE ended_at IS NOT NULL",
  `CREATE TABLE offers (
     seq INTEGER PRIMARY KEY AUTOINCREMENT, offer_id TEXT NOT NULL UNIQUE, ride_id TEXT NOT NULL,
     driver_id TEXT NOT NULL, state TEXT NOT NULL, released INTEGER NOT NULL, body TEXT NOT NULL
   )`,
  "CREATE INDEX offers_of_ride ON offers (ride_id)",
  "CREATE UNIQUE INDEX one_winner ON offers (ride_id) WHERE state = 'won'",
  "CREATE UNIQUE INDEX one_live_per_driver ON offers (driver_id) WHERE state IN ('intent', 'offered', 'won')",
  "CREATE INDEX unreleased ON offers (seq) WHERE released = 0",
  `CREATE TABLE events (
     ride_id TEXT NOT NULL, version INTEGER NOT NULL, archived INTEGER NOT NULL DEFAULT 0, body TEXT NOT NULL,
     PRIMARY KEY (ride_id, version)
   ) WITHOUT ROWID`,
  "CREATE INDEX unarchived ON events (ride_id) WHERE archived = 0",
  `CREATE TABLE replies (
     rider_id TEXT NOT NULL, key TEXT NOT NULL, ride_id TEXT NOT NULL, body_hash TEXT NOT NULL, at INTEGER NOT NULL,
     PRIMARY KEY (rider_id, key)
   ) WITHOUT ROWID`,
  "CREATE TABLE travel_times (id INTEGER PRIMARY KEY CHECK (id = 1), body TEXT NOT NULL)",
  `CREATE TABLE decisions (
     ride_id TEXT NOT NULL, offers_before INTEGER NOT NULL, body TEXT NOT NULL, features BLOB NOT NULL,
     PRIMARY KEY (ride_id, offers_before)
   ) WITHOUT ROWID`,
  "CREATE TABLE market (id INTEGER PRIMARY KEY CHECK (id = 1), body TEXT NOT NULL)",
  "ALTER TABLE travel_times RENAME TO learned",
  "UPDATE learned SET body = json_object('travelTimes', json(body))",
  // A ride that was scheduled goes on beside whatever its rider has asked for since.
  "DROP INDEX one_open_ride_per_rider",
  `CREATE UNIQUE INDEX one_asked_for_now_per_rider ON rides (rider_id)
     WHERE ended_at IS NULL AND body->>'$.request.pickupAt' IS NULL`,
  "CREATE TABLE places (driver_id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID",
];

type Body = { readonly body: string };

export class SqlStorage implements ShardStorage {
  readonly #storage: DurableObjectStorage;
  readonly #sql: DurableObjectStorage["sql"];

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    this.#sql = storage.sql;
    applySchema(storage, SCHEMA);
  }

  restore(): RestoredShard {
    const rides = this.openRides();
    const offers = this.#bodies<Offer>(
      `SELECT body FROM offers WHERE released = 0
       UNION ALL
       SELECT o.body FROM offers o JOIN rides r USING (ride_id) WHERE o.released = 1 AND r.ended_at IS NULL`,
    );
    const unarchived = this.#bodies<RideEvent>("SELECT body FROM events WHERE archived = 0 ORDER BY ride_id, version");
    // A settled ride with something still owed is needed whole: its offers name it.
    const open = new Set(rides.map((ride) => ride.id));
    const owed = new Set([...offers.map((offer) => offer.rideId), ...unarchived.map((event) => event.rideId)]);
    const recalled = [...owed].filter((rideId) => !open.has(rideId)).map((rideId) => this.recall(rideId)!);
    const known = new Set(offers.map((offer) => offer.id));
    return {
      rides: [...rides, ...recalled.map(({ ride }) => ride)],
      offers: [...offers, ...recalled.flatMap((ride) => ride.offers.filter((offer) => !known.has(offer.id)))],
      highestSeq: this.#highestSeq(),
      unarchived,
      places: Array.from(
        this.#sql.exec<Body & { driverId: DriverId }>("SELECT driver_id AS driverId, body FROM places"),
        ({ driverId, body }) => ({ driverId, place: JSON.parse(body) as QueuePlace }),
      ),
      learned: this.#bodies<Learned>("SELECT body FROM learned")[0] ?? null,
      market: parseConfigured(this.#bodies<unknown>("SELECT body FROM market")[0]),
    };
  }

  keepLearned(learned: Learned): void {
    this.#sql.exec("INSERT OR REPLACE INTO learned (id, body) VALUES (1, ?)", JSON.stringify(learned));
  }

  commit(writes: readonly Write[]): void {
    this.#storage.transactionSync(() => {
      for (const write of writes) this.#write(write);
    });
  }

  recall(rideId: RideId): RecalledRide | null {
    const [ride] = this.#bodies<Ride>("SELECT body FROM rides WHERE ride_id = ?", rideId);
    if (ride === undefined) return null;
    return { ride, offers: this.#bodies<Offer>("SELECT body FROM offers WHERE ride_id = ? ORDER BY seq", rideId) };
  }

  readDecisions(rideId: RideId): Decision[] {
    const query = "SELECT body, features FROM decisions WHERE ride_id = ? ORDER BY offers_before";
    const rows = this.#sql.exec<Body & { features: ArrayBuffer }>(query, rideId);
    return Array.from(rows, ({ body, features }) => ({ ...JSON.parse(body), features: new Float32Array(features) }));
  }

  findReply(riderId: RiderId, key: string): PriorReply | null {
    const [row] = this.#sql
      .exec<{ ride_id: string; body_hash: string; body: string }>(
        `SELECT r.ride_id, r.body_hash, e.body FROM replies r JOIN events e ON e.ride_id = r.ride_id AND e.version = 1
         WHERE r.rider_id = ? AND r.key = ?`,
        riderId,
        key,
      )
      .toArray();
    if (row === undefined) return null;
    const { ride } = JSON.parse(row.body) as RideEvent;
    return { rideId: row.ride_id as RideId, bodyHash: row.body_hash, ride };
  }

  requestsSince(riderId: RiderId, since: EpochMs): EpochMs[] {
    const query = "SELECT at FROM replies WHERE rider_id = ? AND at > ? ORDER BY at";
    return Array.from(this.#sql.exec<{ at: EpochMs }>(query, riderId, since), ({ at }) => at);
  }

  readEvents(rideId: RideId, afterVersion: number): RideEvent[] {
    const query = "SELECT body FROM events WHERE ride_id = ? AND version > ? ORDER BY version";
    return this.#bodies<RideEvent>(query, rideId, afterVersion);
  }

  openRides(): Ride[] {
    return this.#bodies<Ride>("SELECT body FROM rides WHERE ended_at IS NULL");
  }

  liveOffers(): Offer[] {
    return this.#bodies<Offer>("SELECT body FROM offers WHERE state IN ('intent', 'offered', 'won') ORDER BY seq");
  }

  findOffer(offerId: OfferId): Offer | null {
    return this.#bodies<Offer>("SELECT body FROM offers WHERE offer_id = ?", offerId)[0] ?? null;
  }

  /** Rides that are over; `archived` when history has confirmed every event. */
  settledRides({ from, until }: RideRange): (RideVersion & { readonly archived: boolean })[] {
    const rows = this.#sql.exec<{ rideId: RideId; version: number; waiting: number }>(
      `SELECT ride_id AS rideId, body->>'version' AS version,
              EXISTS (SELECT 1 FROM events e WHERE e.ride_id = r.ride_id AND e.archived = 0) AS waiting
       FROM rides r WHERE ride_id >= ? AND ride_id < ? AND ended_at IS NOT NULL`,
      from,
      until,
    );
    return Array.from(rows, ({ rideId, version, waiting }) => ({ rideId, version, archived: waiting === 0 }));
  }

  prune(before: EpochMs): boolean {
    this.#storage.transactionSync(() => {
      const settled = `SELECT ride_id FROM rides r WHERE ended_at < ?
        AND NOT EXISTS (SELECT 1 FROM offers o WHERE o.ride_id = r.ride_id AND o.released = 0)
        AND NOT EXISTS (SELECT 1 FROM events e WHERE e.ride_id = r.ride_id AND e.archived = 0)`;
      for (const table of ["offers", "decisions", "events", "replies"]) {
        this.#sql.exec(`DELETE FROM ${table} WHERE ride_id IN (${settled})`, before);
      }
      this.#sql.exec(`DELETE FROM rides WHERE ride_id IN (${settled})`, before);
    });
    // What is still open settles by a write, and a write asks for the next pruning: a ride in six days needs none before.
    return this.#sql.exec("SELECT 1 FROM rides WHERE ended_at IS NOT NULL LIMIT 1").toArray().length > 0;
  }

  #write(write: Write): void {
    switch (write.type) {
      case "save.ride": {
        const { ride } = write;
        this.#sql.exec(
          `INSERT INTO rides (ride_id, rider_id, state, ended_at, body) VALUES (?, ?, ?, ?, ?)
           ON CONFLICT (ride_id) DO UPDATE SET state = excluded.state, ended_at = excluded.ended_at, body = excluded.body`,
          ride.id,
          ride.riderId,
          ride.state,
          isTerminal(ride) ? ride.endedAt : null,
          JSON.stringify(ride),
        );
        return;
      }
      case "save.offer": {
        const { offer } = write;
        const over = offer.state === "dead" || offer.state === "ended";
        this.#sql.exec(
          `INSERT INTO offers (seq, offer_id, ride_id, driver_id, state, released, body) VALUES (?, ?, ?, ?, ?, ?, ?)
           ON CONFLICT (seq) DO UPDATE SET state = excluded.state, released = excluded.released, body = excluded.body`,
          offer.seq,
          offer.id,
          offer.rideId,
          offer.driverId,
          offer.state,
          over && offer.released ? 1 : 0,
          JSON.stringify(offer),
        );
        return;
      }
      case "save.decision": {
        // Numbers of the model go as they are, bit for bit: half the length of text, and NaN stays NaN.
        const { features, ...body } = write.decision;
        this.#sql.exec(
          "INSERT OR REPLACE INTO decisions (ride_id, offers_before, body, features) VALUES (?, ?, ?, ?)",
          body.rideId,
          body.offersBefore,
          JSON.stringify(body),
          features.slice().buffer,
        );
        return;
      }
      case "append.event": {
        const { event } = write;
        // Not idempotent on purpose: the same version twice is a bug, and the commit must fail.
        const insert = "INSERT INTO events (ride_id, version, body) VALUES (?, ?, ?)";
        this.#sql.exec(insert, event.rideId, event.version, JSON.stringify(event));
        return;
      }
      case "save.market":
        this.#sql.exec("INSERT OR REPLACE INTO market (id, body) VALUES (1, ?)", JSON.stringify(write.configured));
        return;
      case "save.place": {
        const { driverId, place } = write;
        if (place === null) this.#sql.exec("DELETE FROM places WHERE driver_id = ?", driverId);
        else this.#sql.exec("INSERT OR REPLACE INTO places VALUES (?, ?)", driverId, JSON.stringify(place));
        return;
      }
      case "save.reply": {
        const { riderId, key, reply, at } = write;
        const insert = "INSERT INTO replies (rider_id, key, ride_id, body_hash, at) VALUES (?, ?, ?, ?, ?)";
        this.#sql.exec(insert, riderId, key, reply.rideId, reply.bodyHash, at);
        return;
      }
      case "mark.archived":
        for (const id of write.eventIds) {
          const colon = id.lastIndexOf(":");
          const update = "UPDATE events SET archived = 1 WHERE ride_id = ? AND version = ?";
          this.#sql.exec(update, id.slice(0, colon), Number(id.slice(colon + 1)));
        }
        return;
    }
  }

  /** Also above what has been pruned: a seq is never given twice, or the locks' fences would refuse it. */
  #highestSeq(): number {
    const rows = this.#sql.exec<{ seq: number }>("SELECT seq FROM sqlite_sequence WHERE name = 'offers'").toArray();
    return rows[0]?.seq ?? 0;
  }

  #bodies<T>(query: string, ...bindings: (string | number)[]): T[] {
    const rows = this.#sql.exec<Body>(query, ...bindings);
    return Array.from(rows, ({ body }) => JSON.parse(body) as T);
  }
}
