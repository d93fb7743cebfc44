/**
 * Looks whether a shard's rows and the locks of its drivers agree, while both go on. Rows are read anew after every
 * wait: what looks wrong may only have been over by the time it was looked at. What is wrong, is decided in
 * src/matching/reconcile.ts.
 */
import type { DriverId } from "../domain/driver.ts";
import type { Offer, OfferId, OfferVerdict, Ride, WonOffer } from "../domain/ride.ts";
import { type EpochMs, SECOND_MS } from "../domain/time.ts";
import { type AuditReport, heldFor, rowViolations, type Violation, winnerViolations } from "../matching/reconcile.ts";

/** What an audit may look at. Null is no answer, which proves nothing. */
export interface AuditSources {
  openRides(): Ride[];
  /** Offers that hold a driver, or are about to, by their seq. */
  liveOffers(): Offer[];
  findOffer(offerId: OfferId): Offer | null;
  /** What this driver's lock holds. */
  askLock(driverId: DriverId): Promise<{ readonly holds: OfferId | null } | null>;
  /** What the shard of this offer says of it. */
  askShard(offerId: OfferId): Promise<OfferVerdict | null>;
  now(): EpochMs;
}

/** Locks asked in one run; the next run goes on where this one ended. */
const LOCKS_PER_RUN = 500;
const AT_ONCE = 20;
/** A run that meets silent locks begins nothing after this: whoever asked for it waits three seconds. */
const RUN_MS = 1.2 * SECOND_MS;

export class Audit {
  readonly #sources: AuditSources;
  /** The last offer that was looked at. */
  #seq = 0;

  constructor(sources: AuditSources) {
    this.#sources = sources;
  }

  async run(): Promise<AuditReport> {
    const { openRides, liveOffers, now } = this.#sources;
    const startedAt = now();
    const offers = liveOffers();
    const violations = rowViolations(openRides(), offers, startedAt);
    const won = offers.filter((offer) => offer.state === "won");
    const turn = [...won.filter(({ seq }) => seq > this.#seq), ...won.filter(({ seq }) => seq <= this.#seq)];
    const run = turn.slice(0, LOCKS_PER_RUN);
    let [checked, unanswered] = [0, 0];
    for (let start = 0; start < run.length && now() - startedAt < RUN_MS; start += AT_ONCE) {
      const group = run.slice(start, start + AT_ONCE);
      const found = await Promise.all(group.map((winner) => this.#look(winner)));
      for (const one of found) {
        if (one === null) unanswered++;
        else violations.push(...one);
      }
      checked += found.filter((one) => one !== null).length;
      this.#seq = group.at(-1)!.seq;
    }
    return { checked, engaged: won.length, unanswered, violations };
  }

  async #look(winner: WonOffer): Promise<Violation[] | null> {
    const { askLock, askShard, findOffer } = this.#sources;
    const answer = await askLock(winner.driverId);
    if (answer === null) return null;
    const holds = answer.holds && heldFor(answer.holds, findOffer(answer.holds));
    const other = holds !== null && holds !== winner.id;
    const otherAlive = other && (await askShard(holds)) === "hold";
    return winnerViolations(winner, { holds, otherAlive }, findOffer(winner.id));
  }
}
