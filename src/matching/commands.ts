/** The whole vocabulary of the core: what may be said to a shard, and what it may do about it. */
import type { Candidate, DriverId, DriverProfile, DriverStats, Fix } from "../domain/driver.ts";
import type { RideEvent } from "../domain/event.ts";
import type { ConfiguredMarket } from "../domain/market-hours.ts";
import type {
  DriverNotice,
  DriverPosition,
  DriverRide,
  Holding,
  Pending,
  RideView,
  TripStep,
  TripVerdict,
  Verdict,
} from "../domain/notice.ts";
import type { LatLng, ShardName } from "../domain/place.ts";
import type { Quote } from "../domain/quote.ts";
import type { Offer, OfferId, OfferVerdict, Ride, RideId, RideRequest, RiderId, Successor } from "../domain/ride.ts";
import type { EpochMs } from "../domain/time.ts";
import type { RankingContext } from "../ranking/feature-view.ts";
import type { Ranked } from "../ranking/ranker.ts";
import type { Decision } from "./decision.ts";
import type { LoadSample } from "./overload.ts";
import type { BroughtPlace, PlaceCommand, PlaceWrite } from "./queue-places.ts";
import type { TooManyQuotes } from "./quote-rate.ts";
import type { PickupTimeRefused } from "./scheduled.ts";
import type { SessionMemory } from "./supply.ts";

/** Where a driver's lock says his newest socket is. */
export interface SessionAddress {
  readonly shard: ShardName;
  readonly epoch: number;
}

/** A request already answered under the same key, as storage remembers it. */
export interface StoredReply {
  readonly rideId: RideId;
  readonly bodyHash: string;
}

/** With the ride as it was when it was answered, so that a replay hears the same words. */
export interface PriorReply extends StoredReply {
  readonly ride: Ride;
}

export interface NearbyQuery {
  readonly pickup: LatLng;
  readonly request: Pick<RideRequest, "vehicleType" | "payment" | "minimumRating" | "seats" | "accessible" | "dropoff">;
  readonly radiusMeters: number;
  readonly limit: number;
  readonly exclude: readonly DriverId[];
  /** Only who waits in this zone's queue, wherever he is, and in their turn. */
  readonly zone?: string;
}

export type ReserveOutcome =
  /** `exchanges`: how often the driver has lost a ride to a nearer one since his last trip. */
  | { readonly outcome: "reserved"; readonly session: SessionAddress; readonly exchanges: number }
  | { readonly outcome: "busy" | "stale" }
  /** `epoch`: of the newest socket that he had. */
  | { readonly outcome: "offline"; readonly epoch: number }
  /** No answer after every retry: the lock may or may not hold the offer. */
  | { readonly outcome: "unanswered" };

export type Command =
  // the object
  | { readonly type: "shard.started" }
  | { readonly type: "clock.ticked" }
  | ({ readonly type: "load.measured" } & LoadSample)
  /** What its market's control says; older versions than the one in force are nothing new. */
  | { readonly type: "market.configured"; readonly configured: ConfiguredMarket }
  // the rider
  | {
      readonly type: "ride.requested";
      readonly rideId: RideId;
      readonly riderId: RiderId;
      readonly request: RideRequest;
      readonly key: string;
      readonly bodyHash: string;
      /** What storage remembers under (rider, key); read by the runtime before the command is judged. */
      readonly prior: PriorReply | null;
      /** When this rider's rides of the last minute were asked for, oldest first; read like `prior`. */
      readonly recent: readonly EpochMs[];
      /** The fare he was promised, and until when. */
      readonly quoted: Quoted | null;
    }
  | { readonly type: "quote.asked"; readonly riderId: RiderId; readonly request: RideRequest }
  | { readonly type: "ride.cancelled"; readonly rideId: RideId; readonly riderId: RiderId }
  | { readonly type: "ride.rated"; readonly rideId: RideId; readonly by: RatedBy; readonly stars: number }
  // the driver, from whichever shard holds his socket
  | ({ readonly type: "offer.accepted" } & FromDriver)
  | ({ readonly type: "offer.declined" } & FromDriver)
  | ({ readonly type: "offer.abandoned" } & FromDriver)
  | ({ readonly type: "trip.stepped"; readonly step: TripStep } & FromDriver)
  | ({ readonly type: "driver.tracked"; readonly fix: Fix } & FromDriver)
  | ({ readonly type: "offer.viewed" } & FromDriver)
  // answers to effects
  | {
      readonly type: "neighbours.found";
      readonly rideId: RideId;
      readonly searchId: number;
      readonly candidates: readonly Candidate[];
    }
  | { readonly type: "candidates.ranked"; readonly rideId: RideId; readonly searchId: number; readonly ranked: Ranked }
  | ({ readonly type: "reserve.answered"; readonly offerId: OfferId } & ReserveOutcome)
  | { readonly type: "push.answered"; readonly offerId: OfferId; readonly outcome: "sent" | "no_socket" }
  | { readonly type: "release.acknowledged"; readonly offerId: OfferId }
  | {
      readonly type: "track.answered";
      readonly driverId: DriverId;
      readonly offerId: OfferId;
      readonly ride: DriverRide | null;
      readonly engaged: boolean;
    }
  // the lock and the queue
  | { readonly type: "lock.asked"; readonly offerId: OfferId }
  | { readonly type: "events.archived"; readonly eventIds: readonly string[] }
  /** Somebody looks after the shard: what is owed to locks is said again now, whenever it would be next. */
  | { readonly type: "releases.repeated" }
  // sockets of this shard
  | {
      readonly type: "driver.attached";
      readonly driverId: DriverId;
      readonly epoch: number;
      readonly profile: DriverProfile;
      readonly stats: DriverStats;
      readonly available: boolean;
      readonly destination?: LatLng | undefined;
      readonly endsAt: EpochMs;
      /** What the shard that holds the driver's lock says he is to be shown. */
      readonly holding: Holding;
    }
  /** The object woke from hibernation and found this socket open, with what it remembered. */
  | { readonly type: "driver.woken"; readonly driverId: DriverId; readonly memory: SessionMemory }
  | {
      readonly type: "driver.located";
      readonly driverId: DriverId;
      readonly epoch: number;
      readonly fixes: readonly Fix[];
    }
  /** Any other frame: the driver is alive. */
  | { readonly type: "driver.heard"; readonly driverId: DriverId; readonly epoch: number }
  | {
      readonly type: "driver.available";
      readonly driverId: DriverId;
      readonly epoch: number;
      readonly available: boolean;
      /** Where he is going; missing, he is going nowhere in particular, whatever he said before. */
      readonly destination?: LatLng | undefined;
    }
  | { readonly type: "driver.detached"; readonly driverId: DriverId; readonly epoch: number }
  /** A newer socket of the same driver attached elsewhere. */
  | { readonly type: "driver.superseded"; readonly driverId: DriverId; readonly epoch: number }
  /** A ride of another shard has something to say to a driver whose socket is here. */
  | { readonly type: "driver.told"; readonly driverId: DriverId; readonly epoch: number; readonly notice: DriverNotice }
  /** The ride's shard, this one or another, has judged what a driver here asked for. */
  | {
      readonly type: "offer.judged";
      readonly driverId: DriverId;
      readonly epoch: number;
      readonly cid: string;
      readonly offerId: OfferId;
      readonly verdict: Verdict | Pending;
    }
  | PlaceCommand
  | {
      readonly type: "trip.judged";
      readonly driverId: DriverId;
      readonly epoch: number;
      readonly cid: string;
      readonly offerId: OfferId;
      readonly step: TripStep;
      readonly verdict: TripVerdict | Pending;
    };

export interface Quoted {
  readonly fareCents: number;
  readonly expiresAt: EpochMs;
}

/** A quote as far as one shard knows. */
export interface QuoteDraft extends Omit<Quote, "drivers" | "pickupSeconds"> {
  readonly found: readonly Candidate[];
  /** Counted at most. */
  readonly limit: number;
  /** To be asked of the neighbours; null where none of them can have a nearer driver. */
  readonly beyond: NearbyQuery | null;
}

/** What a driver says about an offer, and where his socket is, so that the ride's shard can answer later. */
export interface FromDriver {
  readonly offerId: OfferId;
  readonly driverId: DriverId;
  readonly from: SessionAddress;
}

export type CommandOf<T extends Command["type"]> = Extract<Command, { type: T }>;

export type RatedBy =
  | { readonly role: "rider"; readonly riderId: RiderId }
  | { readonly role: "driver"; readonly driverId: DriverId };

/** Rows; all of one command are committed together, before anything is said. */
export type Write =
  | { readonly type: "save.ride"; readonly ride: Ride }
  | { readonly type: "save.offer"; readonly offer: Offer }
  /** Takes the place of one that had as many offers before it: of decisions that asked nobody, the last is kept. */
  | { readonly type: "save.decision"; readonly decision: Decision }
  | { readonly type: "append.event"; readonly event: RideEvent }
  | PlaceWrite
  /** In place of the version before. */
  | { readonly type: "save.market"; readonly configured: ConfiguredMarket }
  | {
      readonly type: "save.reply";
      readonly riderId: RiderId;
      readonly key: string;
      readonly reply: StoredReply;
      readonly at: EpochMs;
    }
  | { readonly type: "mark.archived"; readonly eventIds: readonly string[] };

/** Words to somebody else; said only after the command's writes are durable. */
export type Message =
  | {
      readonly type: "find.neighbours";
      readonly rideId: RideId;
      readonly searchId: number;
      readonly query: NearbyQuery;
      /** Shards in this circle are asked. */
      readonly around: { readonly center: LatLng; readonly radiusMeters: number };
    }
  | {
      readonly type: "rank";
      readonly rideId: RideId;
      readonly searchId: number;
      readonly candidates: readonly Candidate[];
      readonly context: RankingContext;
      /** False while the shard is overloaded: nearest first, whatever the champion. */
      readonly byModel: boolean;
    }
  | { readonly type: "reserve"; readonly offerId: OfferId; readonly seq: number; readonly driverId: DriverId }
  | {
      readonly type: "release";
      readonly offerId: OfferId;
      readonly seq: number;
      readonly driverId: DriverId;
      readonly outcome: ReleaseOutcome;
      /** What the driver goes on with. */
      readonly next?: Successor;
    }
  /** To a driver's socket in another shard; answered by `push.answered` when it carries an offer. */
  | {
      readonly type: "push";
      readonly driverId: DriverId;
      readonly to: SessionAddress;
      readonly offerId: OfferId;
      readonly notice: DriverNotice;
    }
  /** To a driver's socket here. */
  | { readonly type: "tell"; readonly driverId: DriverId; readonly epoch: number; readonly notice: DriverNotice }
  | { readonly type: "close"; readonly driverId: DriverId; readonly epoch: number; readonly why: CloseReason }
  | { readonly type: "rehome"; readonly driverId: DriverId; readonly epoch: number; readonly position: LatLng }
  | { readonly type: "detach"; readonly driverId: DriverId; readonly epoch: number }
  | ({ readonly type: "abandon" } & FromDriver)
  | ({ readonly type: "track"; readonly fix: Fix } & FromDriver)
  /** Kept with the socket; nothing safe depends on it. */
  | { readonly type: "remember"; readonly driverId: DriverId; readonly memory: SessionMemory }
  | { readonly type: "publish.ride"; readonly rideId: RideId; readonly event: RideEvent; readonly view: RideView }
  | { readonly type: "publish.position"; readonly rideId: RideId; readonly position: DriverPosition }
  | { readonly type: "count"; readonly name: CounterName; readonly label?: string };

export type Effect = Write | Message | { readonly type: "answer"; readonly answer: Answer };

/**
 * How an offer ended for the driver's record: only his own doing counts. `driven` and `exchanged` were accepted too: he
 * drove the ride, or a nearer driver took it over.
 */
export type ReleaseOutcome = "accepted" | "driven" | "exchanged" | "declined" | "none";

export type CloseReason = "superseded" | "silent" | "expired";

/** What the core counts; the shell turns it into metrics. */
export type CounterName =
  | "ride_event"
  | "offer_event"
  | "ranking"
  | "routing"
  | "fix_refused"
  | "jump_held"
  | "search"
  | "hint"
  | "session"
  | "overload";

export type Answer =
  | { readonly type: "ride"; readonly view: RideView; readonly replayed: boolean }
  | {
      readonly type: "refused";
      readonly reason: "not_found" | "key_reused" | "rider_busy" | "overloaded" | "wrong_state" | "already_rated";
      /** The ride that stands in the way, or the one asked about. */
      readonly view?: RideView;
    }
  /** The quoted fare holds no longer. */
  | { readonly type: "refused"; readonly reason: "quote_expired" }
  | PickupTimeRefused
  | { readonly type: "quote"; readonly draft: QuoteDraft }
  | TooManyQuotes
  /** The rider has asked for too many rides; after this long he may ask again. */
  | { readonly type: "refused"; readonly reason: "too_many_rides"; readonly retryAfterMs: number }
  | { readonly type: "verdict"; readonly verdict: Verdict }
  | { readonly type: "trip"; readonly verdict: TripVerdict }
  | { readonly type: "holding"; readonly holding: Holding }
  | { readonly type: "tracked"; readonly engaged: boolean; readonly ride: DriverRide | null }
  | { readonly type: "lock"; readonly verdict: OfferVerdict }
  | { readonly type: "superseded"; readonly brought: BroughtPlace | null }
  | { readonly type: "pushed"; readonly outcome: "sent" | "no_socket" };
