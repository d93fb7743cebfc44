/** The driver's lock: the one place where it is known whether he is held. In the product: `driver-lock.ts`. */
import type { Rules } from "./rules.ts";
import { has, Message, NO_OFFER, NOBODY, numberOf, Row, type Scope, type State, type Take } from "./state.ts";

export function lockHears(rules: Rules, scope: Scope, state: State, i: number, take: Take): void {
  const offer = state.offers[i]!;
  const mine = (next: State) => next.locks[offer.driver]!;
  const raiseFence = (next: State) => {
    mine(next).fenced |= fenceAt(rules, scope, i);
  };
  lockHearsReserve(rules, state, i, take, raiseFence);
  if (has(offer, Message.release)) {
    const owed = (offer.row === Row.dead || offer.row === Row.ended) && offer.settled === 0;
    const retried = rules.releaseRetried && (offer.next === NO_OFFER || rules.swapRetried);
    const matches = releases(rules, state, i);
    const holder = matches ? successorAt(rules, state, i) : state.locks[offer.driver]!.holder;
    const takes = holder === NOBODY ? "lets %d go: %o is released" : "holds %d on: %o is swapped";
    take(`lock:  ${matches ? takes : "hears that %o is over, and raises its fence"}`, i, owed && retried, (next) => {
      raiseFence(next);
      mine(next).holder = holder;
      next.offers[i]!.sent |= Message.released;
    });
  }
  if (has(offer, Message.dead)) {
    const { holder } = state.locks[offer.driver]!;
    take("lock:  lets %d go: %o is dead", i, rules.lockAsks && holder === i, (next) => {
      if (mine(next).holder !== i) return;
      mine(next).holder = NOBODY;
      raiseFence(next);
    });
  }
}

/** For whom a driver is held once his offer is over: for nobody, or for what a swap gave him, unless that is over too. */
function successorAt(rules: Rules, { locks, offers }: State, i: number): number {
  const { next, driver } = offers[i]!;
  if (next === NO_OFFER || !rules.lockTakesSuccessor) return NOBODY;
  const over = (locks[driver]!.fenced & (1 << next)) !== 0;
  return over && rules.successorFenced ? NOBODY : next;
}

/** Holder first, then fence, then whether he is free and there at all. */
function lockHearsReserve(
  rules: Rules,
  { locks, offers }: State,
  i: number,
  take: Take,
  raiseFence: (next: State) => void,
): void {
  const offer = offers[i]!;
  if (!has(offer, Message.reserve)) return;
  const { holder, fenced } = locks[offer.driver]!;
  const fair = offer.row === Row.intent;
  const answer = (message: number) => (next: State) => {
    next.offers[i]!.sent |= message;
  };
  const refuse = (next: State) => {
    if (rules.refusalRaisesFence) raiseFence(next);
    answer(Message.refused)(next);
  };
  const stale = (fenced & (1 << i)) !== 0;
  if (holder === i && (rules.holderBeforeFence || !stale)) {
    return take("lock:  holds %d for %o still", i, fair, answer(Message.reserved));
  }
  if (stale) return take("lock:  refuses %o as stale: its fence is there", i, fair, answer(Message.refused));
  if (holder !== NOBODY) return take("lock:  refuses %o: %d is held for another", i, fair, refuse);
  take("lock:  refuses %o: %d is offline", i, fair, refuse);
  take(`lock:  holds %d for %o${fair ? "" : ", by a late copy of its reserve"}`, i, fair, (next) => {
    next.locks[offer.driver]!.holder = i;
    answer(Message.reserved)(next);
  });
}

/** A shard's numbers only grow, and it has one live offer to a driver: what is below a dead one is dead too. */
function fenceAt({ fence }: Rules, scope: Scope, i: number): number {
  if (fence === "none") return 0;
  const upTo = (1 << numberOf(scope, i).seq) - 1;
  return fence === "offer" ? 1 << i : upTo << (i - numberOf(scope, i).seq + 1);
}

function releases({ releaseMatches }: Rules, { locks, offers }: State, i: number): boolean {
  const { holder } = locks[offers[i]!.driver]!;
  if (holder === NOBODY) return false;
  return releaseMatches === "offer" ? holder === i : offers[holder]!.ride === offers[i]!.ride;
}

export function lockTimers(rules: Rules, { locks, offers }: State, i: number, take: Take): void {
  const { driver } = offers[i]!;
  if (locks[driver]!.holder !== i) return;
  if (rules.lockAsks && !has(offers[i]!, Message.question)) {
    take("lock:  has held %d for long, and asks about %o", i, true, (next) => {
      next.offers[i]!.sent |= Message.question;
    });
  }
  if (rules.lockFreesItself) {
    take("lock:  lets %d go: its own timer says that %o took too long", i, true, (next) => {
      next.locks[driver]!.holder = NOBODY;
    });
  }
}
