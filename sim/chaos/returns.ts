/** How long after a kill the drivers are back: connected, welcomed, and in the index that searches look into. */
import type { DriverEvent } from "../../client/driver-client.ts";
import type { DriverStatus } from "../../src/domain/driver.ts";

const SHARE = 0.99;
/** A driver with a ride is not in the index and is not missing from it either. */
const BACK: readonly DriverStatus["state"][] = ["available", "offered", "engaged"];

export interface ReturnTimes {
  /** One per kill after which the drivers were back before the next, in the order of the kills. */
  readonly times: readonly number[];
  /** Kills that were followed by the next one too soon to know. */
  readonly cutShort: number;
}

export class Returns {
  readonly #expected: number;
  readonly #back = new Set<string>();
  /** What those who are not back were last told. */
  readonly #missing = new Map<string, string>();
  readonly #times: number[] = [];
  #killedAt: number | null = null;
  #cutShort = 0;

  constructor(drivers: number) {
    this.#expected = Math.ceil(drivers * SHARE);
  }

  hear(driverId: string, event: DriverEvent): void {
    if (event.type === "live") this.#set(driverId, event.welcome.status);
    else if (event.type !== "told") this.#lose(driverId, event.type);
    else if (event.notice.type === "status") this.#set(driverId, event.notice.status);
    if (this.#killedAt === null || !this.areBack()) return;
    this.#times.push(performance.now() - this.#killedAt);
    this.#killedAt = null;
  }

  killed(): void {
    if (this.#killedAt !== null) this.#cutShort += 1;
    this.#killedAt = performance.now();
    this.#back.clear();
  }

  areBack(): boolean {
    return this.#back.size >= this.#expected;
  }

  /** A kill whose outcome is still open counts as cut short. */
  soFar(): ReturnTimes {
    return { times: this.#times, cutShort: this.#cutShort + (this.#killedAt === null ? 0 : 1) };
  }

  missing(): string[] {
    return [...this.#missing].map(([driverId, why]) => `${driverId} ${why}`);
  }

  #set(driverId: string, status: DriverStatus): void {
    if (!BACK.includes(status.state)) return this.#lose(driverId, JSON.stringify(status));
    this.#back.add(driverId);
    this.#missing.delete(driverId);
  }

  #lose(driverId: string, why: string): void {
    this.#back.delete(driverId);
    this.#missing.set(driverId, why);
  }
}
