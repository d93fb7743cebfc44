/**
 * A nearer driver for a ride whose driver is still on his way. The nearer one is offered the ride like anybody else, while
 * the first keeps it in every respect; his accept moves it in one commit (assignment.ts), and whatever happens to the ride
 * before that closes the offer. So an exchange needs no protocol of its own: it is an offer made a little earlier than
 * usual. Who takes whose place is planned with the rides that wait (batch-window.ts).
 */
import type { LatLng } from "../domain/place.ts";
import type { AssignedRide, Offer, Ride, RideId, WonOffer } from "../domain/ride.ts";
import type { RankedCandidate } from "../ranking/ranked.ts";
import { haversineMeters } from "../spatial/distance.ts";
import type { CommandOf } from "./commands.ts";
import { excluded, rankingOf, sift } from "./decision.ts";
import { LIMITS } from "./limits.ts";
import { intendOffer } from "./offer.ts";
import { queueAt } from "./queue-places.ts";
import { isLive, type Pursuit, type ShardState, type Turn } from "./shard-state.ts";
import type { Session } from "./supply.ts";
import { secondsToGo } from "./views.ts";

/** A driver who may still be replaced, and how far he is. */
export interface Approach {
  readonly offer: WonOffer;
  readonly position: LatLng;
  readonly seconds: number;
  /** Exchanges of this ride so far. */
  readonly exchanges: number;
}

/** Null where the ride has no driver on his way, nobody knows where he is, he is nearly there, or it is settled as it is. */
export function approachOf(shard: ShardState, ride: Ride, now: number): Approach | null {
  if (ride.state !== "assigned") return null;
  const seconds = secondsLeft(shard, ride, now);
  const offer = shard.offers.get(ride.offerId);
  if (seconds === null || offer?.state !== "won") return null;
  const offers = shard.offersFor(ride.id);
  const exchanges = offers.filter((one) => one.state === "ended" && one.exchanged).length;
  if (exchanges >= LIMITS.exchangesPerRide || offer.exchangesOfDriver >= LIMITS.exchangesPerDriver) return null;
  const asked = offers.filter(({ instead }) => instead !== null).length;
  const room = asked < LIMITS.exchangeOffersPerRide && offers.length < LIMITS.offersPerRide;
  const { position } = shard.tracks.get(ride.id)!.fix;
  return room ? { offer, position, seconds, exchanges } : null;
}

/** Whether this accept may take the ride from the driver on his way, as both are now. */
export function mayTakeOver(shard: ShardState, ride: Ride, { instead }: Offer, now: number): ride is AssignedRide {
  return ride.state === "assigned" && ride.offerId === instead && secondsLeft(shard, ride, now) !== null;
}

function secondsLeft(shard: ShardState, ride: AssignedRide, now: number): number | null {
  const fix = shard.tracks.get(ride.id)?.fix;
  if (fix === undefined || now - fix.at > LIMITS.fixTtlMs) return null;
  const seconds = secondsToGo(shard, ride, fix, now);
  return seconds > LIMITS.nearlyThereSeconds ? seconds : null;
}

export function isReplanning({ setting, overload }: ShardState): boolean {
  const { kind, replanning } = setting.market.dispatch;
  return replanning && kind === "batched" && overload.level === 0;
}

/** A ride has a driver on his way: when those of the next moment have theirs, swaps are looked for (swap.ts). */
export function expectSwaps({ shard, now }: Turn): void {
  if (!isReplanning(shard) || shard.timers.has("swap", "")) return;
  shard.timers.set("swap", "", now + shard.setting.market.dispatch.batchWindowMs);
}

/** A driver has become free whom no waiting ride wants: rides to which he is nearer than whom they have ask who else is. */
export function seekNearer(turn: Turn, { fix }: Session): void {
  const { shard, now } = turn;
  if (!isReplanning(shard)) return;
  for (const ride of shard.rides.values()) {
    const present = approachOf(shard, ride, now);
    if (present === null || !isOpenToExchange(shard, ride, present)) continue;
    const { pickup } = ride.request;
    const radiusMeters = Math.round(haversineMeters(shard.tracks.get(ride.id)!.fix.position, pickup));
    if (haversineMeters(fix!.position, pickup) < radiusMeters) seek(turn, ride as AssignedRide, radiusMeters);
  }
}

/** Nobody else is being asked, and nearness is what decides: a queue does not give its rides by it. */
export function isOpenToExchange(shard: ShardState, { id, request }: Ride, { offer }: Approach): boolean {
  const asksNobody = shard.offersFor(id).every((other) => other === offer || !isLive(other));
  return asksNobody && queueAt(shard, request.pickup) === null;
}

/** Only here: a neighbour's driver who is nearer than one on his way is seldom worth the question. */
function seek(turn: Turn, ride: AssignedRide, radiusMeters: number): void {
  const { shard, now, effects } = turn;
  const found = shard.supply.candidatesNear(
    {
      pickup: ride.request.pickup,
      request: ride.request,
      radiusMeters,
      limit: LIMITS.candidatesPerSearch,
      exclude: excluded(shard, ride.id).map(({ driverId }) => driverId),
    },
    shard.setting,
    shard.travelTimes,
    now,
  );
  const sifted = sift(shard, ride.id, found);
  if (sifted.candidates.length === 0) return;
  const before = shard.nearer.get(ride.id);
  const searchId = (before?.searchId ?? 0) + 1;
  const nobodyYet = { zone: null, searchedAt: now, local: [], ranked: null, reserve: [], hold: null };
  const pursuit: Pursuit = { wave: searchId, searchId, radiusMeters, phase: "ranking", sifted, ...nobodyYet };
  shard.nearer.set(ride.id, pursuit);
  effects.push(rankingOf(shard, now, ride, pursuit));
}

/** They wait for a window like a new ride's: who waits for a driver is decided in the same. */
export function nearerRanked(turn: Turn, ride: AssignedRide, command: CommandOf<"candidates.ranked">): void {
  const { shard, now } = turn;
  const pursuit = shard.nearer.get(ride.id);
  if (pursuit?.searchId !== command.searchId || pursuit.phase !== "ranking") return;
  const { ranked } = command;
  turn.count("ranking", ranked.fallback ?? "model");
  pursuit.ranked = ranked;
  pursuit.reserve = [...ranked.order];
  pursuit.phase = "waiting";
  const { batchWindowMs } = shard.setting.market.dispatch;
  if (!shard.timers.has("batch.window", "")) shard.timers.set("batch.window", "", now + batchWindowMs);
}

/** The ride is asked of another; until he has accepted it nothing changes for anybody. */
export function offerInstead(turn: Turn, rideId: RideId, { wave, ranked }: Pursuit, chosen: RankedCandidate): void {
  const ride = turn.shard.rides.get(rideId);
  if (ride?.state !== "assigned") return;
  const rank = turn.shard.offersFor(rideId).length;
  intendOffer(turn, ride, chosen, { wave, rank, ranker: ranked!.ranker, instead: ride.offerId });
}
