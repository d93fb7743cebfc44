/**
 * `npm run bench [-- index|decision|eta|batch|simulator|system|kdd18 …] [--quick] [--write]`: runs all benchmarks, or
 * those named, one after another. `--write` puts their figures into docs/BENCHMARKS.md. Other options go to the
 * benchmarks that know them.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { withFigures } from "./markdown.ts";
import type { Report } from "./report.ts";

/** Each with the options of its own. */
const BENCHMARKS = {
  index: [],
  decision: [],
  eta: [],
  batch: [],
  simulator: [],
  system: ["drivers", "rides-per-second", "rounds", "minutes", "state"],
  kdd18: ["seeds"],
} as const;
type Name = keyof typeof BENCHMARKS;

const NAMES = Object.keys(BENCHMARKS) as Name[];
const DOCUMENT = join(import.meta.dirname, "..", "docs", "BENCHMARKS.md");

const own = Object.fromEntries(NAMES.flatMap((name) => BENCHMARKS[name]).map((option) => [option, { type: "string" }]));
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    ...(own as Record<string, { type: "string" }>),
    quick: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
  },
});
const unknown = positionals.find((name) => !NAMES.includes(name as Name));
if (unknown !== undefined) {
  console.error(`no benchmark is called ${unknown}; there are: ${NAMES.join(", ")}`);
  process.exit(2);
}
const chosen = positionals.length === 0 ? NAMES : NAMES.filter((name) => positionals.includes(name));

const folder = mkdtempSync(join(tmpdir(), "kerb-bench-"));
try {
  const reports = chosen.map(run);
  if (values.write) {
    writeFileSync(DOCUMENT, reports.reduce(withFigures, readFileSync(DOCUMENT, "utf8")));
    console.log("\nfigures written to docs/BENCHMARKS.md");
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function run(name: Name): Report {
  console.log(`\n=== ${name}`);
  const json = join(folder, `${name}.json`);
  const options = BENCHMARKS[name].flatMap((option) => {
    const value = (values as Readonly<Record<string, string | boolean | undefined>>)[option];
    return typeof value === "string" ? [`--${option}`, value] : [];
  });
  const quick = values.quick ? ["--quick"] : [];
  const program = join(import.meta.dirname, `${name}.bench.ts`);
  const { status, signal } = spawnSync(process.execPath, [program, ...options, ...quick, "--json", json], {
    stdio: "inherit",
  });
  if (status !== 0) {
    console.error(`the ${name} benchmark ended with ${signal ?? status}`);
    process.exit(1);
  }
  return JSON.parse(readFileSync(json, "utf8")) as Report;
}
