/** Order statistics that travel with their spread, and how they are written. The report they go into is report.ts. */
import type { Estimate } from "../sim/lab/statistics.ts";

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
  if (value === 0) return "0";
  if (Math.abs(value) < 0.001) return value.toExponential(1);
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.max(Math.abs(value), 0.001))));
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** "3.1x": how many times `of` goes into `value`, medians of both. */
export function formatRatio(value: number, of: number): string {
  return of === 0 ? "" : `${formatNumber(value / of)}x`;
}

/** "0.5130 +- 0.0012", to so many digits behind the point. */
export function formatEstimate(estimate: Estimate | null, digits: number): string {
  if (estimate === null) return "";
  const { mean, half } = estimate;
  return half === null ? mean.toFixed(digits) : `${mean.toFixed(digits)} +- ${half.toFixed(digits)}`;
}
