/**
 * Finding drivers for a waiting ride: search here, ask the neighbours if the circle reaches them, have the candidates
 * ranked, make offers, and search again, wider, until somebody accepts or the ride's time is up.
 */
import type { Candidate, DriverId } from "../domain/driver.ts";
import type { Zone } from "../domain/market.ts";
import type { MatchingRide, Ride, RideId } from "../domain/ride.ts";
import { haversineMeters, metersToCellEdge } from "../spatial/distance.ts";
import type { CommandOf, NearbyQuery } from "./commands.ts";
import { excluded, rankingOf, type Sifted, saveDecision, sift, wasRefusedSince } from "./decision.ts";
import { isOnHisWay } from "./destination.ts";
import { askedAtOnce, askNow, rulesNow, waitedForUntil } from "./dispatch-kinds.ts";
import { nearerRanked } from "./exchange.ts";
import { fairly } from "./fairness.ts";
import { endsHold, type HoldEnd, holdFor, ridesHeld } from "./forward.ts";
import { LIMITS } from "./limits.ts";
import { lookingAhead } from "./look-ahead.ts";
import { intendOffer } from "./offer.ts";
import { fewerUnderLoad } from "./overload.ts";
import { candidatesFor, hasLeft, queueAt } from "./queue-places.ts";
import { byTurn, reachOf } from "./queue-zones.ts";
import { isLive, type Pursuit, type Turn } from "./shard-state.ts";
import { type Session, serves, statusOf } from "./supply.ts";

const NOBODY: Sifted = { found: 0, candidates: [], leftOut: [] };

export function pursue(turn: Turn, ride: MatchingRide): void {
  const { dispatch } = turn.shard.setting.market;
  turn.shard.pursuits.set(ride.id, {
    wave: 0,
    searchId: 0,
    radiusMeters: dispatch.startRadiusMeters,
    zone: null,
    searchedAt: turn.now,
    phase: "open",
    local: [],
    sifted: NOBODY,
    ranked: null,
    reserve: [],
    hold: null,
  });
  turn.shard.timers.set("ride.deadline", ride.id, ride.deadlineAt);
  search(turn, ride.id);
}

/** Ends the search, or the wait for its beginning; what it still asks of others will be ignored. */
export function abandonPursuit({ shard }: Turn, rideId: RideId): void {
  shard.pursuits.delete(rideId);
  for (const kind of ["ride.dispatch", "ride.search", "ride.silence", "ride.deadline"] as const) {
    shard.timers.clear(kind, rideId);
  }
}

/** The search's timer: neighbours or the ranker kept silent, or it is time to look again. */
export function searchTimerFired(turn: Turn, rideId: RideId): void {
  const pursuit = turn.shard.pursuits.get(rideId);
  if (pursuit?.phase === "searching") rank(turn, rideId, pursuit, pursuit.local);
  else if (pursuit?.phase === "held") goOn(turn, rideId, pursuit, "late");
  else if (pursuit !== undefined) search(turn, rideId);
}

export function neighboursFound(turn: Turn, { rideId, searchId, candidates }: CommandOf<"neighbours.found">): void {
  const pursuit = turn.shard.pursuits.get(rideId);
  if (pursuit?.searchId !== searchId || pursuit.phase !== "searching") return;
  // A driver who is moving between two shards may be found in both: here he is fresher, elsewhere his newer fix is.
  const strangers = candidates.toSorted((a, b) => b.fixAgeMs - a.fixAgeMs);
  const found = new Map([...strangers, ...pursuit.local].map((candidate) => [candidate.driverId, candidate]));
  const nearestFirst = (a: Candidate, b: Candidate) => a.pickupMeters - b.pickupMeters;
  const all = [...found.values()].sort(pursuit.zone === null ? nearestFirst : byTurn);
  rank(turn, rideId, pursuit, all);
}

export function candidatesRanked(turn: Turn, command: CommandOf<"candidates.ranked">): void {
  const { shard, now } = turn;
  const { rideId, searchId, ranked } = command;
  const ride = shard.rides.get(rideId);
  if (ride?.state === "assigned") return nearerRanked(turn, ride, command);
  const pursuit = shard.pursuits.get(rideId);
  if (ride?.state !== "matching" || pursuit?.searchId !== searchId || pursuit.phase !== "ranking") return;
  turn.count("ranking", ranked.fallback ?? "model");
  const { dispatch } = shard.setting.market;
  const order =
    pursuit.zone === null
      ? lookingAhead(fairly(ranked.order, dispatch), pursuit.sifted.candidates, dispatch)
      : ranked.order.toSorted((a, b) => byTurn(a.candidate, b.candidate));
  const hold = pursuit.zone === null ? holdFor(shard, now, ride, pursuit, order) : null;
  pursuit.hold ??= hold;
  pursuit.ranked = ranked;
  pursuit.reserve = order;
  if (hold !== null) {
    saveDecision(turn, ride, pursuit);
    pursuit.phase = "held";
    pursuit.reserve = [];
    turn.count("search", "held");
    shard.timers.set("ride.search", rideId, hold.until);
    return;
  }
  if (pursuit.zone === null) rulesNow(shard).ranked(turn, rideId, pursuit);
  else askNow(turn, rideId, pursuit);
}

/**
 * Keeps as many offers open as the policy wants; where nobody is left to ask, arranges the next search. Called after
 * every command for each ride it touched, so a decline, an expiry or a busy lock is answered in the same turn.
 */
export function makeOffers(turn: Turn, rideId: RideId): void {
  const { shard, now } = turn;
  const ride = shard.rides.get(rideId);
  const pursuit = shard.pursuits.get(rideId);
  if (ride?.state !== "matching" || pursuit === undefined || pursuit.phase !== "open") return;
  const offers = shard.offersFor(rideId);
  const { searchEveryMs } = shard.setting.market.dispatch;
  const until = offers.map((offer) => waitedForUntil(shard, pursuit, offer) ?? now).filter((end) => end > now);
  const silentAt = Math.min(...until);
  if (silentAt < Number.POSITIVE_INFINITY) shard.timers.set("ride.silence", rideId, silentAt);
  else shard.timers.clear("ride.silence", rideId);
  let room = askedAtOnce(shard, pursuit) - until.length;
  let budget = LIMITS.offersPerRide - offers.length;
  let rank = offers.length;
  // While somebody thought about it others have come to the queue and left it: who is first by now is asked.
  const passedBy = pursuit.zone !== null && offers.some((offer) => wasRefusedSince(offer, pursuit.searchedAt));
  if (passedBy) pursuit.reserve = [];
  while (room > 0 && budget > 0) {
    const next = pursuit.reserve.shift();
    if (next === undefined) break;
    // Since he was found, another ride of this shard may have asked him, and he may have paused.
    if (shard.liveOfferOf.has(next.candidate.driverId) || hasRetired(turn, next.candidate)) continue;
    if (pursuit.zone !== null && hasLeft(turn, pursuit.zone, next.candidate)) continue;
    intendOffer(turn, ride, next, { wave: pursuit.wave, rank: rank++, ranker: pursuit.ranked!.ranker, instead: null });
    room--;
    budget--;
  }
  if (room > 0 && budget > 0) shard.timers.set("ride.search", rideId, passedBy ? now : now + searchEveryMs);
  else shard.timers.clear("ride.search", rideId);
}

/** Whether a driver of this shard is free no more since he was found; of another's, his shard says so when he is asked. */
function hasRetired({ shard, now }: Turn, { driverId, shard: his }: Candidate): boolean {
  const session = his === shard.setting.name ? shard.supply.sessions.get(driverId) : undefined;
  return session !== undefined && statusOf(session, now).state !== "available";
}

/** A driver has just become free here: the nearest ride that waits for want of drivers looks again at once, if there is one. */
export function wakeNearestRide(turn: Turn, session: Session): boolean {
  const { shard } = turn;
  const { fix, profile, driverId, destination } = session;
  const { destinationShare } = shard.setting.market.dispatch;
  const heading = { from: fix!.position, destination };
  let nearest: RideId | null = null;
  let nearestMeters = Number.POSITIVE_INFINITY;
  for (const [rideId, pursuit] of shard.pursuits) {
    const ride = shard.rides.get(rideId)!;
    if (!isWaitingFor(turn, ride, pursuit, session)) continue;
    const meters = haversineMeters(fix!.position, ride.request.pickup);
    if (meters >= nearestMeters || meters > pursuit.radiusMeters || !serves(profile, ride.request)) continue;
    if (!isOnHisWay(heading, ride.request.dropoff, destinationShare)) continue;
    if (excluded(shard, rideId).some((left) => left.driverId === driverId)) continue;
    nearest = rideId;
    nearestMeters = meters;
  }
  if (nearest !== null) wake(turn, nearest, driverId);
  // The ride that was held for him goes on too, though another may have him.
  const awaiting = ridesHeld(shard).get(driverId);
  if (awaiting !== undefined) wake(turn, awaiting, driverId);
  return nearest !== null;
}

/** Whether the ride would look again for this driver, whatever else there is to know of the two. */
function isWaitingFor(
  { shard, now }: Turn,
  { id, request }: Ride,
  { phase, hold }: Pursuit,
  session: Session,
): boolean {
  if (phase === "held") return endsHold(shard, now, request.pickup, hold!, session);
  return phase === "open" && shard.timers.has("ride.search", id);
}

function wake(turn: Turn, rideId: RideId, driverId: DriverId): void {
  const pursuit = turn.shard.pursuits.get(rideId)!;
  if (pursuit.phase !== "held") search(turn, rideId);
  else goOn(turn, rideId, pursuit, pursuit.hold!.driverId === driverId ? "came" : "other");
}

/** The wait is over; who is free now is looked for anew. */
function goOn(turn: Turn, rideId: RideId, pursuit: Pursuit, why: HoldEnd): void {
  pursuit.hold = { ...pursuit.hold!, ended: { at: turn.now, why } };
  turn.count("search", `held-${why}`);
  search(turn, rideId);
}

function search(turn: Turn, rideId: RideId): void {
  const { shard, now } = turn;
  const ride = shard.rides.get(rideId);
  const pursuit = shard.pursuits.get(rideId);
  if (ride?.state !== "matching" || pursuit === undefined) return;
  const { startRadiusMeters, radiusStepMeters, maximumRadiusMeters } = shard.setting.market.dispatch;
  pursuit.searchedAt = now;
  pursuit.radiusMeters = Math.min(startRadiusMeters + pursuit.wave * radiusStepMeters, maximumRadiusMeters);
  pursuit.wave++;
  turn.count("search", "started");
  look(turn, ride, pursuit, queueAt(shard, ride.request.pickup));
}

/** In the queue of the pickup's zone, or among those who are near. */
function look(turn: Turn, { id: rideId, request }: MatchingRide, pursuit: Pursuit, zone: Zone | null): void {
  const { shard, now } = turn;
  const { pickup } = request;
  pursuit.searchId++;
  pursuit.zone = zone?.name ?? null;
  const query: NearbyQuery = {
    pickup,
    request,
    radiusMeters: pursuit.radiusMeters,
    limit: fewerUnderLoad(shard.overload, LIMITS.candidatesPerSearch),
    exclude: excluded(shard, rideId).map(({ driverId }) => driverId),
    ...(zone && { zone: zone.name }),
  };
  const local = candidatesFor(shard, query, now);
  const nearReachMeters = local.length < query.limit ? query.radiusMeters : local.at(-1)!.pickupMeters;
  const around = zone
    ? { center: zone.center, radiusMeters: reachOf(zone) }
    : { center: pickup, radiusMeters: query.radiusMeters };
  const reachMeters = zone ? around.radiusMeters : nearReachMeters;
  if (reachMeters <= metersToCellEdge(around.center, shard.setting.cell)) {
    rank(turn, rideId, pursuit, local);
    return;
  }
  turn.count("search", "neighbours");
  pursuit.phase = "searching";
  pursuit.local = local;
  turn.effects.push({ type: "find.neighbours", rideId, searchId: pursuit.searchId, query, around });
  shard.timers.set("ride.search", rideId, now + LIMITS.searchAnswerMs);
}

function rank(turn: Turn, rideId: RideId, pursuit: Pursuit, found: readonly Candidate[]): void {
  const { shard, now } = turn;
  pursuit.local = [];
  pursuit.sifted = sift(shard, rideId, found);
  const { candidates } = pursuit.sifted;
  if (candidates.length === 0 && pursuit.zone !== null) {
    look(turn, shard.rides.get(rideId) as MatchingRide, pursuit, null);
    return;
  }
  if (candidates.length === 0) {
    // Nobody to ask and nobody asked: the next circle is not worth waiting for.
    const { maximumRadiusMeters } = shard.setting.market.dispatch;
    if (pursuit.radiusMeters < maximumRadiusMeters && !shard.offersFor(rideId).some(isLive)) {
      search(turn, rideId);
      return;
    }
    pursuit.phase = "open";
    pursuit.reserve = [];
    turn.touched.add(rideId);
    return;
  }
  pursuit.phase = "ranking";
  const ride = shard.rides.get(rideId) as MatchingRide;
  turn.effects.push(rankingOf(shard, now, ride, pursuit));
  shard.timers.set("ride.search", rideId, now + LIMITS.rankAnswerMs);
}
