/**
 * One driver's chance at one ride: intent (written before his lock is asked), offered (the lock holds him, he has been
 * told), then won, or dead. Dead and ended are final, and stay owed a `release` until the lock has acknowledged it.
 */
import { assert } from "../domain/assert.ts";
import type { DriverNotice } from "../domain/notice.ts";
import type {
  AssignedRide,
  DeadReason,
  LiveOffer,
  MatchingRide,
  Offer,
  OfferId,
  RideId,
  Successor,
  WonOffer,
} from "../domain/ride.ts";
import type { RankedCandidate } from "../ranking/ranked.ts";
import type { CommandOf, ReleaseOutcome, SessionAddress } from "./commands.ts";
import { LIMITS } from "./limits.ts";
import { closeSocketsUntil, tellDriver } from "./sessions.ts";
import type { ShardState, Turn } from "./shard-state.ts";
import { offerCard } from "./views.ts";

/** Intent before reserve: if this object dies now, the row knows that a lock may be holding a driver for us. */
export function intendOffer(
  turn: Turn,
  ride: MatchingRide | AssignedRide,
  { candidate, score }: RankedCandidate,
  { wave, rank, ranker, instead }: Pick<Offer, "wave" | "rank" | "ranker" | "instead">,
): void {
  const { shard, now } = turn;
  assert(!shard.liveOfferOf.has(candidate.driverId), `S2: ${candidate.driverId} is being asked already`);
  const { driverId, pickupMeters, pickupSeconds } = candidate;
  const seq = shard.highestSeq + 1;
  const id = `${ride.id}#${seq}` as OfferId;
  const told = { pickupMeters, pickupSeconds, createdAt: now };
  const base = {
    id,
    seq,
    rideId: ride.id,
    driverId,
    wave,
    rank,
    score,
    ranker,
    instead,
    exchangesOfDriver: 0,
    ...told,
  };
  shard.admitOffer({ ...base, state: "intent" });
  turn.saveOffer({ ...base, state: "intent" });
  askLock(turn, id);
}

/** Also after a restart: the lock answers a repeated `reserve` as it did the first. */
export function askLock({ shard, now, effects }: Turn, offerId: OfferId): void {
  const { driverId, seq } = shard.offers.get(offerId)!;
  shard.timers.set("offer.intent", offerId, now + LIMITS.intentMs);
  effects.push({ type: "reserve", offerId, seq, driverId });
}

/** Offer after reserve: a driver hears of a ride only once his lock holds him for it. */
export function reserveAnswered(turn: Turn, command: CommandOf<"reserve.answered">): void {
  const { shard, now } = turn;
  const offer = shard.offers.get(command.offerId);
  // A late answer about an offer that died meanwhile: its release is on the way, or will be retried until it arrives.
  if (offer?.state !== "intent") return;
  shard.timers.clear("offer.intent", offer.id);
  // Found at a socket of which his lock knows a newer one: it was never told so, or the newer one never came to live.
  if (command.outcome === "offline") closeSocketsUntil(turn, offer.driverId, command.epoch);
  if (command.outcome !== "reserved") return killOffer(turn, offer, command.outcome);
  closeSocketsUntil(turn, offer.driverId, command.session.epoch - 1);
  const expiresAt = now + shard.setting.market.dispatch.offerTtlMs;
  const offered = { ...offer, state: "offered", expiresAt, exchangesOfDriver: command.exchanges } as const;
  turn.saveOffer(offered);
  turn.count("offer_event", "offered");
  shard.timers.set("offer.expiry", offer.id, expiresAt);
  shard.addressOf.set(offer.id, command.session);
  const card = offerCard(shard, shard.rides.get(offer.rideId)!, offered, now);
  if (!say(turn, offer, { type: "offer", ...card })) unreachable(turn, offer.id);
}

/** The push found no socket: nobody saw the offer, so somebody else gets it at once. */
export function unreachable(turn: Turn, offerId: OfferId): void {
  const offer = turn.shard.offers.get(offerId);
  if (offer?.state === "offered") killOffer(turn, offer, "unreachable");
}

export function intentTimedOut(turn: Turn, offerId: OfferId): void {
  const offer = turn.shard.offers.get(offerId);
  if (offer?.state === "intent") killOffer(turn, offer, "unanswered");
}

export function offerExpired(turn: Turn, offerId: OfferId): void {
  const offer = turn.shard.offers.get(offerId);
  if (offer?.state === "offered") killOffer(turn, offer, "expired");
}

/** The refusals by which a lock has already raised its fence: it does not hold this offer and never will. */
const REFUSED_BY_LOCK: readonly DeadReason[] = ["busy", "offline", "stale"];

/** Dead for good: the driver is told if he knew of it, and his lock is released. */
export function killOffer(turn: Turn, offer: LiveOffer, reason: DeadReason): void {
  const { shard, now } = turn;
  const released = REFUSED_BY_LOCK.includes(reason);
  const { id, seq, rideId, driverId, wave, rank, score, ranker, pickupMeters, pickupSeconds, createdAt } = offer;
  const { instead, exchangesOfDriver } = offer;
  const base = { id, seq, rideId, driverId, wave, rank, score, ranker, pickupMeters, pickupSeconds, createdAt };
  turn.saveOffer({ ...base, instead, exchangesOfDriver, state: "dead", reason, endedAt: now, released });
  turn.count("offer_event", reason);
  shard.timers.clear("offer.intent", id);
  shard.timers.clear("offer.expiry", id);
  if (offer.state === "offered") say(turn, offer, { type: "offer.closed", offerId: id, reason });
  if (!released) release(turn, id);
}

/** The ride has left its driver, one way or another; `exchanged` where another has taken it over, perhaps for his own. */
export function endOffer(turn: Turn, offer: WonOffer, exchanged: boolean, next?: Successor): void {
  const ended = { ...offer, state: "ended", endedAt: turn.now, released: false, exchanged } as const;
  turn.saveOffer(next === undefined ? ended : { ...ended, next });
  turn.count("offer_event", "ended");
  release(turn, offer.id);
}

/** Said at once, then again after 1, 2, 4 … 60 s until the lock has acknowledged it, for ever. */
export function release({ shard, now, effects }: Turn, offerId: OfferId): void {
  const offer = shard.offers.get(offerId);
  if (offer === undefined || (offer.state !== "dead" && offer.state !== "ended") || offer.released) return;
  const attempts = shard.releaseAttempts.get(offerId) ?? 0;
  shard.releaseAttempts.set(offerId, attempts + 1);
  const pauseMs = Math.min(LIMITS.releaseRetryMs * 2 ** attempts, LIMITS.releaseRetryMaximumMs);
  shard.timers.set("offer.release", offerId, now + pauseMs);
  const { seq, driverId } = offer;
  const next = offer.state === "ended" && offer.next ? { next: offer.next } : {};
  effects.push({ type: "release", offerId, seq, driverId, outcome: outcomeOf(shard, offer), ...next });
}

export function releaseAcknowledged(turn: Turn, offerId: OfferId): void {
  const offer = turn.shard.offers.get(offerId);
  if (offer === undefined || (offer.state !== "dead" && offer.state !== "ended") || offer.released) return;
  turn.saveOffer({ ...offer, released: true });
  turn.shard.timers.clear("offer.release", offerId);
  turn.shard.releaseAttempts.delete(offerId);
}

function outcomeOf({ rides }: ShardState, offer: Offer): ReleaseOutcome {
  if (offer.state === "ended") {
    if (offer.exchanged) return "exchanged";
    const ride = rides.get(offer.rideId)!;
    // What has ended on the trip was driven; how it is called is known only after this.
    return "startedAt" in ride && ride.offerId === offer.id ? "driven" : "accepted";
  }
  return offer.state === "dead" && (offer.reason === "declined" || offer.reason === "expired") ? "declined" : "none";
}

/** To the driver of an offer, wherever his socket is; false when it is known to be nowhere. */
export function say(turn: Turn, { id, driverId }: Offer, notice: DriverNotice): boolean {
  const { shard, effects } = turn;
  const address = shard.addressOf.get(id);
  if (address === undefined) return false;
  if (address.shard === shard.setting.name) return tellDriver(turn, driverId, address.epoch, notice);
  effects.push({ type: "push", driverId, to: address, offerId: id, notice });
  return true;
}

/** The driver spoke from this socket: what is said to him next goes there, of the ride that he has by now. */
export function noteAddress({ shard }: Turn, spokenOf: OfferId, address: SessionAddress): void {
  const offerId = shard.heirOf(shard.offers.get(spokenOf)!)?.id ?? spokenOf;
  const known = shard.addressOf.get(offerId);
  if (known === undefined || known.epoch <= address.epoch) shard.addressOf.set(offerId, address);
}

export function killLiveOffers(turn: Turn, rideId: RideId, reason: DeadReason): void {
  for (const offer of turn.shard.offersFor(rideId)) {
    if (offer.state === "intent" || offer.state === "offered") killOffer(turn, offer, reason);
  }
}
