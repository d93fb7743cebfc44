/** Where a world lies and how its market dispatches: one, two or four cells meet in the middle of it. */
import { DISPATCH_KINDS, type Market } from "../../src/domain/market.ts";
import type { MarketSettings } from "../../src/domain/market-hours.ts";
import type { LatLng } from "../../src/domain/place.ts";
import { MINUTE_MS, SECOND_MS } from "../../src/domain/time.ts";
import { squareOf } from "../../src/matching/learned-means.ts";
import type { Learned } from "../../src/shard/ports.ts";
import { destinationPoint } from "../../src/spatial/distance.ts";
import { boundsOf, cellOf } from "../../src/spatial/geohash.ts";
import type { Random } from "../random.ts";

export const SHARD_BITS = 25;
/** Cells of 25 bits are about 4 km wide here: in the middle of one, nobody sees a border. */
const HOME: LatLng = { lat: 40.75, lng: -73.97 };
const SPREAD_METERS = 1_600;
const LEARNED_PLACES = 20;

/**
 * Draws the middle of the world, and a drawer of places around it. Where rides are exchanged it is more often the middle of
 * a cell: both drivers of a swap have their sockets in the ride's shard.
 */
export function drawPlaces(
  random: Random,
  exchanging: boolean,
): { readonly middle: LatLng; readonly place: (random: Random) => LatLng } {
  const { south, west, north, east } = boundsOf(cellOf(HOME.lat, HOME.lng, SHARD_BITS));
  const center = { lat: (south + north) / 2, lng: (west + east) / 2 };
  const alone = exchanging && random.fork("alone").next() < 0.7;
  const drawn = random.pick([center, { ...center, lng: east }, { lat: north, lng: east }, { lat: north, lng: east }]);
  const middle = alone ? center : drawn;
  const spreadMeters = SPREAD_METERS * (0.3 + 0.7 * random.next());
  const place = (draw: Random) => destinationPoint(middle, draw.next() * 360, spreadMeters * Math.sqrt(draw.next()));
  return { middle, place };
}

/** Of a market's draws, as `drawMarket` has it. */
export function drawReplanning(random: Random): boolean {
  return random.fork("replanning").next() < 0.25;
}

/** Short watches, so that a world of minutes sees every one of them run out. */
export function drawMarket(random: Random, middle: LatLng): Market {
  const between = (low: number, high: number) => Math.round(low + (high - low) * random.next());
  const kind = random.pick(DISPATCH_KINDS);
  const replanning = drawReplanning(random);
  const hints = random.fork("hints").next() < 0.25;
  const forward = random.fork("forward");
  const forwardSeconds = forward.next() < 0.4 ? 20 + forward.int(101) : 0;
  const queue = random.fork("queue");
  const queueZones = queue.next() < 0.4;
  return {
    name: "simulated",
    zones: [{ name: "middle", center: middle, radiusMeters: 200 + queue.int(1_000) }],
    utcOffsetMinutes: 0,
    // Where hints are given, places of so small a world must be far enough from each other to be worth one.
    citySpeedMetersPerSecond: hints ? 2 : 4,
    tariff: {
      currency: "EUR",
      baseCents: 250,
      perKilometerCents: 110,
      perMinuteCents: 30,
      minimumCents: 600,
      surgeMaximum: 1,
    },
    dispatch: {
      kind: replanning ? "batched" : kind,
      waveSize: 1 + random.int(3),
      batchWindowMs: between(0, 5) * SECOND_MS,
      replanning,
      scheduledRides: random.fork("scheduled").next() < 0.3,
      offerTtlMs: between(6, 15) * SECOND_MS,
      matchDeadlineMs: between(40, 120) * SECOND_MS,
      startRadiusMeters: between(500, 2_000),
      radiusStepMeters: between(200, 1_000),
      maximumRadiusMeters: 3_500,
      searchEveryMs: between(1, 5) * SECOND_MS,
      noShowMs: between(20, 90) * SECOND_MS,
      pickupWatchMs: between(20, 90) * SECOND_MS,
      tripWatchMs: between(1, 4) * MINUTE_MS,
      lookAheadSeconds: 60 * random.fork("look ahead").int(3),
      destinationShare: 0,
      hintEveryMs: hints ? 10 * SECOND_MS : 0,
      forwardSeconds,
      queueZones,
      fairnessSeconds: 30 * random.int(3),
      fairnessAfterMs: between(10, 60) * SECOND_MS,
    },
  };
}

/** Every driver is asked at once, for every ride; but where rides are exchanged, there it stays so. */
export function crowdedMarket(market: Market): Market {
  const { dispatch } = market;
  if (dispatch.replanning) return market;
  return { ...market, dispatch: { ...dispatch, kind: "broadcast", waveSize: 8, startRadiusMeters: 3_500 } };
}

/** What a shard may have learned before the world begins, which is too short to learn it: places worth more, and less. */
export function drawLearned(random: Random, place: (random: Random) => LatLng): Learned {
  const squares = new Set(Array.from({ length: LEARNED_PLACES }, () => squareOf(place(random))));
  const rows = Array.from(squares, (square) => [square, 200 * random.normal(), 20 + random.int(200)] as const);
  return {
    travelTimes: { lengths: [], hours: [], begins: [], ends: [] },
    lookAhead: { tookSeconds: 60_000, paidSeconds: 25_000, squares: rows, squareHours: [] },
  };
}

/** What an operator might make of it. */
export function drawChange(random: Random): MarketSettings {
  return { dispatch: { kind: random.pick(DISPATCH_KINDS), waveSize: 1 + random.int(4) } };
}
