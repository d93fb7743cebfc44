/** One rider: asks for a ride, watches it, loses patience or not, rates. Lives for one ride. */
import { UnansweredError } from "../../client/http.ts";
import type { RiderClient, SeenRide } from "../../client/rider-client.ts";
import type { RideId, RideState } from "../../src/domain/ride.ts";
import { createRiderPatience, type RiderPatience } from "../behaviour.ts";
import type { Trip } from "../city/demand.ts";
import type { Random } from "../random.ts";
import type { CityClock } from "./city-clock.ts";
import type { Happening, HistoryLog } from "./history-log.ts";
import type { Measures } from "./measures.ts";

export interface RiderSetting {
  readonly riderId: string;
  readonly trip: Trip;
  readonly client: RiderClient;
  readonly random: Random;
  readonly clock: CityClock;
  readonly log: HistoryLog;
  readonly measures: Measures;
  /** The server gave the wish an id: from now on a driver may ask whether this rider is at the kerb. */
  readonly onNamed: (rideId: RideId) => void;
  /** Loses patience after this share of the usual time; 1 unless it is said. */
  readonly patience?: number | undefined;
}

export interface LiveRider {
  /** Resolves when the ride is over, was refused, or nobody answers any more. */
  readonly over: Promise<void>;
  /** Wants no ride any more; nothing happens once he sits in the car. */
  giveUp(states: readonly RideState[]): void;
}

const RATED_SHARE = 0.6;

export function startRider(setting: RiderSetting): LiveRider {
  return new Rider(setting);
}

class Rider implements LiveRider {
  readonly over: Promise<void>;
  readonly #setting: RiderSetting;
  readonly #patience: RiderPatience;
  readonly #timers: NodeJS.Timeout[] = [];
  #ride: SeenRide | null = null;
  #givenUp: readonly RideState[] = [];
  #cancelling = false;

  constructor(setting: RiderSetting) {
    this.#setting = setting;
    this.#patience = createRiderPatience(setting.random);
    this.over = this.#live();
  }

  giveUp(states: readonly RideState[]): void {
    this.#givenUp = states;
    if (this.#ride && states.includes(this.#ride.state)) void this.#cancel(this.#ride.id);
  }

  async #live(): Promise<void> {
    const { client, random, measures, onNamed } = this.#setting;
    const rideId = await this.#request();
    if (rideId === null) return;
    onNamed(rideId);
    this.#loseInterest(this.#patience.matchMs, "matching");
    try {
      await client.follow(rideId, (ride) => this.#see(ride));
    } catch {
      // Refused to follow what the server itself gave him: the checker sees a ride whose end nobody was told.
    }
    for (const timer of this.#timers) clearTimeout(timer);
    measures.forgetRide(rideId);
    if (this.#ride?.state === "completed" && random.next() < RATED_SHARE) await this.#rate(rideId);
  }

  async #request(): Promise<RideId | null> {
    const { riderId, client, trip, measures } = this.#setting;
    // One wish, one key, one rider: the checker finds the ride that the server made of it by either.
    const key = `wish-${riderId}`;
    this.#note({ op: "request", type: "invoke", key });
    measures.counters.requests += 1;
    measures.requestSent(key);
    try {
      const { id, version } = await client.request(trip.request, key);
      measures.requestNamed(key, id);
      this.#note({ op: "request", type: "ok", key, rideId: id, version });
      return id;
    } catch (error) {
      measures.counters.refused += 1;
      this.#note({ op: "request", type: outcomeOf(error), key, reason: wordsOf(error) });
      return null;
    }
  }

  #see(ride: SeenRide): void {
    const before = this.#ride?.state;
    this.#ride = ride;
    const { id: rideId, version, state } = ride;
    this.#note({ op: "told", type: "ride", rideId, version, state, driverId: ride.driver?.id ?? null });
    if (state !== before) this.#count(ride);
    if (state === "assigned" && before !== "assigned") this.#loseInterest(this.#patience.pickupMs, "assigned");
    if (state === "matching" && before !== undefined) this.#loseInterest(this.#patience.matchMs, "matching");
    if (this.#givenUp.includes(state)) void this.#cancel(rideId);
  }

  #count({ state, redispatches }: SeenRide): void {
    const { counters } = this.#setting.measures;
    if (state === "assigned" && redispatches === 0) counters.matched += 1;
    if (state === "completed") counters.completed += 1;
    if (state === "cancelled_by_rider") counters.cancelled += 1;
    if (state === "cancelled_no_show") counters.noShow += 1;
    if (state === "no_driver") counters.unserved += 1;
    if (state === "abandoned") counters.abandoned += 1;
  }

  /** After this much city time without change he cancels. */
  #loseInterest(usualMs: number, state: RideState): void {
    const cityMs = usualMs * (this.#setting.patience ?? 1);
    this.#timers.push(this.#setting.clock.after(cityMs, () => this.giveUp([state])));
  }

  async #cancel(rideId: RideId): Promise<void> {
    if (this.#cancelling) return;
    this.#cancelling = true;
    this.#note({ op: "cancel", type: "invoke", rideId });
    try {
      const { version, state } = await this.#setting.client.cancel(rideId);
      this.#note({ op: "cancel", type: "ok", rideId, version, state });
    } catch (error) {
      this.#note({ op: "cancel", type: outcomeOf(error), rideId, reason: wordsOf(error) });
    }
    this.#cancelling = false;
  }

  async #rate(rideId: RideId): Promise<void> {
    const { client, random } = this.#setting;
    this.#note({ op: "rate", type: "invoke", rideId });
    try {
      const { version } = await client.rate(rideId, random.next() < 0.8 ? 5 : 1 + random.int(4));
      this.#note({ op: "rate", type: "ok", rideId, version });
    } catch (error) {
      this.#note({ op: "rate", type: outcomeOf(error), rideId, reason: wordsOf(error) });
    }
  }

  #note(happening: Happening): void {
    this.#setting.log.write(this.#setting.riderId, happening);
  }
}

/** Silence is not a no: what nobody answered may have happened. */
function outcomeOf(error: unknown): "fail" | "info" {
  return error instanceof UnansweredError ? "info" : "fail";
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
