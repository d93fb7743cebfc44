/** One driver's lock in the laboratory: the real rules, a state in memory, and the alarm by which it asks. */
import type { DriverId } from "../../src/domain/driver.ts";
import {
  applyToLock,
  type LockAnswer,
  type LockCommand,
  type LockState,
  NEW_LOCK,
} from "../../src/matching/driver-lock.ts";
import { rideOfOffer, shardOfRide } from "../../src/routing/shard-map.ts";
import type { LabCity } from "./lab-city.ts";

export class LabLock {
  state: LockState = NEW_LOCK;
  readonly #city: LabCity;
  readonly driverId: DriverId;
  #alarm: { readonly at: number } | null = null;

  constructor(city: LabCity, driverId: DriverId) {
    this.#city = city;
    this.driverId = driverId;
  }

  submit(command: LockCommand): LockAnswer {
    this.#city.counts.lockCommands += 1;
    const before = this.state;
    const { state, answer } = applyToLock(before, this.#city.loop.now, command);
    this.state = state;
    if (state.ask !== null && state.ask !== before.ask) this.#setAlarm(state.ask.at);
    return answer;
  }

  #setAlarm(at: number): void {
    const alarm = { at };
    this.#alarm = alarm;
    this.#city.loop.at(at, () => {
      if (this.#alarm === alarm) this.#ring();
    });
  }

  /** Nothing is ever lost here, so the answer is always `hold`; the question is asked all the same. */
  #ring(): void {
    const { holder } = this.state;
    if (holder === null) return;
    const { offerId } = holder;
    const shard = shardOfRide(rideOfOffer(offerId), this.#city.shardBits)!;
    const answer = this.#city.shard(shard).submit({ type: "lock.asked", offerId });
    this.submit({ type: "asked", offerId, verdict: answer?.type === "lock" ? answer.verdict : null });
  }
}
