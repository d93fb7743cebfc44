/**
 * Rides of one shard whose drivers are on their way change drivers, in one step of the shard and with no word from a
 * driver or his lock (X7, X8). No offer goes from one ride to another: the old ones end, and new ones are born won.
 */
import type { Rules } from "./rules.ts";
import { arrive, giveUp, isOpen, numbersLeft, wasExchanged } from "./shard.ts";
import {
  driverName,
  lastOf,
  Message,
  NEW_OFFER,
  NO_OFFER,
  numberOf,
  type Offer,
  Ride,
  Row,
  type Scope,
  type State,
  type Take,
} from "./state.ts";

/** Each driver of a ring gets the ride of the next, and the last that of the first. */
export function swaps(rules: Rules, scope: Scope, state: State, take: Take): void {
  if (!scope.swap) return;
  for (const shard of new Set(scope.shardOfRide)) {
    const onTheirWay = [...state.offers.keys()].filter((i) => isOnHisWay(rules, state, i));
    const numbers = numbersLeft(scope, state, shard);
    for (const ring of ringsOf(onTheirWay.filter((i) => numberOf(scope, i).shard === shard))) {
      if (ring.length > numbers.length) continue;
      const drivers = ring.map((i) => driverName(state.offers[i]!.driver)).join(", ");
      take(`shard: ${drivers} swap their rides, each for that of the next`, NO_OFFER, true, (next) => {
        for (const [k, old] of ring.entries()) {
          replace(rules, next, { old, instead: ring[(k + 1) % ring.length]!, number: numbers[k]! });
        }
      });
    }
  }
}

/** Every ring of two or more of these, each told from its smallest on. */
function ringsOf(offers: readonly number[]): number[][] {
  const grown = (ring: readonly number[]): number[][] => {
    const more = offers.filter((offer) => offer > ring[0]! && !ring.includes(offer));
    return more.flatMap((offer) => [[...ring, offer], ...grown([...ring, offer])]);
  };
  return offers.flatMap((offer) => grown([offer]));
}

/** Whether its driver may be swapped. Each ride changes drivers on the way once, so no swap follows on a swap. */
function isOnHisWay({ swapChecksArrival, swapOnce, swapWaits }: Rules, { rides, offers }: State, i: number): boolean {
  const { ride, row } = offers[i]!;
  const early = rides[ride] === Ride.assigned || (rides[ride] === Ride.arrived && !swapChecksArrival);
  if (row !== Row.won || !early || (swapOnce && wasExchanged(offers, ride))) return false;
  return !swapWaits || offers.every((other) => other.ride !== ride || !isOpen(other));
}

/** The driver of `old` gets the ride of `instead`, and is told both at once: his lock hears it with the release of `old`. */
function replace(
  rules: Rules,
  { offers }: State,
  { old, instead, number }: { readonly old: number; readonly instead: number; readonly number: number },
): void {
  const before = offers[old]!;
  const ride = offers[instead]!.ride;
  const { driver } = before;
  offers[number] = { ...NEW_OFFER, row: Row.won, ride, driver, logged: 1, sent: Message.won, instead };
  before.next = number;
  before.exchanged = 1;
  if (rules.swapEnds) giveUp(rules, before);
}

/**
 * He says by his old offer that he is at the pickup: said before the swap, or before he has heard of it. It is refused
 * and changes nothing (X9); but for whoever takes it for a word about the ride that he has by now.
 */
export function lateStep(rules: Rules, state: State, i: number, take: Take): void {
  if (rules.stepsByOffer || state.offers[i]!.next === NO_OFFER) return;
  const now: Offer = state.offers[lastOf(state, i)]!;
  if (now.row !== Row.won || state.rides[now.ride] !== Ride.assigned) return;
  take("shard: hears that %d is at the pickup, by %o", i, false, (next) => arrive(rules, next, now.ride));
}
