/** Means with what they are worth. Intervals are Student's, over seeds: rides of one run are not independent, runs are. */

/** `half` is half the width of the 95 % interval; null where a single run says nothing of the spread. */
export interface Estimate {
  readonly mean: number;
  readonly half: number | null;
}

/** Values that are NaN (nothing to measure in that run) are left out; null where none is left. */
export function estimate(values: readonly number[]): Estimate | null {
  const known = values.filter((value) => !Number.isNaN(value));
  const n = known.length;
  if (n === 0) return null;
  const mean = meanOf(known);
  if (n === 1) return { mean, half: null };
  const variance = known.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1);
  return { mean, half: studentQuantile(n - 1) * Math.sqrt(variance / n) };
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
