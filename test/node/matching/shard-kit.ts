/**
 * Scenes for the core's tests: one shard, drivers and riders, and a clock that stands still until it is told to move.
 * The world outside (ranker, locks, neighbours) answers at once unless a test switches an answer off to give its own.
 */
import { expect } from "vitest";
import { type DriverId, type DriverProfile, type Fix, NEW_DRIVER_STATS } from "../../../src/domain/driver.ts";
import type { RideEvent } from "../../../src/domain/event.ts";
import type { Market } from "../../../src/domain/market.ts";
import type { ConfiguredMarket, MarketConfiguration } from "../../../src/domain/market-hours.ts";
import type { DriverNotice } from "../../../src/domain/notice.ts";
import type { LatLng } from "../../../src/domain/place.ts";
import type { Offer, OfferId, Ride, RideId, RiderId } from "../../../src/domain/ride.ts";
import type { EpochMs } from "../../../src/domain/time.ts";
import { apply } from "../../../src/matching/apply.ts";
import { checkState } from "../../../src/matching/check-state.ts";
import type { Answer, Command, CommandOf, Effect, StoredReply } from "../../../src/matching/commands.ts";
import type { Decision } from "../../../src/matching/decision.ts";
import { LIMITS } from "../../../src/matching/limits.ts";
import type { QueuePlace } from "../../../src/matching/queue-zones.ts";
import { ShardState } from "../../../src/matching/shard-state.ts";
import { featureMatrix } from "../../../src/ranking/feature-view.ts";
import { rankByPickupTime } from "../../../src/ranking/nearest-ranker.ts";
import type { FallbackReason, Ranked } from "../../../src/ranking/ranked.ts";
import { shardNameOf } from "../../../src/routing/shard-map.ts";
import { destinationPoint } from "../../../src/spatial/distance.ts";
import { cellOf, centerOf } from "../../../src/spatial/geohash.ts";

export const START: EpochMs = 1_780_000_000_000;
export const CELL = cellOf(40.7549, -73.984, 25);
/** The middle of the cell: 1.85 km from its nearest border. */
export const PICKUP: LatLng = centerOf(CELL);
export const HERE = shardNameOf(CELL);
export const ELSEWHERE = shardNameOf(cellOf(40.7549, -73.93, 25));

const PROFILE: DriverProfile = {
  vehicleType: "economy",
  seats: 4,
  accessible: false,
  rating: 4.8,
  payments: ["card", "cash"],
};

export const DISPATCH: Market["dispatch"] = {
  kind: "broadcast",
  waveSize: 2,
  batchWindowMs: 2_000,
  fairnessSeconds: 0,
  fairnessAfterMs: 600_000,
  lookAheadSeconds: 0,
  destinationShare: 0,
  hintEveryMs: 0,
  forwardSeconds: 0,
  queueZones: false,
  replanning: false,
  scheduledRides: false,
  offerTtlMs: 15_000,
  matchDeadlineMs: 120_000,
  startRadiusMeters: 1_000,
  radiusStepMeters: 1_000,
  maximumRadiusMeters: 3_000,
  searchEveryMs: 1_500,
  noShowMs: 300_000,
  pickupWatchMs: 300_000,
  tripWatchMs: 21_600_000,
};

export const MARKET: Omit<Market, "dispatch"> = {
  name: "test",
  zones: [],
  utcOffsetMinutes: -240,
  citySpeedMetersPerSecond: 4,
  tariff: {
    currency: "USD",
    baseCents: 255,
    perKilometerCents: 109,
    perMinuteCents: 35,
    minimumCents: 700,
    surgeMaximum: 1,
  },
};

export const driverId = (name: string) => name as DriverId;
export const riderId = (name: string) => name as RiderId;
/** Of a test's ride: 26 characters of Crockford's alphabet after the cell, as in life. */
export const rideIdOf = (n: number) => `${CELL}.${String(n).padStart(26, "0")}` as RideId;
export const at = (meters: number, bearing = 0): LatLng => destinationPoint(PICKUP, bearing, meters);

type Wish = Partial<CommandOf<"ride.requested">["request"]>;

export class ShardKit {
  now = START;
  /** Everything done since the start, in order. */
  readonly effects: Effect[] = [];
  /** What the world answers by itself. */
  readonly world = { ranks: true, reserves: true, acknowledges: true, neighbours: true };
  readonly rows = {
    rides: new Map<RideId, Ride>(),
    offers: new Map<OfferId, Offer>(),
    decisions: new Map<string, Decision>(),
    events: new Map<string, RideEvent>(),
    replies: new Map<string, StoredReply & { ride: Ride }>(),
    requestedAt: new Map<string, EpochMs[]>(),
    market: [] as ConfiguredMarket[],
    places: new Map<DriverId, QueuePlace>(),
  };
  shard: ShardState;
  readonly #market: Market;
  readonly #epochs = new Map<string, number>();
  readonly #seqs = new Map<string, number>();
  #rides = 0;

  constructor(
    dispatch: Partial<Market["dispatch"]> = {},
    tariff: Partial<Market["tariff"]> = {},
    zones: Market["zones"] = [],
  ) {
    const prices = { ...MARKET.tariff, ...tariff };
    this.#market = { ...MARKET, zones, tariff: prices, dispatch: { ...DISPATCH, ...dispatch } };
    this.shard = this.#newShard();
  }

  /** One command and, after it, whatever the world answers at once. Returns everything that came of it. */
  say(command: Command): Effect[] {
    const from = this.effects.length;
    const waiting: Command[] = [command];
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const effects = apply(this.shard, this.now, next);
      checkState(this.shard);
      this.#keep(effects);
      this.effects.push(...effects);
      for (const effect of effects) waiting.push(...this.#answersTo(effect));
    }
    return this.effects.slice(from);
  }

  /** Lets time pass, ringing the alarm at each moment that something is due. */
  wait(ms: number): Effect[] {
    const from = this.effects.length;
    const end = this.now + ms;
    for (let due = this.shard.timers.nextDueAt(); due !== null && due <= end; due = this.shard.timers.nextDueAt()) {
      this.now = Math.max(this.now, due);
      this.say({ type: "clock.ticked" });
    }
    this.now = end;
    return this.effects.slice(from);
  }

  /** The market's next version. */
  configure({ settings = {}, hours = [] }: Partial<MarketConfiguration>): Effect[] {
    const version = this.shard.configured.version + 1;
    return this.say({ type: "market.configured", configured: { version, configuration: { settings, hours } } });
  }

  /** A new socket of this driver, before its first fix. */
  attach(name: string, change: Partial<CommandOf<"driver.attached">> = {}): Effect[] {
    const epoch = change.epoch ?? (this.#epochs.get(name) ?? 0) + 1;
    this.#epochs.set(name, epoch);
    return this.say({
      type: "driver.attached",
      driverId: driverId(name),
      epoch,
      profile: PROFILE,
      stats: NEW_DRIVER_STATS,
      available: true,
      endsAt: Number.POSITIVE_INFINITY,
      holding: { kind: "none" },
      ...change,
    });
  }

  /** A driver on duty so many metres north of the pickup. */
  driver(name: string, meters: number, profile: Partial<DriverProfile> = {}): Effect[] {
    const attached = this.attach(name, { profile: { ...PROFILE, ...profile } });
    return [...attached, ...this.locate(name, at(meters))];
  }

  /** One good fix, now, with the next seq. */
  locate(name: string, position: LatLng, change: Partial<Fix> = {}): Effect[] {
    return this.say({
      type: "driver.located",
      driverId: driverId(name),
      epoch: this.epochOf(name),
      fixes: [this.fix(name, position, change)],
    });
  }

  fix(name: string, position: LatLng, change: Partial<Fix> = {}): Fix {
    const seq = (this.#seqs.get(name) ?? 0) + 1;
    this.#seqs.set(name, seq);
    const still = { headingDegrees: null, speedMetersPerSecond: 0, accuracyMeters: 5 };
    return { seq, position, ...still, at: this.now, ...change };
  }

  epochOf(name: string): number {
    return this.#epochs.get(name) ?? 0;
  }

  request(rider: string, wish: Wish = {}, call: Partial<CommandOf<"ride.requested">> = {}): Effect[] {
    const key = call.key ?? `key-${this.#rides}`;
    return this.say({
      type: "ride.requested",
      rideId: rideIdOf(this.#rides++),
      riderId: riderId(rider),
      request: {
        pickup: PICKUP,
        dropoff: at(4_000, 90),
        vehicleType: "economy",
        payment: "card",
        minimumRating: 0,
        seats: 1,
        accessible: false,
        ...wish,
      },
      key,
      bodyHash: JSON.stringify(wish),
      prior: this.rows.replies.get(`${rider}/${key}`) ?? null,
      quoted: null,
      recent: (this.rows.requestedAt.get(rider) ?? []).filter((moment) => moment > this.now - LIMITS.rideRateMs),
      ...call,
    });
  }

  /** What a driver says about an offer, from the socket he has here. */
  from(name: string, offerId: OfferId = this.offerTo(name).id) {
    return { offerId, driverId: driverId(name), from: { shard: HERE, epoch: this.epochOf(name) } };
  }

  /** The answer comes back to the driver's socket as it does in life. */
  accept(name: string, offerId: OfferId = this.offerTo(name).id): Effect[] {
    const effects = this.say({ type: "offer.accepted", ...this.from(name, offerId) });
    const { verdict } = answerIn(effects, "verdict");
    const judged = { driverId: driverId(name), epoch: this.epochOf(name), cid: "c", offerId, verdict };
    return [...effects, ...this.say({ type: "offer.judged", ...judged })];
  }

  step(name: string, step: CommandOf<"trip.stepped">["step"], offerId: OfferId = this.offerTo(name).id): Effect[] {
    const effects = this.say({ type: "trip.stepped", ...this.from(name, offerId), step });
    const { verdict } = answerIn(effects, "trip");
    const judged = { driverId: driverId(name), epoch: this.epochOf(name), cid: "t", offerId, step, verdict };
    return [...effects, ...this.say({ type: "trip.judged", ...judged })];
  }

  /** The ranker answers this question now, nearest first. */
  rank(asking: Extract<Effect, { type: "rank" }>): Effect[] {
    const { rideId, searchId } = asking;
    return this.say({ type: "candidates.ranked", rideId, searchId, ranked: rankedNearest(asking) });
  }

  /** A ride that this driver has just won. */
  assigned(name = "ann", rider = "rita"): RideId {
    this.driver(name, 300);
    this.request(rider);
    this.accept(name);
    return this.ride().id;
  }

  /** The newest offer made to this driver. */
  offerTo(name: string): Offer {
    const mine = [...this.rows.offers.values()].filter((offer) => offer.driverId === name);
    const newest = mine.sort((a, b) => b.seq - a.seq)[0];
    if (newest === undefined) throw new Error(`${name} was never asked`);
    return newest;
  }

  offersOf(n = 0): Offer[] {
    return [...this.rows.offers.values()].filter((offer) => offer.rideId === rideIdOf(n));
  }

  ride(n = 0): Ride {
    const ride = this.rows.rides.get(rideIdOf(n));
    if (ride === undefined) throw new Error(`no ride ${n}`);
    return ride;
  }

  /** The object died: only what was saved is left, and sockets are gone unless they are woken. */
  restart(): Effect[] {
    this.shard = this.#newShard();
    for (const configured of this.rows.market) this.shard.configure(configured, this.now);
    for (const ride of this.rows.rides.values()) this.shard.admit(ride, []);
    for (const offer of this.rows.offers.values()) this.shard.admitOffer(offer);
    for (const event of this.rows.events.values()) this.shard.admitEvent(event);
    for (const [who, place] of this.rows.places) this.shard.places.set(who, place);
    return this.say({ type: "shard.started" });
  }

  #newShard(): ShardState {
    const paces = { topSpeedMetersPerSecond: 70, fixEveryMs: 4_000, clockSpeed: 1 };
    return new ShardState({ name: HERE, cell: CELL, market: this.#market, ...paces });
  }

  #keep(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.type === "save.ride") this.rows.rides.set(effect.ride.id, effect.ride);
      else if (effect.type === "save.offer") this.rows.offers.set(effect.offer.id, effect.offer);
      else if (effect.type === "save.decision") {
        const { decision } = effect;
        this.rows.decisions.set(`${decision.rideId}/${decision.offersBefore}`, decision);
      } else if (effect.type === "append.event") this.rows.events.set(effect.event.id, effect.event);
      else if (effect.type === "save.reply") {
        const { riderId: rider, key, reply, at: moment } = effect;
        this.rows.requestedAt.set(rider, [...(this.rows.requestedAt.get(rider) ?? []), moment]);
        this.rows.replies.set(`${rider}/${key}`, { ...reply, ride: this.rows.rides.get(reply.rideId)! });
      } else if (effect.type === "save.market") this.rows.market = [effect.configured];
      else if (effect.type === "save.place") {
        if (effect.place === null) this.rows.places.delete(effect.driverId);
        else this.rows.places.set(effect.driverId, effect.place);
      } else if (effect.type === "mark.archived") for (const id of effect.eventIds) this.rows.events.delete(id);
    }
  }

  #answersTo(effect: Effect): Command[] {
    if (effect.type === "rank" && this.world.ranks) {
      const ranked = rankedNearest(effect);
      return [{ type: "candidates.ranked", rideId: effect.rideId, searchId: effect.searchId, ranked }];
    }
    if (effect.type === "find.neighbours" && this.world.neighbours) {
      return [{ type: "neighbours.found", rideId: effect.rideId, searchId: effect.searchId, candidates: [] }];
    }
    if (effect.type === "reserve" && this.world.reserves) {
      const session = { shard: HERE, epoch: this.epochOf(effect.driverId) };
      return [{ type: "reserve.answered", offerId: effect.offerId, outcome: "reserved", session, exchanges: 0 }];
    }
    if (effect.type === "release" && this.world.acknowledges) {
      return [{ type: "release.acknowledged", offerId: effect.offerId }];
    }
    return [];
  }
}

/** As long as a ride is searched for somebody asked there, and before that, as far back as is remembered. */
export function hasBeenAsked(kit: ShardKit, meters: number): void {
  for (let ago = LIMITS.recentMs; ago >= 0; ago -= DISPATCH.matchDeadlineMs) {
    kit.shard.recentRides.of("economy").asked.note(at(meters), kit.now - ago);
  }
}

/** What the nearest ranker answers when it is asked so. */
export function rankedNearest(
  { candidates, context }: Extract<Effect, { type: "rank" }>,
  fallback: FallbackReason | null = null,
): Ranked {
  return rankByPickupTime(candidates, featureMatrix(candidates, context), fallback);
}

export function ofType<T extends Effect["type"]>(effects: readonly Effect[], type: T): Extract<Effect, { type: T }>[] {
  return effects.filter((effect): effect is Extract<Effect, { type: T }> => effect.type === type);
}

/** What a driver's socket here was told, in order. */
export function toldTo(effects: readonly Effect[], name: string): DriverNotice[] {
  return ofType(effects, "tell").flatMap(({ driverId: who, notice }) => (who === name ? [notice] : []));
}

/** The one answer among the effects, which must be of this type. */
export function answerIn<T extends Answer["type"]>(effects: readonly Effect[], type: T): Extract<Answer, { type: T }> {
  const answers = ofType(effects, "answer").map(({ answer }) => answer);
  expect(answers.map((answer) => answer.type)).toEqual([type]);
  return answers[0] as Extract<Answer, { type: T }>;
}

/** True when nothing was saved and nobody was told anything. */
export function changesNothing(effects: readonly Effect[]): boolean {
  return effects.every(({ type }) => type === "answer" || type === "count");
}
