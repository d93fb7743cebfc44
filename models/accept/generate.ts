/**
 * Labelled offers from the simulator. Rides are offered in waves by a policy that explores and writes down how likely
 * each offer was; only offers that were made get a label, and those overtaken by another driver's accept or by the
 * rider's cancel get none: they are unknown, not declined.
 */

import { acceptChance, answerOffer, createRiderPatience, type OfferView } from "../../sim/behaviour.ts";
import { createRandom, type Random } from "../../sim/random.ts";
import { type EpochMs, HOUR_MS, localHour, SECOND_MS } from "../../src/domain/time.ts";
import { nextStats } from "../../src/matching/driver-lock.ts";
import { FEATURE_COUNT, featureMatrix, type RankingContext } from "../../src/ranking/feature-view.ts";
import { bearingDegrees, haversineMeters } from "../../src/spatial/distance.ts";
import { advance, type City, createFleet, type FleetDriver, observe, placeIn } from "./fleet.ts";

/** `null`: overtaken, nobody will ever know. */
export type OfferLabel = 1 | 0 | null;

export interface LoggedOffer {
  /** Row of the decision's matrix. */
  readonly row: number;
  /** Chance that the policy made this offer, given those it had already made in the wave. */
  readonly propensity: number;
  readonly label: OfferLabel;
}

/** One wave of one ride. */
export interface Decision {
  readonly requestId: number;
  readonly at: EpochMs;
  readonly count: number;
  readonly rows: Float32Array;
  readonly offers: readonly LoggedOffer[];
  /** Each candidate's true chance to accept. Only evaluation reads it, as the oracle; training never does. */
  readonly chances: Float64Array;
  readonly pickupSeconds: Float64Array;
}

/** Speeds and tariffs near those the markets of this product start with. */
const CITIES: readonly City[] = [
  city("dense", 40.75, -73.98, 2_500, 130, 110, 3.4, -240, 255, 0.28, 700),
  city("wide", 37.77, -122.42, 5_000, 110, 80, 4.76, -420, 220, 0.23, 650),
  city("sparse", 51.51, -0.12, 8_000, 80, 60, 6.5, 0, 250, 0.2, 600),
];

function city(
  name: string,
  lat: number,
  lng: number,
  radiusMeters: number,
  drivers: number,
  requestsPerHour: number,
  citySpeedMetersPerSecond: number,
  utcOffsetMinutes: number,
  baseCents: number,
  centsPerMeter: number,
  minimumCents: number,
): City {
  return {
    name,
    center: { lat, lng },
    radiusMeters,
    drivers,
    requestsPerHour,
    citySpeedMetersPerSecond,
    utcOffsetMinutes,
    baseCents,
    centsPerMeter,
    minimumCents,
  };
}

const OFFER_TTL_MS = 15 * SECOND_MS;
/** Monday 2026-06-01T00:00Z. */
const STARTS_AT: EpochMs = 1_780_272_000_000;
const WAVES = 4;
const WAVE_SIZES = [1, 1, 3] as const;
const CANDIDATES = { least: 5, most: 24 } as const;
/** The exploring policy: softmax over pickup time, and this share of offers at random. */
const EXPLORE = { share: 0.2, temperatureSeconds: 90 } as const;
/** Demand by local hour, relative to the mean; evenings are busy, nights are not. */
const HOURLY_DEMAND = [
  0.7, 0.5, 0.35, 0.3, 0.35, 0.5, 0.8, 1.2, 1.4, 1.1, 0.9, 0.9, 1, 1, 1, 1.1, 1.3, 1.5, 1.6, 1.5, 1.3, 1.2, 1.1, 0.9,
];

/** All decisions of `hours` hours in every city, ordered by time. The same seed gives the same decisions. */
export function generateDecisions(seed: number, hours: number): Decision[] {
  const random = createRandom(seed);
  const decisions = CITIES.flatMap((city, index) => {
    const decided = decisionsIn(city, hours, random.fork(city.name));
    return decided.map((decision) => ({ ...decision, requestId: decision.requestId * CITIES.length + index }));
  });
  return decisions.sort((a, b) => a.at - b.at || a.requestId - b.requestId);
}

function decisionsIn(city: City, hours: number, random: Random): Decision[] {
  const fleet = createFleet(city, STARTS_AT, random.fork("fleet"));
  const decisions: Decision[] = [];
  let now = STARTS_AT;
  for (let requestId = 0; ; requestId++) {
    const demand = HOURLY_DEMAND[Math.floor(localHour(now, city.utcOffsetMinutes))]!;
    now += Math.ceil((random.exponential(1 / (city.requestsPerHour * demand)) || 0) * HOUR_MS);
    if (now >= STARTS_AT + hours * HOUR_MS) return decisions;
    decisions.push(...dispatchRide(city, fleet, requestId, now, random));
  }
}

/** Offers one ride until somebody takes it, the rider gives up, or the waves end. */
function dispatchRide(
  city: City,
  fleet: readonly FleetDriver[],
  requestId: number,
  requestedAt: EpochMs,
  random: Random,
): Decision[] {
  const pickup = placeIn(city, random);
  const dropoff = placeIn(city, random);
  const tripMeters = haversineMeters(pickup, dropoff);
  const surge = Math.exp(random.normal() * 0.12);
  const fareCents = Math.round(Math.max(city.minimumCents, city.baseCents + city.centsPerMeter * tripMeters) * surge);
  const cancelsAt = requestedAt + createRiderPatience(random).matchMs;
  const asked = new Set<FleetDriver>();
  const decisions: Decision[] = [];
  let now = requestedAt + 20;
  for (let wave = 1; wave <= WAVES && now < cancelsAt; wave++) {
    const context: RankingContext = {
      pickup,
      dropoff,
      tripMeters,
      fareCents,
      requestedAt,
      now,
      utcOffsetMinutes: city.utcOffsetMinutes,
      wave,
      citySpeedMetersPerSecond: city.citySpeedMetersPerSecond,
    };
    const choices = nearestFree(city, fleet, asked, context, random);
    if (choices.length < CANDIDATES.least) break;
    const outcome = runWave(choices, context, cancelsAt - now, random);
    decisions.push({ requestId, at: now, ...outcome.logged });
    for (const choice of outcome.offered) asked.add(choice.driver);
    now += outcome.lastedMs;
    if (outcome.winner !== null) {
      take(outcome.winner.driver, city, context, now);
      break;
    }
  }
  return decisions;
}

/** A driver who may be offered the ride, as the shard sees him and as he sees it. */
interface Choice {
  readonly driver: FleetDriver;
  readonly candidate: ReturnType<typeof observe>;
  readonly view: OfferView;
}

function nearestFree(
  city: City,
  fleet: readonly FleetDriver[],
  asked: ReadonlySet<FleetDriver>,
  context: RankingContext,
  random: Random,
): Choice[] {
  const free = fleet.filter((driver) => driver.freeAt <= context.now && !asked.has(driver));
  for (const driver of free) advance(driver, city, context.now, random);
  const near = free
    .map((driver) => ({ driver, meters: haversineMeters(driver.position, context.pickup) }))
    .sort((a, b) => a.meters - b.meters)
    .slice(0, CANDIDATES.least + random.int(CANDIDATES.most - CANDIDATES.least + 1));
  return near.map(({ driver, meters }) => {
    const candidate = observe(driver, city, context.pickup, context.now, random);
    return { driver, candidate, view: viewOf(driver, candidate.pickupMeters, meters, context) };
  });
}

/** The card shows what dispatch computed; the way, the driver judges from where he really is. */
function viewOf(driver: FleetDriver, pickupMeters: number, meters: number, context: RankingContext): OfferView {
  const off = Math.abs(bearingDegrees(driver.position, context.pickup) - driver.heading);
  return {
    pickupMeters,
    pickupSeconds: meters / context.citySpeedMetersPerSecond,
    tripMeters: context.tripMeters,
    fareCents: context.fareCents,
    headingOffDegrees: driver.speed > 0 ? Math.min(off, 360 - off) : null,
    idleSeconds: (context.now - driver.freeAt) / SECOND_MS,
    hourLocal: localHour(context.now, context.utcOffsetMinutes),
    ttlMs: OFFER_TTL_MS,
  };
}

interface WaveOutcome {
  readonly logged: Omit<Decision, "requestId" | "at">;
  readonly offered: readonly Choice[];
  readonly winner: Choice | null;
  readonly lastedMs: number;
}

function runWave(
  choices: readonly Choice[],
  context: RankingContext,
  cancelAfterMs: number,
  random: Random,
): WaveOutcome {
  const drawn = drawOffers(choices, random.pick(WAVE_SIZES), random);
  const answers = drawn.map(({ row, propensity }) => {
    const choice = choices[row]!;
    const reply = answerOffer(choice.driver.temper, choice.view, random);
    const late = reply.answer === "ignore" || reply.afterMs > OFFER_TTL_MS;
    return {
      row,
      propensity,
      choice,
      accepts: !late && reply.answer === "accept",
      knownMs: late ? OFFER_TTL_MS : reply.afterMs,
    };
  });
  const accepts = answers.filter((a) => a.accepts && a.knownMs < cancelAfterMs).sort((a, b) => a.knownMs - b.knownMs);
  const winner = accepts[0] ?? null;
  const closesMs = winner?.knownMs ?? cancelAfterMs;
  const offers = answers.map((a): LoggedOffer => {
    const known = a === winner || a.knownMs < closesMs;
    if (known) a.choice.driver.stats = nextStats(a.choice.driver.stats, a === winner ? "accepted" : "declined");
    return { row: a.row, propensity: a.propensity, label: known ? (a === winner ? 1 : 0) : null };
  });
  const candidates = choices.map((choice) => choice.candidate);
  return {
    logged: {
      count: choices.length,
      rows: featureMatrix(candidates, context),
      offers,
      chances: Float64Array.from(choices, ({ driver, view }) => acceptChance(driver.temper, view)),
      pickupSeconds: Float64Array.from(candidates, (c) => c.pickupSeconds),
    },
    offered: answers.map((a) => a.choice),
    winner: winner?.choice ?? null,
    lastedMs: Math.min(closesMs, Math.max(...answers.map((a) => a.knownMs))) + 50,
  };
}

/** Draws without replacement; each draw is written down with its probability at that moment. */
function drawOffers(choices: readonly Choice[], wanted: number, random: Random): { row: number; propensity: number }[] {
  const rows = choices.map((_, row) => row);
  const drawn: { row: number; propensity: number }[] = [];
  while (drawn.length < wanted && rows.length > 0) {
    const weights = rows.map((row) => Math.exp(-choices[row]!.view.pickupSeconds / EXPLORE.temperatureSeconds));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const shares = weights.map((w) => (1 - EXPLORE.share) * (w / total) + EXPLORE.share / rows.length);
    let at = 0;
    for (let left = random.next() - shares[0]!; left >= 0 && at < rows.length - 1; left -= shares[at]!) at++;
    drawn.push({ row: rows[at]!, propensity: shares[at]! });
    rows.splice(at, 1);
  }
  return drawn;
}

function take(driver: FleetDriver, city: City, context: RankingContext, now: EpochMs): void {
  const meters = haversineMeters(driver.position, context.pickup) + context.tripMeters;
  driver.position = context.dropoff;
  driver.freeAt = now + Math.round((meters / city.citySpeedMetersPerSecond + 90) * SECOND_MS);
  driver.movedAt = driver.freeAt;
  driver.legUntil = driver.freeAt;
}

/** The labelled offers of some decisions as one matrix, in order. */
export interface LabelledRows {
  readonly rows: Float32Array;
  readonly labels: Uint8Array;
  /** Of each row, its request: rows of one request are not independent. */
  readonly requestIds: Int32Array;
}

export function labelledRows(decisions: readonly Decision[]): LabelledRows {
  const known = decisions.flatMap((decision) =>
    decision.offers.filter((offer) => offer.label !== null).map((offer) => ({ decision, offer })),
  );
  const rows = new Float32Array(known.length * FEATURE_COUNT);
  known.forEach(({ decision, offer }, at) => {
    rows.set(decision.rows.subarray(offer.row * FEATURE_COUNT, (offer.row + 1) * FEATURE_COUNT), at * FEATURE_COUNT);
  });
  return {
    rows,
    labels: Uint8Array.from(known, ({ offer }) => offer.label ?? 0),
    requestIds: Int32Array.from(known, ({ decision }) => decision.requestId),
  };
}
