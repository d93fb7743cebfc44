/** The world's only clock and its only queue: what happens next is what is due next, ties in the order they were set. */
import type { EpochMs } from "../../src/domain/time.ts";

interface Entry {
  readonly at: EpochMs;
  readonly order: number;
  readonly run: () => void;
}

export class EventLoop {
  now: EpochMs;
  readonly #heap: Entry[] = [];
  #scheduled = 0;

  constructor(startAt: EpochMs) {
    this.now = startAt;
  }

  after(ms: number, run: () => void): void {
    this.at(this.now + Math.round(ms), run);
  }

  /** Never before what is happening now: a moment that has passed means at once. */
  at(at: EpochMs, run: () => void): void {
    const heap = this.#heap;
    const entry = { at: Math.max(at, this.now), order: this.#scheduled++, run };
    let hole = heap.length;
    heap.push(entry);
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      if (!before(entry, heap[parent]!)) break;
      heap[hole] = heap[parent]!;
      hole = parent;
    }
    heap[hole] = entry;
  }

  /** Lets the next thing happen; false when nothing ever will. */
  step(): boolean {
    const heap = this.#heap;
    const next = heap[0];
    if (next === undefined) return false;
    const last = heap.pop()!;
    if (heap.length > 0) this.#sink(last);
    this.now = next.at;
    next.run();
    return true;
  }

  #sink(entry: Entry): void {
    const heap = this.#heap;
    let hole = 0;
    for (;;) {
      let child = 2 * hole + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, entry)) break;
      heap[hole] = heap[child]!;
      hole = child;
    }
    heap[hole] = entry;
  }
}

function before(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
