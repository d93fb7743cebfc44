/**
 * What is explored, and what must come of it: the protocol in every world that is small enough, then the same protocol
 * with one belt cut. A mutation must be caught, or the model proves nothing; a weakening must pass, or we do not know
 * which rules are needed. What is needed turns out to be: a durable verdict, release by offer id, and either a fence
 * with retried release or a lock that asks. The product wears both.
 */
import { type Exploration, explore } from "./explore.ts";
import { OF_EXCHANGES, SAFETY, SAFETY_AND_LEMMA, SAFETY_WITHOUT_LOCKS } from "./invariants.ts";
import { KERB, type Rules } from "./rules.ts";
import type { Scope } from "./state.ts";

export interface Case {
  readonly kind: "protocol" | "mutation" | "weakening";
  readonly title: string;
  readonly rules: Rules;
  readonly scope: Scope;
  /** The rule that must be broken, or OK. */
  readonly expected: "OK" | "S1" | "S2" | "S3" | "S4" | "S5" | "X2" | "X3" | "X4" | "X9" | "liveness";
  /** Only in the long suite. */
  readonly long: boolean;
}

const oneOffer: Scope = {
  shardOfRide: [0],
  drivers: 1,
  offersOfShard: [1],
  wave: 1,
  redispatch: false,
  exchange: false,
  swap: false,
  underWay: 0,
};
const twoShards: Scope = { ...oneOffer, shardOfRide: [0, 1], offersOfShard: [1, 1] };
const oneShard: Scope = { ...oneOffer, shardOfRide: [0, 0], offersOfShard: [2] };
const broadcast: Scope = { ...oneOffer, drivers: 2, offersOfShard: [2], wave: 2 };
const redispatch: Scope = { ...oneOffer, offersOfShard: [2], redispatch: true };
const threeAttempts: Scope = { ...redispatch, offersOfShard: [3] };
const threeInTwoShards: Scope = { ...twoShards, offersOfShard: [2, 1], redispatch: true };
const twoByTwo: Scope = { ...twoShards, drivers: 2 };
const exchange: Scope = { ...oneOffer, drivers: 2, offersOfShard: [2], exchange: true };
const exchangeOrGiveBack: Scope = { ...exchange, redispatch: true };
const exchangeThree: Scope = { ...exchange, offersOfShard: [3] };
const swap: Scope = { ...oneShard, drivers: 2, offersOfShard: [4], swap: true, underWay: 2 };
const swapAtBorder: Scope = { ...swap, shardOfRide: [0, 0, 1], offersOfShard: [4, 1] };
const swapOfThree: Scope = { ...swap, shardOfRide: [0, 0, 0], drivers: 3, offersOfShard: [6], underWay: 3 };
const swapTwice: Scope = { ...swap, offersOfShard: [6] };
const swapOrGiveBack: Scope = { ...swap, offersOfShard: [5], redispatch: true };
const swapOrExchange: Scope = { ...swap, offersOfShard: [5], drivers: 3, exchange: true };

/** The other form of the fence: each dead offer by itself, and looked at before the holder. */
const OFFER_FENCE: Rules = { ...KERB, fence: "offer", holderBeforeFence: false };

const sound = (title: string, rules: Rules, scope: Scope, long = false): Case => {
  return { kind: "protocol", title, rules, scope, expected: "OK", long };
};

const mutation = (title: string, expected: Case["expected"], scope: Scope, change: Partial<Rules>): Case => {
  return { kind: "mutation", title, rules: { ...KERB, ...change }, scope, expected, long: false };
};

const weakening = (title: string, scope: Scope, change: Partial<Rules>, long = false): Case => {
  return { kind: "weakening", title, rules: { ...KERB, ...change }, scope, expected: "OK", long };
};

export const CASES: readonly Case[] = [
  // Where each shard makes one offer, both forms of the fence are the same machine.
  sound("2 rides in 2 shards, 1 driver, a fence per offer", OFFER_FENCE, twoShards, true),
  sound("2 rides in 2 shards, 1 driver", KERB, twoShards),
  sound("2 rides in 1 shard, 1 driver, 2 attempts", KERB, oneShard, true),
  sound("1 ride, 2 drivers, broadcast k=2, 2 attempts", KERB, broadcast),
  sound("1 ride, 1 driver, 2 attempts, redispatch, a fence per offer", OFFER_FENCE, redispatch),
  sound("1 ride, 1 driver, 2 attempts, redispatch", KERB, redispatch),
  sound("2 rides in 2 shards, 2 drivers", KERB, twoByTwo, true),
  sound("1 ride, 2 drivers, exchange, redispatch", KERB, exchangeOrGiveBack),
  sound("2 rides under way in 1 shard, 2 drivers, swap", KERB, swap),

  // The nine of the design.
  mutation("a lock on the ride only, none on the driver", "S2", twoShards, { driverLock: false }),
  mutation("the lock is released by its own timer", "S3", redispatch, { lockFreesItself: true }),
  mutation("the offer is pushed before reserve is acknowledged", "S3", redispatch, { offerAfterReserve: false }),
  mutation("a release matches by ride, not by offer", "S3", redispatch, { releaseMatches: "ride" }),
  mutation("an offer's row is forgotten while assigned", "S5", redispatch, { assignedOfferKept: false }),
  mutation("accept is not idempotent", "S5", redispatch, { repeatedAccept: "lost" }),
  mutation("no fence, and the lock never asks", "liveness", oneOffer, { fence: "none", lockAsks: false }),
  mutation("release is sent once, and the lock never asks", "liveness", oneOffer, {
    releaseRetried: false,
    lockAsks: false,
  }),
  mutation("the intent is not durable, and the lock never asks", "liveness", oneOffer, {
    intentDurable: false,
    lockAsks: false,
  }),
  // Five of our own, so that every rule has been seen broken.
  mutation("losers stay open, and accept does not look at the ride", "S1", broadcast, {
    losersDie: false,
    acceptChecksRide: false,
  }),
  mutation("a repeated accept is logged again", "S4", redispatch, { repeatedAccept: "won and logged again" }),
  mutation("a decline after the accept is answered LOST", "S5", redispatch, { lateDecline: "lost" }),
  mutation("a refusal leaves the fence down, and the lock never asks", "liveness", oneOffer, {
    refusalRaisesFence: false,
    lockAsks: false,
  }),
  mutation("the intent is not durable, and its number is given again", "S3", oneOffer, {
    intentDurable: false,
    numbersUsedOnce: false,
  }),
  // Three ways to exchange a driver wrongly.
  mutation("a driver on his way is let go when another is asked", "X2", exchange, { letsGo: "asked" }),
  mutation("a takeover leaves the replaced offer as it was", "S1", exchange, { takeoverEnds: false }),
  mutation("an arrival leaves the offer open, and the accept does not look", "X3", exchange, {
    arrivalCloses: false,
    takeoverChecksRide: false,
  }),
  // Ten ways to swap two drivers wrongly.
  mutation("a lock lets go when a swapped offer is released", "S3", swap, { lockTakesSuccessor: false }),
  mutation("a lock takes a successor that is over, and never asks", "liveness", swap, {
    successorFenced: false,
    lockAsks: false,
  }),
  mutation("a lock that asks about a swapped offer hears it is dead", "S3", swap, { swappedIsHeld: false }),
  mutation("a lock is told of a swap once, and never asks", "liveness", swap, { swapRetried: false, lockAsks: false }),
  mutation("a swap leaves the old offers as they were", "S1", swap, { swapEnds: false }),
  mutation("a swap does not see that a driver is at the pickup", "X3", swap, { swapChecksArrival: false }),
  mutation("a step said by the old offer counts for the new ride", "X9", swap, { stepsByOffer: false }),
  mutation("a ride is swapped twice", "X4", swapTwice, { swapOnce: false }),
  mutation("who was swapped is asked for another ride of his shard", "S3", swapOrGiveBack, { swappedCounts: false }),
  mutation("a swap while another is asked, and his accept does not look", "X4", swapOrExchange, {
    swapWaits: false,
    takeoverChecksRide: false,
  }),

  weakening("no fence, but the lock asks", redispatch, { fence: "none" }),
  weakening("the lock never asks, but fence and retried release", redispatch, { lockAsks: false }),
  weakening("the intent is not durable, but the lock asks", redispatch, { intentDurable: false }),
  weakening("release is sent once, but the lock asks", redispatch, { releaseRetried: false }),
  weakening("a refusal leaves the fence down, but the lock asks", redispatch, { refusalRaisesFence: false }),
  weakening("the fence is looked at before the holder", redispatch, { holderBeforeFence: false }),
  weakening("losers stay open, but accept looks at the ride", broadcast, { losersDie: false }, true),
  weakening("accept does not look at the ride, but losers die", broadcast, { acceptChecksRide: false }, true),
  weakening("an arrival leaves the offer open, but the accept looks", exchange, { arrivalCloses: false }, true),
  weakening("a takeover does not look, but an arrival closes", exchange, { takeoverChecksRide: false }, true),
  // A lock that asks heals whatever the fence lets through. Without it the fence must do all, with a third offer too.
  weakening("the lock never asks: 2 rides in 1 shard", oneShard, { lockAsks: false }),
  weakening("the lock never asks: 3 attempts, redispatch", threeAttempts, { lockAsks: false }, true),
  weakening("the lock never asks: 2 shards, 3 attempts, redispatch", threeInTwoShards, { lockAsks: false }, true),
  weakening("the lock never asks: exchange, 3 attempts", exchangeThree, { lockAsks: false }, true),
  weakening("a lock takes a successor that is over, but it asks", swap, { successorFenced: false }),
  weakening("a lock is told of a swap once, but it asks", swap, { swapRetried: false }),
  weakening("the lock never asks: swap, a ride of another shard", swapAtBorder, { lockAsks: false }),
  weakening("the lock never asks: swaps of two or three", swapOfThree, { lockAsks: false }),
  weakening("the lock never asks: swap, from the first offers on", { ...swap, underWay: 0 }, { lockAsks: false }, true),
  weakening("the lock never asks: swap, exchange, 3 drivers", swapOrExchange, { lockAsks: false }, true),
  weakening("the lock never asks: swap, redispatch", swapOrGiveBack, { lockAsks: false }, true),
  weakening(
    "the lock never asks, a swap while another is asked",
    swapOrExchange,
    { lockAsks: false, swapWaits: false },
    true,
  ),
];

export function exploreCase({ kind, rules, scope }: Case): Exploration {
  const harm = rules.driverLock ? SAFETY : SAFETY_WITHOUT_LOCKS;
  const invariants = kind === "mutation" ? harm : SAFETY_AND_LEMMA;
  return explore(rules, scope, scope.exchange || scope.swap ? [...invariants, ...OF_EXCHANGES] : invariants);
}

/** The rule that was found broken, or OK. */
export function verdictOf({ finding }: Exploration): string {
  return finding === null ? "OK" : finding.rule;
}
