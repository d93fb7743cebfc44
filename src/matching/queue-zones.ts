/**
 * A driver's place in the queue of a zone: how it is come by, kept and lost, and who is before whom. What a shard makes of
 * the places of its drivers is in queue-places.ts.
 */
import type { Candidate, DriverId } from "../domain/driver.ts";
import type { Zone } from "../domain/market.ts";
import type { LatLng } from "../domain/place.ts";
import type { EpochMs } from "../domain/time.ts";
import { haversineMeters } from "../spatial/distance.ts";
import { LIMITS } from "./limits.ts";

export interface QueuePlace {
  /** By its name. */
  readonly zone: string;
  /** The moment that decides whose turn it is. */
  readonly since: EpochMs;
  /** He has taken a ride. The place is given back to him if the ride ends before its trip, and not through him. */
  readonly riding: boolean;
  /** When it is forgotten, unless he is back before; null while he is there. */
  readonly endsAt: EpochMs | null;
}

/** What a driver does, as far as a queue asks. */
export type Doing =
  | { readonly kind: "waiting" | "asked"; readonly position: LatLng }
  /** Nobody knows where he is, or he has no socket. */
  | { readonly kind: "hidden" }
  | { readonly kind: "riding" }
  | { readonly kind: "resting" };

export function zoneAt(zones: readonly Zone[], position: LatLng): Zone | null {
  return zones.find(({ center, radiusMeters }) => haversineMeters(position, center) <= radiusMeters) ?? null;
}

/** How far around a zone's centre the drivers of its queue may be. */
export function reachOf({ radiusMeters }: Zone): number {
  return radiusMeters + LIMITS.queueMarginMeters;
}

/** His place from now on; the same object where nothing has changed, null where he has none. */
export function nextPlace(
  before: QueuePlace | null,
  doing: Doing,
  zones: readonly Zone[],
  now: EpochMs,
): QueuePlace | null {
  const place = before?.endsAt != null && now >= before.endsAt ? null : before;
  switch (doing.kind) {
    case "resting":
      return null;
    case "riding":
      return place === null || place.riding ? place : { ...place, riding: true, endsAt: now + LIMITS.pickupMs };
    case "hidden":
      return place && away(place, now);
    default: {
      const inside = zoneAt(zones, doing.position);
      if (inside !== null && inside.name !== place?.zone && doing.kind === "waiting") return placeIn(inside, now);
      if (place === null) return null;
      const zone = zones.find(({ name }) => name === place.zone);
      const isThere = zone !== undefined && haversineMeters(doing.position, zone.center) <= reachOf(zone);
      return isThere ? back(place) : away(place, now);
    }
  }
}

function placeIn({ name }: Zone, now: EpochMs): QueuePlace {
  return { zone: name, since: now, riding: false, endsAt: null };
}

function back(place: QueuePlace): QueuePlace {
  return place.endsAt === null ? place : { ...place, riding: false, endsAt: null };
}

/** The time runs from the first moment on; that of a ride which did not come about, from its end. */
export function away(place: QueuePlace, now: EpochMs): QueuePlace {
  if (place.endsAt !== null && !place.riding) return place;
  return { ...place, riding: false, endsAt: now + LIMITS.queueAwayMs };
}

/** Behind everybody who is there now. */
export function atTheEnd(place: QueuePlace, now: EpochMs): QueuePlace {
  return { ...place, since: now };
}

interface Waiting {
  readonly driverId: DriverId;
  readonly queuedMs: number;
}

/** Whoever has waited longer; of those who have waited as long, by their names, so that it is always the same. */
export function isBefore(a: Waiting, b: Waiting): boolean {
  return a.queuedMs === b.queuedMs ? a.driverId < b.driverId : a.queuedMs > b.queuedMs;
}

/** Candidates of a queue, whichever shards they are from. */
export function byTurn(a: Candidate, b: Candidate): number {
  return isBefore(waiting(a), waiting(b)) ? -1 : 1;
}

function waiting({ driverId, queuedMs = 0 }: Candidate): Waiting {
  return { driverId, queuedMs };
}
