/** The offer or ride that keeps a driver from being a candidate, as the shard that has his socket knows it. Soft state. */
import type { Holding } from "../domain/notice.ts";
import type { OfferId, RideState } from "../domain/ride.ts";
import { LIMITS } from "./limits.ts";
import type { Turn } from "./shard-state.ts";
import type { Held, Session } from "./supply.ts";

export function free(turn: Turn, session: Session, offerId: OfferId): void {
  if (session.held?.offerId !== offerId) return;
  // An offer that came to nothing takes nothing from how long he has waited: nor does it in the data models learn from.
  if (session.held.kind === "engaged") {
    session.idleSince = turn.now;
    session.stay = null;
  }
  session.held = null;
  session.leg = null;
  turn.shard.timers.clear("driver.held", session.driverId);
}

/** An offer that nobody closes is forgotten some time after its end. */
export function watchHeld(turn: Turn, { driverId }: Session, ttlMs: number): void {
  turn.shard.timers.set("driver.held", driverId, turn.now + ttlMs + LIMITS.heldGraceMs);
}

export function heldBy(holding: Holding): Held | null {
  if (holding.kind === "offer") {
    const { offerId, zone } = holding.offer;
    return { offerId, kind: "offered", zone };
  }
  return holding.kind === "ride" ? { offerId: holding.ride.offerId, kind: "engaged" } : null;
}

export function isHeldBy(state: RideState): boolean {
  return state === "assigned" || state === "arrived" || state === "on_trip";
}
