import type { DriverId, DriverStatus, VehicleType } from "./driver.ts";
import type { LatLng } from "./place.ts";
import type { DeadReason, OfferId, Ride, RideId, RideState } from "./ride.ts";
import type { EpochMs } from "./time.ts";

/** What people are told. A notice is a frame already; `src/protocol` pins its shape on the wire. */

/** One driver's chance, as he sees it. Places are rounded to about 150 m until he has won the ride. */
export interface OfferCard {
  readonly offerId: OfferId;
  readonly rideId: RideId;
  readonly pickup: LatLng;
  readonly dropoff: LatLng;
  readonly pickupMeters: number;
  readonly pickupSeconds: number;
  readonly tripMeters: number;
  readonly fareCents: number;
  readonly currency: string;
  readonly vehicleType: VehicleType;
  /** Said where the ride was scheduled: whoever is there sooner waits. */
  readonly pickupAt?: EpochMs;
  /** A duration, not a moment: the driver's clock may be wrong. */
  readonly ttlMs: number;
  /** Where the pickup's zone has a queue: whoever is in it and does not take the offer goes to its end. */
  readonly zone?: string;
}

/** The ride as its driver sees it once it is his. */
export interface DriverRide {
  readonly offerId: OfferId;
  readonly rideId: RideId;
  readonly state: RideState;
  readonly version: number;
  readonly pickup: LatLng;
  readonly dropoff: LatLng;
  readonly fareCents: number;
  readonly currency: string;
  readonly pickupAt?: EpochMs;
  /** Said where the ride has left him because a nearer driver took it over. */
  readonly exchanged?: true;
  /** Said where he got another driver's ride for it: that one is his from then on. */
  readonly next?: NextRide;
}

export type NextRide = Omit<DriverRide, "exchanged" | "next">;

export type LostReason = DeadReason | "unknown" | "ride_over";
export type TripStep = "arrive" | "start" | "complete" | "cancel";
export type Verdict =
  | { readonly outcome: "won"; readonly ride: DriverRide }
  | { readonly outcome: "lost"; readonly reason: LostReason };
export type TripVerdict =
  | { readonly outcome: "done"; readonly ride: DriverRide }
  /** Nothing changed; `state` is where the ride really is. */
  | {
      readonly outcome: "refused";
      readonly reason: "unknown" | "wrong_state";
      readonly state?: RideState;
      /** The ride that he has by now for the one that he speaks of. */
      readonly next?: NextRide;
    };

/** What a lock's holder is to be told when he comes back: his open offer, his ride, or that it is over. */
export type Holding =
  | { readonly kind: "offer"; readonly offer: OfferCard }
  | { readonly kind: "ride"; readonly ride: DriverRide }
  | { readonly kind: "none" };

export type DriverNotice =
  | {
      readonly type: "welcome";
      readonly epoch: number;
      readonly fixEveryMs: number;
      readonly status: DriverStatus;
      readonly holding: Holding;
    }
  | ({ readonly type: "offer" } & OfferCard)
  | { readonly type: "offer.closed"; readonly offerId: OfferId; readonly reason: DeadReason }
  | {
      readonly type: "offer.verdict";
      readonly cid: string;
      readonly offerId: OfferId;
      readonly verdict: Verdict | Pending;
    }
  | {
      readonly type: "trip.verdict";
      readonly cid: string;
      readonly offerId: OfferId;
      readonly step: TripStep;
      readonly verdict: TripVerdict | Pending;
    }
  | { readonly type: "trip.changed"; readonly ride: DriverRide }
  | { readonly type: "status"; readonly status: DriverStatus }
  | { readonly type: "rehome"; readonly ticket: string }
  /** Advice: riders are short of drivers there, in a cell of about a kilometre around this middle. */
  | {
      readonly type: "hint";
      readonly to: LatLng;
      readonly meters: number;
      readonly seconds: number;
      /** What fares there are multiplied with at this moment. */
      readonly surge: number;
      /** What was expected is past by then. */
      readonly ttlMs: number;
    }
  /** His place in the queue of a zone, 1 first, of how many in his shard; null when he is in none any more. */
  | {
      readonly type: "queue";
      readonly standing: { readonly zone: string; readonly place: number; readonly of: number } | null;
    }
  /** From now on his app sends a position this often. */
  | { readonly type: "config"; readonly fixEveryMs: number }
  /** His token is running out: with a new one he opens another socket before this one is closed. */
  | { readonly type: "session.ending"; readonly endsInMs: number }
  | { readonly type: "fault"; readonly code: FaultCode; readonly message: string };

/** The ride's shard did not answer in time: say it again with the same `cid`. */
export interface Pending {
  readonly outcome: "pending";
  readonly retryAfterMs: number;
}

export type FaultCode = "too_large" | "not_json" | "bad_frame" | "hello_first" | "flood";

/** The ride as its rider sees it. */
export interface RideView {
  readonly id: RideId;
  readonly state: RideState;
  readonly version: number;
  readonly pickup: LatLng;
  readonly dropoff: LatLng;
  readonly vehicleType: VehicleType;
  readonly tripMeters: number;
  readonly fareCents: number;
  readonly currency: string;
  readonly redispatches: number;
  readonly createdAt: EpochMs;
  readonly pickupAt?: EpochMs;
  /** Only from `assigned` to `on_trip`, and in the record of a finished trip without a position. */
  readonly driver?: { readonly id: DriverId; readonly position?: DriverPosition };
  readonly endedAt?: EpochMs;
  readonly reason?: string;
  readonly ratings: Ride["ratings"];
}

export interface DriverPosition {
  readonly lat: number;
  readonly lng: number;
  readonly headingDegrees: number | null;
  /** How old the newest fix is; a rider's app shows a frozen car as frozen. */
  readonly ageMs: number;
  readonly stale: boolean;
  /** To the pickup, on the trip to the dropoff; null while he waits at the kerb. */
  readonly etaSeconds: number | null;
}
