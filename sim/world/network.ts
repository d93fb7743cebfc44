/**
 * Words between objects. Each way of a call may be lost, late, repeated or overtaken by itself, so a caller that heard
 * nothing does not know whether it was done. Asks again as the platform's caller does, and gives up in the same way.
 */
import type { Random } from "../random.ts";
import type { EventLoop } from "./event-loop.ts";
import type { Faults } from "./faults.ts";

export interface CallLimits {
  readonly deadlineMs: number;
  readonly attempts: number;
}

/** The callee: exactly one of the two is called, at once or later, or neither when it dies on the way. */
export type Callee<T> = (reply: (answer: T) => void, fail: () => void) => void;

const BASE_DELAY_MS = 12;
const SLOW_SHARE = 0.4;
const SLOW_MS = 6_000;
const RETRY_JITTER_MS = 50;

export class Network {
  readonly #loop: EventLoop;
  readonly #random: Random;
  readonly #faults: () => Faults;
  readonly #count: (name: string) => void;

  constructor(loop: EventLoop, random: Random, faults: () => Faults, count: (name: string) => void) {
    this.#count = count;
    this.#loop = loop;
    this.#random = random;
    this.#faults = faults;
  }

  /** `done` hears the answer, or null when none came in time; never after the caller is no longer `alive`. */
  call<T>(
    name: string,
    { deadlineMs, attempts }: CallLimits,
    callee: Callee<T>,
    alive: () => boolean,
    done: (answer: T | null) => void,
  ): void {
    const attempt = (left: number) => {
      let waiting = true;
      const settle = (run: () => void) => {
        if (!waiting) return;
        waiting = false;
        if (alive()) run();
      };
      const failed = () =>
        settle(() => {
          if (left === 1) done(null);
          else this.#loop.after(this.#random.int(RETRY_JITTER_MS), () => alive() && attempt(left - 1));
        });
      const reply = (answer: T) => this.#answer(name, () => settle(() => done(answer)));
      this.#request(name, () => callee(reply, () => this.#answer(name, failed)));
      this.#loop.after(deadlineMs, failed);
    };
    attempt(attempts);
  }

  #request(name: string, deliver: () => void): void {
    const { requestLost, requestRepeated } = this.#faults();
    if (this.#random.next() >= requestLost) this.#loop.after(this.delayMs(name), deliver);
    else this.#count("message lost");
    if (this.#random.next() >= requestRepeated) return;
    this.#count("message repeated");
    this.#loop.after(this.delayMs(name) + this.delayMs(name), deliver);
  }

  #answer(name: string, deliver: () => void): void {
    if (this.#random.next() >= this.#faults().answerLost) this.#loop.after(this.delayMs(name), deliver);
    else this.#count("message lost");
  }

  delayMs(name: string): number {
    const { late, lateMs, slowCall } = this.#faults();
    const random = this.#random;
    const base = 1 + random.int(BASE_DELAY_MS);
    const luck = random.next();
    if (name === slowCall && luck < SLOW_SHARE) return base + random.exponential(SLOW_MS);
    return luck < late ? base + random.exponential(lateMs) : base;
  }
}
