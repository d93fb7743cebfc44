/** Order statistics that travel with their spread, and how they are written. The report they go into is report.ts. */

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

/** A mean of independent repetitions, and how far from it the true one may lie with 95 % confidence. */
export interface Estimate {
  readonly mean: number;
  readonly halfWidth: number;
}

export function estimateOf(repetitions: readonly number[]): Estimate {
  const count = repetitions.length;
  if (count < 2) throw new RangeError("one repetition tells nothing of its spread");
  const mean = repetitions.reduce((sum, value) => sum + value, 0) / count;
  const variance = repetitions.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (count - 1);
  return { mean, halfWidth: studentQuantile(count - 1) * Math.sqrt(variance / count) };
}

/** Student's t at 97.5 %: exact for one and two degrees of freedom, beyond them Fisher's series, good to 0.3 %. */
function studentQuantile(degrees: number): number {
  if (degrees === 1) return 12.7062;
  if (degrees === 2) return 4.3027;
  const z = 1.959964;
  const terms = [
    z,
    (z ** 3 + z) / 4,
    (5 * z ** 5 + 16 * z ** 3 + 3 * z) / 96,
    (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / 384,
    (79 * z ** 9 + 776 * z ** 7 + 1_482 * z ** 5 - 1_920 * z ** 3 - 945 * z) / 92_160,
  ];
  return terms.reduce((sum, term, power) => sum + term / degrees ** power, 0);
}

/** "0.5130 +- 0.0012", to so many digits behind the point. */
export function formatEstimate({ mean, halfWidth }: Estimate, digits: number): string {
  return `${mean.toFixed(digits)} +- ${halfWidth.toFixed(digits)}`;
}
