/** The options of `npm start`: strict, and an error says which option and what it takes. */
import { existsSync } from "node:fs";
import { choiceOf, numberOf, readArgs, UsageError } from "../arguments.ts";
import { CITY_PLANS } from "../city/places.ts";

export interface CityOptions {
  readonly city: string;
  /** Null takes as many as the demand needs. */
  readonly drivers: number | null;
  readonly speed: number;
  /** Null runs until the requests file is through, or for ever. */
  readonly durationSeconds: number | null;
  readonly seed: number;
  readonly requestsFile: string | null;
  /** ISO time in UTC of the first request to replay; null takes the busiest hour of the fullest day. */
  readonly from: string | null;
  readonly hours: number;
  /** Requests per second of the wall's clock; null derives it from the drivers. */
  readonly rate: number | null;
  readonly reportFile: string | null;
  readonly stateDir: string;
  readonly resume: boolean;
  readonly port: number;
}

export const USAGE = `npm start -- [options]

  --city NAME         ${Object.keys(CITY_PLANS).join(" | ")} (default nyc)
  --drivers N         1 to 5000 (default 200; with --requests, as many as the file needs)
  --speed X           city time against the clock on the wall, 0.1 to 60 (default 10)
  --duration SECONDS  stop asking for rides then, let all end, check, report (default: until Ctrl-C)
  --rate R            ride requests per second of wall time (default: what the drivers can carry)
  --seed N            the same seed gives the same people and wishes (default 1)
  --requests FILE     replay real pickups, plain or gzip: t_epoch,lat,lon,base or Date/Time,Lat,Lon,Base
  --from TIME         first pickup to replay, such as 2014-04-11T21:00Z (default: the busiest hour)
  --hours N           how much of the file to replay, 0.1 to 24 (default 1)
  --report FILE       write the final report as JSON
  --state DIR         where the server keeps everything (default .kerb/state; emptied at start)
  --resume            go on with the state instead of emptying it
  --port N            default 8787; 0 takes a free one`;

const OPTIONS = {
  city: { type: "string", default: "nyc" },
  drivers: { type: "string" },
  speed: { type: "string", default: "10" },
  duration: { type: "string" },
  rate: { type: "string" },
  seed: { type: "string", default: "1" },
  requests: { type: "string" },
  from: { type: "string" },
  hours: { type: "string", default: "1" },
  report: { type: "string" },
  state: { type: "string", default: ".kerb/state" },
  resume: { type: "boolean", default: false },
  port: { type: "string", default: "8787" },
  help: { type: "boolean", default: false },
} as const;

/** Null asks for the usage text. Throws UsageError. */
export function parseCityOptions(args: readonly string[]): CityOptions | null {
  const values = readArgs(args, OPTIONS);
  if (values.help) return null;
  if (values.requests !== undefined && !existsSync(values.requests)) {
    throw new UsageError(`--requests: there is no file "${values.requests}"`);
  }
  if (values.from !== undefined && Number.isNaN(Date.parse(values.from))) {
    throw new UsageError(`--from: expected a time such as 2014-04-11T21:00Z, got "${values.from}"`);
  }
  if (values.from !== undefined && values.requests === undefined) {
    throw new UsageError("--from chooses among the pickups of a file: name one with --requests");
  }
  return {
    city: choiceOf("city", values.city, Object.keys(CITY_PLANS)),
    drivers: optional(values.drivers, (text) => numberOf("drivers", text, 1, 5_000, true)),
    speed: numberOf("speed", values.speed, 0.1, 60),
    durationSeconds: optional(values.duration, (text) => numberOf("duration", text, 1, 86_400)),
    rate: optional(values.rate, (text) => numberOf("rate", text, 0.001, 200)),
    seed: numberOf("seed", values.seed, 0, Number.MAX_SAFE_INTEGER, true),
    requestsFile: values.requests ?? null,
    from: values.from ?? null,
    hours: numberOf("hours", values.hours, 0.1, 24),
    reportFile: values.report ?? null,
    stateDir: values.state,
    resume: values.resume,
    port: numberOf("port", values.port, 0, 65_535, true),
  };
}

function optional<T>(text: string | undefined, parse: (text: string) => T): T | null {
  return text === undefined ? null : parse(text);
}
