import type { DriverId, PaymentMethod, VehicleType } from "./driver.ts";
import type { LatLng } from "./place.ts";
import { type EpochMs, MINUTE_MS } from "./time.ts";

declare const brand: unique symbol;
export type RiderId = string & { readonly [brand]: "RiderId" };
/** `{cell prefix}.{ulid}`: any later request routes by the id alone. */
export type RideId = string & { readonly [brand]: "RideId" };
/** `{ride id}#{seq}`, seq rising within the ride's shard. */
export type OfferId = string & { readonly [brand]: "OfferId" };

/** What a rider asked for; never changes. */
export interface RideRequest {
  readonly pickup: LatLng;
  readonly dropoff: LatLng;
  readonly vehicleType: VehicleType;
  readonly payment: PaymentMethod;
  readonly minimumRating: number;
  readonly seats: number;
  readonly accessible: boolean;
  /** When he wants to be picked up; missing where that is as soon as may be. */
  readonly pickupAt?: EpochMs;
}

/** A request of a ride for later. */
export type ScheduledRequest = RideRequest & { readonly pickupAt: EpochMs };

/** The search for a scheduled ride's driver begins at least so long before its pickup, whatever its shard expects. */
export const LEAST_LEAD_MS = 5 * MINUTE_MS;

/** Nobody has waited for his driver before the time he asked for: what counts from `at` counts from then. */
export function notBeforePickup({ pickupAt }: RideRequest, at: EpochMs): EpochMs {
  return Math.max(at, pickupAt ?? at);
}

interface RideBase {
  readonly id: RideId;
  /** Rises by one with every transition (S6); the outbox row of a transition is `{id}:{version}`. */
  readonly version: number;
  readonly riderId: RiderId;
  readonly request: RideRequest;
  /** Great-circle metres from pickup to dropoff. */
  readonly tripMeters: number;
  readonly fareCents: number;
  /** How often a driver gave the ride back. */
  readonly redispatches: number;
  readonly createdAt: EpochMs;
  /** Stars the rider gave the driver, and the other way round, after the ride. */
  readonly ratings: { readonly driver?: number; readonly rider?: number };
}

/** What every state of a ride has, but its version: for the next state to begin with. */
export function rideBase({
  id,
  riderId,
  request,
  tripMeters,
  fareCents,
  redispatches,
  createdAt,
  ratings,
}: Ride): Omit<RideBase, "version"> {
  return { id, riderId, request, tripMeters, fareCents, redispatches, createdAt, ratings };
}

interface HasDriver {
  readonly driverId: DriverId;
  readonly offerId: OfferId;
  readonly assignedAt: EpochMs;
}

/** Nobody is looked for yet. */
export type ScheduledRide = RideBase & { readonly state: "scheduled"; readonly request: ScheduledRequest };
export type MatchingRide = RideBase & { readonly state: "matching"; readonly deadlineAt: EpochMs };
export type AssignedRide = RideBase & HasDriver & { readonly state: "assigned" };
export type ArrivedRide = RideBase & HasDriver & { readonly state: "arrived"; readonly arrivedAt: EpochMs };
export type OnTripRide = RideBase & HasDriver & { readonly state: "on_trip"; readonly startedAt: EpochMs };
export type CompletedRide = RideBase &
  HasDriver & { readonly state: "completed"; readonly startedAt: EpochMs; readonly endedAt: EpochMs };
export type AbandonedRide = RideBase &
  HasDriver & { readonly state: "abandoned"; readonly startedAt: EpochMs; readonly endedAt: EpochMs };
export type NoShowRide = RideBase & HasDriver & { readonly state: "cancelled_no_show"; readonly endedAt: EpochMs };
/** `late` says that a driver was already on his way: whoever charges fees wants to know. */
export type CancelledRide = RideBase & {
  readonly state: "cancelled_by_rider";
  readonly endedAt: EpochMs;
  readonly late: boolean;
};
export type UnservedRide = RideBase & {
  readonly state: "no_driver";
  readonly endedAt: EpochMs;
  readonly reason: "deadline" | "redispatches";
};

/** Rides with a driver whose lock they hold. */
export type EngagedRide = AssignedRide | ArrivedRide | OnTripRide;
export type TerminalRide = CompletedRide | AbandonedRide | NoShowRide | CancelledRide | UnservedRide;
export type Ride = ScheduledRide | MatchingRide | EngagedRide | TerminalRide;
export type RideState = Ride["state"];

export function isTerminal(ride: Ride): ride is TerminalRide {
  return ride.state !== "scheduled" && ride.state !== "matching" && !isEngaged(ride);
}

export function isEngaged(ride: Ride): ride is EngagedRide {
  return ride.state === "assigned" || ride.state === "arrived" || ride.state === "on_trip";
}

/** Why an offer came to nothing. */
export type DeadReason =
  | "busy"
  | "offline"
  | "stale"
  | "declined"
  | "expired"
  | "superseded"
  | "cancelled"
  | "unreachable"
  | "unanswered";

interface OfferBase {
  readonly id: OfferId;
  readonly seq: number;
  readonly rideId: RideId;
  readonly driverId: DriverId;
  readonly wave: number;
  /** Position in the ranker's order, 0 first. */
  readonly rank: number;
  /** Expected cost in seconds; lower is better. */
  readonly score: number;
  /** Who scored: a model's version, or `nearest@1`. */
  readonly ranker: string;
  readonly pickupMeters: number;
  readonly pickupSeconds: number;
  readonly createdAt: EpochMs;
  /** The won offer of a driver on his way whom this one would replace; null where the ride was waiting. */
  readonly instead: OfferId | null;
  /** How often a ride was exchanged away from this driver since his last trip; his lock says so when it is reserved. */
  readonly exchangesOfDriver: number;
}

/** intent -> offered -> won -> ended, or dead on the way. Dead and ended are final: a late verdict stays true. */
export type IntentOffer = OfferBase & { readonly state: "intent" };
export type OfferedOffer = OfferBase & { readonly state: "offered"; readonly expiresAt: EpochMs };
export type WonOffer = OfferBase & { readonly state: "won"; readonly wonAt: EpochMs };
export type EndedOffer = OfferBase & {
  readonly state: "ended";
  readonly wonAt: EpochMs;
  readonly endedAt: EpochMs;
  readonly released: boolean;
  /** Another driver took the ride over on the way. */
  readonly exchanged: boolean;
  /** Won in the same commit, where its driver has swapped rides with another: his lock goes over to it. */
  readonly next?: Successor;
};
export type DeadOffer = OfferBase & {
  readonly state: "dead";
  readonly reason: DeadReason;
  readonly endedAt: EpochMs;
  readonly released: boolean;
};
export type LiveOffer = IntentOffer | OfferedOffer;
export type Offer = LiveOffer | WonOffer | EndedOffer | DeadOffer;

/** The offer of the same shard and driver that has taken the place of another. */
export interface Successor {
  readonly offerId: OfferId;
  readonly seq: number;
}

/** What a lock hears of the offer that it holds: it lives, it is dead, or it is over because its ride was exchanged. */
export type OfferVerdict = "hold" | "dead" | "exchanged";
