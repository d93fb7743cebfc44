/**
 * `npm run bench [-- index|decision|eta|batch|simulator|system|kdd18 …] [--quick] [--write]`: runs all benchmarks, or
 * those named, one after another. `--write` puts their figures into docs/BENCHMARKS.md. Other options go to the
 * benchmarks that know them.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readArgsAndNames, runProgram } from "../sim/arguments.ts";
import { withFigures } from "./markdown.ts";
import { BENCHMARKS, type BenchmarkName, type GivenOptions, OWN_OPTIONS, readOwn } from "./options.ts";
import type { Report } from "./report.ts";

const NAMES = Object.keys(BENCHMARKS) as BenchmarkName[];
const DOCUMENT = join(import.meta.dirname, "..", "docs", "BENCHMARKS.md");

await runProgram(() => {
  const flag = { type: "boolean", default: false } as const;
  const { values, names } = readArgsAndNames(
    process.argv.slice(2),
    { ...OWN_OPTIONS, quick: flag, write: flag },
    NAMES,
  );
  const { quick, write, ...given } = values;
  // A benchmark that is asked for something wrong must not say so after those before it have run for minutes.
  readOwn(given);
  const folder = mkdtempSync(join(tmpdir(), "kerb-bench-"));
  try {
    const chosen = names.length === 0 ? NAMES : names;
    const reports = chosen.map((name) => run(name, given, quick, join(folder, `${name}.json`)));
    if (write) {
      writeFileSync(DOCUMENT, reports.reduce(withFigures, readFileSync(DOCUMENT, "utf8")));
      console.log("\nfigures written to docs/BENCHMARKS.md");
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

function run(name: BenchmarkName, given: GivenOptions, quick: boolean, json: string): Report {
  console.log(`\n=== ${name}`);
  const options = BENCHMARKS[name].flatMap((option) => {
    const value = given[option];
    return value === undefined ? [] : [`--${option}`, value];
  });
  if (quick) options.push("--quick");
  const program = join(import.meta.dirname, `${name}.bench.ts`);
  const { status, signal } = spawnSync(process.execPath, [program, ...options, "--json", json], { stdio: "inherit" });
  if (status !== 0) {
    console.error(`the ${name} benchmark ended with ${signal ?? status}`);
    process.exit(1);
  }
  return JSON.parse(readFileSync(json, "utf8")) as Report;
}
