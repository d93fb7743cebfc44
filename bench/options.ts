/** What the benchmarks may be told: what all of them know, and what only some do, which `npm run bench` hands on to those. */
import { numberOf, readArgs, refuse } from "../sim/arguments.ts";

/** Each with the options of its own. */
export const BENCHMARKS = {
  index: [],
  decision: [],
  eta: [],
  batch: [],
  simulator: [],
  system: ["drivers", "rides-per-second", "rounds", "minutes", "state"],
  kdd18: ["seeds"],
} as const satisfies Record<string, readonly (keyof Own)[]>;
export type BenchmarkName = keyof typeof BENCHMARKS;

interface Own {
  readonly drivers?: number;
  readonly "rides-per-second"?: number;
  readonly rounds?: number;
  /** Of the soak after the rounds. */
  readonly minutes?: number;
  /** Folder of the server's state. */
  readonly state?: string;
  readonly seeds?: number;
}

const TEXT = { type: "string" } as const;
export const OWN_OPTIONS = {
  drivers: TEXT,
  "rides-per-second": TEXT,
  rounds: TEXT,
  minutes: TEXT,
  state: TEXT,
  seeds: TEXT,
} as const satisfies Record<keyof Own, typeof TEXT>;

/** As they were typed. */
export type GivenOptions = Readonly<Partial<Record<keyof Own, string | undefined>>>;

/** Throws UsageError. */
export function readOwn(given: GivenOptions): Own {
  const optional = (name: keyof Own, from: number, to: number, whole: boolean) => {
    const text = given[name];
    return text === undefined ? {} : { [name]: numberOf(name, text, from, to, whole) };
  };
  return {
    ...optional("drivers", 1, 100_000, true),
    ...optional("rides-per-second", 0.1, 1_000, false),
    ...optional("rounds", 1, 100, true),
    ...optional("minutes", 0, 1_440, false),
    ...optional("seeds", 2, 1_000, true),
    ...(given.state !== undefined && { state: given.state }),
  };
}

/** `--quick`: enough to see that it works, not enough to believe the numbers. What is wrong ends the benchmark here. */
export function readOptions(name: BenchmarkName) {
  try {
    const own = Object.fromEntries(BENCHMARKS[name].map((option) => [option, OWN_OPTIONS[option]]));
    const common = { json: TEXT, quick: { type: "boolean", default: false } } as const;
    const { json, quick, ...given } = readArgs(process.argv.slice(2), { ...own, ...common });
    return { json, quick, ...readOwn(given) };
  } catch (error) {
    return refuse(error);
  }
}
