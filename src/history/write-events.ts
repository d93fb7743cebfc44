/**
 * Ride events into D1, exactly once whatever the queue does: a repeated event meets its own id, a late one meets a newer
 * version of its ride, and both tables change in one transaction or not at all.
 */
import type { RideEvent } from "../domain/event.ts";
import { LEAST_LEAD_MS } from "../domain/ride.ts";
import type { EpochMs } from "../domain/time.ts";

const INSERT_EVENTS = `
  INSERT INTO ride_events (event_id, ride_id, version, type, at, body)
  SELECT value->>'id', value->>'rideId', value->>'version', value->>'type', value->>'at', value->>'$'
  FROM json_each(?1) WHERE true
  ON CONFLICT (event_id) DO NOTHING`;

const UPSERT_RIDES = `
  INSERT INTO rides (ride_id, version, state, rider_id, driver_id, vehicle_type, fare_cents, redispatches,
                     created_at, updated_at, due_at, ended_at, body)
  SELECT value->>'rideId', value->>'version', value->>'$.ride.state', value->>'$.ride.riderId',
         value->>'$.ride.driverId', value->>'$.ride.request.vehicleType', value->>'$.ride.fareCents',
         value->>'$.ride.redispatches', value->>'$.ride.createdAt', value->>'at',
         CASE value->>'$.ride.state'
           WHEN 'scheduled' THEN value->>'$.ride.request.pickupAt' - ${LEAST_LEAD_MS} ELSE value->>'at' END,
         value->>'$.ride.endedAt', value->>'$.ride'
  FROM json_each(?1) WHERE true
  ON CONFLICT (ride_id) DO UPDATE SET
    version = excluded.version, state = excluded.state, driver_id = excluded.driver_id,
    fare_cents = excluded.fare_cents, redispatches = excluded.redispatches, updated_at = excluded.updated_at,
    due_at = excluded.due_at, ended_at = excluded.ended_at, body = excluded.body, exact = excluded.exact
  WHERE excluded.version > rides.version`;

/** One transaction; one statement per table however many events (one row at a time costs a millisecond each). */
export async function writeEvents(db: D1Database, events: readonly RideEvent[]): Promise<void> {
  if (events.length === 0) return;
  const rows = JSON.stringify(events);
  await db.batch([db.prepare(INSERT_EVENTS).bind(rows), db.prepare(UPSERT_RIDES).bind(rows)]);
}

export interface DeadMessage {
  readonly messageId: string;
  readonly reason: string;
  /** The message as JSON, cut to what a row may hold. */
  readonly body: string;
  readonly at: EpochMs;
}

/** Keeps what cannot be history. A repeat of the same message is kept once. */
export async function buryMessages(db: D1Database, dead: readonly DeadMessage[]): Promise<void> {
  if (dead.length === 0) return;
  const insert = db.prepare(
    "INSERT INTO ride_events_dead (message_id, reason, body, at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
  );
  await db.batch(dead.map(({ messageId, reason, body, at }) => insert.bind(messageId, reason, body, at)));
}
