/** The whole city against one server: its drivers, its riders, one wheel that moves them all, and an orderly end. */
import { createRiderClient } from "../../client/rider-client.ts";
import { createDevTokens } from "../../client/tokens.ts";
import type { RideId } from "../../src/domain/ride.ts";
import { BEHAVIOUR, riderNoShow } from "../behaviour.ts";
import { busyPlaceNear, type Demand, type Trip } from "../city/demand.ts";
import type { FleetDriver } from "../city/fleet.ts";
import type { CityPlan } from "../city/places.ts";
import type { Random } from "../random.ts";
import { type CityClock, fixEveryMs } from "./city-clock.ts";
import type { HistoryLog } from "./history-log.ts";
import { createLiveDriver, type DriverSetting, type LiveDriver } from "./live-driver.ts";
import { type LiveRider, type RiderSetting, startRider } from "./live-rider.ts";
import type { Measures } from "./measures.ts";

export interface CitySetting {
  readonly baseUrl: string;
  readonly demand: Demand;
  readonly fleet: readonly FleetDriver[];
  readonly plan: Pick<CityPlan, "citySpeedMetersPerSecond" | "utcOffsetMinutes">;
  readonly clock: CityClock;
  readonly random: Random;
  readonly log: HistoryLog;
  readonly measures: Measures;
  /** Tells the riders of this run from those of earlier runs on the same state. */
  readonly runName: string;
  /** A wish that comes while this many riders are waiting or riding is not said. */
  readonly ridersAtOnce?: number;
  readonly onHeard?: DriverSetting["onHeard"];
  readonly givesBackShare?: DriverSetting["givesBackShare"];
  readonly patience?: RiderSetting["patience"];
}

export interface LiveCity {
  /** Drivers come online, spread over a few seconds, and stay. */
  openDrivers(): void;
  /** Riders ask from now on; resolves when the demand has ended or `closeDemand` was called. */
  openDemand(): Promise<void>;
  closeDemand(): void;
  /** Brings every ride to its end: quickly, then quicker. Resolves when nobody waits or `withinMs` has passed twice. */
  drain(withinMs: number): Promise<void>;
  /** Drops every connection and timer. */
  stop(): void;
  snapshot(): { readonly online: number; readonly engaged: number; readonly openRides: number };
}

const WHEEL_TICK_MS = 20;
const OPENING_MS = 3_000;
const HURRY = 12;
const DROP_EVERY_MS = 1_000;

export function createLiveCity(setting: CitySetting): LiveCity {
  return new City(setting);
}

class City implements LiveCity {
  readonly #setting: CitySetting;
  readonly #ending = new AbortController();
  readonly #riders = new Map<string, LiveRider>();
  /** City time until a ride's rider is in the car; null for one who never comes. */
  readonly #boarding = new Map<RideId, number | null>();
  readonly #roamRandom: Random;
  readonly #drivers: readonly LiveDriver[];
  readonly #wheel: NodeJS.Timeout;
  readonly #opening: NodeJS.Timeout[] = [];
  #asked = 0;
  #demandTimer: NodeJS.Timeout | null = null;
  #demandOver: () => void = () => {};

  constructor(setting: CitySetting) {
    this.#setting = setting;
    this.#roamRandom = setting.random.fork("roam");
    this.#drivers = setting.fleet.map((driver) => this.#liveDriver(driver));
    this.#wheel = startWheel(this.#drivers, fixEveryMs(setting.clock.speed));
  }

  openDrivers(): void {
    this.#drivers.forEach((driver, index) => {
      this.#opening.push(setTimeout(() => driver.start(), (index / this.#drivers.length) * OPENING_MS));
    });
  }

  openDemand(): Promise<void> {
    const startedAt = performance.now();
    return new Promise<void>((resolve) => {
      this.#demandOver = resolve;
      this.#awaitNext(startedAt);
    });
  }

  closeDemand(): void {
    if (this.#demandTimer) clearTimeout(this.#demandTimer);
    this.#demandOver();
  }

  async drain(withinMs: number): Promise<void> {
    for (const rider of this.#riders.values()) rider.giveUp(["matching"]);
    this.#setting.clock.hurry = HURRY;
    await this.#allOver(withinMs);
    for (const rider of this.#riders.values()) rider.giveUp(["matching", "assigned", "arrived"]);
    const dropping = setInterval(() => {
      for (const driver of this.#drivers) driver.dropNow();
    }, DROP_EVERY_MS);
    await this.#allOver(withinMs);
    clearInterval(dropping);
  }

  stop(): void {
    for (const timer of this.#opening) clearTimeout(timer);
    if (this.#demandTimer) clearTimeout(this.#demandTimer);
    clearInterval(this.#wheel);
    for (const driver of this.#drivers) driver.stop();
    this.#ending.abort();
  }

  snapshot() {
    return {
      online: this.#drivers.filter((driver) => driver.isOnline()).length,
      engaged: this.#drivers.filter((driver) => driver.isEngaged()).length,
      openRides: this.#riders.size,
    };
  }

  #liveDriver(driver: FleetDriver): LiveDriver {
    const http = { baseUrl: this.#setting.baseUrl };
    const { driverId: sub, profile } = driver;
    const who = { sub, profile: { ...profile, payments: [...profile.payments] } };
    return createLiveDriver({
      ...this.#setting,
      driver,
      token: createDevTokens(http, { role: "driver", ...who }),
      roam: (from) => busyPlaceNear(this.#setting.demand, from, this.#roamRandom),
      // A ride of an earlier run on this state: its rider is not here to be asked, so he comes at once.
      boarding: (rideId) => (this.#boarding.has(rideId) ? this.#boarding.get(rideId)! : 0),
    });
  }

  #awaitNext(startedAt: number): void {
    const trip = this.#setting.demand.next();
    if (!trip) return this.#demandOver();
    const waitMs = Math.max(0, startedAt + trip.atMs / this.#setting.clock.speed - performance.now());
    this.#demandTimer = setTimeout(() => {
      this.#ask(trip);
      this.#awaitNext(startedAt);
    }, waitMs);
  }

  #ask(trip: Trip): void {
    if (this.#riders.size >= (this.#setting.ridersAtOnce ?? Number.POSITIVE_INFINITY)) return;
    this.#asked += 1;
    const riderId = `rider-${this.#setting.runName}-${this.#asked}`;
    const random = this.#setting.random.fork(`rider ${this.#asked}`);
    const { signal } = this.#ending;
    const http = { baseUrl: this.#setting.baseUrl, random: random.next, signal };
    const token = createDevTokens(http, { role: "rider", sub: riderId }, signal);
    const rider = startRider({
      ...this.#setting,
      riderId,
      trip,
      client: createRiderClient({ ...http, token }),
      random,
      onNamed: (rideId) => {
        this.#boarding.set(rideId, riderNoShow(random) ? null : random.exponential(BEHAVIOUR.boardingMeanMs));
      },
    });
    this.#riders.set(riderId, rider);
    void rider.over.finally(() => this.#riders.delete(riderId));
  }

  async #allOver(withinMs: number): Promise<void> {
    const everyone = Promise.allSettled([...this.#riders.values()].map(({ over }) => over));
    let timer: NodeJS.Timeout | null = null;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, withinMs);
    });
    await Promise.race([everyone, late]);
    if (timer) clearTimeout(timer);
  }
}

/** One timer for all: every tick serves the drivers whose turn it is, so each is served once in `everyMs`. */
function startWheel(drivers: readonly LiveDriver[], everyMs: number): NodeJS.Timeout {
  let served = 0;
  const startedAt = performance.now();
  return setInterval(() => {
    const due = Math.floor(((performance.now() - startedAt) / everyMs) * drivers.length);
    // After a long stall nobody needs more than one turn.
    served = Math.max(served, due - drivers.length);
    for (; served < due; served++) drivers[served % drivers.length]!.tick();
  }, WHEEL_TICK_MS);
}
