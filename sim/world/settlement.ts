/**
 * The end of a run: faults have stopped, nobody restarts anything, and what is open must close by itself in bounded time
 * (L0 to L5). Then the history must hold exactly what happened (S4, S7), and every offer its reason (Y1).
 */
import type { DriverId } from "../../src/domain/driver.ts";
import { isTerminal, notBeforePickup } from "../../src/domain/ride.ts";
import { type EpochMs, MINUTE_MS, SECOND_MS } from "../../src/domain/time.ts";
import { LIMITS } from "../../src/matching/limits.ts";
import { explainRide } from "../../src/shard/explain.ts";
import { promise } from "./violation.ts";
import type { World } from "./world.ts";

/**
 * A release waits at most a minute for its next try [O15], and the last that a lock did not hear may have been said just
 * before it was back: so this counts from then. Some seconds for the call and for what is late already.
 */
const LOCK_FREE_MS = 75 * SECOND_MS;
/** An event that was sent and lost is sent again after a minute, once the lost batch is known. */
const ARCHIVED_MS = 150 * SECOND_MS;
/** A driver's app notices a dead socket and comes back, or is told that it was superseded. */
const CONNECTED_MS = 90 * SECOND_MS;
/** For a clock that is wrong, and a shard that is still down when the faults stop. */
const OFFER_SLACK_MS = 30 * SECOND_MS;
/** The same, for the search of a scheduled ride. */
const DISPATCHED_MS = 45 * SECOND_MS;
const HAPPENED_MS = 15 * MINUTE_MS;
/** Beyond the longest ride, and how far ahead one may have been scheduled; what is still open then will never close. */
const QUIET_MS = 45 * MINUTE_MS;

export class Settlement {
  readonly #world: World;
  readonly #healedAt: EpochMs;
  readonly #rideMs: number;
  /** Since when a driver and his lock have not been of one mind; a moment of it is part of every reconnect. */
  readonly #strayedAt = new Map<DriverId, EpochMs>();

  constructor(world: World, healedAt: EpochMs) {
    const { matchDeadlineMs, noShowMs, pickupWatchMs, tripWatchMs } = world.market.dispatch;
    this.#world = world;
    this.#healedAt = healedAt;
    const attempts = LIMITS.redispatches + 1;
    const exchangedMs = LIMITS.exchangesPerRide * pickupWatchMs;
    this.#rideMs = attempts * (matchDeadlineMs + pickupWatchMs + noShowMs) + exchangedMs + tripWatchMs + MINUTE_MS;
  }

  /** True when all is closed. Throws when something has been open for too long. */
  reached(): boolean {
    this.#offersExpire();
    const open = [this.#ridesOver(), this.#locksFree(), this.#outboxesEmpty(), this.#driversConnected()];
    open.push(this.#somethingHappened());
    open.push(this.#world.drivers.every((driver) => driver.idle) && this.#world.queue.depth === 0);
    const reached = open.every((closed) => closed);
    promise(reached || !this.#overdue(0, this.#rideMs + QUIET_MS), "L4", () => `still not quiet: ${open.join(" ")}`);
    return reached;
  }

  #overdue(since: EpochMs, boundMs: number): boolean {
    return this.#world.loop.now > Math.max(since, this.#healedAt) + boundMs;
  }

  #ridesOver(): boolean {
    let over = true;
    for (const ride of this.#world.auditor.rides.values()) {
      if (isTerminal(ride)) continue;
      over = false;
      const late = this.#overdue(notBeforePickup(ride.request, ride.createdAt), this.#rideMs);
      promise(!late, "L1", () => `${ride.id} is still ${ride.state}`);
      if (ride.state !== "scheduled") continue;
      const forgotten = this.#overdue(ride.request.pickupAt - LIMITS.leadLeastMs, DISPATCHED_MS);
      promise(!forgotten, "P2", () => `nobody is looked for to drive ${ride.id}`);
    }
    return over;
  }

  /** An offer, told or only intended, has its own short end; the ride's deadline is not what it waits for. */
  #offersExpire(): void {
    const { offerTtlMs } = this.#world.market.dispatch;
    for (const { id, state, createdAt } of this.#world.auditor.openOffers()) {
      const late = this.#overdue(createdAt, LIMITS.intentMs + offerTtlMs + OFFER_SLACK_MS);
      promise(!late, "L1", () => `${id} is still ${state}`);
    }
  }

  #locksFree(): boolean {
    const { auditor } = this.#world;
    let free = true;
    for (const [driverId, { holder }] of auditor.locks) {
      if (holder === null) continue;
      free = false;
      const overAt = auditor.overAt.get(holder.offerId);
      const late = overAt !== undefined && this.#lockOverdue(driverId, Math.max(overAt, holder.since));
      promise(!late, "L2", () => `${driverId} is still held by ${holder.offerId}, which is over`);
    }
    return free;
  }

  /** A lock that is still down when the faults stop hears nothing until it is back. */
  #lockOverdue(driverId: DriverId, overAt: EpochMs): boolean {
    return this.#overdue(Math.max(overAt, this.#world.lock(driverId).downUntil), LOCK_FREE_MS);
  }

  #outboxesEmpty(): boolean {
    const { auditor } = this.#world;
    let archived = true;
    for (const { name, storage } of this.#world.shards()) {
      for (const { id, at } of storage.unarchived()) {
        archived = false;
        promise(!this.#overdue(at, ARCHIVED_MS), "L3", () => `${id} of ${name} is not in history`);
      }
      for (const offerId of storage.unreleased()) {
        archived = false;
        const { driverId } = auditor.offers.get(offerId)!;
        const late = this.#lockOverdue(driverId, auditor.overAt.get(offerId) ?? Number.POSITIVE_INFINITY);
        promise(!late, "L2", () => `${offerId} is over, and no lock has acknowledged its release`);
      }
    }
    return archived;
  }

  /** L5: the socket that a driver believes in is the one that his lock knows; else nobody can offer him a ride. */
  #driversConnected(): boolean {
    let connected = true;
    for (const driver of this.#world.drivers) {
      const session = this.#world.auditor.locks.get(driver.id)?.session ?? null;
      if (driver.goneUntil === Number.POSITIVE_INFINITY) continue;
      if (driver.socket !== null && session?.epoch === driver.socket.epoch) {
        this.#strayedAt.delete(driver.id);
        continue;
      }
      connected = false;
      const strayedAt = this.#strayedAt.get(driver.id) ?? this.#world.loop.now;
      this.#strayedAt.set(driver.id, strayedAt);
      promise(!this.#overdue(Math.max(strayedAt, driver.goneUntil), CONNECTED_MS), "L5", () => {
        const at = driver.socket === null ? "nowhere" : `at epoch ${driver.socket.epoch}`;
        return `${driver.id} is ${at}, his lock says ${session === null ? "nowhere" : `epoch ${session.epoch}`}`;
      });
    }
    return connected;
  }

  /** L0: a world in which nobody ever rode proves nothing. */
  #somethingHappened(): boolean {
    const happened = this.#world.auditor.counts.has("ride.completed");
    promise(happened || !this.#overdue(0, HAPPENED_MS), "L0", () => "no ride was ever completed");
    return happened;
  }

  /**
   * Every offer, and nothing else, is explained by the decision that it came of; no place weighs more than it may, and no
   * queue is in another order than that of waiting.
   */
  judgeDecisions(): void {
    const { lookAheadSeconds } = this.#world.market.dispatch;
    for (const { storage } of this.#world.shards()) {
      for (const rideId of storage.rides.keys()) {
        const rows = storage.recall(rideId)!;
        const { decisions } = explainRide(rows, storage.readDecisions(rideId));
        for (const { candidates, zone } of decisions) {
          const queued = zone === null ? [] : candidates.map(({ queuedSeconds }) => queuedSeconds ?? 0);
          if (queued.length > 1) this.#world.auditor.count("decision of a queue");
          promise(
            queued.every((seconds, at) => at === 0 || seconds <= queued[at - 1]!),
            "Z3",
            () => {
              return `${rideId}: in the queue of ${zone} they had waited ${queued.join(", ")} s`;
            },
          );
          const weights = candidates.map((candidate) => candidate.lookAheadSeconds);
          if (weights.some((seconds) => seconds !== 0)) this.#world.auditor.count("decision that minds places");
          const apart = Math.max(...weights) - Math.min(...weights);
          promise(apart <= lookAheadSeconds, "N3", () => `${rideId}: places weigh ${apart} s`);
        }
        const ranked = decisions.flatMap(({ candidates }) => candidates);
        const explained = ranked.flatMap(({ offer }) => (offer === null ? [] : [offer.id])).sort();
        const made = rows.offers.map(({ id }) => id).sort();
        promise(
          explained.join() === made.join(),
          "Y1",
          () => `of ${made.join()} only ${explained.join()} are explained`,
        );
      }
    }
  }

  /** What happened is in history, all of it and nothing else. */
  judgeHistory(): void {
    const { auditor, history } = this.#world;
    for (const id of auditor.events.keys()) promise(history.events.has(id), "S4", () => `${id} is missing in history`);
    for (const id of history.events.keys()) promise(auditor.events.has(id), "S4", () => `${id} never happened`);
    for (const ride of auditor.rides.values()) {
      const kept = history.rides.get(ride.id);
      promise(kept?.version === ride.version, "S7", () => `${ride.id}:${ride.version} is kept as ${kept?.version}`);
    }
  }
}
