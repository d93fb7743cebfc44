import { assert } from "../domain/assert.ts";
import { LEAST_LEAD_MS } from "../domain/ride.ts";
import { HOUR_MS, MINUTE_MS, SECOND_MS } from "../domain/time.ts";

/**
 * Every bound of the core, what happens at it, and how the bounds relate. A market's own numbers are in its
 * configuration (`Market`); what no market may change is here.
 */
export const LIMITS = {
  /** A driver is a candidate only this long after his last fix; then he is a ghost until he sends another. */
  fixTtlMs: 30 * SECOND_MS,
  /** Fixes less accurate than this are counted and dropped. */
  accuracyMeters: 200,
  /** A fix older than this on arrival is dropped. */
  fixAgeMs: 60 * SECOND_MS,
  /** A jump of more than `jumpMeters` at more than the market's top speed is held until it is confirmed. */
  jumpMeters: 300,
  /** Consistent fixes in a row that make a held place believable. */
  confirmingFixes: 3,
  /** This many held jumps within `suspectWindowMs` take the driver out of dispatch until the window has passed. */
  heldJumps: 3,
  suspectWindowMs: 10 * MINUTE_MS,

  /** Candidates fetched for one search; the ranker sees at most this many. */
  candidatesPerSearch: 24,
  /** Offers one ride may cause; after that it waits for those it has, then for its deadline. */
  offersPerRide: 60,
  /** Drivers named in a decision among those who were not ranked; more are only counted. */
  leftOutPerDecision: 48,
  /** Open rides in one shard; one more request is refused with `overloaded`. */
  openRides: 2_000,
  /** How far ahead a ride may be scheduled: at least, and at most. */
  scheduledLeastMs: LEAST_LEAD_MS,
  scheduledMostMs: 7 * 24 * HOUR_MS,
  /** The search for its driver begins so long before the pickup, at least and at most. */
  leadLeastMs: LEAST_LEAD_MS,
  leadMostMs: 20 * MINUTE_MS,
  /** Scheduled rides in one shard, besides the open ones; one more is refused with `overloaded`. */
  scheduledRides: 2_000,
  /** Of one rider in one shard. */
  scheduledRidesPerRider: 5,
  /** Rides one rider may ask for within `rideRateMs` in one shard, cancelled ones too; the next waits. */
  rideRate: 5,
  rideRateMs: MINUTE_MS,
  /** Quotes one rider may ask for within `quoteRateMs` of one shard. */
  quoteRate: 30,
  quoteRateMs: MINUTE_MS,
  /** Sockets in one shard; one more driver is sent away to come back later. */
  sessions: 5_000,
  /** How often a driver may give one ride back before it ends unserved. */
  redispatches: 3,

  /** An assigned driver who has not arrived by then loses the ride, however well he moves (L1). */
  pickupMs: 90 * MINUTE_MS,

  /** An offer whose reservation is not settled by then is dead and its lock is released. */
  intentMs: 5 * SECOND_MS,
  /** Neighbours that have not answered by then are left out of this search. */
  searchAnswerMs: 500,
  rankAnswerMs: 500,
  /** First retry of a release that was not acknowledged; doubles up to the maximum, for ever. */
  releaseRetryMs: SECOND_MS,
  releaseRetryMaximumMs: MINUTE_MS,
  /** A driver who left in the middle of an offer has this long to come back before the offer dies. */
  returnMs: 8 * SECOND_MS,
  /** A shard that only holds the socket forgets a silent offer this long after its time to live. */
  heldGraceMs: 10 * SECOND_MS,
  /** Cadence at which a socket's shard reports an engaged driver's position to the ride's shard. */
  trackEveryMs: 4 * SECOND_MS,
  /** Sweep for silent sockets; one is closed after `silenceMs` without a frame. */
  sweepEveryMs: 15 * SECOND_MS,
  silenceMs: 60 * SECOND_MS,
  /** A driver is told this long before his session ends, which it does with his token. */
  sessionNoticeMs: MINUTE_MS,
  /** How far beyond its cell's border an idle driver is before he is asked to move to the next shard. */
  rehomeMeters: 150,
  rehomeEveryMs: 15 * SECOND_MS,
  /**
   * Re-planning of drivers on their way: how often a ride may see its driver exchanged and a driver lose a ride before
   * his next trip; whoever is nearer than `nearlyThereSeconds` is left alone; `exchangeSeconds` is what an exchange costs
   * beside the way: one reads a card and answers, the other has driven for nothing and turns round.
   */
  exchangesPerRide: 1,
  exchangesPerDriver: 1,
  nearlyThereSeconds: 30,
  exchangeSeconds: 30,
  /** Drivers whom one ride may ask for it. */
  exchangeOffersPerRide: 3,
  /** Rides whose drivers may swap, looked at together: the newest; each with as many drivers as one search ranks. */
  swapRides: 64,
  /**
   * A ride is held back for a driver about to end his trip only where he is expected at the pickup so much sooner than
   * whoever is free: riders take their time to get out, he may say no when he is asked, and neither is in the estimate.
   */
  forwardGainSeconds: 60,
  /** And it goes on without him when his trip takes so much longer than expected. */
  forwardLateSeconds: 20,
  /** Beyond its zone's edge a driver is still in a queue; from there on, and without a position, his place is kept so long. */
  queueMarginMeters: 150,
  queueAwayMs: 2 * MINUTE_MS,
  /** Drivers whose place in a queue has moved hear of it together, this long after the first change. */
  queueTellMs: 5 * SECOND_MS,
  /** The longest that a new ride is kept to be solved together with others, where drivers are few. */
  windowSeconds: 5,
  /** Where drivers came free, and where rides were asked for, is remembered this long, for so many of each. */
  recentMs: 15 * MINUTE_MS,
  recentRoom: 512,
  /**
   * Pairs of a driver and a place where a ride was asked for that one window weighs, one to two milliseconds. From 1,024 free
   * drivers on the newest places only, over the time in which rides were asked for there: a city so busy has enough of
   * them.
   */
  worthPairs: 524_288,
  /**
   * Hints look so far ahead; who is within reach of a cell covers its riders from where he is. A cell is named to nobody
   * where fewer riders than `hintRiders` have asked. The cells that are looked at, and the hints of one sweep.
   */
  hintHorizonSeconds: 900,
  hintReachSeconds: 300,
  hintRiders: 3,
  hintCells: 64,
  hintsAtOnce: 64,
  /** Steps of the exact search for one window; what is left then is solved by exchanges of two. */
  batchSteps: 2_000_000,
  /** Settled rides, their offers, decisions, events and replies stay in the shard's storage this long. */
  retentionMs: 24 * HOUR_MS,
} as const;

assert(LIMITS.leadLeastMs <= LIMITS.scheduledLeastMs, "the search for a ride that was just scheduled is not overdue");
assert(LIMITS.leadMostMs < LIMITS.pickupMs, "who accepts as soon as he may be asked has time until after the pickup");
assert(LIMITS.exchangesPerDriver <= 1, "who has swapped does not swap again: word of the second might come first");
assert(LIMITS.fixTtlMs < LIMITS.silenceMs, "a socket outlives its index entry, so its driver can be told why");
assert(LIMITS.searchAnswerMs + LIMITS.rankAnswerMs < LIMITS.intentMs, "a search ends before an offer could time out");
assert(2 * LIMITS.sweepEveryMs < LIMITS.sessionNoticeMs, "a driver who has missed one sweep still hears of his end");
assert(LIMITS.returnMs < LIMITS.fixTtlMs, "a driver who comes back in time is still where he was");
assert(LIMITS.trackEveryMs * 3 < LIMITS.fixTtlMs, "a tracked car is not called stale between two reports");
