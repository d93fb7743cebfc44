/** Where a market's zones may lie: a driver is in one of them at most, and its market serves all of it. */
import type { Zone } from "../domain/market.ts";
import { destinationPoint, haversineMeters } from "../spatial/distance.ts";

interface Bounds {
  readonly south: number;
  readonly west: number;
  readonly north: number;
  readonly east: number;
}

/** What is wrong with these zones, in words for who deploys them; null when nothing is. */
export function refusalOfZones(zones: readonly Zone[], { south, west, north, east }: Bounds): string | null {
  for (const [at, zone] of zones.entries()) {
    const { name, center, radiusMeters } = zone;
    const ends = [0, 90, 180, 270].map((bearing) => destinationPoint(center, bearing, radiusMeters));
    const within = ends.every(({ lat, lng }) => lat >= south && lat <= north && lng >= west && lng <= east);
    if (!within) return `zone ${name} reaches beyond the market's bounds`;
    for (const other of zones.slice(0, at)) {
      if (other.name === name) return `there are two zones ${name}`;
      const meters = haversineMeters(center, other.center);
      if (meters < radiusMeters + other.radiusMeters) return `zone ${name} overlaps ${other.name}`;
    }
  }
  return null;
}
