/**
 * One driver, one ride: what a driver's lock decides. The lock is the only place that knows whether a driver is held,
 * and no timer ever frees it: only the ride's shard does, by releasing the offer or by saying that it is dead.
 */
import type { DriverStats } from "../domain/driver.ts";
import { NEW_DRIVER_STATS } from "../domain/driver.ts";
import type { ShardName } from "../domain/place.ts";
import type { OfferId, OfferVerdict, Successor } from "../domain/ride.ts";
import { type EpochMs, SECOND_MS } from "../domain/time.ts";
import type { ReleaseOutcome, ReserveOutcome } from "./commands.ts";

export interface LockHolder {
  readonly offerId: OfferId;
  readonly seq: number;
  readonly shard: ShardName;
  readonly since: EpochMs;
}

/** The whole durable state of one lock. */
export interface LockState {
  readonly holder: LockHolder | null;
  readonly epoch: number;
  readonly session: { readonly shard: ShardName; readonly epoch: number } | null;
  /** Per shard the highest offer seq known to be dead: a late copy of its `reserve` is refused. */
  readonly fences: Readonly<Record<ShardName, number>>;
  /** Socket tickets burned and not yet expired. */
  readonly tickets: Readonly<Record<string, EpochMs>>;
  readonly stats: DriverStats;
  /** Rides that a nearer driver took over from him since his last trip. */
  readonly exchanges: number;
  /** When to ask the holder's shard whether the offer is still alive, and how often it was asked. */
  readonly ask: { readonly at: EpochMs; readonly count: number } | null;
}

export const NEW_LOCK: LockState = {
  holder: null,
  epoch: 0,
  session: null,
  fences: {},
  tickets: {},
  stats: NEW_DRIVER_STATS,
  exchanges: 0,
  ask: null,
};

/** A holder older than this is asked about; then again after 10, 20, … up to 300 s. */
const ASK_AFTER_MS = 30 * SECOND_MS;
const ASK_FIRST_MS = 10 * SECOND_MS;
const ASK_MAXIMUM_MS = 300 * SECOND_MS;
/** A ticket that claims to live longer was minted by a wrong clock; it puts no other in its shade. */
const BELIEVABLE_TICKET_MS = 60 * SECOND_MS;
const STATS_WEIGHT = 0.1;

export type LockCommand =
  | { readonly type: "attach"; readonly shard: ShardName; readonly ticketId: string; readonly ticketExpiresAt: EpochMs }
  | { readonly type: "detach"; readonly shard: ShardName; readonly epoch: number }
  | { readonly type: "reserve"; readonly offerId: OfferId; readonly seq: number; readonly shard: ShardName }
  | {
      readonly type: "release";
      readonly offerId: OfferId;
      readonly seq: number;
      readonly shard: ShardName;
      readonly outcome: ReleaseOutcome;
      /** The won offer that the driver has instead, where he has swapped rides. */
      readonly next?: Successor;
    }
  /** The holder's shard answered the question `ask`; null when it could not be reached. */
  | { readonly type: "asked"; readonly offerId: OfferId; readonly verdict: OfferVerdict | null };

export type LockAnswer =
  | { readonly type: "attached"; readonly epoch: number; readonly previous: LockState["session"] }
  | { readonly type: "replayed" }
  | { readonly type: "reserved"; readonly session: NonNullable<LockState["session"]>; readonly exchanges: number }
  | { readonly type: "busy" | "stale" }
  /** `epoch`: of the newest socket that he had. */
  | { readonly type: "offline"; readonly epoch: number }
  | { readonly type: "done" };

export interface LockStep {
  readonly state: LockState;
  readonly answer: LockAnswer;
}

/** What a shard hears of its `reserve`. Throws where this is the answer to another command. */
export function reserveOutcomeOf(answer: LockAnswer): Exclude<ReserveOutcome, { readonly outcome: "unanswered" }> {
  switch (answer.type) {
    case "reserved":
      return { outcome: "reserved", session: answer.session, exchanges: answer.exchanges };
    case "offline":
      return { outcome: "offline", epoch: answer.epoch };
    case "busy":
    case "stale":
      return { outcome: answer.type };
    default:
      throw new Error(`a reserve was answered with ${answer.type}`);
  }
}

/** The lock's one door. Every command may be repeated, delayed or reordered. */
export function applyToLock(state: LockState, now: EpochMs, command: LockCommand): LockStep {
  switch (command.type) {
    case "attach":
      return attach(state, now, command);
    case "detach": {
      const current = state.session?.epoch === command.epoch && state.session.shard === command.shard;
      return { state: current ? { ...state, session: null } : state, answer: { type: "done" } };
    }
    case "reserve":
      return reserve(state, now, command);
    case "release":
      return { state: release(state, now, command), answer: { type: "done" } };
    case "asked":
      return { state: asked(state, now, command), answer: { type: "done" } };
  }
}

type LockCommandOf<T extends LockCommand["type"]> = Extract<LockCommand, { type: T }>;

/**
 * The newest socket wins by epoch; a ticket opens one socket once. A ticket no newer than one already used is refused
 * like a used one: its call was lost on the way, its driver has come in by another since, and a lock that took the late
 * one for the newest would look for him at a socket that nobody has. Of two of the same moment nobody knows which is the
 * newer; whose ticket is refused gets another.
 */
function attach(state: LockState, now: EpochMs, command: LockCommandOf<"attach">): LockStep {
  const { ticketId, ticketExpiresAt } = command;
  const alive = Object.entries(state.tickets).filter(([, expiresAt]) => expiresAt > now);
  const newer = alive.some(([, at]) => at >= ticketExpiresAt && at <= now + BELIEVABLE_TICKET_MS);
  if (ticketId in state.tickets || newer || ticketExpiresAt <= now) return { state, answer: { type: "replayed" } };
  const epoch = state.epoch + 1;
  return {
    state: {
      ...state,
      epoch,
      session: { shard: command.shard, epoch },
      tickets: { ...Object.fromEntries(alive), [ticketId]: ticketExpiresAt },
    },
    answer: { type: "attached", epoch, previous: state.session },
  };
}

/**
 * Holder first, then fence: a repeated `reserve` of the offer held now hears the same answer, and a late one of a dead
 * offer is refused. Every refusal raises the fence, because its offer dies of it: the refusal is final and needs no release.
 */
function reserve(state: LockState, now: EpochMs, { offerId, seq, shard }: LockCommandOf<"reserve">): LockStep {
  if (state.holder?.offerId === offerId) {
    // Its socket may be gone since; the push will find out. The address is where he was last.
    const session = state.session ?? { shard, epoch: state.epoch };
    return { state, answer: { type: "reserved", session, exchanges: state.exchanges } };
  }
  if (seq <= (state.fences[shard] ?? 0)) return { state, answer: { type: "stale" } };
  if (state.holder !== null) return { state: raiseFence(state, shard, seq), answer: { type: "busy" } };
  if (state.session === null)
    return { state: raiseFence(state, shard, seq), answer: { type: "offline", epoch: state.epoch } };
  return {
    state: { ...state, ...held({ offerId, seq, shard, since: now }) },
    answer: { type: "reserved", session: state.session, exchanges: state.exchanges },
  };
}

/** By offer id, never by ride: a late release of an old offer must not free the driver's new one. */
function release(
  state: LockState,
  now: EpochMs,
  { offerId, seq, shard, outcome, next }: LockCommandOf<"release">,
): LockState {
  const fenced = raiseFence(state, shard, seq);
  if (fenced.holder?.offerId !== offerId) return fenced;
  const counted = { ...fenced, exchanges: nextExchanges(state.exchanges, outcome) };
  // His one accept counts once, when what came of it is over.
  const freed = { ...counted, holder: null, ask: null, stats: nextStats(state.stats, outcome) };
  return handOver(counted, now, shard, next) ?? freed;
}

/** The driver goes on with this offer, and is free at no moment; null where word that it is over has overtaken this. */
function handOver(state: LockState, now: EpochMs, shard: ShardName, next: Successor | undefined): LockState | null {
  if (next === undefined || next.seq <= (state.fences[shard] ?? 0)) return null;
  return { ...state, ...held({ offerId: next.offerId, seq: next.seq, shard, since: now }) };
}

function held(holder: LockHolder): Pick<LockState, "holder" | "ask"> {
  return { holder, ask: { at: holder.since + ASK_AFTER_MS, count: 0 } };
}

function asked(state: LockState, now: EpochMs, { offerId, verdict }: LockCommandOf<"asked">): LockState {
  const { holder, ask } = state;
  if (holder === null || ask === null || holder.offerId !== offerId) return state;
  if (verdict === "dead" || verdict === "exchanged") {
    // The release that says so is late; when it comes, it finds nothing to count.
    const exchanges = nextExchanges(state.exchanges, verdict === "exchanged" ? "exchanged" : "none");
    return { ...raiseFence(state, holder.shard, holder.seq), holder: null, ask: null, exchanges };
  }
  const pauseMs = Math.min(ASK_FIRST_MS * 2 ** ask.count, ASK_MAXIMUM_MS);
  return { ...state, ask: { at: now + pauseMs, count: ask.count + 1 } };
}

function raiseFence(state: LockState, shard: ShardName, seq: number): LockState {
  const fence = state.fences[shard] ?? 0;
  return seq > fence ? { ...state, fences: { ...state.fences, [shard]: seq } } : state;
}

/** A driver who has lost a ride on the way keeps the next ones, until he has driven one (X4). */
function nextExchanges(exchanges: number, outcome: ReleaseOutcome): number {
  if (outcome === "exchanged") return exchanges + 1;
  return outcome === "driven" ? 0 : exchanges;
}

/** Only the driver's own doing moves his record: an offer that somebody else won says nothing about him. */
export function nextStats(stats: DriverStats, outcome: ReleaseOutcome): DriverStats {
  if (outcome === "none") return stats;
  const accepted = outcome !== "declined";
  return {
    offersSeen: stats.offersSeen + 1,
    acceptRate: (1 - STATS_WEIGHT) * stats.acceptRate + (accepted ? STATS_WEIGHT : 0),
    declinesInRow: accepted ? 0 : stats.declinesInRow + 1,
  };
}
