/** What every benchmark needs: order statistics that travel with their spread, a table, the machine, a JSON report. */
import { writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";

/** The middle of several repetitions and how far they lay apart. */
export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

export function spreadOf(repetitions: readonly number[]): Spread {
  const sorted = Float64Array.from(repetitions).sort();
  return { median: quantile(sorted, 0.5), least: sorted[0]!, most: sorted[sorted.length - 1]! };
}

/** The sample at rank `share` (0 to 1) of an ascending array; no interpolation, so it is a value that occurred. */
export function quantile(sorted: Float64Array, share: number): number {
  if (sorted.length === 0) throw new RangeError("no samples");
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
}

/** Milliseconds that `run` takes. */
export function timeMs(run: () => void): number {
  const startedMs = performance.now();
  run();
  return performance.now() - startedMs;
}

/** "12.3 (11.9-14.0)": three significant digits, median first. */
export function formatSpread({ median, least, most }: Spread): string {
  return `${formatNumber(median)} (${formatNumber(least)}-${formatNumber(most)})`;
}

export function formatNumber(value: number): string {
  if (value !== 0 && Math.abs(value) < 0.001) return value.toExponential(1);
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.max(Math.abs(value), 0.001))));
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** First column to the left, the others to the right, as numbers want to stand. */
export function printTable(title: string, head: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = head.map((name, column) => Math.max(name.length, ...rows.map((row) => (row[column] ?? "").length)));
  const line = (cells: readonly string[]): string =>
    cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join("  ");
  console.log(`\n${title}`);
  console.log(line(head));
  console.log(widths.map((width) => "-".repeat(width)).join("  "));
  for (const row of rows) console.log(line(row));
}

/** Where the figures were made. The load average tells a reader whether the machine was busy with something else. */
export function describeMachine(): string {
  const processors = cpus();
  const model = processors[0]?.model.trim() ?? "unknown processor";
  return `${processors.length} x ${model}, Node ${process.version}, load ${loadavg()[0]!.toFixed(1)}`;
}

/** The FILE of `--json FILE`, if given. Any other argument is refused. */
export function jsonFileArgument(): string | undefined {
  return parseArgs({ options: { json: { type: "string" } } }).values.json;
}

export function writeJson(file: string, figures: unknown): void {
  writeFileSync(file, `${JSON.stringify(figures, null, 2)}\n`);
}
