/**
 * How long a way takes, from how long real trips took. A trip's speed along the straight line is split into what the hour
 * of the day makes of it, what its length does (long trips use faster roads), and what is left, of which only the spread
 * is kept. Without trips to learn from, the plan's one median speed serves all hours and lengths.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { haversineMeters } from "../../src/spatial/distance.ts";
import type { CityPlan } from "../city/places.ts";
import { linesOf } from "../city/requests-file.ts";

export interface TravelTimes {
  /** Where the times come from, in words for the report. */
  readonly source: string;
  /** `traffic` in standard deviations, positive is slower. */
  seconds(meters: number, hourLocal: number, traffic: number): number;
}

interface Sample {
  readonly hour: number;
  readonly meters: number;
  readonly logSpeed: number;
}

const HOURS = 24;
const BANDS_METERS = [1_000, 2_000, 4_000, 8_000, Number.POSITIVE_INFINITY] as const;
/** Fewer trips than this say nothing of their hour. */
const FEWEST = 30;
/** Of log speed, where no real trips are there to show it; near what they show. */
const GENERATED_SPREAD = 0.3;
/** Ways so slow or fast that they are somebody's error. */
const BELIEVABLE_METERS_PER_SECOND = [0.5, 30] as const;
const TRIPS = {
  nyc: { file: "nyc-taxi-od-month-d01_18.csv.gz", from: "yellow cabs, New York, one month" },
  sf: { file: "sf-cab-trips-2008-05-17_31.csv.gz", from: "cabs, San Francisco, May 2008" },
} as const;

export function generatedTravelTimes({ citySpeedMetersPerSecond }: CityPlan): TravelTimes {
  return {
    source: `generated: ${citySpeedMetersPerSecond} m/s along a straight line at every hour`,
    seconds: (meters, _hour, traffic) => (meters / citySpeedMetersPerSecond) * Math.exp(GENERATED_SPREAD * traffic),
  };
}

/** From the real trips of this city where the folder has them, else generated. */
export async function travelTimesFor(plan: CityPlan, dataFolder: string): Promise<TravelTimes> {
  if (plan.name !== "nyc" && plan.name !== "sf") return generatedTravelTimes(plan);
  const { file, from } = TRIPS[plan.name];
  const path = join(dataFolder, file);
  if (!existsSync(path)) return generatedTravelTimes(plan);
  const samples = await readSamples(path, plan.utcOffsetMinutes);
  const source = `${samples.length} real trips (${from})`;
  return { source, seconds: fitted(samples) };
}

export function fitted(samples: readonly Sample[]): TravelTimes["seconds"] {
  const all = median(samples.map(({ logSpeed }) => logSpeed));
  const byHour = Array.from({ length: HOURS }, (_, hour) => {
    const own = samples.filter((sample) => sample.hour === hour).map(({ logSpeed }) => logSpeed);
    return own.length < FEWEST ? all : median(own);
  });
  const byBand = BANDS_METERS.map((_, band) => {
    const own = samples.filter(({ meters }) => bandOf(meters) === band);
    return own.length < FEWEST ? 0 : median(own.map(({ logSpeed, hour }) => logSpeed - byHour[hour]!));
  });
  const left = samples.map(({ logSpeed, hour, meters }) =>
    Math.abs(logSpeed - byHour[hour]! - byBand[bandOf(meters)]!),
  );
  // The median of what is left, made a standard deviation: one absurd trip must not make every way uncertain.
  const spread = 1.4826 * median(left);
  return (meters, hourLocal, traffic) => {
    const logSpeed = byHour[Math.floor(hourLocal) % HOURS]! + byBand[bandOf(meters)]! - spread * traffic;
    return meters / Math.exp(logSpeed);
  };
}

async function readSamples(path: string, utcOffsetMinutes: number): Promise<Sample[]> {
  const samples: Sample[] = [];
  let columns: Map<string, number> | null = null;
  for await (const text of linesOf(path)) {
    const cells = text.split(",");
    if (columns === null) {
      columns = new Map(cells.map((name, index) => [name, index]));
      continue;
    }
    const at = (name: string): number => Number(cells[columns!.get(name) ?? -1] || Number.NaN);
    const pickupAt = at("pickup_t");
    const hour = columns.has("hour") ? at("hour") : Math.floor((pickupAt / 60 + utcOffsetMinutes) / 60) % HOURS;
    const seconds = columns.has("duration_s") ? at("duration_s") : at("dropoff_t") - pickupAt;
    const pickup = { lat: at("pickup_lat"), lng: at("pickup_lon") };
    const meters = haversineMeters(pickup, { lat: at("dropoff_lat"), lng: at("dropoff_lon") });
    const speed = meters / seconds;
    const [slowest, fastest] = BELIEVABLE_METERS_PER_SECOND;
    if (speed >= slowest && speed <= fastest) samples.push({ hour, meters, logSpeed: Math.log(speed) });
  }
  return samples;
}

function bandOf(meters: number): number {
  return BANDS_METERS.findIndex((upTo) => meters < upTo);
}

function median(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort();
  return sorted.length === 0 ? 0 : sorted[Math.floor(sorted.length / 2)]!;
}
