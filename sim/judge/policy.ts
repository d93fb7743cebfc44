/**
 * Kerb's batched dispatch as a policy of the judge: the planner, the memory and the outlook of a shard themselves, fed with
 * what the judge shows of its city. Only what a shard would bring is written here: candidates, and how often rides and
 * drivers were exchanged.
 */
import type { LatLng } from "../../src/domain/place.ts";
import type { EpochMs } from "../../src/domain/time.ts";
import { type BatchChoice, type BatchLimits, BatchPlanner, unservedCostSeconds } from "../../src/matching/batch.ts";
import { driverWorthSeconds } from "../../src/matching/driver-worth.ts";
import { LIMITS } from "../../src/matching/limits.ts";
import { RecentRides } from "../../src/matching/recent-rides.ts";
import { turnoverAt } from "../../src/matching/turnover.ts";
import { Plane } from "../../src/spatial/plane.ts";

interface Point {
  readonly lat: number;
  readonly lon: number;
}

interface Request extends Point {
  readonly id: number;
  readonly t: number;
}

interface Driver extends Point {
  readonly id: number;
}

interface Moment {
  readonly now: number;
  readonly requests: readonly Request[];
  readonly idle: readonly (Driver & { readonly since: number })[];
  readonly enroute?: readonly (Driver & { readonly requestId: number })[];
}

export interface Information {
  readonly speed: number;
  readonly maxEta: number;
  readonly patience: number;
  readonly drivers: readonly Driver[];
}

interface Variant {
  readonly limits?: BatchLimits;
  readonly asShard?: boolean;
}

type Pair = [requestId: number, driverId: number];

/** Nearest drivers of each kind that a ride is tried with. */
const CANDIDATES = 12;
const TURNOVER_FRESH_SECONDS = 15;

export default class KerbPolicy {
  /** The judge calls `reassign` instead of `assign` whenever this many seconds divide the time. */
  readonly reassignEvery = 1;
  readonly #info: Information;
  readonly #planner: BatchPlanner;
  readonly #asShard: boolean;
  readonly #rideExchanges = new Map<number, number>();
  readonly #driverExchanges = new Map<number, number>();
  readonly #turnoverOf = new Map<number, { readonly at: number; readonly seconds: number }>();
  readonly #recent = new RecentRides();
  readonly #plane: Plane;
  readonly #unservedSeconds: number;
  #begun = false;
  #newestRequest = -1;

  /** `asShard`: a ride that waits is given free drivers only and hopes for no exchange. */
  constructor(info: Information, { limits = LIMITS, asShard = false }: Variant = {}) {
    this.#info = info;
    this.#asShard = asShard;
    // The judge's own ruler, so that what is just in reach here is so there: a plane through the city's middle.
    this.#plane = new Plane({ lat: info.drivers[0]!.lat < 39 ? 37.75 : 40.74, lng: 0 }, info.speed);
    this.#planner = new BatchPlanner(limits);
    this.#unservedSeconds = unservedCostSeconds(info.maxEta, info.patience);
  }

  assign(moment: Moment): Pair[] {
    return this.#plan(moment).map(({ ride, driver }) => [ride, driver]);
  }

  /** The judge wants the whole plan, what stays as it is included. */
  reassign(moment: Moment): Pair[] {
    const choices = this.#plan(moment);
    const chosen = new Set(choices.map(({ ride }) => ride));
    const kept = moment.enroute!.filter(({ requestId }) => !chosen.has(requestId));
    return [
      ...choices.map(({ ride, driver }): Pair => [ride, driver]),
      ...kept.map(({ requestId, id }): Pair => [requestId, id]),
    ];
  }

  /** The plan's choices with the judge's own ids. */
  #plan({ now, requests, idle, enroute = [] }: Moment): BatchChoice[] {
    this.#learn(now, requests, idle);
    if (requests.length === 0) return [];
    const drivers: readonly Driver[] = [...idle, ...enroute];
    const driverOf = new Map(enroute.map(({ requestId }, at) => [requestId, idle.length + at]));
    const places = drivers.map(placeOf);
    const nearest = (request: Request, from: number, to: number) => this.#nearest(placeOf(request), places, from, to);
    const rides = requests.map((request) => {
      const driver = driverOf.get(request.id) ?? null;
      const hereAndNow = this.#asShard && driver === null;
      return {
        driver,
        waitedSeconds: now - request.t,
        exchanges: this.#rideExchanges.get(request.id) ?? 0,
        turnoverSeconds: hereAndNow ? Number.POSITIVE_INFINITY : this.#turnoverSeconds(request, now),
        candidates: [
          ...nearest(request, 0, idle.length),
          ...(hereAndNow ? [] : nearest(request, idle.length, drivers.length)),
        ],
      };
    });
    const worthSeconds = driverWorthSeconds(this.#recent, places, idle.length, {
      plane: this.#plane,
      now: timeOf(now),
      clockSpeed: 1,
      unservedSeconds: this.#unservedSeconds,
      horizonSeconds: this.#info.patience,
      othersSecondsFrom: () => Number.POSITIVE_INFINITY,
    });
    const { choices } = this.#planner.plan({
      rides,
      drivers: drivers.map(({ id }, at) => ({
        exchanges: this.#driverExchanges.get(id) ?? 0,
        worthSeconds: worthSeconds[at]!,
      })),
      unservedSeconds: this.#unservedSeconds,
      estimate: (ride, driver) => ({
        pickupSeconds: this.#plane.secondsBetween(placeOf(requests[ride]!), places[driver]!),
      }),
    });
    for (const { ride, instead } of choices) {
      if (instead === null) continue;
      countOne(this.#rideExchanges, requests[ride]!.id);
      countOne(this.#driverExchanges, drivers[instead]!.id);
    }
    return choices.map(({ ride, driver, instead }) => ({
      ride: requests[ride]!.id,
      driver: drivers[driver]!.id,
      instead: instead === null ? null : drivers[instead]!.id,
    }));
  }

  /** Whoever came free in this second has ended a trip: a driver whose ride was taken away is idle since before. */
  #learn(now: number, requests: Moment["requests"], idle: Moment["idle"]): void {
    const time = timeOf(now);
    for (const request of requests) {
      if (request.id <= this.#newestRequest) continue;
      this.#newestRequest = request.id;
      this.#recent.asked.note(placeOf(request), time);
    }
    for (const driver of idle) {
      if (!this.#begun || driver.since !== now) continue;
      this.#recent.ended.note(placeOf(driver), time);
      this.#driverExchanges.delete(driver.id);
    }
    this.#begun = true;
  }

  #turnoverSeconds(request: Request, now: number): number {
    const known = this.#turnoverOf.get(request.id);
    if (known !== undefined && now - known.at < TURNOVER_FRESH_SECONDS) return known.seconds;
    const ended = this.#recent.ended.since(timeOf(now));
    const pickup = this.#plane.pointsAt([placeOf(request)]);
    const [seconds] = turnoverAt(pickup, this.#plane.pointsAt(ended.places), ended.seconds);
    this.#turnoverOf.set(request.id, { at: now, seconds: seconds! });
    return seconds!;
  }

  #nearest(pickup: LatLng, places: readonly LatLng[], from: number, to: number): number[] {
    const found: { readonly at: number; readonly seconds: number }[] = [];
    for (let at = from; at < to; at++) {
      const seconds = this.#plane.secondsBetween(pickup, places[at]!);
      if (seconds <= this.#info.maxEta) found.push({ at, seconds });
    }
    found.sort((a, b) => a.seconds - b.seconds || a.at - b.at);
    return found.slice(0, CANDIDATES).map(({ at }) => at);
  }
}

function placeOf({ lat, lon }: Point): LatLng {
  return { lat, lng: lon };
}

function countOne(counts: Map<number, number>, id: number): void {
  counts.set(id, (counts.get(id) ?? 0) + 1);
}

function timeOf(seconds: number): EpochMs {
  return (seconds * 1_000) as EpochMs;
}
