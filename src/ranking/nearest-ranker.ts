/**
 * The heuristic: nearest in time first. It is a ranker in its own right, not an emergency: it serves until a model is
 * loaded, whenever one is late or broken, and when an operator switches models off.
 */
import type { Candidate } from "../domain/driver.ts";
import { byScoreThenId, type FallbackReason, type Ranked } from "./ranked.ts";

const NEAREST_RANKER = "nearest@1";

/** `fallback` says why no model ranked; null where the nearest ranker was what was wanted. */
export function rankByPickupTime(candidates: readonly Candidate[], fallback: FallbackReason | null): Ranked {
  const order = candidates.map((candidate) => ({
    candidate,
    score: candidate.pickupSeconds,
    acceptProbability: null,
  }));
  return { order: order.sort(byScoreThenId), ranker: NEAREST_RANKER, fallback };
}
