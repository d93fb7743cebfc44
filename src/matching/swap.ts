/**
 * Drivers on their way whose riders would together wait less if they swapped swap their rides, two of them or more in a
 * ring. They are told and not asked: a ride is what they have said yes to, and either may be given back. All is of this
 * shard, so one commit ends the offers by which they had their rides and wins new ones. No offer ever becomes one of another
 * ride, so what a driver still says of the old one cannot be taken for the new. Each lock goes from the old offer to the new
 * by the release of the old (driver-lock.ts), and is free at no moment.
 */
import type { Candidate } from "../domain/driver.ts";
import type { AssignedRide, OfferId, Successor, WonOffer } from "../domain/ride.ts";
import type { RankedCandidate } from "../ranking/ranked.ts";
import { haversineMeters } from "../spatial/distance.ts";
import { endRideOffer } from "./assignment.ts";
import { type BatchChoice, BatchPlanner } from "./batch.ts";
import { excluded, saveDecision } from "./decision.ts";
import { isOnHisWay } from "./destination.ts";
import { type Approach, approachOf, isOpenToExchange, isReplanning } from "./exchange.ts";
import { LIMITS } from "./limits.ts";
import { say } from "./offer.ts";
import { turnoverOf } from "./recent-rides.ts";
import type { Pursuit, Turn } from "./shard-state.ts";
import { candidateOf, type Session, serves, statusOf } from "./supply.ts";
import { trackRide } from "./tracking.ts";
import { driverRide } from "./views.ts";

/** Who planned it, in offers and decisions. */
export const SWAP = "swap@1";

/** A ride and the driver who is on his way to it. */
interface Party {
  readonly ride: AssignedRide;
  readonly present: Approach;
  readonly session: Session;
}

/** One party's ride goes to another's driver. */
interface Move {
  readonly party: Party;
  readonly taker: Party;
  readonly candidate: Candidate;
}

const planner = new BatchPlanner();

/**
 * All drivers on their way here are planned together, and what the plan swaps is done. What they are worth where they are
 * is nothing to it: as many are taken as before, and the same.
 */
export function planSwaps(turn: Turn): void {
  const { shard, now } = turn;
  if (!isReplanning(shard)) return;
  const parties = partiesOf(turn);
  if (parties.length < 2) return;
  const found = parties.map((party) => nearestFor(turn, party, parties));
  const turnover = turnoverOf(
    shard,
    now,
    parties.map(({ ride }) => ride.request),
  );
  const { choices } = planner.plan({
    rides: parties.map(({ present: { exchanges } }, driver) => {
      const candidates = [...found[driver]!.keys()];
      return { driver, exchanges, candidates, turnoverSeconds: turnover[driver]!, waitedSeconds: 0 };
    }),
    drivers: parties.map(({ present }) => ({ exchanges: present.offer.exchangesOfDriver, worthSeconds: 0 })),
    unservedSeconds: 0,
    estimate: (ride, driver) => ({
      pickupSeconds: ride === driver ? parties[ride]!.present.seconds : found[ride]!.get(driver)!.pickupSeconds,
    }),
  });
  for (const ring of ringsOf(choices)) {
    const moves = ring.map(({ ride, driver }) => {
      return { party: parties[ride]!, taker: parties[driver]!, candidate: found[ride]!.get(driver)! };
    });
    swap(turn, moves);
  }
}

/** The newest rides: what could be gained by those on their way for longer was looked at when the last of them was. */
function partiesOf({ shard, now }: Turn): Party[] {
  const parties: Party[] = [];
  for (const ride of [...shard.rides.values()].reverse()) {
    if (parties.length === LIMITS.swapRides) break;
    const present = approachOf(shard, ride, now);
    if (ride.state !== "assigned" || present === null || !isOpenToExchange(shard, ride, present)) continue;
    const session = shard.supply.sessions.get(ride.driverId);
    // Who has until an hour of his own is not late, however far his driver is.
    if (session === undefined || (ride.request.pickupAt ?? now) > now) continue;
    if (session.held?.offerId === ride.offerId && mayGoOn(session, now)) parties.push({ ride, present, session });
  }
  return parties;
}

/** Whether he might be asked, if he had no ride. */
function mayGoOn(session: Session, now: number): boolean {
  return session.endsAt > now && statusOf({ ...session, held: null }, now).state === "available";
}

/** Of the other drivers, by their place in the list, those in reach who may be given this ride. */
function nearestFor({ shard, now }: Turn, { ride }: Party, parties: readonly Party[]): ReadonlyMap<number, Candidate> {
  const { name, market } = shard.setting;
  const { maximumRadiusMeters, destinationShare } = market.dispatch;
  const { id, request } = ride;
  const leftOut = new Set(excluded(shard, id).map(({ driverId }) => driverId));
  const inReach = parties.flatMap(({ session }, at) => {
    const { driverId, profile, fix, destination } = session;
    const meters = haversineMeters(fix!.position, request.pickup);
    if (driverId === ride.driverId || leftOut.has(driverId) || meters > maximumRadiusMeters) return [];
    const heading = { from: fix!.position, destination };
    if (!serves(profile, request) || !isOnHisWay(heading, request.dropoff, destinationShare)) return [];
    return [{ at, session, meters }];
  });
  inReach.sort((a, b) => a.meters - b.meters);
  const knowing = { shard: name, travelTimes: shard.travelTimes, now };
  return new Map(
    inReach.slice(0, LIMITS.candidatesPerSearch).map(({ at, session, meters }) => {
      return [at, candidateOf(session, request.pickup, meters, knowing)];
    }),
  );
}

/** The closed rings of a plan: each takes the ride of the next, and the last that of the first. */
function ringsOf(choices: readonly BatchChoice[]): BatchChoice[][] {
  const open = new Map(choices.map((choice) => [choice.ride, choice]));
  const rings: BatchChoice[][] = [];
  for (const [first] of open) {
    const ring: BatchChoice[] = [];
    let next = first;
    // A driver's number is that of the ride he has: his own ride is the next to be given away.
    for (let choice = open.get(next); choice !== undefined; choice = open.get(next)) {
      open.delete(next);
      ring.push(choice);
      next = choice.driver;
    }
    if (next === first) rings.push(ring);
  }
  return rings;
}

function swap(turn: Turn, moves: readonly Move[]): void {
  const { shard, now } = turn;
  const firstSeq = shard.highestSeq + 1;
  const born = moves.map((move, at) => offerOf(move, firstSeq + at, now));
  const successors = new Map<OfferId, Successor>(
    moves.map(({ taker }, at) => [taker.ride.offerId, { offerId: born[at]!.id, seq: born[at]!.seq }]),
  );
  for (const move of moves) saveSwap(turn, move);
  // All end before the first is won: at no moment, not even inside the commit, has anybody two (S1, S2).
  for (const { party } of moves) endRideOffer(turn, party.ride, true, successors.get(party.ride.offerId));
  for (const [at, { party, taker }] of moves.entries()) {
    const { ride } = party;
    const offer = born[at]!;
    shard.admitOffer(offer);
    turn.saveOffer(offer);
    turn.count("offer_event", "swapped");
    shard.addressOf.set(offer.id, { shard: shard.setting.name, epoch: taker.session.epoch });
    const { driverId, id: offerId } = offer;
    turn.changeRide({ ...ride, version: ride.version + 1, driverId, offerId, assignedAt: now }, "ride.exchanged");
    shard.timers.set("ride.pickup_watch", ride.id, now + shard.setting.market.dispatch.pickupWatchMs);
    trackRide(turn, offerId, driverId, taker.session.fix!);
  }
  // That his ride has left him and which is his now, in one breath: at no moment does his app believe him free.
  for (const [at, { taker }] of moves.entries()) {
    const { id, offerId } = taker.ride;
    say(turn, born[at]!, { type: "trip.changed", ride: driverRide(shard, shard.rides.get(id)!, offerId) });
  }
}

/** Won from its first moment on: nobody is asked, and the lock that will hold it holds its driver already. */
function offerOf({ party, taker, candidate }: Move, seq: number, now: number): WonOffer {
  const { ride, present } = party;
  const { driverId, pickupMeters, pickupSeconds } = candidate;
  return {
    id: `${ride.id}#${seq}` as OfferId,
    seq,
    rideId: ride.id,
    driverId,
    wave: present.offer.wave,
    rank: 0,
    score: pickupSeconds,
    ranker: SWAP,
    pickupMeters,
    pickupSeconds,
    createdAt: now,
    instead: ride.offerId,
    exchangesOfDriver: taker.present.offer.exchangesOfDriver + 1,
    state: "won",
    wonAt: now,
  };
}

/** What was weighed: his way, beside that of the driver whom he relieves. */
function saveSwap(turn: Turn, { party, candidate }: Move): void {
  const { shard, now } = turn;
  const { ride, present } = party;
  const chosen: RankedCandidate = { candidate, score: candidate.pickupSeconds, acceptProbability: null, row: 0 };
  const features = Float32Array.of(candidate.pickupSeconds, present.seconds);
  const ranked = { order: [chosen], ranker: SWAP, fallback: null, featureSet: SWAP, features };
  const pursuit: Pursuit = {
    wave: present.offer.wave,
    searchId: 0,
    radiusMeters: shard.setting.market.dispatch.maximumRadiusMeters,
    zone: null,
    searchedAt: now,
    phase: "open",
    local: [],
    sifted: { found: 1, candidates: [candidate], leftOut: [] },
    ranked,
    reserve: [chosen],
    hold: null,
  };
  saveDecision(turn, ride, pursuit);
}
