/** How often one rider may ask what a ride would cost: quotes tell where drivers are and cost a shard its time. */
import type { RiderId } from "../domain/ride.ts";
import type { EpochMs } from "../domain/time.ts";
import { LIMITS } from "./limits.ts";

/** An answer to a quote; after this long the rider may ask again. */
export interface TooManyQuotes {
  readonly type: "too_many_quotes";
  readonly retryAfterMs: number;
}

/** Counts by windows that all riders share, so that nothing is kept of anybody for longer than one of them. */
export class QuoteRate {
  #endsAt = 0;
  readonly #asked = new Map<RiderId, number>();

  /** Counts this quote; null where it is not too many. */
  refusalOf(riderId: RiderId, now: EpochMs): TooManyQuotes | null {
    if (now >= this.#endsAt) {
      this.#asked.clear();
      this.#endsAt = now + LIMITS.quoteRateMs;
    }
    const asked = (this.#asked.get(riderId) ?? 0) + 1;
    if (asked > LIMITS.quoteRate) return { type: "too_many_quotes", retryAfterMs: this.#endsAt - now };
    this.#asked.set(riderId, asked);
    return null;
  }
}
