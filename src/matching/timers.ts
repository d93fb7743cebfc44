/** What must be looked at again, and when. In memory only: every entry can be told again from the rows it belongs to. */
import type { EpochMs } from "../domain/time.ts";

export type TimerKind =
  | "ride.dispatch"
  | "ride.deadline"
  | "ride.search"
  | "ride.silence"
  | "batch.window"
  | "swap"
  | "ride.pickup_watch"
  | "ride.no_show"
  | "ride.trip_watch"
  | "offer.intent"
  | "offer.expiry"
  | "offer.release"
  | "driver.return"
  | "driver.held"
  | "queue.place"
  | "queue.tell"
  | "sweep";

interface Entry {
  readonly dueAt: EpochMs;
  readonly kind: TimerKind;
  readonly key: string;
}

/** A binary heap with one entry per (kind, key). A replaced or cleared entry stays in the heap, ignored, until compaction. */
export class Timers {
  #heap: Entry[] = [];
  readonly #current = new Map<string, Entry>();

  set(kind: TimerKind, key: string, dueAt: EpochMs): void {
    const entry = { dueAt, kind, key };
    this.#current.set(`${kind}/${key}`, entry);
    this.#heap.push(entry);
    this.#rise(this.#heap.length - 1);
    if (this.#heap.length > 64 + 2 * this.#current.size) this.#compact();
  }

  clear(kind: TimerKind, key: string): void {
    this.#current.delete(`${kind}/${key}`);
  }

  has(kind: TimerKind, key: string): boolean {
    return this.#current.has(`${kind}/${key}`);
  }

  get size(): number {
    return this.#current.size;
  }

  /** When the next entry is due; null when nothing waits. */
  nextDueAt(): EpochMs | null {
    while (this.#heap.length > 0 && !this.#isCurrent(this.#heap[0]!)) this.#pop();
    return this.#heap[0]?.dueAt ?? null;
  }

  /** Takes the earliest entry that is due at `now`; null when none is. */
  take(now: EpochMs): { readonly kind: TimerKind; readonly key: string } | null {
    const dueAt = this.nextDueAt();
    if (dueAt === null || dueAt > now) return null;
    const entry = this.#pop();
    this.clear(entry.kind, entry.key);
    return entry;
  }

  #isCurrent(entry: Entry): boolean {
    return this.#current.get(`${entry.kind}/${entry.key}`) === entry;
  }

  #compact(): void {
    this.#heap = [...this.#current.values()].sort((a, b) => a.dueAt - b.dueAt);
  }

  #rise(start: number): void {
    const heap = this.#heap;
    let at = start;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (heap[parent]!.dueAt <= heap[at]!.dueAt) return;
      [heap[parent], heap[at]] = [heap[at]!, heap[parent]!];
      at = parent;
    }
  }

  #pop(): Entry {
    const heap = this.#heap;
    const top = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return top;
    heap[0] = last;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      if (left >= heap.length) return top;
      const right = left + 1;
      const least = right < heap.length && heap[right]!.dueAt < heap[left]!.dueAt ? right : left;
      if (heap[at]!.dueAt <= heap[least]!.dueAt) return top;
      [heap[at], heap[least]] = [heap[least]!, heap[at]!];
      at = least;
    }
  }
}
