import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startProgram } from "./support.ts";

/** An option that there is not, and of each program what else it may be told wrong; with what it answers. */
const WRONG: Readonly<Record<string, readonly (readonly [args: string, answer: string])[]>> = {
  "bin/start.ts": [
    ["--drivers many", '--drivers: expected a whole number from 1 to 5000, got "many"'],
    ["--city atlantis", '--city: expected one of nyc, sf, paris, berlin, got "atlantis"'],
    ["--requests nowhere.csv", '--requests: there is no file "nowhere.csv"'],
    ["--requests package.json", 'package.json: line 1: expected the header "t_epoch,lat,lon,base"'],
  ],
  "bin/chaos.ts": [
    ["--kills few", '--kills: expected a whole number from 1 to 100000, got "few"'],
    ["--bug none", "--bug: expected one of two-winners"],
  ],
  "bin/kerb-driver.ts": [
    ["--speed fast", '--speed: expected a number from 0 to 10000, got "fast"'],
    ["--vehicle bus", '--vehicle: expected one of economy, comfort, xl, premium, got "bus"'],
    ["--at -33.87,151.21", "--at: expected a value; one with a dash in front is written --at=-33.87,151.21"],
  ],
  "bin/kerb-rider.ts": [
    ["--from 40.7", '--from: expected a place as LAT,LNG such as 40.75,-73.98, got "40.7"'],
    ["--at soon", '--at: expected a time such as 2026-12-24T08:30, got "soon"'],
    ["--url localhost:8787", '--url: expected an address such as http://127.0.0.1:8787, got "localhost:8787"'],
  ],
  "sim/run.ts": [
    ["--seed -1", "--seed: expected a value; one with a dash in front is written --seed=-1"],
    ["--crowded=very", '--crowded: expected no value, got "very"'],
  ],
  "sim/lab/run.ts": [
    ["--seeds 0", '--seeds: expected a whole number from 1 to 100, got "0"'],
    ["--policies auction", "--policies: expected broadcast | sequential | batched"],
  ],
  "sim/soak.ts": [["--seeds all", '--seeds: expected a whole number from 1 to 1000000000, got "all"']],
  "sim/model/run.ts": [["long", "long: expected one of --long"]],
  "sim/judge/run.ts": [
    ["--loads 0.5,full", '--loads: expected a number from 0.01 to 10, got "full"'],
    ["--days yesterday", '--days: expected days such as 2014-04-03,2014-04-05, got "yesterday"'],
    ["--city paris", '--city: expected one of nyc, sf, got "paris"'],
    ["--unlimited --as-shard", "--as-shard: shards have limits, not --unlimited"],
  ],
  "bench/run.ts": [
    ["--drivers many", '--drivers: expected a whole number from 1 to 100000, got "many"'],
    ["speed", "speed: expected one of index, decision, eta, batch, simulator, system, kdd18"],
  ],
  "bench/batch.bench.ts": [],
  "bench/decision.bench.ts": [],
  "bench/eta.bench.ts": [],
  "bench/index.bench.ts": [],
  "bench/kdd18.bench.ts": [["--seeds 1", '--seeds: expected a whole number from 2 to 1000, got "1"']],
  "bench/simulator.bench.ts": [],
  "bench/system.bench.ts": [["--rounds", "--rounds: expected a value"]],
  "models/accept/train.ts": [["--hours week", '--hours: expected a number from 1 to 8760, got "week"']],
};
/** Every program refuses it; what it lists then are its own. */
const UNKNOWN = ["--sped 2", "--sped: no such option, expected one of --"] as const;

test.each(Object.entries(WRONG))("%s answers every wrong option with one line and code 2", async (program, wrong) => {
  const asked = [UNKNOWN, ...wrong].map(([args, answer]) => {
    return { args, answer, started: startProgram(program, args.split(" ")) };
  });
  for (const { args, answer, started } of asked) {
    expect(await started.ended, args).toBe(2);
    const lines = started.output().trimEnd().split("\n");
    expect(lines.map((line) => line.slice(0, answer.length))).toEqual([answer]);
  }
});

test("every program that people start from package.json is among them", () => {
  const { scripts, bin } = JSON.parse(readFileSync(join(import.meta.dirname, "..", "..", "package.json"), "utf8")) as {
    readonly scripts: Readonly<Record<string, string>>;
    readonly bin: Readonly<Record<string, string>>;
  };
  const started = Object.values(scripts).flatMap((script) => /^node (\S+\.ts)$/.exec(script)?.[1] ?? []);
  expect(Object.keys(WRONG)).toEqual(expect.arrayContaining([...started, ...Object.values(bin)]));
});
