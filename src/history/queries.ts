/** Reading rides back from D1. Rows hold the ride as its last event left it; whoever asks parses it (protocol/event.ts). */
import type { DriverId } from "../domain/driver.ts";
import type { RideId, RiderId } from "../domain/ride.ts";
import type { EpochMs } from "../domain/time.ts";

/** `body` is the ride as JSON. */
export interface RideRow {
  readonly ride_id: RideId;
  readonly created_at: EpochMs;
  readonly body: string;
}

/** Where the page before ended. */
export interface PageEnd {
  readonly createdAt: EpochMs;
  readonly rideId: RideId;
}

export type ListedBy =
  | { readonly column: "rider_id"; readonly id: RiderId }
  | { readonly column: "driver_id"; readonly id: DriverId };

export function findRide(db: D1Database, rideId: RideId): Promise<RideRow | null> {
  return db.prepare("SELECT ride_id, created_at, body FROM rides WHERE ride_id = ?1").bind(rideId).first<RideRow>();
}

/** One person's rides, newest first; at most `limit`, after `end` when given. */
export async function listRides(
  db: D1Database,
  { column, id }: ListedBy,
  limit: number,
  end: PageEnd | null,
): Promise<RideRow[]> {
  // The column's name is one of two literals, never a caller's text.
  const page = end === null ? "" : "AND (created_at, ride_id) < (?3, ?4)";
  const statement = db.prepare(
    `SELECT ride_id, created_at, body FROM rides WHERE ${column} = ?1 ${page}
     ORDER BY created_at DESC, ride_id DESC LIMIT ?2`,
  );
  const bound = end === null ? statement.bind(id, limit) : statement.bind(id, limit, end.createdAt, end.rideId);
  return (await bound.all<RideRow>()).results;
}

/** Rows ever written. Reads two index ends, not the tables: the numbering column counts for us. */
export async function countHistory(db: D1Database): Promise<{ rides: number; events: number; dead: number }> {
  const row = await db
    .prepare(
      `SELECT coalesce((SELECT max(row_number) FROM rides), 0) AS rides,
              coalesce((SELECT max(row_number) FROM ride_events), 0) AS events,
              coalesce((SELECT max(row_number) FROM ride_events_dead), 0) AS dead`,
    )
    .first<{ rides: number; events: number; dead: number }>();
  return row ?? { rides: 0, events: 0, dead: 0 };
}

/**
 * Cells with open rides that history should have heard of since `before` and has not; at most `limit`, the most silent
 * first. Of a scheduled ride nothing is to be heard until its search must have begun.
 */
export async function cellsWithSilentRides(db: D1Database, before: EpochMs, limit: number): Promise<string[]> {
  const { results } = await db
    .prepare(
      `SELECT substr(ride_id, 1, instr(ride_id, '.') - 1) AS cell FROM rides
       WHERE ended_at IS NULL AND due_at < ?1 GROUP BY cell ORDER BY min(due_at) LIMIT ?2`,
    )
    .bind(before, limit)
    .all<{ cell: string }>();
  return results.map(({ cell }) => cell);
}

/** Rides that are over, by their ids, of which the shard's cell and the moment of the request are the beginning. */
export async function settledRides(db: D1Database, { from, until }: { from: string; until: string }) {
  const { results } = await db
    .prepare(
      "SELECT ride_id AS rideId, version FROM rides WHERE ride_id >= ?1 AND ride_id < ?2 AND ended_at IS NOT NULL",
    )
    .bind(from, until)
    .all<KeptRide>();
  return results;
}

export interface KeptRide {
  readonly rideId: RideId;
  readonly version: number;
}

/** Those of `rides` that history does not have, or has older than they are said to be. */
export async function ridesBehind(db: D1Database, rides: readonly KeptRide[]): Promise<RideId[]> {
  const { results } = await db
    .prepare(
      `SELECT value->>'rideId' AS rideId FROM json_each(?1)
       LEFT JOIN rides ON rides.ride_id = value->>'rideId'
       WHERE rides.version IS NULL OR rides.version < value->>'version'`,
    )
    .bind(JSON.stringify(rides))
    .all<{ rideId: RideId }>();
  return results.map(({ rideId }) => rideId);
}

/**
 * Cells with open rides, other than those that are scheduled for later than `now`; at most `limit`, in one order, so that
 * who takes turns meets all of them.
 */
export async function cellsWithOpenRides(db: D1Database, now: EpochMs, limit: number): Promise<string[]> {
  const { results } = await db
    .prepare(
      `SELECT DISTINCT substr(ride_id, 1, instr(ride_id, '.') - 1) AS cell FROM rides
       WHERE ended_at IS NULL AND due_at <= ?1 ORDER BY cell LIMIT ?2`,
    )
    .bind(now, limit)
    .all<{ cell: string }>();
  return results.map(({ cell }) => cell);
}
