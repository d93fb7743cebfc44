/**
 * What is looked after every minute without anybody asking. A shard with open rides that history has not heard of for a
 * while is called, because a call starts an object and starting re-arms its alarm: an alarm that failed too often is
 * dropped by the platform, and this is the way back. Shards with open rides are reconciled by turns. History forgets
 * what it may not keep.
 */

import { withDeadline } from "../calls/call-object.ts";
import type { ShardName } from "../domain/place.ts";
import type { RideId } from "../domain/ride.ts";
import { type EpochMs, HOUR_MS, MINUTE_MS, SECOND_MS } from "../domain/time.ts";
import { configOf, type Env, shardServing } from "../env.ts";
import { cellsWithOpenRides, cellsWithSilentRides } from "../history/queries.ts";
import { EXACT_PLACES_MS, forgetExactPlaces } from "../history/retention.ts";
import { logError } from "../observe/log.ts";
import { forgetDeadLetters } from "./dead-letters.ts";
import { reconcileShard } from "./reconcile.ts";

const SILENT_AFTER_MS = 60 * SECOND_MS;
/** Shards called per sweep; the most silent first, so a longer list is worked off over the minutes. */
const SHARDS_PER_SWEEP = 500;
/** Calls under way at once: a Worker may have only so many. */
const AT_ONCE = 6;
const WAKE_DEADLINE_MS = 3_000;

/** Shards reconciled per sweep: where there are more with open rides, each has its turn after so many minutes. */
const RECONCILED_PER_SWEEP = 60;
/** Of history, the sweep compares the rides that were asked for lately; operators compare the day. */
const RECONCILED_HOURS = 2;
const OPEN_SHARDS = 20_000;

/** Rows of each table that are coarsened at a time, and how often in one minute: 14 million rows a day. */
const FORGOTTEN_AT_ONCE = 1_000;
const FORGETTING_ROUNDS = 10;

/** The Worker's `scheduled`. What fails is logged, and the rest is done. */
export async function sweepEveryMinute(now: EpochMs, env: Env): Promise<void> {
  for (const step of [wakeSilentShards, reconcileByTurns, forgetWhatIsOld]) {
    try {
      await step(now, env);
    } catch (error) {
      logError("sweep", error, { step: step.name });
    }
  }
}

/** Answers how many shards were called. */
export async function wakeSilentShards(now: EpochMs, env: Env): Promise<number> {
  const cells = await cellsWithSilentRides(env.HISTORY, now - SILENT_AFTER_MS, SHARDS_PER_SWEEP);
  const shards = shardsOf(env, cells);
  await eachOf(shards, "shard did not wake", (shard) =>
    withDeadline(env.DISPATCH_SHARD.getByName(shard).wake(), WAKE_DEADLINE_MS),
  );
  return shards.length;
}

async function reconcileByTurns(now: EpochMs, env: Env): Promise<void> {
  const cells = await cellsWithOpenRides(env.HISTORY, now, OPEN_SHARDS);
  const shards = turnOf(shardsOf(env, cells), Math.floor(now / MINUTE_MS));
  await eachOf(shards, "shard not reconciled", (shard) => reconcileShard(env, shard, now, RECONCILED_HOURS));
}

/** Who has his turn in this minute: one stretch of the list, the next minute the next, and so round and round. */
export function turnOf<T>(list: readonly T[], minute: number): T[] {
  const stretches = Math.ceil(list.length / RECONCILED_PER_SWEEP);
  const start = stretches === 0 ? 0 : (minute % stretches) * RECONCILED_PER_SWEEP;
  return list.slice(start, start + RECONCILED_PER_SWEEP);
}

async function forgetWhatIsOld(now: EpochMs, env: Env): Promise<void> {
  const before = now - EXACT_PLACES_MS;
  for (let round = 0; round < FORGETTING_ROUNDS; round++) {
    if ((await forgetExactPlaces(env.HISTORY, before, FORGOTTEN_AT_ONCE)) < FORGOTTEN_AT_ONCE) break;
  }
  // Listing the store costs money, and an hour is nothing to ninety days.
  if (now % HOUR_MS < MINUTE_MS) await forgetDeadLetters(env.MODELS, before);
}

function shardsOf(env: Env, cells: readonly string[]): ShardName[] {
  const config = configOf(env);
  return cells.flatMap((cell) => shardServing(config, `${cell}.` as RideId) ?? []);
}

async function eachOf(
  shards: readonly ShardName[],
  failure: string,
  act: (shard: ShardName) => Promise<unknown>,
): Promise<void> {
  for (let start = 0; start < shards.length; start += AT_ONCE) {
    await Promise.all(
      shards.slice(start, start + AT_ONCE).map(async (shard) => {
        try {
          await act(shard);
        } catch (error) {
          logError(failure, error, { shard });
        }
      }),
    );
  }
}
