/**
 * Known protocol bugs, each as an edit of the source that is shipped. Most are such as a tired hand could make. The text to
 * find must stand in its file exactly once, so that a change of the source cannot quietly make a mutant harmless. The
 * harmless ones cut one belt of two, and must pass.
 */
import { readFileSync } from "node:fs";

export interface Edit {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export interface Mutant {
  readonly edits: readonly Edit[];
  /** The promises that may be the first to notice it; of none when it is harmless. */
  readonly breaks: readonly string[];
}

/** What a mutant makes of a file. */
export function mutated(file: URL, edits: readonly Edit[]): string {
  let text = readFileSync(file, "utf8");
  for (const { find, replace } of edits) {
    const times = text.split(find).length - 1;
    if (times !== 1) throw new Error(`${file.pathname} has this ${times} times, not once: ${find}`);
    text = text.replace(find, () => replace);
  }
  return text;
}

const LOCK = "src/matching/driver-lock.ts";
const OFFER = "src/matching/offer.ts";
const ACCEPT = "src/matching/assignment.ts";
const EXCHANGE = "src/matching/exchange.ts";
const SWAP = "src/matching/swap.ts";
const STATE = "src/matching/shard-state.ts";
const APPLY = "src/matching/apply.ts";
const REQUEST = "src/matching/request.ts";
const RUNTIME = "src/shard/shard-runtime.ts";
const OUTBOX = "src/outbox/outbox.ts";
const HISTORY = "sim/world/history.ts";

const edit = (file: string, find: string, replace: string): Edit => ({ file, find, replace });
const mutant = (breaks: readonly string[], ...edits: readonly Edit[]): Mutant => ({ edits, breaks });

/** Swaps are rare, and what goes wrong after one is rarer: worlds that all re-plan, in which they save minutes whatever the ways. */
const swapsGladly = [
  edit("src/matching/limits.ts", "exchangeSeconds: 30,", "exchangeSeconds: -300,"),
  edit("sim/world/scene.ts", 'random.fork("replanning").next() < 0.25', 'random.fork("replanning").next() < 1'),
];

const neverAsks = edit(LOCK, "ask: { at: holder.since + ASK_AFTER_MS, count: 0 } }", "ask: null }");
const noFence = edit(
  LOCK,
  'if (seq <= (state.fences[shard] ?? 0)) return { state, answer: { type: "stale" } };',
  "void seq;",
);
const releasedOnce = [
  edit(OFFER, 'shard.timers.set("offer.release", offerId, now + pauseMs);', "void pauseMs;"),
  edit(APPLY, "else release(turn, offer.id);", ""),
];
const rideUnguarded = edit(ACCEPT, 'ride.state !== "matching" && !mayTakeOver(shard, ride, offer, now)', "now < 0");
const takenFromAnybody = edit(
  EXCHANGE,
  'return ride.state === "assigned" && ride.offerId === instead && secondsLeft(shard, ride, now) !== null;',
  "return ride.offerId === instead;",
);
const arrivalLeavesOpen = edit("src/matching/trip.ts", 'killLiveOffers(turn, rideId, "superseded");', "");
const losersLive = edit(ACCEPT, 'killLiveOffers(turn, ride.id, "superseded");', "");

export const MUTANTS: Readonly<Record<string, Mutant>> = {
  "a lock on the ride only": mutant(
    ["S2", "S3"],
    edit(LOCK, "if (state.holder !== null) return { state: raiseFence", "if (false) return { state: raiseFence"),
  ),
  "a lock that its own timer releases": mutant(
    ["S2", "S3"],
    edit(LOCK, 'if (verdict === "dead" || verdict === "exchanged") {', "if (verdict !== undefined) {"),
  ),
  "a release matched by ride, not by offer": mutant(
    ["S2", "S3"],
    edit(
      LOCK,
      "if (fenced.holder?.offerId !== offerId) return fenced;",
      'if (fenced.holder?.offerId.split("#")[0] !== offerId.split("#")[0]) return fenced;',
    ),
  ),
  "a push before the reserve is acknowledged": mutant(
    ["S2", "S3"],
    edit(
      OFFER,
      '  turn.saveOffer({ ...base, state: "intent" });\n  askLock(turn, id);',
      `  turn.saveOffer({ ...base, state: "intent" });
  askLock(turn, id);
  const here = shard.supply.sessions.get(driverId);
  if (here === undefined) return;
  const session = { shard: shard.setting.name, epoch: here.epoch };
  reserveAnswered(turn, { type: "reserve.answered", offerId: id, outcome: "reserved", session });`,
    ),
  ),
  "an offer that is forgotten while assigned": mutant(
    ["S1", "S5"],
    edit(
      ACCEPT,
      "  return assigned;",
      `  shard.offers.delete(offerId);
  shard.offersOfRide.set(ride.id, shard.offersOfRide.get(ride.id)!.filter((id) => id !== offerId));
  return assigned;`,
    ),
  ),
  "an accept that is not idempotent": mutant(
    ["S5"],
    edit(ACCEPT, 'if (offer?.state === "won" || offer?.state === "ended") {', 'if (offer?.state === "ended") {'),
  ),
  "no fence, and a lock that never asks": mutant(["L2"], noFence, neverAsks),
  "a release said once, and a lock that never asks": mutant(["L2"], ...releasedOnce, neverAsks),
  "an intent that is not saved, and a lock that never asks": mutant(
    ["S3", "L2"],
    edit(OFFER, '  turn.saveOffer({ ...base, state: "intent" });', ""),
    neverAsks,
  ),
  "an accept that looks at neither ride nor offer": mutant(
    ["S1", "S2", "S3", "S6"],
    edit(
      ACCEPT,
      'if (offer?.state !== "offered") return standing',
      'if (offer?.state !== "offered" && offer?.state !== "dead") return standing',
    ),
    rideUnguarded,
  ),
  "losers that stay open, and an accept that does not look at the ride": mutant(
    ["S1", "S6", "X3"],
    losersLive,
    rideUnguarded,
  ),
  "losers that stay open": mutant(["S6", "X3"], losersLive),
  "an accept after the offer's end": mutant(["S6"], edit(ACCEPT, "if (offer.expiresAt <= now) {", "if (false) {")),
  "a version that is not raised": mutant(
    ["S6"],
    edit(
      ACCEPT,
      "const version = ride.version + 1;\n  const assigned",
      "const version = ride.version;\n  const assigned",
    ),
  ),
  "an event left out of the outbox": mutant(["S4"], edit(STATE, '{ type: "append.event", event },', "")),
  "a winner's row that is not saved": mutant(
    ["S1", "S4"],
    edit(
      ACCEPT,
      'turn.saveOffer({ ...base, state: "won", wonAt: now });',
      'shard.offers.set(offer.id, { ...base, state: "won", wonAt: now });',
    ),
  ),
  "a reply that is not saved": mutant(
    ["S8"],
    edit(REQUEST, 'turn.effects.push({ type: "save.reply", riderId, key, reply: { rideId, bodyHash }, at: now });', ""),
  ),
  "rows written after the words": mutant(
    ["S3", "S4"],
    edit(RUNTIME, "    if (writes.length > 0) this.#commit(writes, now);\n", ""),
    edit(
      RUNTIME,
      "    this.#pump(now);\n    this.#arm();\n    return answer;",
      "    if (writes.length > 0) this.#commit(writes, now);\n    this.#pump(now);\n    this.#arm();\n    return answer;",
    ),
  ),
  "an event forgotten because it was sent": mutant(
    ["L3"],
    edit(OUTBOX, "if (sent) return;", "if (sent) return this.archived(batch.map(({ id }) => id));"),
  ),
  "an alarm that is never set again": mutant(
    ["L0", "L1", "L2", "L3", "P2"],
    edit(RUNTIME, "    const now = this.#now();\n    this.#alarmAt = null;", "    const now = this.#now();"),
  ),
  "an expiry that does not survive its object": mutant(
    ["L1"],
    edit(
      APPLY,
      'else if (offer.state === "offered") shard.timers.set("offer.expiry", offer.id, offer.expiresAt);',
      'else if (offer.state === "offered") return;',
    ),
  ),
  "a detach that ignores the epoch": mutant(
    ["S9"],
    edit(
      LOCK,
      "const current = state.session?.epoch === command.epoch && state.session.shard === command.shard;",
      "const current = true;",
    ),
  ),
  "a late attach taken for the newest": mutant(["S9", "L5"], edit(LOCK, "|| newer ||", "||")),
  "a decline that takes back what is won": mutant(
    ["S5"],
    edit(
      ACCEPT,
      '    killOffer(turn, offer, "declined");\n  }\n  turn.answer({ type: "verdict", verdict: standing(turn, offerId, driverId) });',
      '    killOffer(turn, offer, "declined");\n  }\n  turn.answer({ type: "verdict", verdict: { outcome: "lost", reason: "declined" } });',
    ),
  ),
  "a ride told to a driver whom it has left": mutant(
    ["S5"],
    edit(
      "src/matching/views.ts",
      'const anothers = "offerId" in ride && ride.offerId !== offerId;',
      "const anothers = false;",
    ),
  ),
  "a driver on his way let go when another is asked": mutant(
    ["S1", "X2"],
    edit(
      EXCHANGE,
      "  intendOffer(turn, ride, chosen,",
      `  const had = turn.shard.offers.get(ride.offerId)!;
  turn.saveOffer({ ...had, state: "ended", endedAt: turn.now, released: false, exchanged: true });
  intendOffer(turn, ride, chosen,`,
    ),
  ),
  "a takeover that leaves the other driver his ride": mutant(
    ["S1"],
    edit(ACCEPT, 'if (ride.state === "assigned") endRideOffer(turn, ride, true);\n  else', ""),
  ),
  "a ride taken over from a driver who has arrived": mutant(["X3", "S6"], takenFromAnybody, arrivalLeavesOpen),
  "a lock that does not count exchanges": mutant(
    ["X4"],
    edit(LOCK, 'if (outcome === "exchanged") return exchanges + 1;', ""),
  ),
  "a lock that is free between the two rides of a swap": mutant(
    ["S3"],
    edit(LOCK, "return handOver(counted, now, shard, next) ?? freed;", "void handOver;\n  return freed;"),
  ),
  "a lock that takes the other ride of a swap though that is over": mutant(
    ["L2", "S2", "S3"],
    edit(
      LOCK,
      "if (next === undefined || next.seq <= (state.fences[shard] ?? 0)) return null;",
      "if (!next) return null;",
    ),
    neverAsks,
    ...swapsGladly,
  ),
  "a lock that hears of a swapped ride that it is over": mutant(
    ["S3"],
    edit(APPLY, 'return shard.heirOf(offer) === null ? "exchanged" : "hold";', 'return "exchanged";'),
    ...swapsGladly,
  ),
  "a swap that leaves the first offers won": mutant(
    ["S1", "S2"],
    edit(
      SWAP,
      "for (const { party } of moves) endRideOffer(turn, party.ride, true, successors.get(party.ride.offerId));",
      "void endRideOffer;\n  void successors;",
    ),
  ),
  "a swap of which the lock is not told": mutant(
    ["S3", "X8"],
    edit(
      SWAP,
      "endRideOffer(turn, party.ride, true, successors.get(party.ride.offerId));",
      "endRideOffer(turn, party.ride, true);",
    ),
  ),
  "a swap that moves one ride only": mutant(
    ["S1", "S2", "X8"],
    edit(
      SWAP,
      "for (const [at, { party, taker }] of moves.entries()) {",
      "for (const [at, { party, taker }] of [...moves.entries()].slice(1)) {",
    ),
  ),
  "a swap that its drivers count for nothing": mutant(
    ["X4"],
    edit(SWAP, "exchangesOfDriver: taker.present.offer.exchangesOfDriver + 1,", "exchangesOfDriver: 0,"),
    edit(LOCK, 'if (outcome === "exchanged") return exchanges + 1;', ""),
  ),
  "a driver welcomed without the ride that he got by a swap": mutant(
    ["X9"],
    edit(ACCEPT, "const offer = shard.heirOf(asked) ?? asked;", "const offer = asked;"),
  ),
  "an event acknowledged before it is written": mutant(
    ["S4", "S7"],
    edit(
      HISTORY,
      "if (!this.events.has(event.id)) this.events.set",
      "if (!this.events.has(event.id) && event.version % 5 !== 0) this.events.set",
    ),
  ),
  "a history that goes back to older versions": mutant(
    ["S7"],
    edit(HISTORY, "if (known === undefined || event.version > known.version) {", "{"),
  ),
};

/** One belt of two: the protocol must hold without it. */
export const HARMLESS: Readonly<Record<string, Mutant>> = {
  "no fence, but a lock that asks": mutant([], noFence),
  "a lock that never asks, but a fence and releases that are retried": mutant([], neverAsks),
  "an accept that does not look at the ride, whose losers are dead": mutant([], rideUnguarded),
  "a takeover that does not look, where an arrival closes the offer": mutant([], takenFromAnybody),
};
