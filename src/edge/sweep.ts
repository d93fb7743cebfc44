/**
 * The minute sweep: a shard with open rides that history has not heard of for a while is called, because a call starts
 * an object and starting re-arms its alarm. An alarm that failed too often is dropped by the platform; this is the way back.
 */

import { withDeadline } from "../calls/call-object.ts";
import type { RideId } from "../domain/ride.ts";
import { SECOND_MS } from "../domain/time.ts";
import { configOf, type Env } from "../env.ts";
import { cellsWithSilentRides } from "../history/queries.ts";
import { logError } from "../observe/log.ts";
import { shardOfRide } from "../routing/shard-map.ts";

const SILENT_AFTER_MS = 60 * SECOND_MS;
/** Shards called per sweep; the most silent first, so a longer list is worked off over the minutes. */
const SHARDS_PER_SWEEP = 500;
/** Calls under way at once: a Worker may have only so many. */
const AT_ONCE = 6;
const WAKE_DEADLINE_MS = 3_000;

/** The Worker's `scheduled`. Answers how many shards were called. */
export async function wakeSilentShards(now: number, env: Env): Promise<number> {
  const config = configOf(env);
  const cells = await cellsWithSilentRides(env.HISTORY, now - SILENT_AFTER_MS, SHARDS_PER_SWEEP);
  const shards = cells.flatMap((cell) => shardOfRide(`${cell}.` as RideId, config.shardBits) ?? []);
  for (let start = 0; start < shards.length; start += AT_ONCE) {
    await Promise.all(
      shards.slice(start, start + AT_ONCE).map(async (shard) => {
        try {
          await withDeadline(env.DISPATCH_SHARD.getByName(shard).wake(), WAKE_DEADLINE_MS);
        } catch (error) {
          logError("shard did not wake", error, { shard });
        }
      }),
    );
  }
  return shards.length;
}
