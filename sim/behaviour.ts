/**
 * How simulated people decide: the documented truth behind every accept, decline, silence and cancellation of the city
 * and of the training data. Only the simulator may read it; dispatch sees what it would see of real people, which is
 * fixes and answers. The shape follows what drivers say they weigh (way to the pickup, pay for all the driving, having
 * to turn round, how long they have waited); the numbers are chosen, not fitted to any company's data.
 */
import type { Random } from "./random.ts";

/** One driver's lasting character, invisible to dispatch. */
export interface DriverTemper {
  /** Added reluctance in log-odds; a strict driver's accept rate shows it after some tens of offers. */
  readonly strictness: number;
  /** Perceived pickup seconds beyond which he rarely goes. */
  readonly reachSeconds: number;
  /** Share of offers he does not notice. */
  readonly inattention: number;
  /** Median time from offer to answer. */
  readonly reactionMs: number;
}

/** What a driver knows when the card appears: the card, and his own situation. */
export interface OfferView {
  readonly pickupMeters: number;
  /** Straight-line seconds to the pickup at the city's speed. */
  readonly pickupSeconds: number;
  readonly tripMeters: number;
  readonly fareCents: number;
  /** Angle between where he drives and where the pickup is; null when he stands. */
  readonly headingOffDegrees: number | null;
  readonly idleSeconds: number;
  /** Local hour, [0, 24). */
  readonly hourLocal: number;
  readonly ttlMs: number;
}

/** An answer after `ttlMs` comes too late; the driver sends it all the same, as people do. */
export type OfferAnswer =
  | { readonly answer: "accept" | "decline"; readonly afterMs: number }
  | { readonly answer: "ignore" };

export interface RiderPatience {
  /** He cancels when no driver is found by then, counted from the request, or the time that he scheduled it for. */
  readonly matchMs: number;
  /** He cancels when the driver has not arrived by then, counted from the assignment, or from that time. */
  readonly pickupMs: number;
}

export const BEHAVIOUR = {
  /** Log-odds of accepting an ordinary offer: no way, reference pay, just become free, midday. */
  willingness: 1.9,
  strictnessDeviation: 1.2,
  /** Every minute of way costs this much, beyond the reach much more. */
  perMinute: 0.28,
  beyondReachPerMinute: 0.9,
  reachSeconds: 420,
  reachSigma: 0.35,
  /** Turning round completely feels like this much more way, in evening traffic like twice as much. */
  turnSeconds: 150,
  eveningTurnFactor: 2,
  /** A driver who has waited long takes more and goes farther; 63 % of it after `idleScaleSeconds`. */
  idleGain: 1.1,
  idleReachGain: 0.8,
  idleScaleSeconds: 900,
  /** Pay per metre driven, the way to the pickup included; each factor e moves the log-odds by `payGain`. */
  referenceCentsPerMeter: 0.26,
  payGain: 1.6,
  /** More unpaid than paid driving is an insult. */
  unpaidShare: 0.45,
  unpaidCost: 1,
  /** Small fares are not worth stopping for. */
  smallFareCents: 900,
  smallFareCost: 0.7,
  /** Evening traffic makes drivers choosy; before dawn long trips end far from home. */
  eveningHours: [16.5, 19.5],
  eveningCost: 0.5,
  dawnHours: [3, 6],
  dawnLongTripMeters: 8_000,
  dawnLongTripCost: 0.9,

  inattentionMean: 0.04,
  /** Of the cards a driver does not want, those he lets expire instead of declining. */
  silentShare: 0.55,
  reactionMs: 3_500,
  reactionSigma: 0.45,
  reactionDeviation: 0.25,

  riderMatchMs: 150_000,
  riderMatchSigma: 0.6,
  riderPickupMs: 900_000,
  riderPickupSigma: 0.4,
  /** Per assigned ride. */
  driverCancelShare: 0.012,
  riderNoShowShare: 0.01,

  /** Riders who know so long before when they will want to go, and schedule a ride where they may; else they ask then. */
  planningShare: 0.15,
  planningMs: 45 * 60_000,

  /** From the driver's arrival until the rider sits in the car. */
  boardingMeanMs: 45_000,
  /** A driver without a ride stands this long before he looks for work elsewhere. */
  parkedMeanMs: 120_000,
  /** Who likes to wait at airports and stations gives up after this long without a ride, and looks for work elsewhere. */
  zonePatienceMeanMs: 3_600_000,
  /** Of the hints he is given, those he follows: he goes there, and stands there for as long as the hint holds. */
  hintFollowedShare: 0.6,
  /** He works this long, ends the ride that he has, and rests at home. */
  shiftMeanMs: 7 * 3_600_000,
  restMeanMs: 3_600_000,
} as const;

export function createDriverTemper(random: Random): DriverTemper {
  const b = BEHAVIOUR;
  return {
    strictness: random.normal() * b.strictnessDeviation,
    reachSeconds: b.reachSeconds * Math.exp(random.normal() * b.reachSigma),
    inattention: Math.min(0.5, random.exponential(b.inattentionMean)),
    reactionMs: b.reactionMs * Math.exp(random.normal() * b.reactionDeviation),
  };
}

/** Log-odds that he wants this ride, once he has noticed the card. */
function desire(temper: DriverTemper, view: OfferView): number {
  const b = BEHAVIOUR;
  const evening = between(view.hourLocal, b.eveningHours);
  const turn = view.headingOffDegrees === null ? 0 : (1 - Math.cos((view.headingOffDegrees * Math.PI) / 180)) / 2;
  const waySeconds = view.pickupSeconds + turn * b.turnSeconds * (evening ? b.eveningTurnFactor : 1);
  const rested = 1 - Math.exp(-view.idleSeconds / b.idleScaleSeconds);
  const beyondSeconds = Math.max(0, waySeconds - temper.reachSeconds * (1 + b.idleReachGain * rested));
  const drivenMeters = Math.max(1, view.pickupMeters + view.tripMeters);
  const centsPerMeter = view.fareCents / drivenMeters;
  let logOdds = b.willingness - temper.strictness;
  logOdds -= (b.perMinute * waySeconds + b.beyondReachPerMinute * beyondSeconds) / 60;
  logOdds += b.idleGain * rested;
  logOdds += b.payGain * Math.log(Math.max(0.01, centsPerMeter) / b.referenceCentsPerMeter);
  if (view.pickupMeters / drivenMeters > b.unpaidShare) logOdds -= b.unpaidCost;
  if (view.fareCents < b.smallFareCents) logOdds -= b.smallFareCost;
  if (evening) logOdds -= b.eveningCost;
  if (between(view.hourLocal, b.dawnHours) && view.tripMeters > b.dawnLongTripMeters) logOdds -= b.dawnLongTripCost;
  return logOdds;
}

function between(hour: number, [from, to]: readonly [number, number]): boolean {
  return hour >= from && hour < to;
}

/** The probability, to about 1e-4, that `answerOffer` accepts within the offer's time to live. */
export function acceptChance(temper: DriverTemper, view: OfferView): number {
  const inTime = normalCdf(Math.log(view.ttlMs / temper.reactionMs) / BEHAVIOUR.reactionSigma);
  return ((1 - temper.inattention) * inTime) / (1 + Math.exp(-desire(temper, view)));
}

/** Draws one answer, always with the same number of draws: one change of mind must not shift all that follows. */
export function answerOffer(temper: DriverTemper, view: OfferView, random: Random): OfferAnswer {
  const notice = random.next();
  const mind = random.next();
  const silence = random.next();
  const afterMs = Math.round(temper.reactionMs * Math.exp(random.normal() * BEHAVIOUR.reactionSigma));
  if (notice < temper.inattention) return { answer: "ignore" };
  const willing = mind < 1 / (1 + Math.exp(-desire(temper, view)));
  if (willing) return { answer: "accept", afterMs };
  return silence < BEHAVIOUR.silentShare ? { answer: "ignore" } : { answer: "decline", afterMs };
}

export function createRiderPatience(random: Random): RiderPatience {
  const b = BEHAVIOUR;
  return {
    matchMs: Math.round(b.riderMatchMs * Math.exp(random.normal() * b.riderMatchSigma)),
    pickupMs: Math.round(b.riderPickupMs * Math.exp(random.normal() * b.riderPickupSigma)),
  };
}

/** Drawn once per assignment: whether he gives the ride back on the way, and at which share of the way. */
export function driverCancel(
  random: Random,
  share: number = BEHAVIOUR.driverCancelShare,
): { readonly atShareOfWay: number } | null {
  const chance = random.next();
  const atShareOfWay = random.next();
  return chance < share ? { atShareOfWay } : null;
}

/** Drawn once per rider, from a stream of its own: whether he knows before when he will want to go. */
export function plansAhead(random: Random): boolean {
  return random.next() < BEHAVIOUR.planningShare;
}

/** Drawn once per arrival: the rider never comes to the car. */
export function riderNoShow(random: Random): boolean {
  return random.next() < BEHAVIOUR.riderNoShowShare;
}

/** Abramowitz and Stegun 7.1.26 for the error function; absolute error below 1e-7. */
function normalCdf(z: number): number {
  const x = Math.abs(z) / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * x);
  const tail = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  const below = (tail * Math.exp(-x * x)) / 2;
  return z < 0 ? below : 1 - below;
}
