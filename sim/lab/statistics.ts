/** Means with what they are worth. Intervals are Student's, over seeds: rides of one run are not independent, runs are. */

/** `half` is half the width of the 95 % interval; null where a single run says nothing of the spread. */
export interface Estimate {
  readonly mean: number;
  readonly half: number | null;
}

/** Two-sided 95 % quantiles of Student's t for 1, 2, … degrees of freedom. */
const STUDENT = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11,
  2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042,
] as const;
const NORMAL = 1.96;

/** Values that are NaN (nothing to measure in that run) are left out; null where none is left. */
export function estimate(values: readonly number[]): Estimate | null {
  const known = values.filter((value) => !Number.isNaN(value));
  const n = known.length;
  if (n === 0) return null;
  const mean = meanOf(known);
  if (n === 1) return { mean, half: null };
  const variance = known.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1);
  return { mean, half: (STUDENT[n - 2] ?? NORMAL) * Math.sqrt(variance / n) };
}

/** Of the differences run by run: what both runs of a seed share, their demand and their people, falls out. */
export function pairedDifference(values: readonly number[], base: readonly number[]): Estimate | null {
  return estimate(values.map((value, index) => value - base[index]!));
}

export function meanOf(values: readonly number[]): number {
  return values.length === 0 ? Number.NaN : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The value below which this share of the sorted numbers lies; one that occurred. */
export function quantileOf(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

/** 0 when all have the same, towards 1 when one has everything. NaN where there is nothing to share. */
export function gini(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const total = sorted.reduce((sum, value) => sum + value, 0);
  if (total <= 0) return Number.NaN;
  const weighted = sorted.reduce((sum, value, index) => sum + (index + 1) * value, 0);
  return (2 * weighted) / (sorted.length * total) - (sorted.length + 1) / sorted.length;
}
