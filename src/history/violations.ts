/** What the reconciliation found broken, kept where a restart does not lose it: the number must be exact, and zero. */
import type { ShardName } from "../domain/place.ts";
import type { OfferId, RideId } from "../domain/ride.ts";
import type { EpochMs } from "../domain/time.ts";

interface Found {
  readonly name: string;
  readonly rideId: RideId;
  readonly offerId: OfferId | null;
}

/** The same thing found again is one thing. */
export async function keepViolations(db: D1Database, shard: ShardName, found: readonly Found[], at: EpochMs) {
  if (found.length === 0) return;
  const insert = `INSERT INTO invariant_violations (name, subject, shard, found_at)
    SELECT value->>'name', coalesce(value->>'offerId', value->>'rideId'), ?2, ?3 FROM json_each(?1) WHERE true
    ON CONFLICT DO NOTHING`;
  await db.prepare(insert).bind(JSON.stringify(found), shard, at).run();
}

/** How many of each name were found since `since`; a name of which there is none is not in it. */
export async function countViolations(db: D1Database, since: EpochMs): Promise<Map<string, number>> {
  const { results } = await db
    .prepare("SELECT name, count(*) AS n FROM invariant_violations WHERE found_at >= ?1 GROUP BY name")
    .bind(since)
    .all<{ name: string; n: number }>();
  return new Map(results.map(({ name, n }) => [name, n]));
}
