/** Cuts each feature into at most 128 bins at float32 edges, so that training compares small integers. */

export interface Binned {
  readonly count: number;
  readonly featureCount: number;
  /** Ascending upper edges per feature: bin b holds values `edges[b-1] < x <= edges[b]`, the last bin what is above. */
  readonly edges: readonly Float32Array[];
  /** Column-major bin numbers; NaN has the bin after the last. */
  readonly bins: Uint8Array;
}

export const MAXIMUM_BINS = 128;

/** Edges at quantiles, midway between neighbouring values that occur. */
function edgesOf(sorted: Float32Array): Float32Array {
  const edges: number[] = [];
  for (let cut = 1; cut < MAXIMUM_BINS; cut++) {
    const at = Math.floor((cut * sorted.length) / MAXIMUM_BINS);
    const low = sorted[at - 1];
    if (low === undefined) continue;
    // The quantile may fall inside a run of equal values; the edge belongs at the end of the run.
    let next = at;
    while (next < sorted.length && sorted[next] === low) next++;
    const high = sorted[next];
    if (high === undefined) break;
    const middle = Math.fround(low + (high - low) / 2);
    const edge = middle < high ? middle : low;
    if (edge !== edges.at(-1)) edges.push(edge);
  }
  return Float32Array.from(edges);
}

/** The first bin whose edge is not below x. */
export function binOf(edges: Float32Array, x: number): number {
  if (Number.isNaN(x)) return edges.length + 1;
  let low = 0;
  let high = edges.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (x <= edges[middle]!) high = middle;
    else low = middle + 1;
  }
  return low;
}

export function binRows(rows: Float32Array, count: number, featureCount: number): Binned {
  const bins = new Uint8Array(count * featureCount);
  const edges: Float32Array[] = [];
  for (let feature = 0; feature < featureCount; feature++) {
    const column = new Float32Array(count);
    for (let row = 0; row < count; row++) column[row] = rows[row * featureCount + feature]!;
    const own = edgesOf(column.filter(Number.isFinite).sort());
    edges.push(own);
    for (let row = 0; row < count; row++) bins[feature * count + row] = binOf(own, column[row]!);
  }
  return { count, featureCount, edges, bins };
}
