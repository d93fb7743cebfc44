/** What travels with a model's file: what it is, what it expects, and rows whose answers are known. */

export interface ModelManifest {
  readonly name: string;
  readonly version: number;
  /** Of the model's file, hex; also its name in the store. */
  readonly sha256: string;
  readonly opset: { readonly onnx: number; readonly ml: number };
  readonly input: { readonly name: string; readonly columns: number };
  /** One column each: log-odds, and the probability made from them. */
  readonly outputs: { readonly margin: string; readonly probability: string };
  readonly featureViewVersion: number;
  readonly featureSetHash: string;
}

/** NaN, the infinities and -0 have no JSON numbers; they are written as the strings that `Number` reads. */
export type GoldenValue = number | string;

export interface GoldenRows {
  readonly rows: readonly (readonly GoldenValue[])[];
  /** Exact: the sums are built so that float32 cannot differ. */
  readonly margins: readonly number[];
  /** Within 1e-6: runtimes compute the exponential differently in the last bits. */
  readonly probabilities: readonly number[];
}

export const PROBABILITY_TOLERANCE = 1e-6;

/** `accept@1`: what offers are signed with. */
export function versionName(manifest: ModelManifest): string {
  return `${manifest.name}@${manifest.version}`;
}

export function goldenMatrix(golden: GoldenRows): Float32Array {
  return Float32Array.from(golden.rows.flat(), Number);
}

/** Null where all rows agree, else what does not. */
export function goldenMismatch(
  golden: GoldenRows,
  margins: ArrayLike<number>,
  probabilities: ArrayLike<number>,
): string | null {
  if (golden.rows.length === 0 || margins.length !== golden.rows.length) return "golden rows: wrong count";
  for (let row = 0; row < golden.rows.length; row++) {
    if (margins[row] !== golden.margins[row]) return `golden row ${row}: margin ${margins[row]}`;
    const gap = Math.abs(probabilities[row]! - golden.probabilities[row]!);
    // Written so that NaN fails.
    if (!(gap <= PROBABILITY_TOLERANCE)) return `golden row ${row}: probability ${probabilities[row]}`;
  }
  return null;
}
