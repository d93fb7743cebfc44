/** The ride's shard: the one place where it is decided who gets the ride. In the product: `offer.ts`, `assignment.ts`. */
import type { Rules } from "./rules.ts";
import {
  has,
  isLive,
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
    const number = state.offers.findIndex(({ row }, i) => row === Row.none && numberOf(scope, i).shard === shard);
    const mayAsk = state.rides[ride] === Ride.matching || instead !== NO_OFFER;
    if (!mayAsk || open >= scope.wave || number < 0) continue;
    for (const driver of state.locks.keys()) {
      // `one_live_per_driver`: inside one shard its own table refuses a second live offer to him (F2).
      const asked = state.offers.some((o, i) => o.driver === driver && isLive(o) && numberOf(scope, i).shard === shard);
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

/** The offer of a driver on his way who may be replaced: a ride is exchanged once. */
function replaceable({ rides, offers }: State, ride: number): number {
  if (rides[ride] !== Ride.assigned) return NO_OFFER;
  if (offers.some((offer) => offer.ride === ride && offer.exchanged === 1)) return NO_OFFER;
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
export function ridesEnd(rules: Rules, { redispatch, exchange }: Scope, state: State, take: Take): void {
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
    if (exchange && progress === Ride.assigned) {
      take(`shard: the driver of ride ${name} is at the pickup`, NO_OFFER, false, (next) => arrive(rules, next, ride));
    }
    take(`shard: ride ${name} ends: driven, cancelled or abandoned`, NO_OFFER, true, leave(Ride.over));
    if (!redispatch) continue;
    take(`shard: ride ${name} is given back by its driver, or taken away`, NO_OFFER, true, leave(Ride.matching));
  }
}

/** From now on the ride is his to drive: who was asked to take it over is asked no longer. */
function arrive(rules: Rules, next: State, ride: number): void {
  next.rides[ride] = Ride.arrived;
  for (const offer of next.offers) {
    if (offer.ride !== ride || !isLive(offer)) continue;
    if (offer.row === Row.won) offer.arrived = 1;
    else if (rules.arrivalCloses) giveUp(rules, offer);
  }
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
  if (has(offer, Message.question) && !has(offer, Message.dead) && !isLive(offer)) {
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
  if (!rules.losersDie) return;
  for (const other of next.offers) {
    if (other.ride === offer.ride && isLive(other) && other.row !== Row.won) giveUp(rules, other);
  }
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
function giveUp({ driverLock }: Rules, offer: Offer): void {
  offer.row = offer.row === Row.won ? Row.ended : Row.dead;
  if (driverLock) offer.sent |= Message.release;
}
