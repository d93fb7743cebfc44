/**
 * What one state of the explored world is, and how it becomes a short string. Here are only nouns; what may happen next
 * is in `protocol.ts`.
 */

/** How large a world is explored. Small, but every pair of things that can meet badly does meet. */
export interface Scope {
  /** The shard of each ride. */
  readonly shardOfRide: readonly number[];
  readonly drivers: number;
  /** Offers that each shard may ever make: its attempts, and the bound of the exploration. */
  readonly offersOfShard: readonly number[];
  /** Offers that one ride may keep open at once (k). */
  readonly wave: number;
  /** An assigned driver may give the ride back, and it looks for a driver again. */
  readonly redispatch: boolean;
  /** A ride whose driver is on his way may be offered to another, and the driver on his way may arrive. */
  readonly exchange: boolean;
  /** Two rides of one shard whose drivers are on their way may change drivers with each other. */
  readonly swap: boolean;
  /** So many rides, the first ones, have a driver each when the exploration begins: how they got him is another world's. */
  readonly underWay: number;
}

/**
 * A scheduled ride is not here: while it is one it has no offer and no driver, so the model's ride begins when its search
 * does, at whichever moment that is. `arrived` is told from `assigned` only where rides are exchanged or swapped: nothing else asks. */
export const Ride = { matching: 0, assigned: 1, over: 2, arrived: 3 } as const;

/** `forgotten` is an offer that its shard knows nothing of any more; `none` is a number not given yet. */
export const Row = { none: 0, intent: 1, offered: 2, won: 3, dead: 4, ended: 5, forgotten: 6 } as const;

/** One bit for each message that an offer can cause. A bit once set stays set: the network forgets nothing. */
export const Message = {
  /** Shard to lock, and the two answers. */
  reserve: 1,
  reserved: 1 << 1,
  refused: 1 << 2,
  /** Shard to driver. */
  offer: 1 << 3,
  /** Driver to shard, and the two verdicts. */
  accept: 1 << 4,
  decline: 1 << 5,
  won: 1 << 6,
  lost: 1 << 7,
  /** Shard to lock, and its acknowledgement. */
  release: 1 << 8,
  released: 1 << 9,
  /** Lock to shard: is this offer still alive? And the one answer that matters. */
  question: 1 << 10,
  dead: 1 << 11,
} as const;
const MESSAGES = 12;

export interface Offer {
  row: number;
  ride: number;
  driver: number;
  /** The row says that the lock has acknowledged the release, or never held the offer: nothing is owed. */
  settled: number;
  /** How often `ride.assigned` was written to the log for it (S4). */
  logged: number;
  /** Every message ever sent about it, as bits of `Message`. */
  sent: number;
  /** The offer whose driver it would replace on his way, or has replaced in a swap, or `NO_OFFER`. */
  instead: number;
  /** The offer that a swap gave its driver instead of it, or `NO_OFFER`. Its release names that one. */
  next: number;
  /** Its driver was at the pickup. */
  arrived: number;
  /** It ended because another driver took the ride over. */
  exchanged: number;
}

export interface Lock {
  /** Index of the offer that holds the driver, or `NOBODY`. */
  holder: number;
  /** Offers that the fence refuses, one bit each. */
  fenced: number;
}

/** Rides, locks and offers by their index; offers in the order of their shards, then of their number. */
export interface State {
  readonly rides: number[];
  readonly locks: Lock[];
  readonly offers: Offer[];
}

export const NOBODY = -1;
export const NO_OFFER = -1;
export const NEW_OFFER: Offer = {
  row: Row.none,
  ride: 0,
  driver: 0,
  settled: 0,
  logged: 0,
  sent: 0,
  instead: NO_OFFER,
  next: NO_OFFER,
  arrived: 0,
  exchanged: 0,
};

/**
 * Takes one possible step. In `name`, `%o` is the offer, `%r` its ride and `%d` its driver. A step is `fair` when the
 * servers will take it if nothing else happens: a timer that is set, or a message whose sender would still repeat it.
 */
export type Take = (name: string, offer: number, fair: boolean, change: (next: State) => void) => void;

export function initialState({ shardOfRide, drivers, offersOfShard, underWay }: Scope): State {
  const state: State = {
    rides: shardOfRide.map(() => Ride.matching),
    locks: Array.from({ length: drivers }, () => ({ holder: NOBODY, fenced: 0 })),
    offers: offersOfShard.flatMap((count) => Array.from({ length: count }, () => ({ ...NEW_OFFER }))),
  };
  // All that was said on the way is still in the network, and he has said no as well: more messages can only do more harm.
  const { reserve, reserved, offer, accept, decline, won } = Message;
  const sent = reserve | reserved | offer | accept | decline | won;
  for (let i = 0; i < underWay; i++) {
    state.rides[i] = Ride.assigned;
    state.locks[i]!.holder = i;
    state.offers[i] = { ...NEW_OFFER, row: Row.won, ride: i, driver: i, logged: 1, sent };
  }
  return state;
}

export function copyOf({ rides, locks, offers }: State): State {
  return {
    rides: rides.slice(),
    locks: locks.map(({ holder, fenced }) => ({ holder, fenced })),
    offers: offers.map(({ row, ride, driver, settled, logged, sent, instead, next, arrived, exchanged }) => ({
      row,
      ride,
      driver,
      settled,
      logged,
      sent,
      instead,
      next,
      arrived,
      exchanged,
    })),
  };
}

/** One UTF-16 unit for each ride, one for each lock, two for each offer: a string is the cheapest key of a `Map`. */
export function encode({ rides, locks, offers }: State): string {
  const units = rides.slice();
  for (const { holder, fenced } of locks) units.push((holder + 1) | (fenced << 4));
  for (const { row, ride, driver, settled, logged, sent, instead, next, arrived, exchanged } of offers) {
    const history = (arrived << 10) | (exchanged << 11) | ((instead + 1) << 12);
    units.push(row | (ride << 3) | (driver << 5) | (settled << 7) | (logged << 8) | history);
    units.push(sent | ((next + 1) << MESSAGES));
  }
  return String.fromCharCode(...units);
}

export function decode(key: string, { shardOfRide, drivers, offersOfShard }: Scope): State {
  let at = 0;
  const nextUnit = () => key.charCodeAt(at++);
  const rides = shardOfRide.map(nextUnit);
  const locks: Lock[] = [];
  for (let i = 0; i < drivers; i++) {
    const word = nextUnit();
    locks.push({ holder: (word & 15) - 1, fenced: word >> 4 });
  }
  const offers: Offer[] = [];
  for (const count of offersOfShard) {
    for (let i = 0; i < count; i++) {
      const word = nextUnit();
      const [row, ride, driver] = [word & 7, (word >> 3) & 3, (word >> 5) & 3];
      const [settled, logged] = [(word >> 7) & 1, (word >> 8) & 3];
      const [arrived, exchanged, instead] = [(word >> 10) & 1, (word >> 11) & 1, (word >> 12) - 1];
      const second = nextUnit();
      const [sent, next] = [second & ((1 << MESSAGES) - 1), (second >> MESSAGES) - 1];
      offers.push({ row, ride, driver, settled, logged, sent, instead, next, arrived, exchanged });
    }
  }
  return { rides, locks, offers };
}

/** The shard that an offer's number belongs to, and the number. */
export function numberOf({ offersOfShard }: Scope, offer: number): { readonly shard: number; readonly seq: number } {
  let first = 0;
  for (const [shard, count] of offersOfShard.entries()) {
    if (offer < first + count) return { shard, seq: offer - first + 1 };
    first += count;
  }
  throw new RangeError(`no shard has offer ${offer}`);
}

export function has({ sent }: Offer, message: number): boolean {
  return (sent & message) !== 0;
}

/** An offer that holds its driver or is about to: what `one_live_per_driver` counts. */
export function isLive({ row }: Offer): boolean {
  return row === Row.intent || row === Row.offered || row === Row.won;
}

/** The offer for which whoever is held for this one is held in truth: after a swap, the one that came of it. */
export function lastOf({ offers }: State, offer: number): number {
  let last = offer;
  while (offers[last]!.next !== NO_OFFER) last = offers[last]!.next;
  return last;
}

/** Born won in a swap: its driver's lock was never asked for it. */
export function isOfSwap(offer: Offer): boolean {
  return offer.row !== Row.none && !has(offer, Message.reserve);
}

/** Nothing left to do: every ride is over and every driver is free. */
export function isClosed({ rides, locks }: State): boolean {
  return rides.every((ride) => ride === Ride.over) && locks.every(({ holder }) => holder === NOBODY);
}

export const rideName = (ride: number): string => "ABC"[ride] ?? `ride ${ride}`;
export const driverName = (driver: number): string => "xyz"[driver] ?? `driver ${driver}`;

export function offerName(state: State, scope: Scope, offer: number): string {
  return `${rideName(state.offers[offer]!.ride)}#${numberOf(scope, offer).seq}`;
}

/** One line: where every ride, offer and lock stands. */
export function describe(state: State, scope: Scope): string {
  const name = (offer: number) => offerName(state, scope, offer);
  const word = (words: Readonly<Record<string, number>>, value: number) =>
    Object.keys(words).find((key) => words[key] === value)!;
  const rides = state.rides.map((ride, i) => `ride ${rideName(i)} ${word(Ride, ride)}`);
  const offers = state.offers.flatMap(({ row, settled }, i) =>
    row === Row.none ? [] : [`${name(i)} ${word(Row, row)}${settled === 1 ? ", settled" : ""}`],
  );
  const locks = state.locks.map(
    ({ holder }, i) => `lock ${driverName(i)} ${holder === NOBODY ? "free" : `held by ${name(holder)}`}`,
  );
  return [...rides, ...offers, ...locks].join(" · ");
}
