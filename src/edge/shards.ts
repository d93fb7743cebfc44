/** Calls from the Worker to the object that serves a ride. */
import type { ShardName } from "../domain/place.ts";
import type { RideId } from "../domain/ride.ts";
import type { Config, Env } from "../env.ts";
import type { Answer } from "../matching/commands.ts";
import type { DispatchShardApi } from "../protocol/peer.ts";
import { shardOfRide } from "../routing/shard-map.ts";
import { callObject } from "./call.ts";

type Question = (shard: DispatchShardApi) => Promise<Answer>;

export function askShard(env: Env, shard: ShardName, ask: Question): Promise<Answer> {
  return callObject(() => env.DISPATCH_SHARD.getByName(shard), ask);
}

/** Asks the shard written in the ride's id. An id that names no shard is a ride that never was. */
export function askRide(env: Env, config: Config, rideId: RideId, ask: Question): Promise<Answer> {
  const shard = shardOfRide(rideId, config.shardBits);
  if (shard === null) return Promise.resolve({ type: "refused", reason: "not_found" });
  return askShard(env, shard, ask);
}
