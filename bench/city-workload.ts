/** Fleets, moves and requests in a city: at real pickups where the data is present (KERB_DATA), else at clusters. */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { createRandom, type Random } from "../sim/random.ts";
import { destinationPoint } from "../src/spatial/distance.ts";
import type { Ask, Fleet } from "./index-engines.ts";

export interface Place {
  readonly lat: number;
  readonly lng: number;
}

export interface Workload {
  readonly fleet: Fleet;
  readonly moves: { readonly slot: number; readonly lat: number; readonly lng: number }[];
  readonly asks: readonly Ask[];
}

export const SEED = 20140401;
const FREE = 1;
/** Trait bit of a class, and the share of the fleet that has it. */
const CLASSES = [
  [2, 0.7],
  [4, 0.9],
  [8, 0.98],
  [16, 1],
] as const;

export function loadPickups(): { source: string; places: Place[] } {
  const folder = process.env.KERB_DATA ?? fileURLToPath(new URL("../../shared/data", import.meta.url));
  const files = ["04", "05", "06"].map((month) => `${folder}/nyc-uber-2014-${month}.csv.gz`).filter(existsSync);
  const places: Place[] = [];
  for (const file of files) {
    for (const row of gunzipSync(readFileSync(file)).toString("utf8").split("\n").slice(1)) {
      const [, lat, lng] = row.split(",").map(Number);
      // The city's box: the source holds a few pickups in the sea and in other states.
      if (lat! > 40.5 && lat! < 41 && lng! > -74.3 && lng! < -73.6) places.push({ lat: lat!, lng: lng! });
    }
  }
  if (places.length > 0) return { source: `${places.length} real pickups, New York 2014`, places };
  console.log(`skipped: real pickups not found in ${folder}; using generated clusters`);
  const random = createRandom(SEED).fork("clusters");
  const centres = Array.from({ length: 40 }, () => ({
    lat: 40.6 + random.next() * 0.3,
    lng: -74.1 + random.next() * 0.3,
  }));
  const generated = Array.from({ length: 200_000 }, () =>
    destinationPoint(random.pick(centres), random.next() * 360, random.exponential(1_500)),
  );
  return { source: "generated clusters", places: generated };
}

/** The source is rounded to 11 m, so many pickups coincide; drivers do not stand inside each other. */
function near(place: Place, random: Random): Place {
  return { lat: place.lat + (random.next() - 0.5) * 4e-4, lng: place.lng + (random.next() - 0.5) * 4e-4 };
}

function classOf(random: Random): number {
  const draw = random.next();
  return CLASSES.find(([, upTo]) => draw < upTo)![0];
}

export function createWorkload(
  places: readonly Place[],
  entries: number,
  moveCount: number,
  askCount: number,
): Workload {
  const random = createRandom(SEED).fork(entries);
  const at = Array.from({ length: entries }, () => near(random.pick(places), random));
  const courses = at.map(() => random.next() * 360);
  const fleet: Fleet = {
    lat: Float64Array.from(at, ({ lat }) => lat),
    lng: Float64Array.from(at, ({ lng }) => lng),
    traits: Uint32Array.from(at, () => classOf(random) | (random.next() < 0.6 ? FREE : 0)),
    rating: Float64Array.from(at, () => 4 + random.next()),
  };
  const moves = Array.from({ length: moveCount }, () => {
    const slot = random.int(entries);
    courses[slot]! += random.normal() * 15;
    at[slot] = destinationPoint(at[slot]!, courses[slot]!, 32);
    return { slot, ...at[slot]! };
  });
  const asks = Array.from({ length: askCount }, () => ({
    ...near(random.pick(places), random),
    limit: 10,
    requiredTraits: classOf(random) | FREE,
    minimumRating: 4.2,
  }));
  return { fleet, moves, asks };
}
