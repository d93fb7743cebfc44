/** Many settled rides in two numbers, so that a shard and the history can see that they agree without telling them all. */
import type { RideId } from "../domain/ride.ts";

export interface RideVersion {
  readonly rideId: RideId;
  readonly version: number;
}

export interface RidesDigest {
  readonly count: number;
  /** Of every ride and its version, joined by XOR: the order does not matter. */
  readonly hash: number;
}

/** Ids from `from` on, before `until`. A ride's id begins with its cell and the moment it was asked for. */
export interface RideRange {
  readonly from: string;
  readonly until: string;
}

export function digestOf(rides: readonly RideVersion[]): RidesDigest {
  const hash = rides.reduce((joined, ride) => joined ^ hashOf(`${ride.rideId}:${ride.version}`), 0);
  return { count: rides.length, hash };
}

/** FNV-1a, then mixed: without that, one step of version changes many rides' hashes alike, and XOR hides pairs of them. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
