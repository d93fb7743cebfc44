/** From where a driver set out with a purpose to where he arrived: what a shard learns travel times from. Soft state. */
import { SECOND_MS } from "../domain/time.ts";
import { LIMITS } from "./limits.ts";
import type { Turn } from "./shard-state.ts";
import type { Leg, Session } from "./supply.ts";
import { turnSeconds } from "./travel-times.ts";

/** He sets out from where he is. Said again it changes nothing: he has been on his way since the first time. */
export function beginLeg({ now }: Turn, session: Session, to: Leg["to"]): void {
  if (session.leg?.to === to || session.fix === null) return;
  session.leg = { to, from: session.fix, at: now };
}

/** He has arrived where this leg led. An end that nobody saw begin teaches nothing, nor does a place grown old. */
export function endLeg({ shard, now }: Turn, session: Session, to: Leg["to"]): void {
  const { leg, fix } = session;
  if (leg?.to !== to) return;
  session.leg = null;
  if (fix === null || now - fix.at > LIMITS.fixTtlMs || leg.at - leg.from.at > LIMITS.fixTtlMs) return;
  const [from, end] = [leg.from.position, fix.position];
  const tookSeconds = ((now - leg.at) / SECOND_MS) * shard.setting.clockSpeed - turnSeconds(from, end, leg.from);
  shard.travelTimes.learn({ from, to: end, at: leg.at }, tookSeconds);
}
