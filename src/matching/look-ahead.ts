/**
 * Looking ahead: who is free where rides will soon want him is worth more there than who is not, so of two drivers about
 * as near the other one is asked. What a place is worth is the time that a driver who is free there may expect to be paid
 * for, learned by temporal difference from what drivers did (stays.ts). It is counted in seconds, as a pickup is, so that
 * one can be weighed against the other in any city: a second without pay against a second of waiting.
 *
 * Only where drivers are is weighed. Where a ride leads to is the same for all who may take it, and no rider waits longer
 * for a ride to a place that drivers do not like.
 */
import type { Candidate } from "../domain/driver.ts";
import type { DispatchPolicy } from "../domain/market.ts";
import type { LatLng } from "../domain/place.ts";
import type { EpochMs } from "../domain/time.ts";
import type { RankedCandidate } from "../ranking/ranked.ts";
import { clamp, HOUR_KINDS, hourKindOf, LearnedMeans, type MeanRows, squareOf } from "./learned-means.ts";
import type { ShardState } from "./shard-state.ts";

/** Where and when somebody is free. */
export interface Spot {
  readonly square: number;
  readonly hour: number;
}

/** From being free somewhere to being free elsewhere or later: after a completed ride, or without one. */
export interface Passage {
  readonly from: Spot;
  readonly to: Spot;
  readonly tookSeconds: number;
  /** Of them. */
  readonly paidSeconds: number;
}

/** What outlives the object. */
export interface LookAheadMemory {
  readonly tookSeconds: number;
  readonly paidSeconds: number;
  readonly squares: MeanRows;
  readonly squareHours: MeanRows;
}

/** What is so far ahead counts a third. By then most drivers have had a ride, and it matters no more where they were. */
const HORIZON_SECONDS = 1_800;
/** What is usual here is the mean of about so many passages: an hour of a busy shard. */
const USUAL_PASSAGES = 500;
/** A place where fewer ended is not known. */
const LEAST_VISITS = 20;
const MEANS = { priorVisits: 20, memoryVisits: 500 };
const SQUARES = 512;
const SQUARE_HOURS = 2_048;

export class LookAhead {
  readonly #utcOffsetMinutes: number;
  /** What a place is worth above what is usual here at any hour, and what a kind of hour adds to that. */
  readonly #squares = new LearnedMeans({ ...MEANS, room: SQUARES });
  readonly #squareHours = new LearnedMeans({ ...MEANS, room: SQUARE_HOURS });
  #tookSeconds = 0;
  #paidSeconds = 0;
  #learned = 0;

  constructor({ utcOffsetMinutes }: { readonly utcOffsetMinutes: number }) {
    this.#utcOffsetMinutes = utcOffsetMinutes;
  }

  /** Passages learned since the object started. */
  get learned(): number {
    return this.#learned;
  }

  spotAt(place: LatLng, now: EpochMs): Spot {
    return { square: squareOf(place), hour: hourKindOf(now, this.#utcOffsetMinutes) };
  }

  /** Paid seconds before a driver who is free there, what is sooner counting more; null where that is not known. */
  paidSecondsAhead(spot: Spot): number | null {
    if (this.#squares.visits(spot.square) < LEAST_VISITS) return null;
    return this.#usualShare() * HORIZON_SECONDS + this.#aboveUsual(spot);
  }

  /** One step of temporal difference. Pay counts as earned evenly, less what is usual; a place not known is as usual. */
  learn({ from, to, tookSeconds, paidSeconds }: Passage): void {
    if (tookSeconds <= 0) return;
    const left = Math.exp(-tookSeconds / HORIZON_SECONDS);
    const gained = (paidSeconds / tookSeconds - this.#usualShare()) * HORIZON_SECONDS * (1 - left);
    const surprise = gained + left * this.#aboveUsual(to) - this.#aboveUsual(from);
    this.#squares.adjust(from.square, surprise);
    this.#squareHours.adjust(keyOf(from), surprise);
    const kept = 1 - 1 / USUAL_PASSAGES;
    this.#tookSeconds = this.#tookSeconds * kept + tookSeconds;
    this.#paidSeconds = this.#paidSeconds * kept + paidSeconds;
    this.#learned++;
  }

  memory(): LookAheadMemory {
    const [squares, squareHours] = [this.#squares.rows(), this.#squareHours.rows()];
    return { tookSeconds: this.#tookSeconds, paidSeconds: this.#paidSeconds, squares, squareHours };
  }

  recall({ tookSeconds, paidSeconds, squares, squareHours }: LookAheadMemory): void {
    this.#tookSeconds = tookSeconds;
    this.#paidSeconds = paidSeconds;
    this.#squares.recall(squares);
    this.#squareHours.recall(squareHours);
  }

  #usualShare(): number {
    return this.#tookSeconds === 0 ? 0 : this.#paidSeconds / this.#tookSeconds;
  }

  #aboveUsual(spot: Spot): number {
    return this.#squares.at(spot.square) + this.#squareHours.at(keyOf(spot));
  }
}

function keyOf({ square, hour }: Spot): number {
  return square * HOUR_KINDS + hour;
}

/** Drivers of this shard with what it knows of where they are. */
export function withAhead(
  found: readonly Candidate[],
  { lookAhead, setting }: Pick<ShardState, "lookAhead" | "setting">,
  now: EpochMs,
): readonly Candidate[] {
  if (setting.market.dispatch.lookAheadSeconds === 0) return found;
  return found.map((candidate) => {
    const aheadSeconds = lookAhead.paidSecondsAhead(lookAhead.spotAt(candidate.position, now));
    return aheadSeconds === null ? candidate : { ...candidate, aheadSeconds };
  });
}

/**
 * Seconds that each of these costs more, or less, for being worth more where he is than they are on average, or less: at
 * most half of `lookAheadSeconds` either way, so that no two differ by more than all of it. Nothing for who is where
 * nothing is known.
 */
export function premiumsOf(
  candidates: readonly Candidate[],
  lookAheadSeconds: number,
): (candidate: Candidate) => number {
  const known = candidates.flatMap(({ aheadSeconds }) => (aheadSeconds === undefined ? [] : [aheadSeconds]));
  if (lookAheadSeconds === 0 || known.length < 2) return () => 0;
  const mean = known.reduce((sum, seconds) => sum + seconds, 0) / known.length;
  return ({ aheadSeconds = mean }) => clamp(aheadSeconds - mean, lookAheadSeconds / 2);
}

/** Those of these candidates that were ranked, in the order of what they cost then; equals stay as they were. */
export function lookingAhead(
  order: RankedCandidate[],
  candidates: readonly Candidate[],
  { lookAheadSeconds }: Pick<DispatchPolicy, "lookAheadSeconds">,
): RankedCandidate[] {
  if (lookAheadSeconds === 0) return order;
  const premium = premiumsOf(candidates, lookAheadSeconds);
  const weighed = order.map((ranked) => ({ ...ranked, score: ranked.score + premium(ranked.candidate) }));
  return weighed.sort((a, b) => a.score - b.score);
}
