/**
 * Moves committed events out, at least once. The rows are the truth; this is only the memory of who must be told again.
 * An event leaves when the history has confirmed it, never because it was sent: a queue may lose what it was given.
 */
import type { RideEvent } from "../domain/event.ts";
import { type EpochMs, MINUTE_MS, SECOND_MS } from "../domain/time.ts";

/** Sent and not confirmed for this long: sent again. Repeats are harmless, the receiver knows them by id. */
const RESEND_AFTER_MS = MINUTE_MS;
const RETRY_AFTER_MS = 2 * SECOND_MS;
/** Longer than any batch takes to settle. */
const LOOK_AGAIN_MS = 10 * SECOND_MS;
/** The platform takes at most 100 messages in one batch. */
const BATCH_EVENTS = 100;

export class Outbox {
  readonly #waiting = new Map<string, { readonly event: RideEvent; dueAt: EpochMs }>();
  /** When the batch on its way was last looked at; null when none is. */
  #sendingSince: EpochMs | null = null;

  get size(): number {
    return this.#waiting.size;
  }

  add(event: RideEvent, now: EpochMs): void {
    this.#waiting.set(event.id, { event, dueAt: now });
  }

  archived(eventIds: readonly string[]): void {
    for (const id of eventIds) this.#waiting.delete(id);
  }

  /** The events to send now, and empty while a batch is on its way: what comes meanwhile goes together. */
  take(now: EpochMs): RideEvent[] {
    if (this.#sendingSince !== null) {
      if (now - this.#sendingSince >= LOOK_AGAIN_MS) this.#sendingSince = now;
      return [];
    }
    const batch: RideEvent[] = [];
    for (const entry of this.#waiting.values()) {
      if (entry.dueAt > now) continue;
      entry.dueAt = now + RESEND_AFTER_MS;
      batch.push(entry.event);
      if (batch.length === BATCH_EVENTS) break;
    }
    if (batch.length > 0) this.#sendingSince = now;
    return batch;
  }

  /** The batch arrived in the queue, or did not. */
  settled(batch: readonly RideEvent[], sent: boolean, now: EpochMs): void {
    this.#sendingSince = null;
    if (sent) return;
    for (const { id } of batch) {
      const entry = this.#waiting.get(id);
      if (entry) entry.dueAt = now + RETRY_AFTER_MS;
    }
  }

  /**
   * When to call `take` again; null when nothing waits. While a batch is on its way that is not at once, but not never
   * either: should the object die before the batch has settled, this is the alarm that brings it back.
   */
  nextDueAt(): EpochMs | null {
    if (this.#sendingSince !== null) return this.#sendingSince + LOOK_AGAIN_MS;
    let next: EpochMs | null = null;
    for (const { dueAt } of this.#waiting.values()) if (next === null || dueAt < next) next = dueAt;
    return next;
  }

  /** Age of the oldest event that the history has not confirmed, 0 when there is none. */
  oldestMs(now: EpochMs): number {
    for (const { event } of this.#waiting.values()) return Math.max(0, now - event.at);
    return 0;
  }
}
