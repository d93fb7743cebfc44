/**
 * What history forgets: exact places are kept for 90 days, for complaints and claims; then only the centre of their
 * geohash-6 cell remains (1.2 by 0.6 km), which still says from which part of the city to which a ride went.
 */
import { type EpochMs, HOUR_MS } from "../domain/time.ts";

export const EXACT_PLACES_MS = 90 * 24 * HOUR_MS;

/** Bits of each of the two coordinates in six characters of geohash. */
const STEPS = 2 ** 15;

/** The centre of the cell's interval; that of a centre is itself, so that doing it twice changes nothing. */
function centre(path: string, start: number, span: number): string {
  const index = `min(CAST((body->>'${path}' + ${-start}) / ${span}.0 * ${STEPS} AS INTEGER), ${STEPS - 1})`;
  return `(${index} + 0.5) * ${span}.0 / ${STEPS} + ${start}`;
}

function coarse(request: string): string {
  const places = ["pickup", "dropoff"].flatMap((place) => [
    `'${request}.${place}.lat', ${centre(`${request}.${place}.lat`, -90, 180)}`,
    `'${request}.${place}.lng', ${centre(`${request}.${place}.lng`, -180, 360)}`,
  ]);
  return `json_set(body, ${places.join(", ")})`;
}

function statement(table: string, moment: string, request: string): string {
  return `UPDATE ${table} SET body = ${coarse(request)}, exact = 0
    WHERE row_number IN (SELECT row_number FROM ${table} WHERE exact = 1 AND ${moment} < ?1 ORDER BY ${moment} LIMIT ?2)`;
}

const COARSEN_RIDES = statement("rides", "created_at", "$.request");
const COARSEN_EVENTS = statement("ride_events", "at", "$.ride.request");
/** What could not be read may hold anything. */
const FORGET_DEAD = "DELETE FROM ride_events_dead WHERE at < ?1";

/** Coarsens rows from before `before`, at most `limit` of each table; answers how many. */
export async function forgetExactPlaces(db: D1Database, before: EpochMs, limit: number): Promise<number> {
  const results = await db.batch([
    db.prepare(COARSEN_RIDES).bind(before, limit),
    db.prepare(COARSEN_EVENTS).bind(before, limit),
    db.prepare(FORGET_DEAD).bind(before),
  ]);
  return results.slice(0, 2).reduce((sum, { meta }) => sum + meta.changes, 0);
}
