/**
 * Hints: free drivers who have waited long hear where riders are short of drivers. Advice and nothing else: it locks
 * nobody, no row knows of it, and who follows it is a candidate all the way. Asked at every sweep, so it needs drivers
 * with sockets here and no timer of its own. Who is told to go where is in hint-plan.ts; a shard sees its own riders and
 * drivers alone, and sends nobody beyond its cell.
 */
import { VEHICLE_TYPES, type VehicleType } from "../domain/driver.ts";
import type { CellPrefix, LatLng } from "../domain/place.ts";
import { type EpochMs, SECOND_MS } from "../domain/time.ts";
import { haversineMeters } from "../spatial/distance.ts";
import { cellOf, centerOf, contains } from "../spatial/geohash.ts";
import { type CellDemand, planHints, type WaitingDriver } from "./hint-plan.ts";
import { LIMITS } from "./limits.ts";
import { surgeNow } from "./quote.ts";
import { WISH_CELL_BITS } from "./recent-wishes.ts";
import { tell } from "./session-words.ts";
import type { ShardState, Turn } from "./shard-state.ts";
import { memoryOf, type Session, statusOf } from "./supply.ts";
import { secondsToGo } from "./views.ts";

/** A request that nobody took: what stood there, enough or not, was not enough for it. */
const MISSED_COUNTS = 2;

export function giveHints(turn: Turn): void {
  const { shard } = turn;
  if (shard.setting.market.dispatch.hintEveryMs === 0 || shard.overload.level > 0) return;
  for (const vehicleType of VEHICLE_TYPES) hintDriversOf(turn, vehicleType);
}

/** Each kind of car by itself: who asked for another is no reason to go there. */
function hintDriversOf(turn: Turn, vehicleType: VehicleType): void {
  const { shard, now } = turn;
  const free = [...shard.supply.sessions.values()].filter(
    (session) => session.profile.vehicleType === vehicleType && statusOf(session, now).state === "available",
  );
  const waiting = free.flatMap((session) => (isDue(session, turn) ? [waitingDriver(session, now)] : []));
  if (waiting.length === 0) return;
  const supply = new Map<CellPrefix, number>();
  const add = (cell: CellPrefix) => supply.set(cell, (supply.get(cell) ?? 0) + 1);
  for (const session of free) add(sentTo(session, now) ?? cellAt(session.fix!.position));
  for (const place of endsOfTrips(turn, vehicleType)) add(cellAt(place));
  const seconds = (from: LatLng, to: LatLng) => shard.travelTimes.seconds({ from, to, at: now });
  for (const { driverId, cell, seconds: away } of planHints({
    demand: demandOf(shard, vehicleType, now),
    supply,
    waiting,
    seconds,
  })) {
    hint(turn, shard.supply.sessions.get(driverId)!, cell, away);
  }
}

/** He has waited long enough for a ride and for a hint, is on his way neither by one nor of his own, and queues nowhere. */
function isDue(session: Session, { shard, now }: Turn): boolean {
  const { hintEveryMs } = shard.setting.market.dispatch;
  const { driverId, destination, hint, idleSince } = session;
  if (shard.places.has(driverId) || destination !== undefined || sentTo(session, now) !== null) return false;
  return now - Math.max(idleSince, hint?.at ?? 0) >= hintEveryMs;
}

function waitingDriver({ driverId, fix, idleSince }: Session, now: EpochMs): WaitingDriver {
  const { position } = fix!;
  return { driverId, cell: cellAt(position), position, idleMs: now - idleSince };
}

/** Where he may be on his way to; nowhere once he has had a ride since, or the hint holds no longer. */
function sentTo({ hint, idleSince }: Session, now: EpochMs): CellPrefix | null {
  const holds = hint !== undefined && hint.at >= idleSince && now - hint.at < LIMITS.hintHorizonSeconds * SECOND_MS;
  return holds ? hint.cell : null;
}

/** Where this shard's drivers will soon be free again. */
function endsOfTrips({ shard, now }: Turn, vehicleType: VehicleType): LatLng[] {
  return [...shard.rides.values()].flatMap((ride) => {
    const fix = ride.state === "on_trip" ? shard.tracks.get(ride.id)?.fix : undefined;
    if (ride.state !== "on_trip" || fix === undefined || ride.request.vehicleType !== vehicleType) return [];
    const { dropoff } = ride.request;
    if (!contains(shard.setting.cell, dropoff)) return [];
    return secondsToGo(shard, ride, fix, now) <= LIMITS.hintHorizonSeconds ? [dropoff] : [];
  });
}

function demandOf({ wishes: known }: ShardState, vehicleType: VehicleType, now: EpochMs): Map<CellPrefix, CellDemand> {
  const { wishes, observedSeconds } = known.since(now);
  const demand = new Map<CellPrefix, CellDemand>();
  for (const wish of wishes) {
    if (wish.vehicleType !== vehicleType) continue;
    const { riders, drivers } = demand.get(wish.cell) ?? { riders: 0, drivers: 0 };
    const expected = ((wish.missed ? MISSED_COUNTS : 1) * LIMITS.hintHorizonSeconds) / observedSeconds;
    demand.set(wish.cell, { riders: riders + 1, drivers: drivers + expected });
  }
  return demand;
}

function hint(turn: Turn, session: Session, cell: CellPrefix, seconds: number): void {
  const { now, effects } = turn;
  const to = centerOf(cell);
  session.hint = { cell, at: now };
  tell(turn, session, {
    type: "hint",
    to,
    meters: Math.round(haversineMeters(session.fix!.position, to)),
    seconds: Math.round(seconds),
    surge: surgeNow(turn),
    ttlMs: LIMITS.hintHorizonSeconds * SECOND_MS,
  });
  effects.push({ type: "remember", driverId: session.driverId, memory: memoryOf(session) });
  turn.count("hint", "sent");
}

function cellAt({ lat, lng }: LatLng): CellPrefix {
  return cellOf(lat, lng, WISH_CELL_BITS);
}
