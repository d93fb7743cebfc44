/**
 * The heuristic: nearest in time first. It is a ranker in its own right, not an emergency: it serves until a model is
 * loaded, whenever one is late or broken, and when an operator switches models off.
 */
import type { Candidate } from "../domain/driver.ts";
import { FEATURE_SET_HASH } from "./feature-view.ts";
import { byScoreThenId, type FallbackReason, type Ranked } from "./ranked.ts";

const NEAREST_RANKER = "nearest@1";

/**
 * `fallback` says why no model ranked; null where the nearest ranker was what was wanted. The features are not looked at,
 * only kept: who asks why this driver wants to know what a model would have been given.
 */
export function rankByPickupTime(
  candidates: readonly Candidate[],
  features: Float32Array,
  fallback: FallbackReason | null,
): Ranked {
  const order = candidates.map((candidate, row) => {
    return { candidate, score: candidate.pickupSeconds, acceptProbability: null, row };
  });
  return { order: order.sort(byScoreThenId), ranker: NEAREST_RANKER, fallback, featureSet: FEATURE_SET_HASH, features };
}
