/**
 * The assignment protocol as a machine small enough to try everything. `steps` lists all that may happen next in a
 * state; `explore.ts` tries all of it. What each object does is in `shard.ts`, `swap.ts` and `lock.ts`. The product
 * itself is in `src/matching`: `offer.ts`, `assignment.ts`, `swap.ts` and `driver-lock.ts` are the rules below with the
 * trade's detail added, under the same names; the test holds the model's lock against the product's in every state.
 *
 * What is kept of the design, by its ids:
 * - One object decides who gets a ride (decision 1; F1, F3): accept, decline, expiry and the ride's end are each one
 *   step of the ride's shard, in any order.
 * - A lock with a fence (decisions 2 and 5; F2, F7): `reserve` looks at the holder, then at the fence; each refusal
 *   raises the fence, so a refused offer is settled and owes no release.
 * - No timer releases a lock, timers only ask (decision 3); whoever asks about an unknown offer hears that it is dead
 *   (decision 6, presumed abort).
 * - Intent before reserve, offer after reserve (decision 4; F6, F9), release by offer id (decision 5; F8).
 * - The same verdict to every repeat of an accept (F4, F5); a driver gives a ride back (F17).
 * - A ride changes drivers on the way by an offer like any other, made while the first driver has it (X1 to X6): one
 *   accept ends his offer and wins the other's, and his arrival closes it.
 * - Drivers on their way swap their rides in one step of the shard that has them (X7 to X9): each lock learns by the
 *   release of the old offer for which one its driver is held now, unless that one is over by then (K9).
 *
 * What stands for more than it says:
 * - **The network is the set of all messages ever sent.** Each may be delivered at any time, any number of times, or
 *   never. That is loss, repetition, delay and reordering without limit, so a retry is not a step of its own.
 * - **Timers fire at any moment**, so there is no clock to be skewed (F14). Expiry also stands for the drivers who
 *   could not be told, left, or did not return (F10, F12): each is an offer that dies at a moment of nobody's choosing.
 * - **A crash of a shard or lock loses nothing**, because every step is one transaction and answers leave after it;
 *   what is lost on the way is lost in the network. Only a protocol that keeps its intent in memory has a step `crash`.
 * - **Offline is a refusal at any moment**: sockets and epochs (F11, decision 7) are soft state that no rule trusts.
 * - `over` is every terminal state and `assigned` is assigned, arrived and on trip: the locks see no difference. Where
 *   rides are exchanged `arrived` is arrived and on trip. That the driver on his way is not nearly there, that it is worth
 *   it, and how often a driver loses a ride so, is policy.
 *   A ride's deadline and the rider's cancel are one step for the same reason; so are a driver's cancel and the watch
 *   that takes him off the ride.
 * - Where rides are swapped, they are under way when the exploration begins: how each got its driver is the same as
 *   elsewhere, and no message of that time is missing.
 * - Excluding a driver who gave the ride back is policy, not safety; here he may be asked again, which is harder.
 * - Rows of ended offers stay: the product keeps them for a day, longer than any client repeats an accept. Rows of
 *   settled dead ones may go at any time.
 * Outside: the outbox and the history (decision 8, second half of S4, S7), sockets (S9) and keys (S8).
 */
import { lockHears, lockTimers } from "./lock.ts";
import type { Rules } from "./rules.ts";
import { dispatch, ridesEnd, shardHearsDriver, shardHearsLock, shardTimers } from "./shard.ts";
import { has, Message, type Scope, type State, type Take } from "./state.ts";
import { lateStep, swaps } from "./swap.ts";

/** Every step that may come next. One that changes nothing may be offered too; the explorer drops it. */
export function steps(rules: Rules, scope: Scope, state: State, take: Take): void {
  dispatch(rules, scope, state, take);
  for (const offer of state.offers.keys()) {
    // A number never given has no messages; one that was given and lost still has those of its first life.
    if (state.offers[offer]!.sent === 0) continue;
    shardTimers(rules, state, offer, take);
    shardHearsLock(rules, state, offer, take);
    shardHearsDriver(rules, state, offer, take);
    lockHears(rules, scope, state, offer, take);
    lockTimers(rules, state, offer, take);
    driverActs(state, offer, take);
    lateStep(rules, state, offer, take);
  }
  swaps(rules, scope, state, take);
  ridesEnd(rules, scope, state, take);
}

/** He may say yes to everything he has seen, and no as well: nothing safe depends on his sense. */
function driverActs({ offers }: State, i: number, take: Take): void {
  const offer = offers[i]!;
  if (!has(offer, Message.offer)) return;
  const say = (message: number) => (next: State) => {
    next.offers[i]!.sent |= message;
  };
  if (!has(offer, Message.accept)) take("driver %d accepts %o", i, false, say(Message.accept));
  if (!has(offer, Message.decline)) take("driver %d declines %o", i, false, say(Message.decline));
}
