/** The options of `npm run sim:compare`: strict, and an error says which option and what it takes. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { DISPATCH_KINDS } from "../../src/domain/market.ts";
import { choiceOf, numberOf, readArgs, UsageError } from "../arguments.ts";
import { CITY_PLANS, type CityPlan } from "../city/places.ts";
import { POLICIES_USAGE, type Policy, parsePolicies } from "./policies.ts";

export interface CompareOptions {
  readonly plan: CityPlan;
  readonly policies: readonly Policy[];
  /** Null is made up. */
  readonly requestsFile: string | null;
  readonly from: string | null;
  readonly hours: number;
  /** Null takes what the demand needs. */
  readonly drivers: number | null;
  readonly zoneShare: number;
  /** Requests per hour of made-up demand; null is what the drivers can just carry. */
  readonly rate: number | null;
  readonly seeds: readonly number[];
  readonly reportFile: string;
  readonly jsonFile: string | null;
  readonly dataFolder: string;
}

export const USAGE = `npm run sim:compare -- [options]

  --policies A,B,…   compared with the first of them: ${POLICIES_USAGE}
                     (default: ${DISPATCH_KINDS.join(",")})
  --city NAME        ${Object.keys(CITY_PLANS).join(" | ")} (default nyc)
  --requests FILE    replay real pickups, plain or gzip, as npm start reads them; or "generated" (default)
  --from TIME        first pickup to replay, such as 2014-04-11T21:00Z (default: the busiest hour)
  --hours N          city time of demand, 0.05 to 24 (default 1)
  --drivers N        1 to 20000 (default 300; with --requests or --rate, as many as the demand needs)
  --zone-share N     of the drivers, those who wait for rides at airports, 0 to 1 (default 0)
  --rate N           requests per hour of generated demand (default: what the drivers can just carry)
  --seeds N          runs per policy, paired by their seed, 1 to 100 (default 5)
  --first-seed N     the others follow it (default 1)
  --report FILE      the page with plots and tables (default .kerb/compare.html)
  --json FILE        the same figures, run by run

Travel times are those of real trips where the folder in KERB_DATA (default ../shared/data) has them, else generated.`;

const DEFAULT_DRIVERS = 300;
/** A ride keeps a driver for about a third of an hour: at this rate supply is tight and policies differ. */
const REQUESTS_PER_DRIVER_HOUR = 1.6;

const OPTIONS = {
  policies: { type: "string", default: DISPATCH_KINDS.join(",") },
  city: { type: "string", default: "nyc" },
  requests: { type: "string", default: "generated" },
  from: { type: "string" },
  hours: { type: "string", default: "1" },
  drivers: { type: "string" },
  "zone-share": { type: "string", default: "0" },
  rate: { type: "string" },
  seeds: { type: "string", default: "5" },
  "first-seed": { type: "string", default: "1" },
  report: { type: "string", default: join(".kerb", "compare.html") },
  json: { type: "string" },
  help: { type: "boolean", default: false },
} as const;

/** Null asks for the usage text. Throws UsageError. */
export function parseCompareOptions(args: readonly string[]): CompareOptions | null {
  const values = readArgs(args, OPTIONS);
  if (values.help) return null;
  const requestsFile = values.requests === "generated" ? null : values.requests;
  if (requestsFile !== null && !existsSync(requestsFile)) {
    throw new UsageError(`--requests: there is no file "${requestsFile}"; "generated" needs none`);
  }
  if (values.from !== undefined && (requestsFile === null || Number.isNaN(Date.parse(values.from)))) {
    throw new UsageError("--from: a time such as 2014-04-11T21:00Z, among the pickups of a file named with --requests");
  }
  if (values.rate !== undefined && requestsFile !== null) {
    throw new UsageError("--rate: a file of requests has its own");
  }
  const first = numberOf("first-seed", values["first-seed"], 0, 1_000_000_000, true);
  return {
    plan: CITY_PLANS[choiceOf("city", values.city, Object.keys(CITY_PLANS))]!,
    policies: parsePolicies(values.policies),
    requestsFile,
    from: values.from ?? null,
    hours: numberOf("hours", values.hours, 0.05, 24),
    drivers: values.drivers === undefined ? null : numberOf("drivers", values.drivers, 1, 20_000, true),
    zoneShare: numberOf("zone-share", values["zone-share"], 0, 1),
    rate: values.rate === undefined ? null : numberOf("rate", values.rate, 1, 1_000_000),
    seeds: Array.from({ length: numberOf("seeds", values.seeds, 1, 100, true) }, (_, index) => first + index),
    reportFile: values.report,
    jsonFile: values.json ?? null,
    dataFolder: process.env.KERB_DATA ?? join(import.meta.dirname, "..", "..", "..", "shared", "data"),
  };
}

export function rateFor({ rate, drivers }: Pick<CompareOptions, "rate" | "drivers">): number {
  return rate ?? (drivers ?? DEFAULT_DRIVERS) * REQUESTS_PER_DRIVER_HOUR;
}

export function driversFor(requestsPerHour: number): number {
  return Math.max(1, Math.ceil(requestsPerHour / REQUESTS_PER_DRIVER_HOUR));
}
