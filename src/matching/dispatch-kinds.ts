/**
 * The kinds of dispatch, by what each does in its own way; all else is common to them. A kind is its name in
 * `DISPATCH_KINDS`, its rules here, and its test: schemas, documents and the simulator go by the names.
 */
import type { DispatchPolicy } from "../domain/market.ts";
import type { RideId } from "../domain/ride.ts";
import { joinWindow } from "./batch-window.ts";
import { fewerUnderLoad } from "./overload.ts";
import type { Pursuit, ShardState, Turn } from "./shard-state.ts";

interface DispatchRules {
  /** How many drivers are asked at the same time. */
  readonly asked: (shard: ShardState) => number;
  /** The ride's candidates are ranked, and are its reserve: they are asked now, or the ride waits for something. */
  readonly ranked: (turn: Turn, rideId: RideId, pursuit: Pursuit) => void;
}

const RULES: Readonly<Record<DispatchPolicy["kind"], DispatchRules>> = {
  broadcast: {
    asked: ({ setting, overload }) => fewerUnderLoad(overload, setting.market.dispatch.waveSize),
    ranked: askNow,
  },
  sequential: { asked: () => 1, ranked: askNow },
  batched: { asked: () => 1, ranked: joinWindow },
};

/** Of the kind that the market has for this hour. */
export function rulesNow({ setting }: ShardState): DispatchRules {
  return RULES[setting.market.dispatch.kind];
}

/** A queue's drivers are asked one at a time, whatever the kind: asked together, the quickest finger would be first. */
export function askedAtOnce(shard: ShardState, { zone }: Pick<Pursuit, "zone">): number {
  return zone === null ? rulesNow(shard).asked(shard) : 1;
}

export function askNow(turn: Turn, rideId: RideId, pursuit: Pursuit): void {
  pursuit.phase = "open";
  turn.touched.add(rideId);
}
