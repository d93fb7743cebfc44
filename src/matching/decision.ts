/**
 * Why this driver: what one decision knew and what it made of it, written in the same commit as the offers it leads to.
 * What became of the offers is in their own rows; both are put together for a reader in src/shard/explain.ts.
 */
import type { Candidate, DriverId } from "../domain/driver.ts";
import type { DispatchPolicy } from "../domain/market.ts";
import {
  type AssignedRide,
  type MatchingRide,
  notBeforePickup,
  type Offer,
  type OfferId,
  type RideId,
} from "../domain/ride.ts";
import type { EpochMs } from "../domain/time.ts";
import type { FallbackReason } from "../ranking/ranked.ts";
import type { Message } from "./commands.ts";
import { askedAtOnce } from "./dispatch-kinds.ts";
import { bonusSeconds } from "./fairness.ts";
import type { Hold } from "./forward.ts";
import { LIMITS } from "./limits.ts";
import { premiumsOf } from "./look-ahead.ts";
import { mayUseModel } from "./overload.ts";
import type { Pursuit, ShardState, Turn } from "./shard-state.ts";
import { NOBODY_IS_MISSED, type Worth } from "./window-worth.ts";

/** Why a driver whom the search knew of was not ranked. */
export type LeftOutReason =
  /** This ride is asking him already. */
  | "asked"
  /** Another ride of this shard is asking him, or has him. */
  | "busy"
  | "declined"
  | "expired"
  | "gave_back"
  /** Nearer drivers filled the list. */
  | "beyond_limit";

export interface LeftOut {
  readonly driverId: DriverId;
  readonly reason: LeftOutReason;
}

/** Whom a search found, and who of them may be asked. */
export interface Sifted {
  readonly found: number;
  readonly candidates: readonly Candidate[];
  readonly leftOut: readonly LeftOut[];
}

export interface RankedDriver {
  readonly driverId: DriverId;
  /** What he was expected to cost in seconds, and by which he came where he came; lower is better. */
  readonly score: number;
  /** The part of the cost that is driving; the rest is what refusals are expected to cost, and the next two. */
  readonly pickupSeconds: number;
  /** Taken off because he had waited long. */
  readonly fairnessSeconds: number;
  /** Added because more was expected of where he was than of where the others were; below 0, taken off. */
  readonly lookAheadSeconds: number;
  /** Not in the cost: what the plan of a window counted besides, for those who may ask next where he is. */
  readonly worthSeconds: number;
  /** In the queue that decided; null where none did. */
  readonly queuedMs: number | null;
  readonly acceptProbability: number | null;
  /** Of the features. */
  readonly row: number;
  /** While he was ranked, another ride of this shard had asked him. */
  readonly taken: boolean;
}

export interface Decision {
  readonly rideId: RideId;
  /** Offers the ride had caused by then: those that follow, up to the next decision's, are of this one. */
  readonly offersBefore: number;
  readonly at: EpochMs;
  /** 1, and one more for each time the ride was given back. */
  readonly attempt: number;
  /** Search of the attempt, 1 first; one that found nobody to rank leaves no decision. */
  readonly wave: number;
  /** The offer of the driver on his way, where a nearer one was looked for; null where the ride was waiting. */
  readonly instead: OfferId | null;
  /** The wait for a driver about to end his trip that began with this decision, or was before it; null where none was. */
  readonly hold: Hold | null;
  readonly radiusMeters: number;
  /** Whose queue decided, longest waiting first and whatever they cost; null where the cost did. */
  readonly zone: string | null;
  /** Of the market's configuration, by which it was taken. */
  readonly marketVersion: number;
  readonly policy: DispatchPolicy["kind"];
  /** Drivers wanted to be asked at once. */
  readonly waveSize: number;
  readonly ranker: string;
  readonly fallback: FallbackReason | null;
  /** Drivers with a socket in this shard, and those of them in its index: free, and with a fresh position. */
  readonly connected: number;
  readonly available: number;
  /** Within the radius, and what the ride asked for; neighbours' drivers too. The index looks for no more than it needs. */
  readonly found: number;
  /** Best first. */
  readonly candidates: readonly RankedDriver[];
  readonly leftOut: readonly LeftOut[];
  /** Left out and not named. */
  readonly leftOutMore: number;
  readonly featureSet: string;
  /** What the ranker was given. */
  readonly features: Float32Array;
}

/** Parts those found, nearest first, into who may be asked and who may not. */
export function sift(shard: ShardState, rideId: RideId, found: readonly Candidate[]): Sifted {
  const candidates: Candidate[] = [];
  const leftOut: LeftOut[] = [];
  for (const candidate of found.slice(0, LIMITS.candidatesPerSearch)) {
    const { driverId } = candidate;
    const offerId = shard.liveOfferOf.get(driverId);
    if (offerId === undefined) candidates.push(candidate);
    else leftOut.push({ driverId, reason: shard.offers.get(offerId)!.rideId === rideId ? "asked" : "busy" });
  }
  leftOut.push(...excluded(shard, rideId));
  for (const { driverId } of found.slice(LIMITS.candidatesPerSearch))
    leftOut.push({ driverId, reason: "beyond_limit" });
  return { found: found.length, candidates, leftOut };
}

/** A driver who answered no, let the offer pass or gave the ride back is not asked again for this ride. */
export function excluded(shard: ShardState, rideId: RideId): LeftOut[] {
  return shard.offersFor(rideId).flatMap((offer) => {
    const reason = hadHisChance(offer);
    return reason === null ? [] : [{ driverId: offer.driverId, reason }];
  });
}

export function wasRefusedSince(offer: Offer, at: EpochMs): boolean {
  return offer.state === "dead" && offer.endedAt > at && hadHisChance(offer) !== null;
}

function hadHisChance(offer: Offer): LeftOutReason | null {
  // Who lost it to a nearer driver has done nothing wrong, and may have it again.
  if (offer.state === "ended") return offer.exchanged ? null : "gave_back";
  if (offer.state === "dead" && (offer.reason === "declined" || offer.reason === "expired")) return offer.reason;
  return null;
}

/** What the ranker is asked about those who may be asked; its answer becomes the decision. */
export function rankingOf(
  { setting, overload }: ShardState,
  now: EpochMs,
  { id, request, tripMeters, fareCents, createdAt }: MatchingRide | AssignedRide,
  { searchId, wave, sifted }: Pursuit,
): Extract<Message, { type: "rank" }> {
  const { utcOffsetMinutes, citySpeedMetersPerSecond } = setting.market;
  const { pickup, dropoff } = request;
  const context = {
    pickup,
    dropoff,
    tripMeters,
    fareCents,
    // A scheduled ride has waited for nobody before its time, however long ago it was asked for.
    requestedAt: Math.min(now, notBeforePickup(request, createdAt)),
    now,
    utcOffsetMinutes,
    wave,
    citySpeedMetersPerSecond,
  };
  const { candidates } = sifted;
  return { type: "rank", rideId: id, searchId, candidates, context, byModel: mayUseModel(overload) };
}

/**
 * Taken before the first of its offers: the moment the ranking is here or, where the ride waits for a window, when that
 * closes. `pursuit.reserve` is all who were ranked, in their order, at what they cost.
 */
export function saveDecision(
  { shard, now, effects }: Turn,
  ride: MatchingRide | AssignedRide,
  pursuit: Pursuit,
  worth: Worth = NOBODY_IS_MISSED,
): void {
  const { wave, radiusMeters, zone, hold, reserve } = pursuit;
  const { ranker, fallback, featureSet, features } = pursuit.ranked!;
  const { found, leftOut } = pursuit.sifted;
  const { dispatch } = shard.setting.market;
  const premium = premiumsOf(pursuit.sifted.candidates, dispatch.lookAheadSeconds);
  const decision: Decision = {
    rideId: ride.id,
    offersBefore: shard.offersFor(ride.id).length,
    at: now,
    attempt: ride.redispatches + 1,
    wave,
    instead: ride.state === "assigned" ? ride.offerId : null,
    hold,
    radiusMeters,
    zone,
    marketVersion: shard.configured.version,
    policy: dispatch.kind,
    waveSize: askedAtOnce(shard, pursuit),
    ranker,
    fallback,
    connected: shard.supply.sessions.size,
    available: shard.supply.indexed,
    found,
    candidates: reserve.map(({ candidate, score, acceptProbability, row }) => {
      const { driverId, pickupSeconds, idleMs, queuedMs = null } = candidate;
      // An exchange knows nothing of it, and a queue goes by how long each has waited there.
      const byCost = ride.state === "matching" && zone === null;
      const fairnessSeconds = byCost ? bonusSeconds(dispatch, idleMs) : 0;
      const lookAheadSeconds = premium(candidate);
      const worthSeconds = worth.get(driverId) ?? 0;
      const taken = shard.liveOfferOf.has(driverId);
      const added = { fairnessSeconds, lookAheadSeconds, worthSeconds, queuedMs };
      return { driverId, score, pickupSeconds, ...added, acceptProbability, row, taken };
    }),
    leftOut: leftOut.slice(0, LIMITS.leftOutPerDecision),
    leftOutMore: Math.max(0, leftOut.length - LIMITS.leftOutPerDecision),
    featureSet,
    features,
  };
  effects.push({ type: "save.decision", decision });
}
