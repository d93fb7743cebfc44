/** Where drivers were free, and what came of it: what a shard learns to look ahead from. Soft state, like legs. */
import { SECOND_MS } from "../domain/time.ts";
import { LIMITS } from "./limits.ts";
import type { Turn } from "./shard-state.ts";
import { type Session, type Stay, statusOf } from "./supply.ts";

/**
 * He has said something and may be free now, or elsewhere, or free no longer. A stay goes on while he is asked and while he
 * drives, to the end of the ride; it ends without pay in the next square and with the hour. Who pauses has ended it himself.
 */
export function noteStay(turn: Turn, session: Session): void {
  const { shard, now } = turn;
  const { lookAhead, setting } = shard;
  const { state } = statusOf(session, now);
  if (setting.market.dispatch.lookAheadSeconds === 0 || state === "paused" || state === "unlocated") {
    session.stay = null;
    return;
  }
  if (state !== "available") return;
  const { stay } = session;
  const spot = lookAhead.spotAt(session.fix!.position, now);
  if (stay?.square === spot.square && stay.hour === spot.hour) return;
  if (stay !== null)
    lookAhead.learn({ from: stay, to: spot, tookSeconds: secondsSince(turn, stay.at), paidSeconds: 0 });
  session.stay = { ...spot, at: now };
}

/** He has completed a ride. One that nobody saw begin teaches nothing, nor does an end at a place grown old. */
export function endStay(turn: Turn, session: Session): void {
  const { lookAhead } = turn.shard;
  const { stay, leg, fix } = session;
  session.stay = null;
  if (stay === null || leg?.to !== "dropoff" || fix === null || turn.now - fix.at > LIMITS.fixTtlMs) return;
  const to = lookAhead.spotAt(fix.position, turn.now);
  const [tookSeconds, paidSeconds] = [secondsSince(turn, stay.at), secondsSince(turn, leg.at)];
  lookAhead.learn({ from: stay, to, tookSeconds, paidSeconds });
}

function secondsSince({ shard, now }: Turn, at: Stay["at"]): number {
  return ((now - at) / SECOND_MS) * shard.setting.clockSpeed;
}
