/** The options of `npm run chaos`: strict, like those of the city. */
import { choiceOf, numberOf, readArgs } from "../arguments.ts";
import { type BugName, PLANTED_BUGS } from "./planted-bugs.ts";

export interface ChaosOptions {
  /** How long faults go on. */
  readonly forMs: number;
  /** Faults end earlier, after this many kills. */
  readonly kills: number;
  readonly killEveryMs: readonly [number, number];
  readonly killsOnly: boolean;
  readonly seed: number;
  readonly drivers: number;
  readonly riders: number;
  readonly stateDir: string;
  readonly reportFile: string | null;
  /** Attack a Worker with this bug in it. */
  readonly bug: BugName | null;
}

export const USAGE = `npm run chaos -- [options]

  --minutes M    faults for so long, 0.1 to 600 (default 5); healing and checking come after
  --kills N      stop the faults earlier, after N kills
  --kills-only   nothing but kills, 20 s apart: how long until all drivers are back
  --seed N       the same seed gives the same people and the same schedule of faults (default 1); where it is odd,
                 several drivers are asked at once
  --drivers N    1 to 1000 (default 50)
  --riders N     at a time, 1 to 1000 (default 20)
  --state DIR    where the server keeps everything (default .kerb/chaos; emptied at start)
  --report FILE  write the report as JSON
  --bug NAME     attack a Worker with this bug planted in it, which the judges must notice:
                 ${Object.keys(PLANTED_BUGS).join(" | ")}`;

const OPTIONS = {
  minutes: { type: "string", default: "5" },
  kills: { type: "string" },
  "kills-only": { type: "boolean", default: false },
  seed: { type: "string", default: "1" },
  drivers: { type: "string", default: "50" },
  riders: { type: "string", default: "20" },
  state: { type: "string", default: ".kerb/chaos" },
  report: { type: "string" },
  bug: { type: "string" },
  help: { type: "boolean", default: false },
} as const;

const BUG_NAMES = Object.keys(PLANTED_BUGS) as BugName[];
const KILL_EVERY_MS = [2_000, 8_000] as const;

/** Null asks for the usage text. Throws UsageError. */
export function parseChaosOptions(args: readonly string[]): ChaosOptions | null {
  const values = readArgs(args, OPTIONS);
  if (values.help) return null;
  return {
    forMs: numberOf("minutes", values.minutes, 0.1, 600) * 60_000,
    kills: values.kills === undefined ? Number.POSITIVE_INFINITY : numberOf("kills", values.kills, 1, 100_000, true),
    killEveryMs: values["kills-only"] ? [20_000, 20_000] : KILL_EVERY_MS,
    killsOnly: values["kills-only"],
    seed: numberOf("seed", values.seed, 0, Number.MAX_SAFE_INTEGER, true),
    drivers: numberOf("drivers", values.drivers, 1, 1_000, true),
    riders: numberOf("riders", values.riders, 1, 1_000, true),
    stateDir: values.state,
    reportFile: values.report ?? null,
    bug: values.bug === undefined ? null : choiceOf("bug", values.bug, BUG_NAMES),
  };
}
