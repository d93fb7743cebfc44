/** Who wants to go where, when: made up from a city's plan, or read from a file of real pickups. */
import { SECOND_MS } from "../../src/domain/time.ts";
import { haversineMeters } from "../../src/spatial/distance.ts";
import { UsageError } from "../arguments.ts";
import type { Demand } from "../city/demand.ts";
import { createGeneratedDemand } from "../city/generated-demand.ts";
import type { CityPlan } from "../city/places.ts";
import { createReplayedDemand, readRealTrips } from "../city/replayed-demand.ts";
import { busiestHour, pickupsWithin, readPickups } from "../city/requests-file.ts";
import { createRandom } from "../random.ts";

export interface Wishes {
  /** In words for the report. */
  readonly source: string;
  readonly startAt: number;
  readonly requestsPerHour: number;
  /** The same wishes for the same seed, from their beginning. */
  demandOf(seed: number): Demand;
}

/** A Friday at five in the afternoon, in the city's own time: when dispatch matters. */
const GENERATED_LOCAL_START = Date.UTC(2026, 0, 9, 17);

/** Farther from the city's middle than any of its pickups. */
const ELSEWHERE_METERS = 100_000;

export function generatedWishes(plan: CityPlan, requestsPerHour: number): Wishes {
  return {
    source: `generated: ${Math.round(requestsPerHour)} requests an hour at random times, hotspots of ${plan.name}`,
    startAt: GENERATED_LOCAL_START - plan.utcOffsetMinutes * 60_000,
    requestsPerHour,
    demandOf: (seed) => createGeneratedDemand(plan, requestsPerHour, createRandom(seed).fork("demand")),
  };
}

/** `from` null takes the busiest hour of the fullest day. Throws UsageError. */
export async function replayedWishes(
  plan: CityPlan,
  file: string,
  from: string | null,
  hours: number,
): Promise<Wishes> {
  const all = await readPickups(file);
  if (haversineMeters(all[Math.floor(all.length / 2)]!, plan.hotspots[0]!) > ELSEWHERE_METERS) {
    throw new UsageError(`${file} is not of ${plan.name}: name its city with --city`);
  }
  const fromSeconds = from === null ? busiestHour(all).from : Date.parse(from) / SECOND_MS;
  const pickups = pickupsWithin(all, { from: fromSeconds, seconds: hours * 3_600 });
  if (pickups.length === 0) {
    const days = [all[0]!, all.at(-1)!].map(({ at }) => new Date(at * SECOND_MS).toISOString());
    throw new UsageError(`no pickup within --from and --hours; the file goes from ${days.join(" to ")}`);
  }
  const trips = await readRealTrips(file);
  const ends = pickups[0]!.dropoff
    ? "their real drop-offs"
    : trips.length > 0
      ? `drop-offs of ${trips.length} real trips nearby`
      : "drop-offs generated";
  return {
    source: `${pickups.length} real pickups from ${new Date(fromSeconds * SECOND_MS).toISOString()} on; ${ends}`,
    startAt: fromSeconds * SECOND_MS,
    requestsPerHour: pickups.length / hours,
    demandOf: (seed) => createReplayedDemand(pickups, fromSeconds, trips, createRandom(seed).fork("demand")),
  };
}
