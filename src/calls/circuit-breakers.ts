/**
 * Which objects are worth calling just now. One that has failed too often is left alone for a moment, then one call may
 * try it while the others still wait: an ill object is not helped by a queue at its door, nor is whoever stands in it.
 * Pure: time is passed in. Soft: every isolate of the Worker learns for itself.
 */
import { type EpochMs, SECOND_MS } from "../domain/time.ts";

/** So many failures within the window, beyond the answers that came between them, open a circuit. */
export const FAILURES = 5;
export const WINDOW_MS = 10 * SECOND_MS;
/** Calls are refused this long; then one of them is the probe, and the next may be one as much later. */
export const OPEN_MS = 2 * SECOND_MS;
/** Circuits remembered; beyond it the oldest is forgotten, which closes it. */
export const CIRCUITS = 1_000;

interface Circuit {
  /** Newest last; empty while open. */
  failures: EpochMs[];
  /** Null while closed. */
  openedAt: EpochMs | null;
  refusesUntil: EpochMs;
}

export class CircuitBreakers {
  /** Only objects that have failed lately. */
  readonly #circuits = new Map<string, Circuit>();

  /** Whether to call at all. Once an open circuit has waited, the call that hears true is its probe. */
  admits(name: string, now: EpochMs): boolean {
    const circuit = this.#circuits.get(name);
    if (circuit === undefined || circuit.openedAt === null) return true;
    if (now < circuit.refusesUntil) return false;
    // A probe whose request was cut off is never heard of again: so the door is not left ajar for it, but timed anew.
    circuit.refusesUntil = now + OPEN_MS;
    return true;
  }

  /** A call said at `saidAt` was answered. What was said before the circuit opened says nothing about now. */
  answered(name: string, saidAt: EpochMs): void {
    const circuit = this.#circuits.get(name);
    if (circuit === undefined || (circuit.openedAt !== null && saidAt <= circuit.openedAt)) return;
    // Not all is forgiven at once: an object that answers now and then is still ill.
    circuit.failures.shift();
    if (circuit.openedAt !== null || circuit.failures.length === 0) this.#circuits.delete(name);
  }

  failed(name: string, saidAt: EpochMs, now: EpochMs): void {
    const circuit = this.#circuits.get(name) ?? this.#begin(name);
    if (circuit.openedAt !== null) {
      if (saidAt > circuit.openedAt) circuit.refusesUntil = now + OPEN_MS;
      return;
    }
    circuit.failures = [...circuit.failures.filter((at) => now - at < WINDOW_MS), now];
    if (circuit.failures.length < FAILURES) return;
    circuit.failures = [];
    circuit.openedAt = now;
    circuit.refusesUntil = now + OPEN_MS;
  }

  get size(): number {
    return this.#circuits.size;
  }

  #begin(name: string): Circuit {
    const [oldest] = this.#circuits.keys();
    if (oldest !== undefined && this.#circuits.size >= CIRCUITS) this.#circuits.delete(oldest);
    const circuit: Circuit = { failures: [], openedAt: null, refusesUntil: 0 };
    this.#circuits.set(name, circuit);
    return circuit;
  }
}
