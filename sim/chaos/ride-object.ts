/**
 * A ride and a driver as objects that handle one call at a time: what each may answer, and nothing about how the product
 * comes to its answer. Written from docs/SPEC.md (A1 to A10, R6, T1 to T3, X2 to X6), not from the code.
 * A scheduled ride is open here: until its search begins nobody but its rider can say anything of it.
 */
import type { TripStep } from "../../src/domain/notice.ts";
import type { SequentialObject } from "./find-order.ts";

export type RideCall =
  | { readonly kind: "won"; readonly offerId: string }
  /** He has won it from the driver on his way, for whom he was asked (X2). */
  | { readonly kind: "took.over"; readonly offerId: string; readonly from: string }
  | { readonly kind: "lost"; readonly offerId: string; readonly reason: string }
  /** He declined and heard that the ride is his: it must have been. */
  | { readonly kind: "confirmed"; readonly offerId: string }
  | { readonly kind: "cancelled" }
  | { readonly kind: "cancel.refused" }
  | { readonly kind: "stepped"; readonly step: TripStep; readonly offerId: string }
  | { readonly kind: "step.refused"; readonly step: TripStep; readonly offerId: string }
  /** What the shard does by itself. */
  | { readonly kind: "unserved" }
  | { readonly kind: "taken.away"; readonly offerId: string }
  | { readonly kind: "no.show"; readonly offerId: string }
  | { readonly kind: "abandoned"; readonly offerId: string };

interface RideObject {
  readonly phase: "open" | "taken" | "arrived" | "trip" | "completed" | "cancelled" | "no.show" | "abandoned" | "over";
  /** The offer that has, or last had, the ride. */
  readonly offerId: string | null;
  readonly won: readonly string[];
  readonly dead: readonly string[];
  readonly givenBack: number;
}

/** The fourth time ends the ride (A10). */
const GIVEN_BACK_AT_MOST = 3;

export const RIDE: SequentialObject<RideObject, RideCall> = {
  initial: { phase: "open", offerId: null, won: [], dead: [], givenBack: 0 },
  apply(ride, call) {
    switch (call.kind) {
      case "won":
        return win(ride, call.offerId);
      case "took.over":
        return takeOver(ride, call.offerId, call.from);
      case "lost":
        return lose(ride, call.offerId, call.reason);
      case "confirmed":
        return ride.won.includes(call.offerId) ? ride : null;
      case "cancelled":
        return isOneOf(ride, ["open", "taken", "arrived", "cancelled"]) ? { ...ride, phase: "cancelled" } : null;
      case "cancel.refused":
        return isOneOf(ride, ["trip", "completed", "no.show", "abandoned", "over"]) ? ride : null;
      case "stepped":
        return take(ride, call.offerId, call.step);
      case "step.refused":
        return mustTake(ride, call.offerId, call.step) ? null : ride;
      case "unserved":
        return ride.phase === "open" ? { ...ride, phase: "over" } : null;
      case "taken.away":
        return has(ride, call.offerId, ["taken", "arrived"]) ? giveBack(ride) : null;
      case "no.show":
        return has(ride, call.offerId, ["arrived"]) ? { ...ride, phase: "no.show" } : null;
      case "abandoned":
        return has(ride, call.offerId, ["trip"]) ? { ...ride, phase: "abandoned" } : null;
    }
  },
};

function isOneOf({ phase }: RideObject, phases: readonly RideObject["phase"][]): boolean {
  return phases.includes(phase);
}

function has(ride: RideObject, offerId: string, phases: readonly RideObject["phase"][]): boolean {
  return ride.offerId === offerId && phases.includes(ride.phase);
}

function win(ride: RideObject, offerId: string): RideObject | null {
  if (ride.won.includes(offerId)) return ride;
  if (ride.phase !== "open" || ride.dead.includes(offerId)) return null;
  return { ...ride, phase: "taken", offerId, won: [...ride.won, offerId] };
}

function takeOver(ride: RideObject, offerId: string, from: string): RideObject | null {
  if (ride.won.includes(offerId)) return ride;
  if (!has(ride, from, ["taken"]) || ride.dead.includes(offerId)) return null;
  return { ...ride, offerId, won: [...ride.won, offerId] };
}

function lose(ride: RideObject, offerId: string, reason: string): RideObject | null {
  if (ride.won.includes(offerId)) return null;
  if (reason === "superseded" && ride.won.length === 0) return null;
  if (reason === "cancelled" && !isOneOf(ride, ["cancelled", "over"])) return null;
  return ride.dead.includes(offerId) ? ride : { ...ride, dead: [...ride.dead, offerId].sort() };
}

/** The ride after this step of this driver, repeated steps included; null where the ride's state does not allow it. */
function take(ride: RideObject, offerId: string, step: TripStep): RideObject | null {
  switch (step) {
    case "arrive":
      if (has(ride, offerId, ["no.show"])) return ride;
      return has(ride, offerId, ["taken", "arrived"]) ? { ...ride, phase: "arrived" } : null;
    case "start":
      if (has(ride, offerId, ["abandoned"])) return ride;
      return has(ride, offerId, ["taken", "arrived", "trip"]) ? { ...ride, phase: "trip" } : null;
    case "complete":
      return has(ride, offerId, ["trip", "completed"]) ? { ...ride, phase: "completed" } : null;
    case "cancel":
      if (has(ride, offerId, ["taken", "arrived"])) return giveBack(ride);
      return ride.won.includes(offerId) && !has(ride, offerId, ["trip", "completed"]) ? ride : null;
  }
}

/** Giving back what he has lost otherwise may be answered either way: it changes nothing. */
function mustTake(ride: RideObject, offerId: string, step: TripStep): boolean {
  if (step === "cancel") return has(ride, offerId, ["taken", "arrived"]);
  return take(ride, offerId, step) !== null;
}

function giveBack(ride: RideObject): RideObject {
  const givenBack = ride.givenBack + 1;
  return { ...ride, phase: givenBack > GIVEN_BACK_AT_MOST ? "over" : "open", offerId: null, givenBack };
}

export interface DriverCall {
  readonly kind: "won" | "left";
  readonly offerId: string;
}

/** Holds one offer at a time, each once. */
interface DriverObject {
  readonly offerId: string | null;
  readonly past: readonly string[];
}

export const DRIVER: SequentialObject<DriverObject, DriverCall> = {
  initial: { offerId: null, past: [] },
  apply(driver, { kind, offerId }) {
    const known = driver.offerId === offerId || driver.past.includes(offerId);
    if (kind === "won") {
      if (known) return driver;
      return driver.offerId === null ? { ...driver, offerId } : null;
    }
    if (driver.offerId === offerId) return { offerId: null, past: [...driver.past, offerId] };
    return known ? driver : null;
  },
};
