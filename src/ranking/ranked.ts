/** What a ranker answers, whichever ranker it was. */
import type { Candidate } from "../domain/driver.ts";

export interface RankedCandidate {
  readonly candidate: Candidate;
  /** Expected cost in seconds; lower is better. */
  readonly score: number;
  /** The model's P(accept), null where no model was used. */
  readonly acceptProbability: number | null;
  /** His row of the features. */
  readonly row: number;
}

/** Why the model did not rank: not loaded yet, too slow, threw, answered nonsense, switched off, or spared under load. */
export type FallbackReason = "loading" | "deadline" | "error" | "invalid" | "off" | "overload";

export interface Ranked {
  /** Best first; every candidate exactly once. */
  readonly order: readonly RankedCandidate[];
  /** A model's version, or `nearest@1`. */
  readonly ranker: string;
  readonly fallback: FallbackReason | null;
  /** FEATURE_SET_HASH of the code that wrote the features. */
  readonly featureSet: string;
  /** What a model was given, or would have been: the rows of all candidates as they were asked about. */
  readonly features: Float32Array;
}

/** A total order, so that the same decision made twice is the same decision. */
export function byScoreThenId(a: RankedCandidate, b: RankedCandidate): number {
  if (a.score !== b.score) return a.score - b.score;
  if (a.candidate.driverId === b.candidate.driverId) return 0;
  return a.candidate.driverId < b.candidate.driverId ? -1 : 1;
}
