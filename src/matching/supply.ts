/** The drivers whose sockets are here, and who of them may be asked. Soft state: any of it may be lost or late. */
import type { Candidate, DriverId, DriverProfile, DriverStats, DriverStatus, Fix } from "../domain/driver.ts";
import { PAYMENT_METHODS, VEHICLE_TYPES } from "../domain/driver.ts";
import type { CellPrefix, LatLng, ShardName } from "../domain/place.ts";
import type { OfferId, RideRequest } from "../domain/ride.ts";
import type { EpochMs } from "../domain/time.ts";
import { createNearestResult, type NearestResult, SupplyIndex } from "../spatial/supply-index.ts";
import type { NearbyQuery } from "./commands.ts";
import { isOnHisWay } from "./destination.ts";
import { isSuspect, type JumpRecord, NO_JUMPS } from "./fix-filter.ts";
import { LIMITS } from "./limits.ts";
import type { Spot } from "./look-ahead.ts";
import type { ShardSetting } from "./shard-state.ts";
import { type TravelTimes, turnSeconds } from "./travel-times.ts";

/** On the way to somewhere, since the fix he set out with. */
export interface Leg {
  readonly to: "pickup" | "dropoff";
  readonly from: Fix;
  readonly at: EpochMs;
}

/** Free here since then, where the market looks ahead; he may have won a ride meanwhile. */
export interface Stay extends Spot {
  readonly at: EpochMs;
}

export interface Session {
  readonly driverId: DriverId;
  readonly epoch: number;
  readonly profile: DriverProfile;
  readonly endsAt: EpochMs;
  /** Row of the index. */
  readonly slot: number;
  stats: DriverStats;
  /** The driver wants rides. */
  available: boolean;
  /** Where he is going, and wants rides to bring him nearer to. */
  destination?: LatLng | undefined;
  /** Newest believed position. */
  fix: Fix | null;
  jumps: JumpRecord;
  leg: Leg | null;
  stay: Stay | null;
  held: Held | null;
  idleSince: EpochMs;
  hint?: Hint | undefined;
  heardAt: EpochMs;
  trackedAt: EpochMs;
  rehomeAskedAt: EpochMs;
  /** The status the driver was last told. */
  toldStatus: string;
  /** His place in a queue that he was told; empty for none. */
  toldStanding: string;
  /** The cadence he was told; null when it was before the object's sleep. */
  toldFixEveryMs: number | null;
  /** He knows that it is about to end. */
  toldEnd: boolean;
}

/** What a socket carries through hibernation; everything in it may be a moment old. */
export interface SessionMemory {
  readonly epoch: number;
  readonly profile: DriverProfile;
  readonly stats: DriverStats;
  readonly available: boolean;
  readonly destination?: LatLng | undefined;
  readonly fix: Fix | null;
  readonly idleSince: EpochMs;
  readonly held: Held | null;
  readonly hint?: Hint | undefined;
  /** The driver's token is good until then, and so is the session. */
  readonly endsAt: EpochMs;
}

/** Where he was last told that riders are short of drivers; he may have gone there, and is left alone for a while. */
export interface Hint {
  readonly cell: CellPrefix;
  readonly at: EpochMs;
}

/** The offer or ride that keeps a driver from being a candidate, as his socket's shard knows it. */
export interface Held {
  readonly offerId: OfferId;
  readonly kind: "offered" | "engaged";
  /** The offer's, where that has a queue. */
  readonly zone?: string | undefined;
}

type Wants = NearbyQuery["request"];

const ACCESSIBLE_BIT = 1 << 15;

/** What the index can compare in one AND: vehicle type, payments taken, step-free access. */
function traitsOf(profile: DriverProfile): number {
  let traits = 1 << VEHICLE_TYPES.indexOf(profile.vehicleType);
  for (const payment of profile.payments) traits |= paymentBit(payment);
  return profile.accessible ? traits | ACCESSIBLE_BIT : traits;
}

function traitsWanted({ vehicleType, payment, accessible }: Wants): number {
  const traits = (1 << VEHICLE_TYPES.indexOf(vehicleType)) | paymentBit(payment);
  return accessible ? traits | ACCESSIBLE_BIT : traits;
}

function paymentBit(payment: RideRequest["payment"]): number {
  return 1 << (VEHICLE_TYPES.length + PAYMENT_METHODS.indexOf(payment));
}

/** Whether a driver is what the ride asked for; the index answers the same for many at once. */
export function serves(profile: DriverProfile, wants: Wants): boolean {
  const wanted = traitsWanted(wants);
  const fits = (traitsOf(profile) & wanted) === wanted;
  return fits && profile.rating >= wants.minimumRating && profile.seats >= wants.seats;
}

export class Supply {
  readonly sessions = new Map<DriverId, Session>();
  readonly #index = new SupplyIndex();
  readonly #bySlot: (Session | undefined)[] = [];
  readonly #freeSlots: number[] = [];
  readonly #found: NearestResult = createNearestResult(LIMITS.candidatesPerSearch);

  add(driverId: DriverId, memory: SessionMemory, now: EpochMs): Session {
    this.remove(driverId);
    const slot = this.#freeSlots.pop() ?? this.#bySlot.length;
    const session: Session = {
      driverId,
      slot,
      ...memory,
      jumps: NO_JUMPS,
      leg: null,
      stay: null,
      heardAt: now,
      trackedAt: 0,
      rehomeAskedAt: 0,
      toldStatus: "",
      toldStanding: "",
      toldFixEveryMs: null,
      toldEnd: false,
    };
    this.#bySlot[slot] = session;
    this.sessions.set(driverId, session);
    return session;
  }

  remove(driverId: DriverId): void {
    const session = this.sessions.get(driverId);
    if (session === undefined) return;
    this.sessions.delete(driverId);
    this.#index.remove(session.slot);
    this.#bySlot[session.slot] = undefined;
    this.#freeSlots.push(session.slot);
  }

  /** The session of this epoch; null when the driver has none here, or another. */
  current(driverId: DriverId, epoch: number): Session | null {
    const session = this.sessions.get(driverId);
    return session?.epoch === epoch ? session : null;
  }

  /** Puts a session into the index, moves it or takes it out, as its state says. Returns true when it has come in. */
  reindex(session: Session, now: EpochMs): boolean {
    const { slot, fix, profile } = session;
    if (fix === null || statusOf(session, now).state !== "available") {
      this.#index.remove(slot);
      return false;
    }
    const { lat, lng } = fix.position;
    const expiresAt = fix.at + LIMITS.fixTtlMs;
    if (this.#index.has(slot)) {
      this.#index.move(slot, lat, lng, expiresAt);
      return false;
    }
    this.#index.upsert(slot, lat, lng, expiresAt, traitsOf(profile), profile.rating, profile.seats);
    return true;
  }

  /** Drivers with a living index entry. */
  get indexed(): number {
    return this.#index.size;
  }

  /** Drivers out of dispatch for their jumps. */
  suspectsAt(now: EpochMs): number {
    let suspects = 0;
    for (const { jumps } of this.sessions.values()) if (isSuspect(jumps, now)) suspects++;
    return suspects;
  }

  dropExpired(now: EpochMs): void {
    this.#index.expire(now, this.#bySlot.length, () => {});
  }

  /** Nearest first; never more than LIMITS.candidatesPerSearch. */
  candidatesNear(
    query: NearbyQuery,
    { name: shard, market }: Pick<ShardSetting, "name" | "market">,
    travelTimes: TravelTimes,
    now: EpochMs,
  ): Candidate[] {
    const excluded = new Set(query.exclude);
    const { minimumRating, seats, dropoff } = query.request;
    const { destinationShare } = market.dispatch;
    const isLeftOut = (slot: number): boolean => {
      const { driverId, fix, destination } = this.#bySlot[slot]!;
      return excluded.has(driverId) || !isOnHisWay({ from: fix!.position, destination }, dropoff, destinationShare);
    };
    const count = this.#index.nearest(
      {
        ...query.pickup,
        limit: Math.min(query.limit, LIMITS.candidatesPerSearch),
        maxMeters: query.radiusMeters,
        nowMs: now,
        requiredTraits: traitsWanted(query.request),
        minimumRating,
        minimumSeats: seats,
        skip: excluded.size > 0 || destinationShare > 0 ? isLeftOut : undefined,
      },
      this.#found,
    );
    return Array.from({ length: count }, (_, i) => {
      const session = this.#bySlot[this.#found.slots[i]!]!;
      return candidateOf(session, query.pickup, this.#found.meters[i]!, { shard, travelTimes, now });
    });
  }
}

export function candidateOf(
  session: Session,
  pickup: LatLng,
  pickupMeters: number,
  { shard, travelTimes, now }: { readonly shard: ShardName; readonly travelTimes: TravelTimes; readonly now: EpochMs },
): Candidate {
  const fix = session.fix!;
  const way = { from: fix.position, to: pickup, at: now };
  return {
    driverId: session.driverId,
    shard,
    position: fix.position,
    headingDegrees: fix.headingDegrees,
    speedMetersPerSecond: fix.speedMetersPerSecond,
    pickupMeters,
    pickupSeconds: travelTimes.seconds(way, pickupMeters) + turnSeconds(fix.position, pickup, fix, pickupMeters),
    fixAgeMs: Math.max(0, now - fix.at),
    idleMs: Math.max(0, now - session.idleSince),
    rating: session.profile.rating,
    stats: session.stats,
  };
}

/** What the server makes of a driver, with the reason: he never has to guess why no offers come. */
export function statusOf(session: Session, now: EpochMs): DriverStatus {
  if (session.held !== null) return { state: session.held.kind };
  if (!session.available) return { state: "paused", reason: "driver" };
  if (session.fix === null) return { state: "unlocated", reason: "no-fix" };
  if (isSuspect(session.jumps, now)) return { state: "unlocated", reason: "held-fix" };
  if (now - session.fix.at >= LIMITS.fixTtlMs) return { state: "unlocated", reason: "stale-fix" };
  return { state: "available" };
}

export function memoryOf(session: Session): SessionMemory {
  const { epoch, profile, stats, available, destination, fix, idleSince, held, hint, endsAt } = session;
  return { epoch, profile, stats, available, destination, fix, idleSince, held, hint, endsAt };
}
