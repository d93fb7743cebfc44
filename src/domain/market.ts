/**
 * How one market prices and dispatches, as it was deployed; every number carries its unit. What operators change of it
 * while the city runs, and for which hours, is in market-hours.ts.
 */
import type { LatLng } from "./place.ts";

export interface Market {
  readonly name: string;
  /** Airports and stations; whether they have queues is for `queueZones` to say. No two of them overlap. */
  readonly zones: readonly Zone[];
  /** Minutes to add to UTC for the local hour. */
  readonly utcOffsetMinutes: number;
  /** Median speed along a straight line from here to there, detours and lights included. */
  readonly citySpeedMetersPerSecond: number;
  readonly tariff: Tariff;
  readonly dispatch: DispatchPolicy;
}

/** Where drivers may wait in a queue: a circle. */
export interface Zone {
  readonly name: string;
  readonly center: LatLng;
  readonly radiusMeters: number;
}

export interface Tariff {
  readonly currency: string;
  readonly baseCents: number;
  readonly perKilometerCents: number;
  readonly perMinuteCents: number;
  readonly minimumCents: number;
  /** How many times the tariff a fare may be where drivers are scarce; 1 knows no surge. */
  readonly surgeMaximum: number;
}

/**
 * `broadcast`: `waveSize` drivers are asked at once and the first accept wins. `sequential`: one after another.
 * `batched`: the same, but rides that would take each other's drivers are decided together first, and who keeps silent is
 * not waited for to the end: the next is asked beside him, `waveSize` at most.
 */
export const DISPATCH_KINDS = ["broadcast", "sequential", "batched"] as const;

export interface DispatchPolicy {
  readonly kind: (typeof DISPATCH_KINDS)[number];
  /** Drivers asked at the same time, at most; nothing for `sequential`. */
  readonly waveSize: number;
  /** The longest that a ranked ride waits for others to be decided with; `batched` only. */
  readonly batchWindowMs: number;
  /** A ride may be offered to a nearer driver while one is on his way; `batched` only. */
  readonly replanning: boolean;
  /** Seconds of expected cost taken off, at most, for a driver who has waited long for a ride; 0 for nobody. */
  readonly fairnessSeconds: number;
  /** Nothing is taken off for who has waited less; all of it for who has waited twice as long. */
  readonly fairnessAfterMs: number;
  /** Seconds of expected cost that drivers differ by, at most, for being worth more or less where they are; 0 is off. */
  readonly lookAheadSeconds: number;
  /** Who is on his way to somewhere is offered rides that bring him nearer by this share of it; 0 is any ride. */
  readonly destinationShare: number;
  /** A free driver who has had neither ride nor hint for so long may be told where riders are short of drivers; 0 is never. */
  readonly hintEveryMs: number;
  /** So long after it was asked for, at most, a ride is held back for a driver about to end his trip; 0 for nobody. */
  readonly forwardSeconds: number;
  /** Riders may ask now for rides at a later time. */
  readonly scheduledRides: boolean;
  /** Rides from one of the market's zones are offered to who has waited there longest, not to who is nearest. */
  readonly queueZones: boolean;
  readonly offerTtlMs: number;
  /** From the request, and again from each redispatch, to giving up. */
  readonly matchDeadlineMs: number;
  readonly startRadiusMeters: number;
  readonly radiusStepMeters: number;
  readonly maximumRadiusMeters: number;
  /** Pause between two searches that left the ride without enough offers. */
  readonly searchEveryMs: number;
  /** Rider not at the kerb. */
  readonly noShowMs: number;
  /** An assigned driver who sends nothing, or does not come nearer, for this long loses the ride. */
  readonly pickupWatchMs: number;
  readonly tripWatchMs: number;
}
