/** Looks, every few seconds of work, at what changes seldom and is kept elsewhere. Work never waits for it. */

const EVERY_MS = 3_000;

export class Refresh {
  readonly #look: () => Promise<void>;
  readonly #waitUntil: (work: Promise<void>) => void;
  #lookedAt = Number.NEGATIVE_INFINITY;

  /** `look` never rejects; `waitUntil` keeps the object alive for work that nobody waits for. */
  constructor(look: () => Promise<void>, waitUntil: (work: Promise<void>) => void) {
    this.#look = look;
    this.#waitUntil = waitUntil;
  }

  /** There is work: looks, if nobody has for a while. */
  worked(): void {
    if (Date.now() - this.#lookedAt >= EVERY_MS) this.#waitUntil(this.now());
  }

  now(): Promise<void> {
    this.#lookedAt = Date.now();
    return this.#look();
  }

  /** What was found may be another thing in a moment: the next work looks again. */
  soon(): void {
    this.#lookedAt = Number.NEGATIVE_INFINITY;
  }
}
