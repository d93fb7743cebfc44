/** A ride's decisions for a reader: what was decided (its record) beside what came of it (its offers), codes beside words. */
import type { DeadReason, Offer } from "../domain/ride.ts";
import type { Decision, LeftOutReason, RankedDriver } from "../matching/decision.ts";
import type { Hold, HoldEnd } from "../matching/forward.ts";
import { LIMITS } from "../matching/limits.ts";
import { SWAP } from "../matching/swap.ts";
import { FEATURE_COUNT, FEATURE_SET_HASH, FEATURES } from "../ranking/feature-view.ts";
import type { FallbackReason } from "../ranking/ranked.ts";
import type { RecalledRide } from "./ports.ts";

/** What became of a driver who was ranked. */
type Outcome =
  | "offered"
  /** Another ride of the shard had asked him before the ranking was there. */
  | "taken"
  /** Next in line, and his turn has not come. */
  | "reserve"
  /** The ride had caused all the offers that one ride may. */
  | "spent";

const NOT_ASKED: Readonly<Record<Exclude<Outcome, "offered">, string>> = {
  taken: "not asked: another ride of this shard was asking him when the ranking came",
  reserve: "in reserve: his turn did not come, because those before him were enough or a newer search took over",
  spent: `in reserve: his turn did not come, because the ride has caused all of its ${LIMITS.offersPerRide} offers`,
};

const REFUSED: Readonly<Record<DeadReason, string>> = {
  busy: "his lock held him for another offer or ride",
  offline: "he had no socket",
  stale: "his lock had heard of a later offer and refused this one",
  declined: "he declined",
  expired: "he let it pass",
  superseded: "another driver accepted first",
  cancelled: "the ride was called off or gave up before he answered",
  unreachable: "his socket was gone, or he had another ride",
  unanswered: "his lock did not answer in time",
};

const KEPT = "the driver on his way was there, or nearly, before he answered; or another accepted first";

const LEFT_OUT: Readonly<Record<LeftOutReason, string>> = {
  asked: "this ride was asking him already",
  busy: "another ride of this shard was asking him or had him",
  declined: "he had declined this ride",
  expired: "he had let an offer of this ride pass",
  gave_back: "the ride had left him before",
  beyond_limit: `${LIMITS.candidatesPerSearch} nearer drivers were considered`,
};

const WITHOUT_MODEL: Readonly<Record<FallbackReason, string>> = {
  loading: "no model was loaded yet",
  deadline: "the model was too slow",
  error: "the model failed",
  invalid: "the model's answer could not be used",
  off: "models are switched off",
  overload: "the shard was overloaded",
};

const HOLD_ENDED: Readonly<Record<HoldEnd, string>> = {
  came: "he became free",
  other: "another driver as near became free",
  late: "he did not become free in time",
};

/** Pure: the same rows are the same words. */
export function explainRide({ ride, offers }: RecalledRide, decisions: readonly Decision[]) {
  return {
    rideId: ride.id,
    state: ride.state,
    decisions: decisions.map((decision, at) => {
      const next = decisions[at + 1]?.offersBefore ?? offers.length;
      return explainDecision(decision, offers.slice(decision.offersBefore, next), offers.length);
    }),
  };
}

function explainDecision(decision: Decision, offers: readonly Offer[], offersOfRide: number) {
  const { rideId: _, offersBefore, features, ...shown } = decision;
  const isLast = offersBefore + offers.length === offersOfRide;
  const spent = isLast && offersOfRide >= LIMITS.offersPerRide;
  return {
    ...shown,
    instead: decision.instead ?? null,
    hold: explainHold(decision.hold ?? null),
    zone: decision.zone ?? null,
    why: headline(decision),
    candidates: decision.candidates.map((driver, rank) => {
      const offer = offers.find(({ driverId }) => driverId === driver.driverId) ?? null;
      const { driverId, score, pickupSeconds, fairnessSeconds, acceptProbability } = driver;
      const { lookAheadSeconds = 0, worthSeconds = 0 } = driver;
      return {
        rank,
        driverId,
        ...becameOf(driver, offer, spent, decision),
        weighed: weightsOf(fairnessSeconds, lookAheadSeconds, worthSeconds),
        costSeconds: score,
        pickupSeconds,
        refusalSeconds: score + fairnessSeconds - lookAheadSeconds - pickupSeconds,
        fairnessSeconds,
        lookAheadSeconds,
        worthSeconds,
        queuedSeconds: driver.queuedMs == null ? null : driver.queuedMs / 1_000,
        acceptProbability,
        features: featuresByName(decision, driver.row),
      };
    }),
    leftOut: decision.leftOut.map(({ driverId, reason }) => ({
      driverId,
      reason,
      why: `left out: ${LEFT_OUT[reason]}`,
    })),
  };
}

/** Why he costs what no way and no refusal does, in words. */
function weightsOf(fairnessSeconds: number, lookAheadSeconds: number, worthSeconds: number): string[] {
  const all = [fairnessSeconds, Math.abs(lookAheadSeconds), worthSeconds];
  const [fair, ahead, missed] = all.map((seconds) => `${Math.round(seconds)} s`);
  const place = "is expected of where he is than of where the others are";
  return [
    ...(fairnessSeconds > 0 ? [`${fair} taken off: he had waited long`] : []),
    ...(lookAheadSeconds > 0 ? [`${ahead} added: more ${place}`] : []),
    ...(lookAheadSeconds < 0 ? [`${ahead} taken off: less ${place}`] : []),
    ...(worthSeconds >= 0.5
      ? [`${missed} more in the plan: so much longer who asks next around him may wait without him`]
      : []),
  ];
}

function headline(decision: Decision): string {
  const { attempt, wave, instead, radiusMeters, zone, found, candidates, ranker, fallback, policy, waveSize } =
    decision;
  if (ranker === SWAP) return "drivers on their way swapped rides: all of them together are there sooner";
  const kind = instead ? `search ${wave} for somebody nearer than the driver on his way` : `search ${wave}`;
  if (zone) {
    const queue = `${kind} of attempt ${attempt} found ${found} in the queue of ${zone}`;
    return `${queue}; they are asked in the order in which they have waited; ${waveSize} asked at a time`;
  }
  const search = `${kind} of attempt ${attempt} found ${found} within ${radiusMeters} m`;
  const order = `${ranker} put ${candidates.length} in order of expected seconds`;
  const without = fallback === null ? "" : ` (${WITHOUT_MODEL[fallback]})`;
  const beside = policy === "batched" ? ", another beside whoever keeps silent" : "";
  return `${search}; ${order}${without}; ${waveSize} asked at a time${beside}`;
}

function explainHold(hold: Hold | null) {
  if (hold === null) return null;
  const { until: _, ...shown } = hold;
  const { driverId, tripSeconds, pickupSeconds, freeSeconds, since, ended } = hold;
  const [trip, pickup, free] = [tripSeconds, pickupSeconds, freeSeconds].map(Math.round);
  const wait = `held back for ${driverId}, expected to end his trip in ${trip} s and at the pickup in ${pickup} s`;
  const end = ended === null ? "he is waited for" : `after ${ended.at - since} ms ${HOLD_ENDED[ended.why]}`;
  return { ...shown, why: `${wait}, the best who was free in ${free} s; ${end}` };
}

function becameOf(driver: RankedDriver, offer: Offer | null, spent: boolean, { at }: Decision) {
  if (offer === null) {
    const outcome: Outcome = driver.taken ? "taken" : spent ? "spent" : "reserve";
    return { outcome, why: NOT_ASKED[outcome], offer: null };
  }
  const { id, state, ranker } = offer;
  const afterMs = offer.createdAt - at;
  const asked =
    ranker === SWAP ? "told at once" : afterMs === 0 ? "asked at once" : `asked from the reserve after ${afterMs} ms`;
  const outcome: Outcome = "offered";
  const reason = state === "dead" ? offer.reason : null;
  return { outcome, why: `${asked}: ${answerTo(offer)}`, offer: { id, state, reason, afterMs } };
}

function answerTo(offer: Offer): string {
  switch (offer.state) {
    case "intent":
      return "his lock has not answered yet";
    case "offered":
      return "he has not answered yet";
    case "won":
      return offer.ranker === SWAP ? "the ride is his, for the one that he had" : "he accepted, and the ride is his";
    case "ended":
      if (offer.next) return "he accepted; on the way he swapped it for another driver's ride";
      if (offer.exchanged) return "he accepted; a nearer driver took the ride over on the way";
      if (offer.ranker === SWAP) return "he got it for the one that he had; it has ended or left him since";
      return "he accepted; the ride has ended or left him since";
    case "dead":
      return offer.instead && offer.reason === "superseded" ? KEPT : REFUSED[offer.reason];
  }
}

/** By column number where the code that wrote them knew other features than this. */
function featuresByName({ featureSet, features, candidates }: Decision, row: number): Record<string, number | null> {
  const known = featureSet === FEATURE_SET_HASH;
  const columns = known ? FEATURE_COUNT : features.length / candidates.length;
  const values = Array.from(features.subarray(row * columns, (row + 1) * columns));
  return Object.fromEntries(
    values.map((value, column) => [
      known ? FEATURES[column]!.name : `column_${column}`,
      Number.isFinite(value) ? value : null,
    ]),
  );
}
