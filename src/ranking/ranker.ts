/**
 * Turns a model's P(accept) into an order of candidates. The model itself runs elsewhere (`durable-objects/ports`):
 * here its numbers are only judged and used, and where they cannot be used the nearest ranker answers instead.
 */
import type { Candidate } from "../domain/driver.ts";
import { FEATURE_SET_HASH } from "./feature-view.ts";
import { rankByPickupTime } from "./nearest-ranker.ts";
import { byScoreThenId, type FallbackReason, type Ranked, type RankedCandidate } from "./ranked.ts";

export type { FallbackReason, Ranked, RankedCandidate };

/**
 * What an offer that comes to nothing costs, in seconds of pickup time. In simulation a refusal loses 10 s (a decline
 * takes few, silence the whole 15 of the offer); the other half is a price, for a rider who waits for he knows not
 * what and a driver shown a card he does not want.
 */
export const RETRY_SECONDS = 20;
/** A driver who never accepts would cost infinitely much; below this the order among the unwilling is by distance. */
const LEAST_PROBABILITY = 0.02;

/**
 * Seconds of pickup time plus seconds expected to be lost on refusals: `pickup + (1 - p) / p * retry`.
 *
 * Offered one after another, with refusals costing `retry` seconds each, drivers i before j is the better order exactly
 * when `pickup_i + retry / p_i < pickup_j + retry / p_j` (write both orders out; whatever follows them cancels). This
 * is that index, shifted by `retry` so that a certain driver costs his pickup time.
 */
export function expectedCostSeconds(pickupSeconds: number, acceptProbability: number): number {
  const p = Math.max(acceptProbability, LEAST_PROBABILITY);
  return pickupSeconds + ((1 - p) / p) * RETRY_SECONDS;
}

/** One finite probability per candidate; anything else is a broken model, and nothing of its answer is used. */
function usable(probabilities: Float32Array, count: number): boolean {
  return probabilities.length === count && probabilities.every((p) => p >= 0 && p <= 1);
}

/** Orders by expected cost, equal costs by driver id. An unusable answer falls back to the nearest ranker. */
export function rankByAcceptance(
  candidates: readonly Candidate[],
  /** The rows that the probabilities answer. */
  features: Float32Array,
  acceptProbabilities: Float32Array,
  ranker: string,
): Ranked {
  if (!usable(acceptProbabilities, candidates.length)) return rankByPickupTime(candidates, features, "invalid");
  const order = candidates.map((candidate, row): RankedCandidate => {
    const acceptProbability = acceptProbabilities[row]!;
    const score = expectedCostSeconds(candidate.pickupSeconds, acceptProbability);
    return { candidate, score, acceptProbability, row };
  });
  return { order: order.sort(byScoreThenId), ranker, fallback: null, featureSet: FEATURE_SET_HASH, features };
}
