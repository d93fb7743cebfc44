/** Several policies on the same demands: run by run, then what can be said about all of them together. */
import type { CityPlan } from "../city/places.ts";
import { readConfiguration } from "./configuration.ts";
import { type EventCounts, LabCity } from "./lab-city.ts";
import { type Policy, rankerOf } from "./policies.ts";
import { type Estimate, estimate, pairedDifference } from "./statistics.ts";
import type { RunFigures, RunResult } from "./tally.ts";
import type { TravelTimes } from "./travel-times.ts";
import type { Wishes } from "./wishes.ts";

export interface Experiment {
  readonly plan: CityPlan;
  readonly wishes: Wishes;
  readonly travel: TravelTimes;
  readonly drivers: number;
  readonly zoneShare: number;
  readonly hours: number;
  readonly policies: readonly Policy[];
  /** Runs are paired by seed: a seed is a fleet, its people's characters, and what the demand leaves open. */
  readonly seeds: readonly number[];
}

export interface Figure {
  readonly key: keyof RunFigures;
  readonly title: string;
  readonly unit: "%" | "min" | "s" | "km" | "offers" | "money" | "";
  readonly better: "more" | "less";
}

export const FIGURES: readonly Figure[] = [
  { key: "servedShare", title: "Served: trips completed of those asked for", unit: "%", better: "more" },
  { key: "waitMinutes", title: "Pickup time: request to driver at the kerb", unit: "min", better: "less" },
  { key: "waitMinutesP90", title: "Pickup time, 90th percentile", unit: "min", better: "less" },
  { key: "heldShare", title: "Held back for a driver about to finish", unit: "%", better: "less" },
  { key: "matchSeconds", title: "Request to accepted", unit: "s", better: "less" },
  { key: "approachMinutes", title: "Accepted to driver at the kerb", unit: "min", better: "less" },
  { key: "unservedShare", title: "No driver found in time", unit: "%", better: "less" },
  { key: "cancelledShare", title: "Cancelled by the rider", unit: "%", better: "less" },
  { key: "offersPerRequest", title: "Offers shown per request", unit: "offers", better: "less" },
  { key: "acceptedShare", title: "Offers answered with accept", unit: "%", better: "more" },
  { key: "idleShare", title: "Drivers' time without a ride", unit: "%", better: "less" },
  {
    key: "driverWaitMinutesP90",
    title: "Drivers' time without a ride at a stretch, 90th percentile",
    unit: "min",
    better: "less",
  },
  { key: "wayHomeKilometers", title: "From where a shift ended to the driver's home", unit: "km", better: "less" },
  { key: "emptyKilometersPerHour", title: "Driven without a rider per hour online", unit: "km", better: "less" },
  { key: "hintsPerHour", title: "Hints per driver and hour online", unit: "", better: "less" },
  {
    key: "zoneWaitMinutes",
    title: "At airports: drivers' wait from coming there to a ride",
    unit: "min",
    better: "less",
  },
  { key: "zoneWaitMinutesP90", title: "At airports: that wait, 90th percentile", unit: "min", better: "less" },
  { key: "zoneWaitGini", title: "At airports: Gini of those waits", unit: "", better: "less" },
  {
    key: "zoneOvertakenShare",
    title: "At airports: rides while such a car had waited longer",
    unit: "%",
    better: "less",
  },
  { key: "zonePickupMinutes", title: "At airports: riders' pickup time", unit: "min", better: "less" },
  { key: "zoneServedShare", title: "At airports: served", unit: "%", better: "more" },
  { key: "incomePerHour", title: "Fares per driver and hour online", unit: "money", better: "more" },
  { key: "incomeGini", title: "Gini of hourly fares among drivers", unit: "", better: "less" },
  {
    key: "plannedServedShare",
    title: "Served, of riders who knew before when they would go",
    unit: "%",
    better: "more",
  },
  { key: "unplannedServedShare", title: "Served, of the others", unit: "%", better: "more" },
  { key: "plannedLateMinutes", title: "Who knew: driver at the kerb after that time", unit: "min", better: "less" },
  {
    key: "plannedLateMinutesP90",
    title: "Who knew: driver after that time, 90th percentile",
    unit: "min",
    better: "less",
  },
  { key: "plannedEarlyMinutes", title: "Who knew: driver before that time, waiting", unit: "min", better: "less" },
];

export interface PolicyResult {
  readonly policy: Policy;
  /** One per seed, in the order of the seeds. */
  readonly runs: readonly RunResult[];
  readonly means: Readonly<Record<keyof RunFigures, Estimate | null>>;
  /** To the first policy; null for the first itself. */
  readonly differences: Readonly<Record<keyof RunFigures, Estimate | null>> | null;
}

export interface Comparison {
  readonly experiment: Experiment;
  readonly currency: string;
  readonly results: readonly PolicyResult[];
  readonly events: EventCounts;
}

export interface Watcher {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
}

export interface Progress {
  readonly run: number;
  readonly runs: number;
  readonly policy: string;
  readonly seed: number;
  /** Of the demand's time in this run, 0 to 1. */
  readonly share: number;
}

/** City time between two looks at the signal. */
const SLICE_MS = 60_000;

/** Null when the signal said stop. All policies of a seed run one after another, so that a stop leaves whole pairs. */
export async function compare(experiment: Experiment, { signal, onProgress }: Watcher): Promise<Comparison | null> {
  const { plan, policies, seeds, hours } = experiment;
  const configuration = readConfiguration();
  const market = configuration.marketAt(plan.hotspots[0]!);
  const events: EventCounts = { shardCommands: 0, lockCommands: 0, movements: 0, neighbourSearches: 0 };
  const runsOf = new Map<Policy, RunResult[]>(policies.map((policy) => [policy, []]));
  const rankers = new Map(policies.map((policy) => [policy, rankerOf(policy)]));
  let run = 0;
  for (const seed of seeds) {
    for (const policy of policies) {
      run += 1;
      const { startAt } = experiment.wishes;
      const lastsMs = Math.round(hours * 3_600_000);
      const city = new LabCity({
        ...experiment,
        configuration,
        market,
        change: policy.configuration,
        rank: rankers.get(policy)!,
        demand: experiment.wishes.demandOf(seed),
        seed,
        startAt,
        lastsMs,
      });
      for (let until = startAt + SLICE_MS; !city.advance(until); until += SLICE_MS) {
        const share = Math.min(1, (until - startAt) / lastsMs);
        onProgress({ run, runs: seeds.length * policies.length, policy: policy.name, seed, share });
        // The only moment at which a signal can be heard: a virtual city never waits for anything.
        await new Promise((resolve) => setImmediate(resolve));
        if (signal.aborted) return null;
      }
      runsOf.get(policy)!.push(city.result());
      for (const name of Object.keys(events) as (keyof EventCounts)[]) events[name] += city.counts[name];
    }
  }
  const base = runsOf.get(policies[0]!)!;
  const results = policies.map((policy, index) => summary(policy, runsOf.get(policy)!, index === 0 ? null : base));
  return { experiment, currency: market.tariff.currency, results, events };
}

function summary(policy: Policy, runs: readonly RunResult[], base: readonly RunResult[] | null): PolicyResult {
  const valuesOf = (of: readonly RunResult[], key: keyof RunFigures) => of.map(({ figures }) => figures[key]);
  const means = perFigure((key) => estimate(valuesOf(runs, key)));
  const differences = base && perFigure((key) => pairedDifference(valuesOf(runs, key), valuesOf(base, key)));
  return { policy, runs, means, differences };
}

function perFigure(make: (key: keyof RunFigures) => Estimate | null): Record<keyof RunFigures, Estimate | null> {
  return Object.fromEntries(FIGURES.map(({ key }) => [key, make(key)])) as Record<keyof RunFigures, Estimate | null>;
}
