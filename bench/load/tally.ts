/** What one phase of load has seen so far: samples in milliseconds, counts, and what went wrong. */
import type { PhaseResult } from "./messages.ts";

export class Tally {
  fixesSent = 0;
  fixesConfirmed = 0;
  readonly #requestToAnswerMs: number[] = [];
  readonly #requestToOfferMs: number[] = [];
  readonly #acceptToWonMs: number[] = [];
  readonly #acceptToLostMs: number[] = [];
  readonly #errors: Record<string, number> = {};
  readonly #startedAt = performance.now();
  readonly #cpu = process.cpuUsage();
  /** Rides under way, by id: an offer may be heard before the answer that names the ride. */
  readonly #rides = new Map<string, { askedAt?: number; offeredAt?: number; over?: boolean }>();
  #asked = 0;
  #answered = 0;
  #named = 0;
  #completed = 0;

  /** Rides asked for and not completed yet. */
  get open(): number {
    return this.#asked - this.#completed - (this.#answered - this.#named);
  }

  rideAsked(): void {
    this.#asked++;
  }

  /** `rideId` null where the answer was a refusal. */
  rideAnswered(rideId: string | null, askedAt: number): void {
    this.#answered++;
    if (rideId === null) return;
    this.#named++;
    this.#requestToAnswerMs.push(performance.now() - askedAt);
    const ride = this.#rideOf(rideId);
    ride.askedAt = askedAt;
    this.#measure(rideId);
  }

  offerSeen(rideId: string): void {
    this.#rideOf(rideId).offeredAt ??= performance.now();
    this.#measure(rideId);
  }

  rideCompleted(rideId: string): void {
    this.#completed++;
    this.#rideOf(rideId).over = true;
    this.#measure(rideId);
  }

  verdictHeard(won: boolean, saidAt: number): void {
    (won ? this.#acceptToWonMs : this.#acceptToLostMs).push(performance.now() - saidAt);
  }

  wrong(what: string): void {
    this.#errors[what] = (this.#errors[what] ?? 0) + 1;
  }

  result(): PhaseResult {
    const unoffered = [...this.#rides.values()].filter((ride) => ride.offeredAt === undefined).length;
    if (unoffered > 0) this.#errors["ride without an offer"] = unoffered;
    if (this.open > 0) this.#errors["ride not completed"] = this.open;
    const { user, system } = process.cpuUsage(this.#cpu);
    return {
      seconds: (performance.now() - this.#startedAt) / 1e3,
      fixesSent: this.fixesSent,
      fixesConfirmed: this.fixesConfirmed,
      ridesAsked: this.#asked,
      ridesCompleted: this.#completed,
      requestToAnswerMs: this.#requestToAnswerMs,
      requestToOfferMs: this.#requestToOfferMs,
      acceptToWonMs: this.#acceptToWonMs,
      acceptToLostMs: this.#acceptToLostMs,
      errors: this.#errors,
      loadCpuSeconds: (user + system) / 1e6,
    };
  }

  #rideOf(rideId: string) {
    const known = this.#rides.get(rideId);
    if (known !== undefined) return known;
    const ride = {};
    this.#rides.set(rideId, ride);
    return ride as { askedAt?: number; offeredAt?: number; over?: boolean };
  }

  /** Once both ends are known, and kept until the ride is over: two more drivers may still hear of it. */
  #measure(rideId: string): void {
    const ride = this.#rides.get(rideId)!;
    if (ride.askedAt !== undefined && ride.offeredAt !== undefined && ride.offeredAt > 0) {
      this.#requestToOfferMs.push(ride.offeredAt - ride.askedAt);
      // A sentinel: offered, and counted.
      ride.offeredAt = Number.NEGATIVE_INFINITY;
    }
    if (ride.over && ride.askedAt !== undefined) this.#rides.delete(rideId);
  }
}
