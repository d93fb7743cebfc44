/** One rider: asks for a ride, watches it, loses patience or not, rates. Lives for one ride. */
import { UnansweredError } from "../../client/http.ts";
import type { RiderClient, SeenRide } from "../../client/rider-client.ts";
import type { RideId, RideState } from "../../src/domain/ride.ts";
import { createRiderPatience } from "../behaviour.ts";
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
}

export interface LiveRider {
  /** Resolves when the ride is over, was refused, or nobody answers any more. */
  readonly over: Promise<void>;
  /** Wants no ride any more; nothing happens once he sits in the car. */
  giveUp(states: readonly RideState[]): void;
}

const RATED_SHARE = 0.6;

export function startRider(setting: RiderSetting): LiveRider {
  const { riderId, client, random, clock, log, measures } = setting;
  const patience = createRiderPatience(random);
  const counters = measures.counters;
  const timers: NodeJS.Timeout[] = [];
  let ride: SeenRide | null = null;
  let givenUp: readonly RideState[] = [];
  let cancelling = false;

  const note = (happening: Happening): void => log.write(riderId, happening);

  async function live(): Promise<void> {
    const rideId = await request();
    if (rideId === null) return;
    setting.onNamed(rideId);
    timers.push(clock.after(patience.matchMs, () => giveUp(["matching"])));
    try {
      await client.follow(rideId, seen);
    } catch {
      // Refused to follow what the server itself gave him: the checker sees a ride whose end nobody was told.
    }
    for (const timer of timers) clearTimeout(timer);
    measures.forgetRide(rideId);
    if (lastState() === "completed" && random.next() < RATED_SHARE) await rate(rideId);
  }

  async function request(): Promise<RideId | null> {
    // One wish, one key, one rider: the checker finds the ride that the server made of it by either.
    const key = `wish-${riderId}`;
    note({ op: "request", type: "invoke", key });
    counters.requests += 1;
    measures.requestSent(key);
    try {
      const { id, version } = await client.request(setting.trip.request, key);
      measures.requestNamed(key, id);
      note({ op: "request", type: "ok", key, rideId: id, version });
      return id;
    } catch (error) {
      counters.refused += 1;
      note({ op: "request", type: outcomeOf(error), key, reason: wordsOf(error) });
      return null;
    }
  }

  function seen(now: SeenRide): void {
    const before = ride?.state;
    ride = now;
    const { id: rideId, version, state } = now;
    note({ op: "told", type: "ride", rideId, version, state, driverId: now.driver?.id ?? null });
    if (state === "assigned" && before !== "assigned") {
      if (now.redispatches === 0) counters.matched += 1;
      timers.push(clock.after(patience.pickupMs, () => giveUp(["assigned"])));
    }
    if (state === "matching" && before !== undefined) {
      timers.push(clock.after(patience.matchMs, () => giveUp(["matching"])));
    }
    if (state === "completed") counters.completed += 1;
    if (state === "cancelled_by_rider") counters.cancelled += 1;
    if (state === "cancelled_no_show") counters.noShow += 1;
    if (state === "no_driver") counters.unserved += 1;
    if (state === "abandoned") counters.abandoned += 1;
    if (givenUp.includes(state)) void cancel(rideId);
  }

  // Read through a function: the compiler does not see that `follow` has changed it.
  function lastState(): RideState | null {
    return ride?.state ?? null;
  }

  function giveUp(states: readonly RideState[]): void {
    givenUp = states;
    if (ride && states.includes(ride.state)) void cancel(ride.id);
  }

  async function cancel(rideId: RideId): Promise<void> {
    if (cancelling) return;
    cancelling = true;
    note({ op: "cancel", type: "invoke", rideId });
    try {
      const { version, state } = await client.cancel(rideId);
      note({ op: "cancel", type: "ok", rideId, version, state });
    } catch (error) {
      note({ op: "cancel", type: outcomeOf(error), rideId, reason: wordsOf(error) });
    }
    cancelling = false;
  }

  async function rate(rideId: RideId): Promise<void> {
    note({ op: "rate", type: "invoke", rideId });
    try {
      const { version } = await client.rate(rideId, random.next() < 0.8 ? 5 : 1 + random.int(4));
      note({ op: "rate", type: "ok", rideId, version });
    } catch (error) {
      note({ op: "rate", type: outcomeOf(error), rideId, reason: wordsOf(error) });
    }
  }

  return { over: live(), giveUp };
}

/** Silence is not a no: what nobody answered may have happened. */
function outcomeOf(error: unknown): "fail" | "info" {
  return error instanceof UnansweredError ? "info" : "fail";
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
