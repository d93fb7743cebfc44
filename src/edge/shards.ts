/** Calls from the Worker to the object that serves a place or a ride. */
import type { Market } from "../domain/market.ts";
import type { LatLng, ShardName } from "../domain/place.ts";
import type { RideId, RideRequest } from "../domain/ride.ts";
import { type Config, type Env, marketAt, shardServing } from "../env.ts";
import type { Answer, DispatchShardApi } from "../protocol/peer.ts";
import { centerOfShard, shardAt } from "../routing/shard-map.ts";
import { refusalOfTrip } from "../routing/trip-bounds.ts";
import { callShard } from "./call.ts";
import { Refusal } from "./problem.ts";

/** Null where no market serves: a shard there would not start. */
export function shardServingPlace(config: Config, place: LatLng): ShardName | null {
  const shard = shardAt(place, config.shardBits);
  return marketAt(config, centerOfShard(shard)) === null ? null : shard;
}

/** The shard of a trip's pickup. Checks what needs both places or the map; the schema has judged each by itself. */
export function shardServingTrip(config: Config, { pickup, dropoff }: RideRequest): ShardName {
  const message = refusalOfTrip(pickup, dropoff);
  if (message !== null) throw new Refusal("validation", { errors: [{ field: "dropoff", message }] });
  const shard = shardServingPlace(config, pickup);
  if (shard !== null) return shard;
  throw new Refusal("validation", { errors: [{ field: "pickup", message: "is outside every market we serve" }] });
}

export function marketOfRide(config: Config, rideId: RideId): Market | null {
  const shard = shardServing(config, rideId);
  return shard && marketAt(config, centerOfShard(shard));
}

/** Asks the shard written in the ride's id. An id that names no shard is a ride that never was. */
export async function askRide(
  env: Env,
  config: Config,
  rideId: RideId,
  ask: (shard: DispatchShardApi) => Promise<Answer>,
  when?: "always",
): Promise<Answer> {
  const shard = shardServing(config, rideId);
  return shard === null ? { type: "refused", reason: "not_found" } : callShard(env, shard, ask, when);
}
