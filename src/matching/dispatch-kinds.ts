/**
 * The kinds of dispatch, by what each does in its own way; all else is common to them. A kind is its name in
 * `DISPATCH_KINDS`, its rules here, and its test: schemas, documents and the simulator go by the names.
 */
import type { DispatchPolicy } from "../domain/market.ts";
import type { MatchingRide, Offer, RideId } from "../domain/ride.ts";
import type { EpochMs } from "../domain/time.ts";
import { joinWindow } from "./batch-window.ts";
import { saveDecision } from "./decision.ts";
import { fewerUnderLoad } from "./overload.ts";
import type { Pursuit, ShardState, Turn } from "./shard-state.ts";

interface DispatchRules {
  /** How many drivers are asked at once. */
  readonly asked: (shard: ShardState) => number;
  /** How long each of them is waited for before another is asked beside him, who then may be the first to accept. */
  readonly patienceMs: (shard: ShardState) => number;
  /** The ride's candidates are ranked, and are its reserve: they are asked now, or the ride waits for something. */
  readonly ranked: (turn: Turn, rideId: RideId, pursuit: Pursuit) => void;
}

const one = () => 1;
const untilHisEnd = () => Number.POSITIVE_INFINITY;
const wave = ({ setting, overload }: ShardState) => fewerUnderLoad(overload, setting.market.dispatch.waveSize);
/** Who wants a ride says so soon. Asked this far apart, no more than a wave are asked at the same time. */
const hisShare = (shard: ShardState) => Math.ceil(shard.setting.market.dispatch.offerTtlMs / wave(shard));

const RULES: Readonly<Record<DispatchPolicy["kind"], DispatchRules>> = {
  broadcast: { asked: wave, patienceMs: untilHisEnd, ranked: askNow },
  sequential: { asked: one, patienceMs: untilHisEnd, ranked: askNow },
  batched: { asked: one, patienceMs: hisShare, ranked: joinWindow },
};

/** Of the kind that the market has for this hour. */
export function rulesNow({ setting }: ShardState): DispatchRules {
  return RULES[setting.market.dispatch.kind];
}

/** A queue's drivers are asked one at a time, whatever the kind: asked together, the quickest finger would be first. */
export function askedAtOnce(shard: ShardState, { zone }: Pick<Pursuit, "zone">): number {
  return zone === null ? rulesNow(shard).asked(shard) : 1;
}

/** Until when an answer is waited for before another driver is asked as well; null where the offer is dead. */
export function waitedForUntil(shard: ShardState, { zone }: Pick<Pursuit, "zone">, offer: Offer): EpochMs | null {
  // What his lock says comes soon, and starts his time.
  if (offer.state === "intent") return Number.POSITIVE_INFINITY;
  if (offer.state !== "offered") return null;
  const patienceMs = zone === null ? rulesNow(shard).patienceMs(shard) : untilHisEnd();
  return offer.expiresAt - shard.setting.market.dispatch.offerTtlMs + patienceMs;
}

export function askNow(turn: Turn, rideId: RideId, pursuit: Pursuit): void {
  saveDecision(turn, turn.shard.rides.get(rideId) as MatchingRide, pursuit);
  pursuit.phase = "open";
  turn.touched.add(rideId);
}
