/** What drivers' sockets tell this shard, and what they are told: attach, fixes, status, notices from rides elsewhere. */
import type { DriverId, Fix } from "../domain/driver.ts";
import type { DriverNotice } from "../domain/notice.ts";
import type { OfferId } from "../domain/ride.ts";
import { metersToCell } from "../spatial/distance.ts";
import type { CommandOf, SessionAddress } from "./commands.ts";
import { nextStats } from "./driver-lock.ts";
import { free, goOnWith, heldBy, isHeldBy, leaveRide, watchHeld } from "./engagement.ts";
import { judgeFix } from "./fix-filter.ts";
import { giveHints } from "./hints.ts";
import { beginLeg, endLeg } from "./legs.ts";
import { LIMITS } from "./limits.ts";
import { fixCadenceMs } from "./overload.ts";
import { forgetPlace, giveUpPlace, handOverPlace, leavePlace, passBy, settlePlace } from "./queue-places.ts";
import { surgeNow } from "./quote.ts";
import { tell, tellCadence, tellEnd, tellStatus, wordsOf } from "./session-words.ts";
import type { Turn } from "./shard-state.ts";
import { endStay, noteStay } from "./stays.ts";
import { memoryOf, type Session, statusOf } from "./supply.ts";
import { trackRide } from "./tracking.ts";

export function attachDriver(turn: Turn, command: CommandOf<"driver.attached">): void {
  const { driverId, epoch, profile, stats, available, destination, endsAt, holding } = command;
  const { supply, setting, timers, departed } = turn.shard;
  const old = supply.sessions.get(driverId);
  if (old !== undefined && old.epoch >= epoch) {
    // Two sockets were opened at once and their attaches overtook each other: the lock has already said who is newer.
    turn.effects.push({ type: "close", driverId, epoch, why: "superseded" });
    return;
  }
  if (old !== undefined) turn.effects.push({ type: "close", driverId, epoch: old.epoch, why: "superseded" });
  departed.delete(driverId);
  timers.clear("driver.return", driverId);
  // Where he is holds good; how far his other device had counted does not, and would make his next fixes repeats.
  const fix = old?.fix ? { ...old.fix, seq: -1 } : null;
  const held = heldBy(holding);
  const idleSince = old?.idleSince ?? turn.now;
  const memory = { epoch, profile, stats, available, destination, fix, idleSince, held, hint: old?.hint, endsAt };
  const session = supply.add(driverId, memory, turn.now);
  // A second device does not make him trusted again.
  if (old !== undefined) session.jumps = { held: [], heldAt: old.jumps.heldAt };
  if (!timers.has("sweep", "")) timers.set("sweep", "", turn.now + LIMITS.sweepEveryMs);
  if (holding.kind === "offer") watchHeld(turn, session, holding.offer.ttlMs);
  turn.count("session", "attached");
  const status = statusOf(session, turn.now);
  session.toldStatus = wordsOf(status);
  const fixEveryMs = fixCadenceMs(turn.shard.overload, setting.fixEveryMs);
  session.toldFixEveryMs = fixEveryMs;
  tell(turn, session, { type: "welcome", epoch, fixEveryMs, status, holding });
  settleSession(turn, session);
}

/** The same session as before, found again after the object slept. */
export function wakeDriver(turn: Turn, { driverId, memory }: CommandOf<"driver.woken">): void {
  const { supply, timers } = turn.shard;
  const session = supply.add(driverId, memory, turn.now);
  if (session.held?.kind === "offered") watchHeld(turn, session, turn.shard.setting.market.dispatch.offerTtlMs);
  const { offers, addressOf: addresses } = turn.shard;
  if (session.held && offers.has(session.held.offerId)) addresses.set(session.held.offerId, addressOf(turn, session));
  if (!timers.has("sweep", "")) timers.set("sweep", "", turn.now + LIMITS.sweepEveryMs);
  supply.reindex(session, turn.now);
  settlePlace(turn, session);
}

export function locateDriver(turn: Turn, { driverId, epoch, fixes }: CommandOf<"driver.located">): void {
  const session = hear(turn, driverId, epoch);
  if (session === null) return;
  let accepted: Fix | null = null;
  for (const fix of fixes) {
    const judged = judgeFix(session.fix, session.jumps, fix, turn.now, turn.shard.setting.topSpeedMetersPerSecond);
    if (judged.outcome === "refused") {
      turn.count("fix_refused", judged.reason);
      continue;
    }
    session.jumps = judged.jumps;
    if (judged.outcome === "held") {
      turn.count("jump_held", "held");
      continue;
    }
    session.fix = fix;
    accepted = fix;
  }
  if (accepted !== null && session.held?.kind === "engaged") track(turn, session, session.held.offerId, accepted);
  if (accepted !== null && session.held === null) suggestRehome(turn, session, accepted);
  tellCadence(turn, session);
  settleSession(turn, session);
}

export function hearDriver(turn: Turn, { driverId, epoch }: CommandOf<"driver.heard">): void {
  hear(turn, driverId, epoch);
}

export function setAvailable(turn: Turn, command: CommandOf<"driver.available">): void {
  const { driverId, epoch, available, destination } = command;
  const session = hear(turn, driverId, epoch);
  if (session === null) return;
  if (available && !session.available) session.idleSince = turn.now;
  session.available = available;
  session.destination = destination;
  settleSession(turn, session);
}

/** His offer, if he has one, outlives the socket for a moment: he may be driving through a tunnel. */
export function detachDriver(turn: Turn, { driverId, epoch }: CommandOf<"driver.detached">): void {
  const session = turn.shard.supply.current(driverId, epoch);
  if (session === null) return;
  turn.shard.supply.remove(driverId);
  turn.shard.timers.clear("driver.held", driverId);
  turn.count("session", "detached");
  turn.effects.push({ type: "detach", driverId, epoch });
  leavePlace(turn, session);
  if (session.held?.kind !== "offered") return;
  turn.shard.departed.set(driverId, { offerId: session.held.offerId, driverId, from: addressOf(turn, session) });
  turn.shard.timers.set("driver.return", driverId, turn.now + LIMITS.returnMs);
}

/** He is elsewhere now; what he holds is that shard's to watch, and his place in a queue goes with him. */
export function supersedeDriver(turn: Turn, { driverId, epoch }: CommandOf<"driver.superseded">): void {
  const { supply, timers, departed } = turn.shard;
  if ((departed.get(driverId)?.from.epoch ?? Number.POSITIVE_INFINITY) <= epoch) {
    departed.delete(driverId);
    timers.clear("driver.return", driverId);
  }
  const session = supply.sessions.get(driverId);
  const isHere = session !== undefined && session.epoch > epoch;
  turn.answer({ type: "superseded", brought: isHere ? null : handOverPlace(turn, driverId) });
  closeSocketsUntil(turn, driverId, epoch);
}

/** Nobody would look for him at the socket that he has here, unless it is newer than this epoch. */
export function closeSocketsUntil(turn: Turn, driverId: DriverId, epoch: number): void {
  const { supply, timers } = turn.shard;
  const session = supply.sessions.get(driverId);
  if (session === undefined || session.epoch > epoch) return;
  supply.remove(driverId);
  leavePlace(turn, session);
  timers.clear("driver.held", driverId);
  turn.count("session", "superseded");
  turn.effects.push({ type: "close", driverId, epoch: session.epoch, why: "superseded" });
}

/** He did not come back: his offer dies, wherever its ride is. */
export function giveUpOnReturn(turn: Turn, driverId: DriverId): void {
  const from = turn.shard.departed.get(driverId);
  turn.shard.departed.delete(driverId);
  if (from !== undefined) turn.effects.push({ type: "abandon", ...from });
}

/** A ride, of this shard or another, speaks to a driver here. False when that socket is gone. */
export function tellDriver(turn: Turn, driverId: DriverId, epoch: number, notice: DriverNotice): boolean {
  const session = turn.shard.supply.current(driverId, epoch);
  if (session === null) return false;
  if (notice.type === "offer") {
    // Said before and late: he has accepted it since. Or the word that his ride is over did not reach him: his next fix
    // finds that out (T8), and a ride forgotten for a new offer would stay on his screen for ever. Or he has paused since.
    const isHis = session.held?.offerId === notice.offerId;
    if (session.held?.kind === "engaged" || (!session.available && !isHis)) return isHis;
    session.held = { offerId: notice.offerId, kind: "offered", zone: notice.zone };
    watchHeld(turn, session, notice.ttlMs);
  } else if (notice.type === "offer.closed") {
    if (notice.reason === "declined" || notice.reason === "expired")
      session.stats = nextStats(session.stats, "declined");
    passBy(turn, session, notice.offerId, notice.reason);
    free(turn, session, notice.offerId);
  } else if (notice.type === "trip.changed" && !isHeldBy(notice.ride.state)) {
    leaveRide(turn, session, notice.ride);
  }
  tell(turn, session, notice);
  settleSession(turn, session);
  return true;
}

export function hearVerdict(turn: Turn, command: CommandOf<"offer.judged">): void {
  const { driverId, epoch, cid, offerId, verdict } = command;
  const session = hear(turn, driverId, epoch);
  if (session === null) return;
  if (verdict.outcome === "won" && isHeldBy(verdict.ride.state)) {
    if (session.held?.kind !== "engaged") session.stats = nextStats(session.stats, "accepted");
    if (verdict.ride.state === "assigned") beginLeg(turn, session, "pickup");
    session.held = { offerId, kind: "engaged" };
    // The rider sees the car at once, not at its next fix.
    if (session.fix !== null) track(turn, session, offerId, session.fix);
    turn.shard.timers.clear("driver.held", driverId);
  } else if (verdict.outcome !== "pending") {
    if (verdict.outcome === "lost") {
      passBy(turn, session, offerId, verdict.reason);
      free(turn, session, offerId);
    } else leaveRide(turn, session, verdict.ride);
  }
  tell(turn, session, { type: "offer.verdict", cid, offerId, verdict });
  settleSession(turn, session);
}

export function hearTripVerdict(turn: Turn, command: CommandOf<"trip.judged">): void {
  const { driverId, epoch, cid, offerId, step, verdict } = command;
  const session = hear(turn, driverId, epoch);
  if (session === null) return;
  if (verdict.outcome === "done") {
    if (step === "arrive") endLeg(turn, session, "pickup");
    if (step === "start") beginLeg(turn, session, "dropoff");
    if (step === "complete") {
      endStay(turn, session);
      endLeg(turn, session, "dropoff");
    }
    if (step === "cancel" || !isHeldBy(verdict.ride.state)) leaveRide(turn, session, verdict.ride);
    else {
      giveUpPlace(turn, session, verdict.ride);
      // The end of the ride may have overtaken this word, which gives it back to his app: his next fix finds out (T8).
      session.held = { offerId, kind: "engaged" };
    }
  }
  if (verdict.outcome === "refused" && verdict.next) goOnWith(turn, session, offerId, verdict.next);
  if (verdict.outcome === "refused" && verdict.reason === "unknown") free(turn, session, offerId);
  tell(turn, session, { type: "trip.verdict", cid, offerId, step, verdict });
  settleSession(turn, session);
}

/** The ride's shard no longer has this driver: he was told and did not hear, or the ride ended while he was away. */
export function hearTrackAnswer(turn: Turn, command: CommandOf<"track.answered">): void {
  const session = turn.shard.supply.sessions.get(command.driverId);
  if (command.engaged || session?.held?.offerId !== command.offerId) return;
  if (command.ride === null) {
    forgetPlace(turn, command.driverId);
    free(turn, session, command.offerId);
  } else {
    leaveRide(turn, session, command.ride);
    tell(turn, session, { type: "trip.changed", ride: command.ride });
  }
  settleSession(turn, session);
}

/**
 * An offer nobody closed: its shard died or its word was lost. The driver is free here; his lock knows the truth. He is
 * not told that the offer is closed: its shard may have taken his accept, and he would hear LOST of a ride he has won.
 */
export function forgetHeld(turn: Turn, driverId: DriverId): void {
  const session = turn.shard.supply.sessions.get(driverId);
  if (session?.held?.kind !== "offered") return;
  free(turn, session, session.held.offerId);
  settleSession(turn, session);
}

/** Sockets that fell silent are closed, ghosts leave the index, and drivers learn when they became one. */
export function sweep(turn: Turn): void {
  const { supply, timers } = turn.shard;
  supply.dropExpired(turn.now);
  surgeNow(turn);
  for (const session of supply.sessions.values()) {
    if (turn.now >= session.endsAt) end(turn, session, "expired");
    else if (turn.now - session.heardAt >= LIMITS.silenceMs) end(turn, session, "silent");
    else {
      tellStatus(turn, session);
      settlePlace(turn, session);
      tellEnd(turn, session);
    }
  }
  giveHints(turn);
  if (supply.sessions.size > 0) timers.set("sweep", "", turn.now + LIMITS.sweepEveryMs);
}

/** The session that speaks; null when it is over, which its own word may be the first to show. */
function hear(turn: Turn, driverId: DriverId, epoch: number): Session | null {
  const session = turn.shard.supply.current(driverId, epoch);
  if (session === null) return null;
  if (turn.now >= session.endsAt) {
    end(turn, session, "expired");
    return null;
  }
  session.heardAt = turn.now;
  return session;
}

function end(turn: Turn, { driverId, epoch }: Session, why: "silent" | "expired"): void {
  turn.effects.push({ type: "close", driverId, epoch, why });
  detachDriver(turn, { type: "driver.detached", driverId, epoch });
}

/** After anything that may change what a driver can take: index, status, memory, and a ride that may be waiting for him. */
function settleSession(turn: Turn, session: Session): void {
  const came = turn.shard.supply.reindex(session, turn.now);
  noteStay(turn, session);
  tellStatus(turn, session);
  settlePlace(turn, session);
  turn.effects.push({ type: "remember", driverId: session.driverId, memory: memoryOf(session) });
  if (came) turn.freed.push(session);
}

function addressOf({ shard }: Turn, { epoch }: Session): SessionAddress {
  return { shard: shard.setting.name, epoch };
}

function track(turn: Turn, session: Session, offerId: OfferId, fix: Fix): void {
  const { driverId } = session;
  if (trackRide(turn, offerId, driverId, fix)) return;
  if (turn.now - session.trackedAt < LIMITS.trackEveryMs) return;
  session.trackedAt = turn.now;
  turn.effects.push({ type: "track", driverId, offerId, fix, from: addressOf(turn, session) });
}

/** Only a free driver is asked to move: one who holds an offer stays where his ride knows to find him. */
function suggestRehome(turn: Turn, session: Session, fix: Fix): void {
  if (turn.now - session.rehomeAskedAt < LIMITS.rehomeEveryMs) return;
  if (metersToCell(fix.position, turn.shard.setting.cell) <= LIMITS.rehomeMeters) return;
  session.rehomeAskedAt = turn.now;
  const { driverId, epoch } = session;
  turn.effects.push({ type: "rehome", driverId, epoch, position: fix.position });
}
