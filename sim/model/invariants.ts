/** S1 to S5 of the design, word for word, and what is promised of exchanges, as questions to one state of the model. */
import {
  driverName,
  has,
  lastOf,
  Message,
  NOBODY,
  offerName,
  Ride,
  Row,
  rideName,
  type Scope,
  type State,
} from "./state.ts";

export interface Invariant {
  readonly rule: string;
  /** What is wrong with this state, in words; null when nothing is. */
  readonly check: (state: State, scope: Scope) => string | null;
}

/** At most one winner for a ride. */
const S1: Invariant = {
  rule: "S1",
  check: ({ rides, offers }) => {
    const ride = rides.findIndex((_, i) => offers.filter((o) => o.ride === i && o.row === Row.won).length > 1);
    return ride < 0 ? null : `ride ${rideName(ride)} has two drivers`;
  },
};

/** A driver has at most one ride, over all shards. */
const S2: Invariant = {
  rule: "S2",
  check: ({ locks, offers }) => {
    const driver = locks.findIndex((_, i) => offers.filter((o) => o.driver === i && o.row === Row.won).length > 1);
    return driver < 0 ? null : `driver ${driverName(driver)} has two rides`;
  },
};

/** Whoever has a ride is held for it, or for the ride that he had before a swap of which his lock has not heard. */
const S3: Invariant = {
  rule: "S3",
  check: (state, scope) => {
    const { locks, offers } = state;
    const heldFor = (i: number) => {
      const { holder } = locks[offers[i]!.driver]!;
      return holder !== NOBODY && lastOf(state, holder) === i;
    };
    const loose = offers.findIndex((o, i) => o.row === Row.won && !heldFor(i));
    if (loose < 0) return null;
    const { ride, driver } = offers[loose]!;
    const name = offerName(state, scope, loose);
    return `${driverName(driver)} has ride ${rideName(ride)} by ${name}, and his lock does not hold him for it`;
  },
};

/** Each WON that was said stands in the log, once. */
const S4: Invariant = {
  rule: "S4",
  check: (state, scope) => {
    const wrong = state.offers.findIndex((o) => o.logged > 1 || (has(o, Message.won) && o.logged !== 1));
    if (wrong < 0) return null;
    return `${offerName(state, scope, wrong)} is ${state.offers[wrong]!.logged} times in the log as assigned`;
  },
};

/** Nobody hears both verdicts for one offer. */
const S5: Invariant = {
  rule: "S5",
  check: (state, scope) => {
    const both = state.offers.findIndex((o) => has(o, Message.won) && has(o, Message.lost));
    if (both < 0) return null;
    const { driver } = state.offers[both]!;
    return `driver ${driverName(driver)} hears both WON and LOST for ${offerName(state, scope, both)}`;
  },
};

/** A ride that is under way has a driver: whoever was to be replaced stays until another has accepted. */
const X2: Invariant = {
  rule: "X2",
  check: ({ rides, offers }) => {
    const ride = rides.findIndex((state, i) => {
      const underWay = state === Ride.assigned || state === Ride.arrived;
      return underWay && !offers.some((o) => o.ride === i && o.row === Row.won);
    });
    return ride < 0 ? null : `ride ${rideName(ride)} is under way and has no driver`;
  },
};

/** Who has arrived is not replaced. */
const X3: Invariant = {
  rule: "X3",
  check: (state, scope) => {
    const replaced = state.offers.findIndex((o) => o.arrived === 1 && o.exchanged === 1);
    if (replaced < 0) return null;
    const { ride, driver } = state.offers[replaced]!;
    const name = offerName(state, scope, replaced);
    return `${driverName(driver)} was at the pickup of ride ${rideName(ride)} by ${name}, and another took it over`;
  },
};

/** A ride is exchanged once at most. */
const X4: Invariant = {
  rule: "X4",
  check: ({ rides, offers }) => {
    const ride = rides.findIndex((_, i) => offers.filter((o) => o.ride === i && o.exchanged === 1).length > 1);
    return ride < 0 ? null : `ride ${rideName(ride)} was exchanged twice`;
  },
};

/** Who is taken to be at the pickup has said so of this ride: what he said of the one before it does not count. */
const X9: Invariant = {
  rule: "X9",
  check: ({ rides, offers }) => {
    const ride = rides.findIndex((state, i) => {
      const his = offers.find((o) => o.ride === i && o.row === Row.won);
      return state === Ride.arrived && his !== undefined && his.arrived === 0;
    });
    return ride < 0 ? null : `ride ${rideName(ride)} has a driver at the pickup who has not said that he is there`;
  },
};

/**
 * Lemma 1 and 2, from which S2 follows for open offers too: whoever has been offered a ride is held for it. Asked of the
 * sound protocols only, where it must hold; a mutation shall be convicted by the harm that people would feel.
 */
const LEMMA: Invariant = {
  rule: "lemma",
  check: (state, scope) => {
    const { locks, offers } = state;
    const loose = offers.findIndex((o, i) => o.row === Row.offered && locks[o.driver]!.holder !== i);
    return loose < 0 ? null : `${offerName(state, scope, loose)} is offered, and its driver is not held for it`;
  },
};

export const SAFETY: readonly Invariant[] = [S1, S2, S3, S4, S5];
export const SAFETY_AND_LEMMA: readonly Invariant[] = [...SAFETY, LEMMA];
/** Besides, where rides are exchanged. */
export const OF_EXCHANGES: readonly Invariant[] = [X2, X3, X4, X9];
/** Where drivers have no locks there is nothing for S3 to look at. */
export const SAFETY_WITHOUT_LOCKS: readonly Invariant[] = [S1, S2, S4, S5];

export function violated(
  invariants: readonly Invariant[],
  state: State,
  scope: Scope,
): { readonly rule: string; readonly message: string } | null {
  for (const { rule, check } of invariants) {
    const message = check(state, scope);
    if (message !== null) return { rule, message };
  }
  return null;
}
