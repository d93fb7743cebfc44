/** How the scripted people of one world behave, drawn from its seed: from model citizens to those who try everything. */
import type { TripStep } from "../../src/domain/notice.ts";
import type { OfferId, RideState } from "../../src/domain/ride.ts";
import type { DriverUp } from "../../src/protocol/driver.ts";
import type { Random } from "../random.ts";

export interface DriverTemper {
  readonly accepts: number;
  /** Of the offers he does not accept; the rest he lets expire. */
  readonly declines: number;
  /** Mean time from card to answer; some answers come after the card's time. */
  readonly reactionMs: number;
  readonly cancels: number;
  /** A second tap on another button, or on an old card. */
  readonly fumbles: number;
  /** Connects to a shard that does not serve his place. */
  readonly strays: number;
  /** Opens a second socket and keeps the first. */
  readonly secondSockets: number;
  /** Says what he does on a socket that is no longer his newest. */
  readonly staleSocket: number;
  readonly pauses: number;
  readonly oldTickets: number;
  /** Per beat: the phone dies, for minutes. */
  readonly vanishes: number;
}

export interface RiderTemper {
  /** Requests said again though the first may have arrived. */
  readonly repeats: number;
  readonly reusesKey: number;
  /** Per look at the ride. */
  readonly cancels: number;
  readonly rates: number;
  /** Never looks at his ride again. */
  readonly leaves: number;
  readonly lookMs: number;
  /** Mean time from one ride to the next. */
  readonly pauseMs: number;
}

export interface Temper {
  readonly driver: DriverTemper;
  readonly rider: RiderTemper;
}

const LOOK_MS = 3_000;
const PAUSE_MS = 15_000;

export function drawTemper(random: Random): Temper {
  const on = () => random.next() < 0.5;
  const share = (low: number, high: number) => (on() ? low * (high / low) ** random.next() : 0);
  return {
    driver: {
      accepts: 0.4 + 0.6 * random.next(),
      declines: random.next(),
      reactionMs: 500 * 16 ** random.next(),
      cancels: share(0.01, 0.3),
      fumbles: share(0.02, 0.5),
      strays: share(0.05, 0.8),
      secondSockets: share(0.01, 0.2),
      staleSocket: share(0.05, 0.5),
      pauses: share(0.01, 0.1),
      oldTickets: share(0.02, 0.3),
      vanishes: random.fork("vanishes").next() * 0.02,
    },
    rider: {
      repeats: share(0.05, 0.7),
      reusesKey: share(0.05, 0.5),
      cancels: share(0.01, 0.3),
      rates: random.next(),
      leaves: share(0.05, 0.5),
      lookMs: LOOK_MS,
      pauseMs: PAUSE_MS,
    },
  };
}

/** Once faults have stopped people finish what they began. */
export const PATIENT: Temper = {
  driver: {
    accepts: 1,
    declines: 0,
    reactionMs: 1_000,
    cancels: 0,
    fumbles: 0,
    strays: 0,
    secondSockets: 0,
    staleSocket: 0,
    pauses: 0,
    oldTickets: 0,
    vanishes: 0,
  },
  rider: { repeats: 0, reusesKey: 0, cancels: 0, rates: 0.5, leaves: 0, lookMs: LOOK_MS, pauseMs: PAUSE_MS },
};

/** The same people where everybody wants the same thing at the same moment: nearly every word meets another's. */
export function hurried({ driver, rider }: Temper): Temper {
  return {
    driver: { ...driver, accepts: 1, reactionMs: 3, pauses: 0, vanishes: 0 },
    rider: { ...rider, cancels: 0.25, leaves: 0, lookMs: 150, pauseMs: 500 },
  };
}

/** What a driver says of an offer or its ride. */
export type Deed = Extract<DriverUp, { type: "offer.accept" | "offer.decline" | "trip" }>;

/** A thumb on a card: whatever it hits. */
export function anyButton(random: Random, offerId: OfferId, cid: string): Deed {
  const step = random.pick(["arrive", "start", "complete", "cancel"] as const);
  const kind = random.int(4);
  if (kind === 0) return { type: "trip", cid, offerId, step };
  return { type: kind === 1 ? "offer.decline" : "offer.accept", cid, offerId };
}

/** What a driver does next on his ride at this beat; null while he is still on the way, which may take so many times as long. */
export function nextStep(state: RideState, luck: number, cancels: boolean, way: number): TripStep | null {
  if (cancels && state !== "on_trip") return "cancel";
  if (state === "assigned") return luck * way < 0.4 ? "arrive" : luck * way < 0.5 ? "start" : null;
  if (state === "arrived") return luck < 0.5 ? "start" : null;
  return luck < 0.4 ? "complete" : null;
}
