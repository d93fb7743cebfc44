/** What a ride would be like, for a rider who has not asked for one. Promises nothing but the fare. */
import type { Candidate } from "../domain/driver.ts";
import type { Quote } from "../domain/quote.ts";
import { haversineMeters, metersToCellEdge } from "../spatial/distance.ts";
import type { CommandOf, NearbyQuery, QuoteDraft } from "./commands.ts";
import { fewerUnderLoad, takesNewRides } from "./overload.ts";
import type { Turn } from "./shard-state.ts";
import { fareCents, nextSurge, surgeOf } from "./tariff.ts";

/** Enough to know whether somebody comes; the whole supply is nobody's business. */
const DRIVERS_COUNTED = 8;
/** Finer, and a few quotes from different corners would tell where a driver is. */
const BLUR_SECONDS = 30;

/** What this shard knows of it, and whom to ask about drivers beyond its border. */
export function draftQuote(turn: Turn, { riderId, request }: CommandOf<"quote.asked">): void {
  const { shard, now } = turn;
  const { cell, market } = shard.setting;
  if (!takesNewRides(shard.overload)) {
    turn.answer({ type: "refused", reason: "overloaded" });
    return;
  }
  const refusal = shard.quoteRate.refusalOf(riderId, now);
  if (refusal !== null) {
    turn.answer(refusal);
    return;
  }
  const query: NearbyQuery = {
    pickup: request.pickup,
    request,
    radiusMeters: market.dispatch.maximumRadiusMeters,
    limit: fewerUnderLoad(shard.overload, DRIVERS_COUNTED),
    exclude: [],
  };
  const found = shard.supply.candidatesNear(query, shard.setting, shard.travelTimes, now);
  const reachMeters = found.length < query.limit ? query.radiusMeters : found.at(-1)!.pickupMeters;
  const beyond = reachMeters > metersToCellEdge(request.pickup, cell) ? query : null;
  const tripMeters = haversineMeters(request.pickup, request.dropoff);
  const tripSeconds = shard.travelTimes.seconds({ from: request.pickup, to: request.dropoff, at: now }, tripMeters);
  const surge = surgeNow(turn);
  const fare = { fareCents: fareCents(market, tripMeters, surge), currency: market.tariff.currency, surge };
  turn.answer({ type: "quote", draft: { tripMeters, tripSeconds, ...fare, limit: query.limit, found, beyond } });
}

/** The draft with the drivers whom other shards have found; the same driver twice is one. */
export function finishQuote(draft: QuoteDraft, strangers: readonly Candidate[]): Quote {
  const { tripMeters, tripSeconds, fareCents, currency, surge, limit, found } = draft;
  const all = new Map([...strangers, ...found].map((candidate) => [candidate.driverId, candidate]));
  const nearest = [...all.values()].sort((a, b) => a.pickupMeters - b.pickupMeters).slice(0, limit);
  const quickest = Math.min(...nearest.map(({ pickupSeconds }) => pickupSeconds));
  return {
    tripMeters: Math.round(tripMeters),
    tripSeconds: Math.round(tripSeconds),
    fareCents,
    currency,
    surge,
    drivers: nearest.length,
    pickupSeconds: nearest.length === 0 ? null : Math.ceil(quickest / BLUR_SECONDS) * BLUR_SECONDS,
  };
}

/** The shard's surge, after a look at who waits and who is free. */
export function surgeNow({ shard, now }: Turn): number {
  const { tariff } = shard.setting.market;
  const seen = { waiting: shard.pursuits.size, free: shard.supply.indexed };
  shard.surge = nextSurge(shard.surge, seen, tariff.surgeMaximum, now);
  return surgeOf(shard.surge);
}
