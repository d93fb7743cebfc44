/** Which shard serves which place. Pure: the object behind a name is the shell's business. */
import type { CellPrefix, LatLng, ShardName } from "../domain/place.ts";
import type { OfferId, RideId } from "../domain/ride.ts";
import { cellsWithin } from "../spatial/cell-cover.ts";
import { bitsOf, cellOf, centerOf, isCellPrefix } from "../spatial/geohash.ts";

/** A search asks at most this many neighbours; the nearest cells come first. */
const NEIGHBOURS_ASKED = 6;

export function shardNameOf(prefix: CellPrefix): ShardName {
  return `cell:${prefix}` as ShardName;
}

export function cellOfShard(name: ShardName): CellPrefix {
  return name.slice("cell:".length) as CellPrefix;
}

/** The point that decides a whole shard's market: one shard, one tariff, also where markets meet. */
export function centerOfShard(name: ShardName): LatLng {
  return centerOf(cellOfShard(name));
}

export function shardAt({ lat, lng }: LatLng, bits: number): ShardName {
  return shardNameOf(cellOf(lat, lng, bits));
}

/** The shards, other than `self`, whose cells a search circle touches; nearest first. */
export function shardsAround(self: ShardName, center: LatLng, radiusMeters: number, bits: number): ShardName[] {
  return cellsWithin(center, radiusMeters, bits, NEIGHBOURS_ASKED + 1)
    .map(shardNameOf)
    .filter((name) => name !== self)
    .slice(0, NEIGHBOURS_ASKED);
}

/**
 * A ride's shard is written in its id. Null when the text is no ride id, or names a cell that no shard serves: a made-up
 * id must not bring an object into being.
 */
export function shardOfRide(rideId: RideId | OfferId, bits: number): ShardName | null {
  const dot = rideId.indexOf(".");
  const prefix = rideId.slice(0, dot);
  return dot > 0 && isCellPrefix(prefix) && bitsOf(prefix) === bits ? shardNameOf(prefix) : null;
}

export function newRideId(pickup: LatLng, bits: number, ulid: string): RideId {
  return `${cellOf(pickup.lat, pickup.lng, bits)}.${ulid}` as RideId;
}

/** `{ride id}#{seq}` back to its parts. */
export function rideOfOffer(offerId: OfferId): RideId {
  return offerId.slice(0, offerId.lastIndexOf("#")) as RideId;
}
