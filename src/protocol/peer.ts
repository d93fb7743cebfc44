/**
 * Calls between the objects and from the Worker: RPC over bindings, never reachable from outside.
 * Every call is idempotent, so a caller that heard nothing may say it again.
 */
import type { Candidate, DriverId, DriverStats, Fix } from "../domain/driver.ts";
import type { ConfiguredMarket, MarketConfiguration } from "../domain/market-hours.ts";
import type { DriverNotice, TripStep } from "../domain/notice.ts";
import type { ShardName } from "../domain/place.ts";
import type { Quote } from "../domain/quote.ts";
import type { OfferId, OfferVerdict, RideId, RideRequest, RiderId, Successor } from "../domain/ride.ts";
import type { EpochMs } from "../domain/time.ts";
import type { Answer, FromDriver, NearbyQuery, Quoted, RatedBy, ReleaseOutcome } from "../matching/commands.ts";
import type { BroughtPlace } from "../matching/queue-places.ts";
import type { TooManyQuotes } from "../matching/quote-rate.ts";
import type { AuditReport } from "../matching/reconcile.ts";
import type { RideExplanation } from "./ops.ts";
import type { RideRange, RidesDigest, RideVersion } from "./ride-digest.ts";

/** The Worker speaks with shards in these words, and knows the core only through them. */
export type { Answer, Quoted, RatedBy, TooManyQuotes };

export type Subject =
  | { readonly role: "rider"; readonly riderId: RiderId }
  | { readonly role: "driver"; readonly driverId: DriverId }
  | { readonly role: "ops" };

/** Besides these, the shard's `fetch` serves `/socket` (driver upgrade) and `/events` (a ride's SSE stream). */
export interface DispatchShardApi {
  requestRide(call: {
    rideId: RideId;
    riderId: RiderId;
    request: RideRequest;
    key: string;
    bodyHash: string;
    quoted: Quoted | null;
  }): Promise<Answer>;
  /** What this ride would be like; null while no new rides are taken. */
  quoteRide(call: { riderId: RiderId; request: RideRequest }): Promise<Quote | TooManyQuotes | null>;
  /** Answers `not_found` to a subject who has no part in the ride, as it does for a ride that never was. */
  viewRide(call: { rideId: RideId; subject: Subject }): Promise<Answer>;
  /** The decisions taken for a ride, with what came of them; null for one that is not in this shard's rows. */
  explainRide(rideId: RideId): Promise<RideExplanation | null>;
  cancelRide(call: { rideId: RideId; riderId: RiderId }): Promise<Answer>;
  rateRide(call: { rideId: RideId; by: RatedBy; stars: number }): Promise<Answer>;
  /** Shard to shard. */
  nearby(query: NearbyQuery): Promise<Candidate[]>;
  acceptOffer(call: FromDriver): Promise<Answer>;
  declineOffer(call: FromDriver): Promise<Answer>;
  /** The driver left in the middle of the offer and has not come back. */
  abandonOffer(call: FromDriver): Promise<void>;
  stepTrip(call: FromDriver & { step: TripStep }): Promise<Answer>;
  /** What the holder of this offer should be shown; asked by the shard he reconnected to. */
  viewHolding(call: FromDriver): Promise<Answer>;
  /** Where an engaged driver is. The answer says whether the ride still has him. */
  trackDriver(call: FromDriver & { fix: Fix }): Promise<Answer>;
  /** A notice for a driver whose socket is here. */
  pushNotice(call: { driverId: DriverId; epoch: number; notice: DriverNotice }): Promise<"sent" | "no_socket">;
  /** Answers the place in a queue that he takes with him, if he has one. */
  supersedeSession(call: { driverId: DriverId; epoch: number }): Promise<BroughtPlace | null>;
  /** From the lock: is this offer still alive? Unknown means dead (presumed abort). */
  verdictOn(offerId: OfferId): Promise<OfferVerdict>;
  /** From the queue consumer: these events are in D1. */
  eventsArchived(eventIds: string[]): Promise<void>;
  /** From the minute sweep, to a shard that history says has open rides: being called starts it, and starting re-arms it. */
  wake(): Promise<void>;
  /**
   * Rides that are over, to be compared with history: `count` of them, and those that history has confirmed where the
   * digest of what it has differs from that of what is here.
   */
  settledRides(call: { range: RideRange; known: RidesDigest }): Promise<{ count: number; rides: RideVersion[] }>;
  /** Says owed releases again, asks the locks of engaged drivers, and sends the events of these rides again. */
  reconcile(call: { resend: readonly RideId[] }): Promise<ShardFindings>;
}

export interface ShardFindings extends AuditReport {
  /** Releases said again. */
  readonly released: number;
  /** Events sent again. */
  readonly resent: number;
}

export type AttachAnswer =
  | {
      readonly outcome: "attached";
      readonly epoch: number;
      readonly holder: { readonly offerId: OfferId; readonly shard: ShardName } | null;
      readonly previous: { readonly shard: ShardName; readonly epoch: number } | null;
      readonly stats: DriverStats;
    }
  /** The ticket was used before. */
  | { readonly outcome: "replayed" };

export type ReserveAnswer =
  | {
      readonly outcome: "reserved";
      readonly session: { readonly shard: ShardName; readonly epoch: number };
      readonly exchanges: number;
    }
  | { readonly outcome: "offline"; readonly epoch: number }
  | { readonly outcome: "busy" | "stale" };

export interface DriverLockApi {
  attach(call: {
    driverId: DriverId;
    shard: ShardName;
    ticketId: string;
    ticketExpiresAt: EpochMs;
  }): Promise<AttachAnswer>;
  detach(call: { shard: ShardName; epoch: number }): Promise<void>;
  reserve(call: { driverId: DriverId; offerId: OfferId; seq: number; shard: ShardName }): Promise<ReserveAnswer>;
  release(call: {
    driverId: DriverId;
    offerId: OfferId;
    seq: number;
    shard: ShardName;
    outcome: ReleaseOutcome;
    next?: Successor;
  }): Promise<void>;
  /** Whom it holds the driver for; asked when a shard is reconciled. Changes nothing. */
  heldOffer(): Promise<OfferId | null>;
}

/** What a shard reports to the operations feed; counters are totals since the object started. */
export interface ShardReport {
  readonly shard: ShardName;
  readonly incarnation: string;
  readonly at: EpochMs;
  readonly counters: Readonly<Record<string, number>>;
  readonly gauges: Readonly<Record<string, number>>;
}

export interface OpsFeedApi {
  report(report: ShardReport): Promise<void>;
  /** Prometheus text of the whole fleet. */
  metricsText(): Promise<string>;
}

export interface Champion {
  /** Digest of the model in R2, `builtin` for the repository's artefact, `heuristic` for no model at all. */
  readonly digest: string;
  readonly version: string;
  /** Rises with every change. */
  readonly epoch: number;
}

export interface RolloutControlApi {
  champion(): Promise<Champion>;
  /** Compare-and-set: refused when `epoch` is not the current one. */
  promote(call: { digest: string; version: string; epoch: number; by: string }): Promise<
    | { readonly outcome: "promoted"; readonly champion: Champion }
    | { readonly outcome: "conflict"; readonly champion: Champion }
    /** There is no such model, or its name is not one. */
    | { readonly outcome: "refused"; readonly reason: string }
  >;
  audit(): Promise<readonly { readonly at: EpochMs; readonly by: string; readonly champion: Champion }[]>;
}

/** One change of a market's configuration, with what it was before. */
export interface MarketChange {
  readonly version: number;
  readonly at: EpochMs;
  readonly by: string;
  readonly why: string;
  readonly before: MarketConfiguration;
  readonly after: MarketConfiguration;
}

/** One object for each market, by its name. */
export interface MarketControlApi {
  current(): Promise<ConfiguredMarket>;
  /** Compare-and-set: refused when `seen` is not the current version. Said again by the same person it is no conflict. */
  change(call: {
    seen: number;
    configuration: MarketConfiguration;
    by: string;
    why: string;
  }): Promise<{ readonly outcome: "changed" | "conflict"; readonly version: number }>;
  /** Newest first, twenty at most, of those below this version. */
  history(call: { below: number }): Promise<readonly MarketChange[]>;
}
