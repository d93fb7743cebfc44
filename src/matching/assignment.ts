/** Who gets the ride. Accept, decline, cancel and expiry all meet here; whoever arrives first has decided it. */
import type { DriverId } from "../domain/driver.ts";
import type { DriverRide, Holding, Verdict } from "../domain/notice.ts";
import {
  type AssignedRide,
  type EngagedRide,
  type MatchingRide,
  type OfferedOffer,
  type OfferId,
  type Ride,
  rideBase,
  type Successor,
} from "../domain/ride.ts";
import type { CommandOf } from "./commands.ts";
import { abandonPursuit, pursue } from "./dispatch.ts";
import { expectSwaps, mayTakeOver } from "./exchange.ts";
import { LIMITS } from "./limits.ts";
import { endOffer, killLiveOffers, killOffer, noteAddress, say } from "./offer.ts";
import { deadlineOf } from "./scheduled.ts";
import type { Turn } from "./shard-state.ts";
import { driverRide, offerCard } from "./views.ts";

/** First accept wins. A replay hears the same verdict; everyone else hears that the ride is gone. */
export function acceptOffer(turn: Turn, { offerId, driverId, from }: CommandOf<"offer.accepted">): void {
  turn.answer({ type: "verdict", verdict: judgeAccept(turn, offerId, driverId, from) });
}

function judgeAccept(
  turn: Turn,
  offerId: OfferId,
  driverId: DriverId,
  from: CommandOf<"offer.accepted">["from"],
): Verdict {
  const { shard, now } = turn;
  const offer = shard.offerFor(offerId, driverId);
  if (offer?.state === "won" || offer?.state === "ended") noteAddress(turn, offerId, from);
  if (offer?.state !== "offered") return standing(turn, offerId, driverId);
  const ride = shard.rides.get(offer.rideId)!;
  if (offer.expiresAt <= now) {
    killOffer(turn, offer, "expired");
    return { outcome: "lost", reason: "expired" };
  }
  if (ride.state !== "matching" && !mayTakeOver(shard, ride, offer, now)) {
    killOffer(turn, offer, "superseded");
    return { outcome: "lost", reason: "superseded" };
  }
  noteAddress(turn, offerId, from);
  const assigned = win(turn, ride, offer);
  return { outcome: "won", ride: driverRide(shard, assigned, offerId) };
}

/** Of a ride that waits, or from the driver on his way, whose offer ends in the same commit (X2). */
function win(turn: Turn, ride: MatchingRide | AssignedRide, offer: OfferedOffer): Ride {
  const { shard, now } = turn;
  const { expiresAt: _, ...base } = offer;
  if (ride.state === "assigned") endRideOffer(turn, ride, true);
  else abandonPursuit(turn, ride.id);
  turn.saveOffer({ ...base, state: "won", wonAt: now });
  turn.count("offer_event", "accepted");
  shard.timers.clear("offer.expiry", offer.id);
  killLiveOffers(turn, ride.id, "superseded");
  const { driverId, id: offerId } = offer;
  const version = ride.version + 1;
  const assigned = { ...rideBase(ride), version, state: "assigned", driverId, offerId, assignedAt: now } as const;
  turn.changeRide(assigned, ride.state === "matching" ? "ride.assigned" : "ride.exchanged");
  shard.timers.set("ride.pickup_watch", ride.id, now + shard.setting.market.dispatch.pickupWatchMs);
  expectSwaps(turn);
  if (ride.state === "assigned") {
    const left = driverRide(shard, assigned, ride.offerId);
    say(turn, shard.offers.get(ride.offerId)!, { type: "trip.changed", ride: left });
  }
  return assigned;
}

export function declineOffer(turn: Turn, { offerId, driverId, from }: CommandOf<"offer.declined">): void {
  const offer = turn.shard.offerFor(offerId, driverId);
  if (offer?.state === "offered") {
    noteAddress(turn, offerId, from);
    killOffer(turn, offer, "declined");
  }
  turn.answer({ type: "verdict", verdict: standing(turn, offerId, driverId) });
}

/** The driver left and did not come back in time. */
export function abandonOffer(turn: Turn, { offerId, driverId, from }: CommandOf<"offer.abandoned">): void {
  const offer = turn.shard.offerFor(offerId, driverId);
  const address = turn.shard.addressOf.get(offerId);
  // He has been seen at a newer socket since: then he did come back, elsewhere.
  if (offer?.state !== "offered" || (address !== undefined && address.epoch > from.epoch)) return;
  killOffer(turn, offer, "unreachable");
}

/**
 * How an offer stands that is not open any more. Whoever has won it hears so, also when he says no afterwards: a ride is
 * given back by `cancel`, and a driver who hears WON never hears LOST (S5).
 */
function standing({ shard }: Turn, offerId: OfferId, driverId: DriverId): Verdict {
  const offer = shard.offerFor(offerId, driverId);
  if (offer?.state === "won" || offer?.state === "ended") {
    return { outcome: "won", ride: driverRide(shard, shard.rides.get(offer.rideId)!, offerId) };
  }
  // An intent was never shown to anybody; speaking of one is a guess.
  return { outcome: "lost", reason: offer?.state === "dead" ? offer.reason : "unknown" };
}

/** What a driver who has come back is to be shown. */
export function viewOffer(turn: Turn, { offerId, driverId, from }: CommandOf<"offer.viewed">): void {
  turn.answer({ type: "holding", holding: holdingOf(turn, offerId, driverId, from) });
}

function holdingOf(turn: Turn, offerId: OfferId, driverId: DriverId, from: CommandOf<"offer.viewed">["from"]): Holding {
  const { shard, now } = turn;
  const asked = shard.offerFor(offerId, driverId);
  if (asked === null) return { kind: "none" };
  const offer = shard.heirOf(asked) ?? asked;
  const ride = shard.rides.get(offer.rideId)!;
  if (offer.state !== "offered" && offer.state !== "won") return { kind: "none" };
  noteAddress(turn, offer.id, from);
  if (offer.state === "offered") return { kind: "offer", offer: offerCard(shard, ride, offer, now) };
  return { kind: "ride", ride: driverRide(shard, ride, offer.id) };
}

/**
 * The driver is out of it and the ride looks for another, if it has not been given back too often. Whoever is being asked
 * to take it over is asked on. `reason` is what the driver is told by the caller, who knows whether it was his own wish.
 */
export function redispatch(turn: Turn, ride: EngagedRide): DriverRide {
  const { shard, now } = turn;
  const { offerId } = ride;
  const base = rideBase(ride);
  const version = ride.version + 1;
  const redispatches = ride.redispatches + 1;
  endRideOffer(turn, ride);
  if (redispatches > LIMITS.redispatches) {
    const unserved = {
      ...base,
      version,
      redispatches,
      state: "no_driver",
      endedAt: now,
      reason: "redispatches",
    } as const;
    killLiveOffers(turn, ride.id, "cancelled");
    turn.changeRide(unserved, "ride.no_driver");
    return driverRide(shard, unserved, offerId);
  }
  const deadlineAt = deadlineOf(shard, ride.request, now);
  const matching = { ...base, version, redispatches, state: "matching", deadlineAt } as const;
  turn.changeRide(matching, "ride.redispatched");
  pursue(turn, matching);
  return driverRide(shard, matching, offerId);
}

/** The won offer of a ride ends with it, or because it is exchanged, for another where two swap; its watches end too. */
export function endRideOffer(turn: Turn, ride: EngagedRide, exchanged = false, next?: Successor): void {
  const { shard } = turn;
  for (const kind of ["ride.pickup_watch", "ride.no_show", "ride.trip_watch"] as const)
    shard.timers.clear(kind, ride.id);
  shard.tracks.delete(ride.id);
  shard.nearer.delete(ride.id);
  const offer = shard.offers.get(ride.offerId)!;
  if (offer.state === "won") endOffer(turn, offer, exchanged, next);
}
