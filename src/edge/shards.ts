/** Calls from the Worker to the object that serves a place or a ride. */
import type { Market } from "../domain/market.ts";
import type { LatLng, ShardName } from "../domain/place.ts";
import type { RideId } from "../domain/ride.ts";
import { type Config, type Env, marketAt, shardServing } from "../env.ts";
import type { Answer, DispatchShardApi } from "../protocol/peer.ts";
import { centerOfShard, shardAt } from "../routing/shard-map.ts";
import { callObject } from "./call.ts";

type Question = (shard: DispatchShardApi) => Promise<Answer>;

/** Null where no market serves: a shard there would not start. */
export function shardServingPlace(config: Config, place: LatLng): ShardName | null {
  const shard = shardAt(place, config.shardBits);
  return marketAt(config, centerOfShard(shard)) === null ? null : shard;
}

export function marketOfRide(config: Config, rideId: RideId): Market | null {
  const shard = shardServing(config, rideId);
  return shard && marketAt(config, centerOfShard(shard));
}

export function askShard(env: Env, shard: ShardName, ask: Question): Promise<Answer> {
  return callObject(() => env.DISPATCH_SHARD.getByName(shard), ask);
}

/** Asks the shard written in the ride's id. An id that names no shard is a ride that never was. */
export function askRide(env: Env, config: Config, rideId: RideId, ask: Question): Promise<Answer> {
  const shard = shardServing(config, rideId);
  if (shard === null) return Promise.resolve({ type: "refused", reason: "not_found" });
  return askShard(env, shard, ask);
}
