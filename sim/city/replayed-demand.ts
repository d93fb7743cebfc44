/** Demand from real pickups. Where drop-offs were never published, each borrows that of a real trip from nearby. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import type { LatLng } from "../../src/domain/place.ts";
import { destinationPoint } from "../../src/spatial/distance.ts";
import type { Random } from "../random.ts";
import { type Demand, rideRequest } from "./demand.ts";
import { gravityDropoff } from "./generated-demand.ts";
import { linesOf, type Pickup } from "./requests-file.ts";

interface RealTrip {
  readonly pickup: LatLng;
  readonly dropoff: LatLng;
}

/** Looked for beside the requests file. */
const TRIP_FILES = ["nyc-taxi-od-month-d01_18.csv.gz", "nyc-taxi-od-2009_2012.csv.gz"];
/** About 550 m north to south: trips that begin in the same square are alike. */
const SQUARE_DEGREES = 0.005;
/** Published pickups are rounded to about 11 m; without this many would coincide. */
const JITTER_METERS = 12;

/** `pickups` in order of time; the first is due at 0 of city time plus its distance from `fromSeconds`. */
export function createReplayedDemand(
  pickups: readonly Pickup[],
  fromSeconds: number,
  trips: readonly RealTrip[],
  random: Random,
): Demand {
  const squares = Map.groupBy(trips, ({ pickup }) => squareOf(pickup, 0, 0));
  let index = 0;
  const anyPlace = (stream: Random): LatLng => jittered(stream.pick(pickups), stream);
  return {
    next() {
      const due = pickups[index];
      if (!due) return null;
      index += 1;
      const pickup = jittered(due, random);
      const known = due.dropoff ?? nearbyTrip(squares, pickup, random)?.dropoff;
      const dropoff = known ?? gravityDropoff(pickup, () => anyPlace(random), random);
      // Times are published to the minute; spread inside it, or every minute would begin with a burst that never was.
      const atMs = (due.at - fromSeconds + (due.at % 60 === 0 ? spreadInMinute(pickups, index - 1) : 0)) * 1_000;
      return { atMs, request: rideRequest(pickup, dropoff, random) };
    },
    place: anyPlace,
  };
}

/** Real trips from the files beside the requests file; empty when they are not there. */
export async function readRealTrips(requestsFile: string): Promise<RealTrip[]> {
  const trips: RealTrip[] = [];
  for (const name of TRIP_FILES) {
    const file = join(dirname(requestsFile), name);
    if (!existsSync(file)) continue;
    let columns: number[] | null = null;
    for await (const text of linesOf(file)) {
      const cells = text.split(",");
      columns ??= ["pickup_lat", "pickup_lon", "dropoff_lat", "dropoff_lon"].map((column) => cells.indexOf(column));
      const [a, b, c, d] = columns.map((column) => Number(cells[column]));
      if (Number.isFinite(a! + b! + c! + d!)) {
        trips.push({ pickup: { lat: a!, lng: b! }, dropoff: { lat: c!, lng: d! } });
      }
    }
  }
  return trips;
}

/** Equal shares of the minute, in file order. */
function spreadInMinute(pickups: readonly Pickup[], index: number): number {
  const { at } = pickups[index]!;
  let first = index;
  while (first > 0 && pickups[first - 1]!.at === at) first -= 1;
  let last = index;
  while (last + 1 < pickups.length && pickups[last + 1]!.at === at) last += 1;
  return ((index - first) / (last - first + 1)) * 60;
}

/** A random trip that began in the same square or in one of the eight around it. */
function nearbyTrip(squares: ReadonlyMap<string, readonly RealTrip[]>, at: LatLng, random: Random): RealTrip | null {
  const own = squares.get(squareOf(at, 0, 0));
  if (own) return random.pick(own);
  const around = [-1, 0, 1].flatMap((y) => [-1, 0, 1].flatMap((x) => squares.get(squareOf(at, y, x)) ?? []));
  return around.length > 0 ? random.pick(around) : null;
}

function squareOf({ lat, lng }: LatLng, north: number, east: number): string {
  return `${Math.floor(lat / SQUARE_DEGREES) + north},${Math.floor(lng / SQUARE_DEGREES) + east}`;
}

function jittered({ lat, lng }: LatLng, random: Random): LatLng {
  return destinationPoint({ lat, lng }, random.next() * 360, Math.abs(random.normal()) * JITTER_METERS);
}
