/** The ride's shard: the one place where it is decided who gets the ride. In the product: `offer.ts`, `assignment.ts`. */
import type { Rules } from "./rules.ts";
import {
  has,
  isLive,
  isOfSwap,
  lastOf,
  Message,
  NEW_OFFER,
  NO_OFFER,
  numberOf,
  type Offer,
  Ride,
  Row,
  rideName,
  type Scope,
  type State,
  type Take,
} from "./state.ts";

/** The search found a driver: the intent is written, then his lock is asked (decision 4). */
export function dispatch(rules: Rules, scope: Scope, state: State, take: Take): void {
  const { driverLock, offerAfterReserve } = rules;
  for (const [ride, shard] of scope.shardOfRide.entries()) {
    const instead = scope.exchange ? replaceable(state, ride) : NO_OFFER;
    const open = state.offers.filter((offer, i) => offer.ride === ride && isLive(offer) && i !== instead).length;
    const mayAsk = state.rides[ride] === Ride.matching || instead !== NO_OFFER;
    if (!mayAsk || open >= scope.wave) continue;
    const numbers = numbersLeft(scope, state, shard);
    const number = numbers[0] ?? NO_OFFER;
    if (numbers.length <= keptForSwap(scope, state, shard)) continue;
    for (const driver of state.locks.keys()) {
      // `one_live_per_driver`: inside one shard its own table refuses a second live offer to him (F2).
      const counts = (o: Offer) => isLive(o) && (rules.swappedCounts || !isOfSwap(o));
      const asked = state.offers.some((o, i) => o.driver === driver && counts(o) && numberOf(scope, i).shard === shard);
      if (driverLock && asked) continue;
      const [name, row, messages] = !driverLock
        ? ["offers %r to %d as %o, asking no lock", Row.offered, Message.offer]
        : offerAfterReserve
          ? ["writes the intent %o and asks the lock of %d to hold him", Row.intent, Message.reserve]
          : ["offers %r to %d as %o while it asks his lock", Row.offered, Message.reserve | Message.offer];
      const why = instead === NO_OFFER ? "" : ", to take the ride over";
      take(`shard: ${name}${why}`, number, true, ({ offers }) => {
        const sent = offers[number]!.sent | messages;
        offers[number] = { ...NEW_OFFER, row, ride, driver, settled: driverLock ? 0 : 1, sent, instead };
        if (instead !== NO_OFFER && rules.letsGo === "asked") giveUp(rules, offers[instead]!);
      });
    }
  }
}

/** The offers that this shard may still make. */
export function numbersLeft(scope: Scope, { offers }: State, shard: number): number[] {
  return [...offers.keys()].filter((i) => offers[i]!.row === Row.none && numberOf(scope, i).shard === shard);
}

/** A world that has no room for a swap any more is one without swaps, and those are explored elsewhere. */
function keptForSwap({ swap, shardOfRide }: Scope, { offers }: State, shard: number): number {
  const alone = shardOfRide.filter((other) => other === shard).length < 2;
  return !swap || alone || offers.some(isOfSwap) ? 0 : 2;
}

/** The offer of a driver on his way who may be replaced: a ride is exchanged once. */
function replaceable({ rides, offers }: State, ride: number): number {
  if (rides[ride] !== Ride.assigned || wasExchanged(offers, ride)) return NO_OFFER;
  return offers.findIndex((offer) => offer.ride === ride && offer.row === Row.won);
}

export function shardTimers(rules: Rules, { offers }: State, i: number, take: Take): void {
  const { row, settled } = offers[i]!;
  if (row === Row.intent) {
    take("shard: no answer about %o in time, so it is dead", i, true, (next) => giveUp(rules, next.offers[i]!));
    if (!rules.intentDurable) {
      take("shard: crashes, and the intent %o was only in memory", i, false, (next) => {
        next.offers[i]!.row = rules.numbersUsedOnce ? Row.forgotten : Row.none;
      });
    }
  }
  if (row === Row.offered) {
    take("shard: %o expires, or %d is out of reach", i, true, (next) => giveUp(rules, next.offers[i]!));
  }
  if ((row === Row.dead && settled === 1) || (row === Row.won && !rules.assignedOfferKept)) {
    take("shard: forgets %o", i, false, ({ offers }) => {
      offers[i] = { ...offers[i]!, row: Row.forgotten, settled: 0 };
    });
  }
}

/** One step for whatever ends a ride: the rider, its deadline, its watches, or that it was driven. */
export function ridesEnd(rules: Rules, { redispatch, exchange, swap }: Scope, state: State, take: Take): void {
  for (const [ride, progress] of state.rides.entries()) {
    const leave = (to: number) => (next: State) => {
      // A ride that is given back asks on whoever is being asked to take it over.
      const stays = ({ row }: Offer) => to === Ride.matching && row !== Row.won;
      for (const offer of next.offers) if (offer.ride === ride && isLive(offer) && !stays(offer)) giveUp(rules, offer);
      next.rides[ride] = to;
    };
    const name = rideName(ride);
    if (progress === Ride.matching) {
      take(`shard: ride ${name} is cancelled, or nobody took it in time`, NO_OFFER, true, leave(Ride.over));
    }
    if (progress !== Ride.assigned && progress !== Ride.arrived) continue;
    if ((exchange || swap) && progress === Ride.assigned) {
      take(`shard: the driver of ride ${name} is at the pickup`, NO_OFFER, false, (next) => {
        const his = next.offers.find((offer) => offer.ride === ride && offer.row === Row.won);
        if (his !== undefined) his.arrived = 1;
        arrive(rules, next, ride);
      });
    }
    take(`shard: ride ${name} ends: driven, cancelled or abandoned`, NO_OFFER, true, leave(Ride.over));
    if (!redispatch) continue;
    take(`shard: ride ${name} is given back by its driver, or taken away`, NO_OFFER, true, leave(Ride.matching));
  }
}

/** From now on the ride is his to drive: who was asked to take it over is asked no longer. */
export function arrive(rules: Rules, next: State, ride: number): void {
  next.rides[ride] = Ride.arrived;
  if (rules.arrivalCloses) closeOffers(rules, next, ride);
}

/** Who is asked for this ride is asked no longer; who has it keeps it. */
function closeOffers(rules: Rules, { offers }: State, ride: number): void {
  for (const offer of offers) if (offer.ride === ride && isOpen(offer)) giveUp(rules, offer);
}

/** Its driver is asked, or about to be. */
export function isOpen(offer: Offer): boolean {
  return isLive(offer) && offer.row !== Row.won;
}

export function wasExchanged(offers: readonly Offer[], ride: number): boolean {
  return offers.some((offer) => offer.ride === ride && offer.exchanged === 1);
}

export function shardHearsLock(rules: Rules, state: State, i: number, take: Take): void {
  const offer = state.offers[i]!;
  const { row, settled } = offer;
  if (row === Row.intent && has(offer, Message.reserved)) {
    take("shard: hears that %d is held, and offers him %o", i, true, ({ offers }) => {
      offers[i]!.row = Row.offered;
      offers[i]!.sent |= Message.offer;
    });
  }
  const refusable = row === Row.intent || (row === Row.offered && !rules.offerAfterReserve);
  if (refusable && has(offer, Message.refused)) {
    take("shard: hears that %o was refused, so it is dead", i, true, ({ offers }) => {
      offers[i] = { ...offers[i]!, row: Row.dead, settled: 1 };
    });
  }
  if ((row === Row.dead || row === Row.ended) && settled === 0 && has(offer, Message.released)) {
    take("shard: hears that %o is released", i, rules.releaseRetried, ({ offers }) => {
      offers[i]!.settled = 1;
    });
  }
  // Its lock holds him rightly while he has the ride of a swap; which one it is, the release says.
  const holds = isLive(offer) || (rules.swappedIsHeld && isLive(state.offers[lastOf(state, i)]!));
  if (has(offer, Message.question) && !has(offer, Message.dead) && !holds) {
    const asksStill = rules.lockAsks && state.locks[offer.driver]!.holder === i;
    const name = row === Row.dead || row === Row.ended ? "it is dead" : "it never heard of it, so it is dead";
    take(`shard: is asked about %o: ${name}`, i, asksStill, ({ offers }) => {
      offers[i]!.sent |= Message.dead;
    });
  }
}

export function shardHearsDriver(rules: Rules, { offers }: State, i: number, take: Take): void {
  const offer = offers[i]!;
  if (has(offer, Message.accept)) {
    take("shard: judges the accept of %o", i, false, (next) => judgeAccept(rules, next, i));
  }
  if (has(offer, Message.decline)) {
    take("shard: judges the decline of %o", i, false, (next) => judgeDecline(rules, next.offers[i]!));
  }
}

/** First accept wins; a repeat hears the same; everybody else hears that the ride is gone. */
function judgeAccept(rules: Rules, next: State, i: number): void {
  const offer = next.offers[i]!;
  if (offer.row === Row.won || offer.row === Row.ended) {
    offer.sent |= rules.repeatedAccept === "lost" ? Message.lost : Message.won;
    if (rules.repeatedAccept === "won and logged again") offer.logged = 2;
    return;
  }
  const replaced = replacedBy(rules, next, offer);
  const open = next.rides[offer.ride] === Ride.matching || replaced !== undefined || !rules.acceptChecksRide;
  if (offer.row !== Row.offered || !open) {
    offer.sent |= Message.lost;
    return;
  }
  if (replaced !== undefined) {
    replaced.exchanged = 1;
    if (rules.takeoverEnds) giveUp(rules, replaced);
  }
  offer.row = Row.won;
  offer.logged++;
  offer.sent |= Message.won;
  next.rides[offer.ride] = Ride.assigned;
  if (rules.losersDie) closeOffers(rules, next, offer.ride);
}

/** Whose ride this accept takes over: that of the driver on his way for whom it was made, and of nobody else. */
function replacedBy({ takeoverChecksRide }: Rules, { rides, offers }: State, offer: Offer): Offer | undefined {
  if (offer.instead === NO_OFFER) return undefined;
  if (!takeoverChecksRide) return offers.find(({ ride, row }) => ride === offer.ride && row === Row.won);
  const onHisWay = offers[offer.instead]!;
  return rides[offer.ride] === Ride.assigned && onHisWay.row === Row.won ? onHisWay : undefined;
}

function judgeDecline(rules: Rules, offer: Offer): void {
  if (offer.row === Row.offered) giveUp(rules, offer);
  const won = offer.row === Row.won || offer.row === Row.ended;
  offer.sent |= won && rules.lateDecline === "won" ? Message.won : Message.lost;
}

/** The offer is final, and its lock is told until it has answered. */
export function giveUp({ driverLock }: Rules, offer: Offer): void {
  offer.row = offer.row === Row.won ? Row.ended : Row.dead;
  if (driverLock) offer.sent |= Message.release;
}
