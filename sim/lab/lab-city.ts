/**
 * One run of the laboratory: a fleet and a demand under one policy, in city time alone, on one thread. The shards are the
 * real runtime and core, the locks the real rules; what is simulated is people and roads. The same wishes come at the same
 * moments from the same riders whatever the policy, and the same drivers live in the same places.
 *
 * Assumed besides sim/behaviour.ts: words take no time on the way and no time to think; cars drive in straight lines; every
 * driver is free when the demand begins, and it is followed to the last ride's end.
 */
import { assert } from "../../src/domain/assert.ts";
import type { Candidate, DriverId } from "../../src/domain/driver.ts";
import type { RideEvent } from "../../src/domain/event.ts";
import type { Market, Zone } from "../../src/domain/market.ts";
import type { MarketConfiguration } from "../../src/domain/market-hours.ts";
import type { ShardName } from "../../src/domain/place.ts";
import type { RideId } from "../../src/domain/ride.ts";
import { type EpochMs, HOUR_MS } from "../../src/domain/time.ts";
import type { RankingContext } from "../../src/ranking/feature-view.ts";
import type { Ranked } from "../../src/ranking/ranked.ts";
import { cellOfShard } from "../../src/routing/shard-map.ts";
import { BEHAVIOUR } from "../behaviour.ts";
import type { Demand, Trip } from "../city/demand.ts";
import { createFleet } from "../city/fleet.ts";
import type { CityPlan } from "../city/places.ts";
import { createRandom, type Random } from "../random.ts";
import { EventLoop } from "../world/event-loop.ts";
import type { Configuration } from "./configuration.ts";
import { LabDriver } from "./lab-driver.ts";
import { LabLock } from "./lab-lock.ts";
import { LabRider } from "./lab-rider.ts";
import { LabShard } from "./lab-shard.ts";
import { type RunResult, Tally } from "./tally.ts";
import type { TravelTimes } from "./travel-times.ts";

export interface LabSetting {
  readonly plan: CityPlan;
  readonly configuration: Configuration;
  readonly market: Market;
  /** What is changed of the market, from the beginning on. */
  readonly change: MarketConfiguration;
  readonly rank: (candidates: readonly Candidate[], context: RankingContext) => Ranked;
  readonly travel: TravelTimes;
  /** A new one for every run; it is read to its end, or until `lastsMs`. */
  readonly demand: Demand;
  readonly drivers: number;
  /** Of the drivers, those who make for the nearest zone of the market whenever they have no ride, and wait there. */
  readonly zoneShare: number;
  readonly seed: number;
  readonly startAt: EpochMs;
  readonly lastsMs: number;
}

/** What the real core and the roads were asked; all of it is work done, none of it is waiting. */
export interface EventCounts {
  /** Commands judged by a shard, alarms included, position reports too. */
  shardCommands: number;
  lockCommands: number;
  /** Position reports among the shards' commands. */
  movements: number;
  neighbourSearches: number;
}

/** A ride that is not over by then never will be. */
const LONGEST_ENDING_MS = 8 * HOUR_MS;
const WHEEL_SLOTS = 40;

export class LabCity {
  readonly loop: EventLoop;
  readonly counts: EventCounts = { shardCommands: 0, lockCommands: 0, movements: 0, neighbourSearches: 0 };
  readonly tally: Tally;
  readonly plan: CityPlan;
  readonly travel: TravelTimes;
  readonly demand: Demand;
  readonly rank: LabSetting["rank"];
  readonly shardBits: number;
  readonly zones: readonly Zone[];
  readonly zoneShare: number;
  readonly #setting: LabSetting;
  readonly #random: Random;
  readonly #endAt: EpochMs;
  readonly #shards = new Map<ShardName, LabShard>();
  readonly #locks = new Map<DriverId, LabLock>();
  readonly #drivers: ReadonlyMap<DriverId, LabDriver>;
  readonly #riders = new Map<RideId, LabRider>();
  #asked = 0;
  #demandOver = false;

  constructor(setting: LabSetting) {
    const { plan, startAt, lastsMs, seed } = setting;
    this.#setting = setting;
    this.#random = createRandom(seed).fork("lab");
    this.loop = new EventLoop(startAt);
    this.#endAt = startAt + lastsMs;
    this.tally = new Tally(startAt, this.#endAt, setting.market);
    this.plan = plan;
    this.travel = setting.travel;
    this.demand = setting.demand;
    this.rank = setting.rank;
    this.zones = setting.market.zones;
    this.zoneShare = setting.zoneShare;
    this.shardBits = setting.configuration.shardBits;
    const fleet = createFleet(setting.drivers, setting.demand.place, createRandom(seed).fork("fleet"));
    this.#drivers = new Map(fleet.map((driver) => [driver.driverId, new LabDriver(this, driver)]));
    this.#openWheel([...this.#drivers.values()]);
    this.#awaitNext();
  }

  /** Lets city time pass until this moment, or until all is over; true when it is. */
  advance(until: EpochMs): boolean {
    while (this.loop.now < until) {
      if (this.#demandOver && this.tally.open === 0) return true;
      assert(this.loop.now < this.#endAt + LONGEST_ENDING_MS, `${this.tally.open} rides never end`);
      assert(this.loop.step(), "a city with drivers never stands still");
    }
    return false;
  }

  /** After the last ride's end. Throws where memory contradicts itself: then nothing that was measured counts. */
  result(): RunResult {
    for (const { runtime } of this.#shards.values()) runtime.check();
    return this.tally.result();
  }

  shard(name: ShardName): LabShard {
    const known = this.#shards.get(name);
    if (known !== undefined) return known;
    const { market, change, configuration } = this.#setting;
    const { topSpeedMetersPerSecond, fixEveryMs } = configuration;
    const car = { topSpeedMetersPerSecond, fixEveryMs, clockSpeed: 1 };
    const shard = new LabShard(this, { name, cell: cellOfShard(name), market, ...car });
    this.#shards.set(name, shard);
    shard.submit({ type: "market.configured", configured: { version: 1, configuration: change } });
    return shard;
  }

  knownShard(name: ShardName): LabShard | undefined {
    return this.#shards.get(name);
  }

  lock(driverId: DriverId): LabLock {
    const known = this.#locks.get(driverId);
    if (known !== undefined) return known;
    const lock = new LabLock(this, driverId);
    this.#locks.set(driverId, lock);
    return lock;
  }

  driver(driverId: DriverId): LabDriver {
    return this.#drivers.get(driverId)!;
  }

  rider(rideId: RideId): LabRider {
    return this.#riders.get(rideId)!;
  }

  versionOf(rideId: RideId): number {
    return this.tally.versionOf(rideId);
  }

  rideChanged(event: RideEvent): void {
    const rider = this.rider(event.rideId);
    this.tally.changed(event, rider.planned);
    rider.hear(event);
  }

  /** In this millisecond, after what is being done now. */
  soon(action: () => void): void {
    this.loop.after(0, action);
  }

  /** Drivers come online over the first cadence, and each says where he is once in every following one. */
  #openWheel(drivers: readonly LabDriver[]): void {
    const everyMs = this.#setting.configuration.fixEveryMs;
    const slots = Array.from({ length: WHEEL_SLOTS }, (_, slot) =>
      drivers.filter((_driver, index) => index % WHEEL_SLOTS === slot),
    );
    slots.forEach((slot, index) => {
      const turn = (): void => {
        for (const driver of slot) driver.tick();
        this.loop.after(everyMs, turn);
      };
      this.loop.after((index * everyMs) / WHEEL_SLOTS, () => {
        for (const driver of slot) driver.start();
        this.loop.after(everyMs, turn);
      });
    });
  }

  /** Wishes are read as long ahead as somebody may schedule them. */
  #awaitNext(): void {
    const trip = this.demand.next();
    const at = trip === null ? Number.POSITIVE_INFINITY : this.#setting.startAt + Math.round(trip.atMs);
    if (trip === null || at >= this.#endAt) {
      this.loop.at(this.#endAt, () => {
        this.#demandOver = true;
      });
      return;
    }
    this.loop.at(at - BEHAVIOUR.planningMs, () => {
      this.#wish(trip, at);
      this.#awaitNext();
    });
  }

  #wish(trip: Trip, at: EpochMs): void {
    this.#asked += 1;
    const rider = new LabRider(this, this.#asked, trip, this.#random.fork(`rider ${this.#asked}`));
    this.#riders.set(rider.rideId, rider);
    if (rider.planned && rider.ask(trip, at)) return;
    this.loop.at(at, () => {
      if (!rider.ask(trip, null)) this.tally.counts.refused += 1;
    });
  }
}
