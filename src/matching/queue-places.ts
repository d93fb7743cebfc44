/**
 * The queues of a shard's zones: places that its drivers have, as rows, because an object's death must not shuffle a queue;
 * who of them may be asked for a ride; and what they are told of it. What a place is, is in queue-zones.ts.
 */
import type { Candidate, DriverId } from "../domain/driver.ts";
import type { Zone } from "../domain/market.ts";
import type { DriverNotice, DriverRide } from "../domain/notice.ts";
import type { LatLng } from "../domain/place.ts";
import type { OfferId } from "../domain/ride.ts";
import type { EpochMs } from "../domain/time.ts";
import { haversineMeters } from "../spatial/distance.ts";
import type { NearbyQuery } from "./commands.ts";
import { isOnHisWay } from "./destination.ts";
import { LIMITS } from "./limits.ts";
import { withAhead } from "./look-ahead.ts";
import { atTheEnd, away, byTurn, type Doing, isBefore, nextPlace, type QueuePlace, zoneAt } from "./queue-zones.ts";
import { tell } from "./session-words.ts";
import type { ShardState, Turn } from "./shard-state.ts";
import { candidateOf, type Session, serves, statusOf } from "./supply.ts";

/** A row: his place instead of the one before, or none any more. */
export interface PlaceWrite {
  readonly type: "save.place";
  readonly driverId: DriverId;
  readonly place: QueuePlace | null;
}

/** What a driver brings with him from the shard where he was; a duration, because its clock is not ours. */
export interface BroughtPlace {
  readonly zone: string;
  readonly queuedMs: number;
}

export interface PlaceCommand {
  readonly type: "place.brought";
  readonly driverId: DriverId;
  readonly epoch: number;
  readonly brought: BroughtPlace;
}

type Standing = Extract<DriverNotice, { type: "queue" }>["standing"];

/** The zone whose queue rides from here are offered to; null where there is none, or the market has no queues now. */
export function queueAt({ setting }: ShardState, pickup: LatLng): Zone | null {
  const { zones, dispatch } = setting.market;
  return dispatch.queueZones ? zoneAt(zones, pickup) : null;
}

/** After anything that a driver has said or done. */
export function settlePlace(turn: Turn, session: Session): void {
  const { shard, now } = turn;
  const { zones, dispatch } = shard.setting.market;
  const place = shard.places.get(session.driverId) ?? null;
  if (!dispatch.queueZones && place === null) return;
  const next = dispatch.queueZones ? nextPlace(place, doingOf(session, now), zones, now) : null;
  if (next !== place) keep(turn, session.driverId, next);
  else if (place !== null && session.toldStanding === "") tellStanding(turn, session);
}

/** His socket is gone; a ride that he has goes on without it. */
export function leavePlace(turn: Turn, { driverId, held }: Session): void {
  const place = turn.shard.places.get(driverId);
  if (place === undefined || held?.kind === "engaged") return;
  const next = away(place, turn.now);
  if (next !== place) keep(turn, driverId, next);
}

/** He has seen the card of a ride from his zone and not taken it: those behind him were kept waiting for nothing. */
export function passBy(turn: Turn, { driverId, held }: Session, offerId: OfferId, reason: string): void {
  const place = turn.shard.places.get(driverId);
  if (place === undefined || held?.offerId !== offerId || held.zone !== place.zone) return;
  if (reason === "declined" || reason === "expired") keep(turn, driverId, atTheEnd(place, turn.now));
}

/** The newest word about the ride that he has: unless it may come, or has come, to nothing without him, his place is gone. */
export function giveUpPlace(turn: Turn, { driverId, held }: Session, { offerId, state, exchanged }: DriverRide): void {
  if (!turn.shard.places.has(driverId) || held?.offerId !== offerId) return;
  const may = state === "assigned" || state === "arrived";
  const was = state === "cancelled_by_rider" || state === "cancelled_no_show" || exchanged === true;
  if (!may && !was) keep(turn, driverId, null);
}

/** He did not come back in time. */
export function forgetPlace(turn: Turn, driverId: DriverId): void {
  if (turn.shard.places.has(driverId)) keep(turn, driverId, null);
}

/** What he may take to another shard. It stays here too, as of one who is away: the question may be asked again. */
export function handOverPlace(turn: Turn, driverId: DriverId): BroughtPlace | null {
  const { shard, now } = turn;
  const place = shard.places.get(driverId);
  if (place === undefined) return null;
  const next = away(place, now);
  if (next !== place) keep(turn, driverId, next);
  return { zone: place.zone, queuedMs: now - place.since };
}

/** The other shard had him until now, so it knows better, except that he may have entered another zone since. */
export function bringPlace(turn: Turn, { driverId, epoch, brought }: PlaceCommand): void {
  const { shard, now } = turn;
  const session = shard.supply.current(driverId, epoch);
  const zone = shard.places.get(driverId)?.zone ?? brought.zone;
  if (session === null || zone !== brought.zone || !shard.setting.market.dispatch.queueZones) return;
  const place = { zone, since: now - brought.queuedMs, riding: false, endsAt: now + LIMITS.queueAwayMs };
  keep(turn, driverId, nextPlace(place, doingOf(session, now), shard.setting.market.zones, now));
}

/** After a start nobody is known to be there: whoever is, says so. The object's alarm starts it, so it was not away long. */
export function resumePlaces({ shard, now }: Turn): void {
  for (const [driverId, place] of shard.places) {
    const endsAt = place.endsAt ?? now + LIMITS.queueAwayMs;
    shard.places.set(driverId, { ...place, endsAt });
    shard.timers.set("queue.place", driverId, endsAt);
  }
}

/** Those of the queue who may be asked, in their turn; nearest first without a queue. */
export function candidatesFor(shard: ShardState, query: NearbyQuery, now: EpochMs): readonly Candidate[] {
  const { setting, supply, travelTimes } = shard;
  const { zone, pickup, request, limit } = query;
  if (zone === undefined) return withAhead(supply.candidatesNear(query, setting, travelTimes, now), shard, now);
  const { destinationShare } = setting.market.dispatch;
  const excluded = new Set(query.exclude);
  const found: Candidate[] = [];
  for (const [driverId, place] of shard.places) {
    const session = supply.sessions.get(driverId);
    if (place.zone !== zone || place.riding || excluded.has(driverId) || session === undefined) continue;
    if (statusOf(session, now).state !== "available" || !serves(session.profile, request)) continue;
    const { position } = session.fix!;
    if (!isOnHisWay({ from: position, destination: session.destination }, request.dropoff, destinationShare)) continue;
    const meters = haversineMeters(position, pickup);
    const candidate = candidateOf(session, pickup, meters, { shard: setting.name, travelTimes, now });
    found.push({ ...candidate, queuedMs: Math.max(0, now - place.since) });
  }
  return found.sort(byTurn).slice(0, Math.min(limit, LIMITS.candidatesPerSearch));
}

/** Whether a driver of this shard stands in the queue no more since he was found; of another's it is not known. */
export function hasLeft({ shard }: Turn, zone: string, { driverId, shard: his }: Candidate): boolean {
  const { setting, places, supply } = shard;
  if (his !== setting.name) return false;
  const place = places.get(driverId);
  return place?.zone !== zone || place.riding || !supply.sessions.has(driverId);
}

/** All together and not at once: where the first of a long queue leaves, everybody's place has changed. */
export function tellStandings(turn: Turn): void {
  for (const driverId of turn.shard.places.keys()) {
    const session = turn.shard.supply.sessions.get(driverId);
    if (session !== undefined) tellStanding(turn, session);
  }
}

/** Who is concerned himself hears of it at once. */
function keep(turn: Turn, driverId: DriverId, place: QueuePlace | null): void {
  const { places, timers, supply } = turn.shard;
  if (place === null) places.delete(driverId);
  else places.set(driverId, place);
  turn.effects.push({ type: "save.place", driverId, place });
  if (place?.endsAt == null) timers.clear("queue.place", driverId);
  else timers.set("queue.place", driverId, place.endsAt);
  const session = supply.sessions.get(driverId);
  if (session !== undefined) tellStanding(turn, session);
  if (places.size > 0 && !timers.has("queue.tell", "")) timers.set("queue.tell", "", turn.now + LIMITS.queueTellMs);
}

function tellStanding(turn: Turn, session: Session): void {
  const standing = standingOf(turn.shard, session.driverId, turn.now);
  const words = standing === null ? "" : `${standing.place} of ${standing.of} at ${standing.zone}`;
  if (words === session.toldStanding) return;
  session.toldStanding = words;
  tell(turn, session, { type: "queue", standing });
}

/** In this shard: of a queue that goes on beyond its border, it counts its own drivers. */
function standingOf({ places }: ShardState, driverId: DriverId, now: EpochMs): Standing {
  const own = places.get(driverId);
  if (own === undefined || own.riding) return null;
  const his = { driverId, queuedMs: now - own.since };
  let [before, of] = [0, 0];
  for (const [other, { zone, since, riding }] of places) {
    if (zone !== own.zone || riding) continue;
    of++;
    if (isBefore({ driverId: other, queuedMs: now - since }, his)) before++;
  }
  return { zone: own.zone, place: before + 1, of };
}

function doingOf(session: Session, now: EpochMs): Doing {
  const { state } = statusOf(session, now);
  if (state === "engaged") return { kind: "riding" };
  if (state === "paused") return { kind: "resting" };
  const { fix } = session;
  if (state === "unlocated" || fix === null || now - fix.at >= LIMITS.fixTtlMs) return { kind: "hidden" };
  return { kind: state === "offered" ? "asked" : "waiting", position: fix.position };
}
