/** The whole city against one server: its drivers, its riders, one wheel that moves them all, and an orderly end. */
import { createRiderClient } from "../../client/rider-client.ts";
import { createDevTokens } from "../../client/tokens.ts";
import type { RideId } from "../../src/domain/ride.ts";
import { haversineMeters } from "../../src/spatial/distance.ts";
import { riderNoShow } from "../behaviour.ts";
import type { Demand, Trip } from "../city/demand.ts";
import type { FleetDriver } from "../city/fleet.ts";
import type { CityPlan } from "../city/places.ts";
import type { Random } from "../random.ts";
import { type CityClock, fixEveryMs } from "./city-clock.ts";
import type { HistoryLog } from "./history-log.ts";
import { createLiveDriver, type LiveDriver } from "./live-driver.ts";
import { type LiveRider, startRider } from "./live-rider.ts";
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
}

export interface LiveCity {
  /** Drivers come online, spread over a few seconds, and stay. */
  openDrivers(): void;
  /** Riders ask from now on; resolves when the demand has ended or `closeDemand` was called. */
  openDemand(): Promise<void>;
  closeDemand(): void;
  /** Brings every ride to its end: quickly, then quicker. Resolves when no rider waits or `withinMs` has passed twice. */
  drain(withinMs: number): Promise<void>;
  /** Drops every connection and timer. */
  stop(): void;
  snapshot(): { readonly online: number; readonly engaged: number; readonly openRides: number };
}

const WHEEL_TICK_MS = 20;
const OPENING_MS = 3_000;
const BOARDING_MEAN_MS = 45_000;
const HURRY = 12;
const PLACES_COMPARED = 3;

export function createLiveCity(setting: CitySetting): LiveCity {
  const { clock, random, demand, log, measures } = setting;
  const ending = new AbortController();
  const riders = new Map<string, LiveRider>();
  const boarding = new Map<RideId, number | null>();
  const roamRandom = random.fork("roam");
  const opening: NodeJS.Timeout[] = [];
  const drivers = setting.fleet.map((driver) => liveDriver(driver));
  const wheel = startWheel(drivers, fixEveryMs(clock.speed));
  let asked = 0;
  let demandTimer: NodeJS.Timeout | null = null;
  let demandOver: (() => void) | null = null;

  function liveDriver(driver: FleetDriver): LiveDriver {
    let place = driver.start;
    const http = { baseUrl: setting.baseUrl };
    const { driverId: sub, profile } = driver;
    return createLiveDriver({
      ...setting,
      driver,
      token: createDevTokens(http, { role: "driver", sub, profile: { ...profile, payments: [...profile.payments] } }),
      // Drivers do not cross the whole city for nothing: of a few busy places the nearest.
      roam: () => {
        const places = Array.from({ length: PLACES_COMPARED }, () => demand.place(roamRandom));
        place = places.reduce((a, b) => (haversineMeters(place, a) < haversineMeters(place, b) ? a : b));
        return place;
      },
      // A ride of an earlier run on this state: its rider is not here to be asked, so he comes at once.
      boarding: (rideId) => (boarding.has(rideId) ? boarding.get(rideId)! : 0),
    });
  }

  function ask(trip: Trip): void {
    asked += 1;
    const riderId = `rider-${setting.runName}-${asked}`;
    const own = random.fork(`rider ${asked}`);
    const http = { baseUrl: setting.baseUrl, random: own.next, signal: ending.signal };
    const token = createDevTokens(http, { role: "rider", sub: riderId }, ending.signal);
    const rider = startRider({
      riderId,
      trip,
      client: createRiderClient({ ...http, token }),
      random: own,
      clock,
      log,
      measures,
      onNamed: (rideId) => void boarding.set(rideId, riderNoShow(own) ? null : own.exponential(BOARDING_MEAN_MS)),
    });
    riders.set(riderId, rider);
    void rider.over.finally(() => riders.delete(riderId));
  }

  async function allOver(withinMs: number): Promise<void> {
    const everyone = Promise.allSettled([...riders.values()].map(({ over }) => over));
    let timer: NodeJS.Timeout | null = null;
    await Promise.race([everyone, new Promise<void>((resolve) => (timer = setTimeout(resolve, withinMs)))]);
    if (timer) clearTimeout(timer);
  }

  return {
    openDrivers() {
      drivers.forEach((driver, index) => {
        opening.push(setTimeout(() => driver.start(), (index / drivers.length) * OPENING_MS));
      });
    },
    openDemand() {
      const startedAt = performance.now();
      return new Promise<void>((resolve) => {
        demandOver = resolve;
        const schedule = (): void => {
          const trip = demand.next();
          if (!trip) return resolve();
          const waitMs = startedAt + trip.atMs / clock.speed - performance.now();
          demandTimer = setTimeout(() => {
            ask(trip);
            schedule();
          }, waitMs);
        };
        schedule();
      });
    },
    closeDemand() {
      if (demandTimer) clearTimeout(demandTimer);
      demandOver?.();
    },
    async drain(withinMs) {
      for (const rider of riders.values()) rider.giveUp(["matching"]);
      clock.hurry = HURRY;
      await allOver(withinMs);
      for (const rider of riders.values()) rider.giveUp(["matching", "assigned", "arrived"]);
      const dropping = setInterval(() => {
        for (const driver of drivers) driver.dropNow();
      }, 1_000);
      await allOver(withinMs);
      clearInterval(dropping);
    },
    stop() {
      for (const timer of opening) clearTimeout(timer);
      if (demandTimer) clearTimeout(demandTimer);
      clearInterval(wheel);
      for (const driver of drivers) driver.stop();
      ending.abort();
    },
    snapshot: () => ({
      online: drivers.filter((driver) => driver.isOnline()).length,
      engaged: drivers.filter((driver) => driver.isEngaged()).length,
      openRides: riders.size,
    }),
  };
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
