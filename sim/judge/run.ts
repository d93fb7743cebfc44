/**
 * `npm run judge [-- --city nyc|sf] [--loads 0.5,0.8] [--seeds 1,2] [--days D,D] [--from H --to H] [--overlay N]
 * [--unlimited | --as-shard]` replays real requests under Kerb's batched dispatch and under nearest-first, by a judge that
 * is no part of Kerb (KERB_JUDGE, else beside the checkout) on data that is not either (KERB_DATA). Without `--city`, both
 * cities. `--as-shard` plans as shards do: a ride that waits is given free drivers only, and hopes for no exchange.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { choiceOf, numberOf, readArgs, runProgram, UsageError } from "../arguments.ts";
import { type JudgedRow, tableOf } from "./report.ts";

const CITIES = ["nyc", "sf"];
const POLICIES = {
  "as limited": "policy.ts",
  "exchanges unlimited": "unlimited.ts",
  "as a shard plans": "as-shard.ts",
} as const;
/** What is handed to the judge as it is. */
const PASSED = ["loads", "seeds", "days", "from", "to", "overlay"] as const;

const beside = (path: string): string => fileURLToPath(new URL(`../../../shared/${path}`, import.meta.url));
const judge = resolve(process.env.KERB_JUDGE ?? beside("judge/judge.mjs"));
const data = resolve(process.env.KERB_DATA ?? beside("data"));

function main(): void {
  const text = { type: "string" } as const;
  const options = readArgs(process.argv.slice(2), {
    city: text,
    loads: { ...text, default: "0.3,0.5,0.65,0.8" },
    seeds: { ...text, default: "1,2" },
    days: text,
    from: text,
    to: text,
    overlay: text,
    unlimited: { type: "boolean", default: false },
    "as-shard": { type: "boolean", default: false },
  });
  if (options.unlimited && options["as-shard"]) throw new UsageError("--as-shard: shards have limits, not --unlimited");
  const cities = options.city === undefined ? CITIES : [choiceOf("city", options.city, CITIES)];
  for (const load of options.loads.split(",")) numberOf("loads", load, 0.01, 10);
  for (const seed of options.seeds.split(",")) numberOf("seeds", seed, 0, 1_000_000_000, true);
  for (const day of options.days?.split(",") ?? []) requireDay(day);
  if (options.from !== undefined) numberOf("from", options.from, 0, 24);
  if (options.to !== undefined) numberOf("to", options.to, 0, 24);
  if (options.overlay !== undefined) numberOf("overlay", options.overlay, 0, 31, true);
  const missing = [judge, data].find((path) => !existsSync(path));
  if (missing !== undefined) {
    console.log(`skipped: ${missing} not found`);
    return;
  }
  const passed = PASSED.flatMap((name) => (options[name] === undefined ? [] : [`--${name}`, options[name]]));
  const variant = options.unlimited ? "exchanges unlimited" : options["as-shard"] ? "as a shard plans" : "as limited";
  const policy = fileURLToPath(new URL(POLICIES[variant], import.meta.url));
  for (const city of cities) {
    console.log(`\n${city}, ${variant}`);
    for (const line of tableOf(judged(["--city", city, ...passed, "--policy", policy]))) console.log(line);
  }
}

function requireDay(text: string): void {
  if (/^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text))) return;
  throw new UsageError(`--days: expected days such as 2014-04-03,2014-04-05, got "${text}"`);
}

/** The judge runs as a copy in a folder of its own, so that nothing beside it can be taken for its data. */
function judged(args: readonly string[]): JudgedRow[] {
  const folder = mkdtempSync(join(tmpdir(), "kerb-judge-"));
  try {
    const copy = join(folder, "judge.mjs");
    const json = join(folder, "rows.json");
    copyFileSync(judge, copy);
    const fixed = ["--split", "dev", "--dir", data, "--policies", "fcfs,greedy", "--json", json];
    const { status, signal } = spawnSync(process.execPath, [copy, ...fixed, ...args], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    if (status !== 0) throw new Error(`the judge ended with ${signal ?? status}`);
    return JSON.parse(readFileSync(json, "utf8")) as JudgedRow[];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

await runProgram(main);
