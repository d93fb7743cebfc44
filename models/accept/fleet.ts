/** The drivers of the synthetic city that labels training data: where they are, how they move, what their stats say. */

import { createDriverTemper, type DriverTemper } from "../../sim/behaviour.ts";
import type { Random } from "../../sim/random.ts";
import { type Candidate, type DriverId, type DriverStats, NEW_DRIVER_STATS } from "../../src/domain/driver.ts";
import type { LatLng, ShardName } from "../../src/domain/place.ts";
import { type EpochMs, HOUR_MS, SECOND_MS } from "../../src/domain/time.ts";
import { bearingDegrees, destinationPoint, haversineMeters } from "../../src/spatial/distance.ts";

/** A market to draw from; several of them, so that no single density or speed is learned as the truth. */
export interface City {
  readonly name: string;
  readonly center: LatLng;
  readonly radiusMeters: number;
  readonly drivers: number;
  readonly requestsPerHour: number;
  readonly citySpeedMetersPerSecond: number;
  readonly utcOffsetMinutes: number;
  readonly baseCents: number;
  readonly centsPerMeter: number;
  readonly minimumCents: number;
}

export interface FleetDriver {
  id: DriverId;
  temper: DriverTemper;
  rating: number;
  stats: DriverStats;
  position: LatLng;
  /** Direction of travel while cruising. */
  heading: number;
  /** 0 while parked. */
  speed: number;
  /** When he next turns, parks or drives off. */
  legUntil: EpochMs;
  movedAt: EpochMs;
  /** Busy with a ride before this moment. */
  freeAt: EpochMs;
  shiftEndsAt: EpochMs;
}

const LEG_MEAN_SECONDS = 80;
const CRUISING_SHARE = 0.65;
const SHIFT_MEAN_HOURS = 7;
/** After a long ride, or at the end of a shift, nobody replays every turn of the hours between. */
const LEGS_REPLAYED = 12;

export function createFleet(city: City, startsAt: EpochMs, random: Random): FleetDriver[] {
  return Array.from({ length: city.drivers }, (_, index) => newDriver(city, `${city.name}-${index}`, startsAt, random));
}

function newDriver(city: City, id: string, at: EpochMs, random: Random): FleetDriver {
  return {
    id: id as DriverId,
    temper: createDriverTemper(random),
    rating: Math.round(Math.min(5, Math.max(3.5, 4.75 + random.normal() * 0.2)) * 100) / 100,
    stats: NEW_DRIVER_STATS,
    position: placeIn(city, random),
    heading: random.next() * 360,
    speed: 0,
    legUntil: at,
    movedAt: at,
    freeAt: at,
    shiftEndsAt: at + random.exponential(SHIFT_MEAN_HOURS) * HOUR_MS,
  };
}

/** Denser towards the center, as cities are. */
export function placeIn(city: City, random: Random): LatLng {
  return destinationPoint(city.center, random.next() * 360, city.radiusMeters * random.next() ** 0.8);
}

/** Brings a free driver to `now`. Half of those whose shift ended are followed by somebody nobody knows yet. */
export function advance(driver: FleetDriver, city: City, now: EpochMs, random: Random): void {
  if (now >= driver.shiftEndsAt) {
    const fresh = newDriver(city, `${driver.id}+`, now, random);
    if (random.next() < 0.5) Object.assign(driver, fresh);
    else Object.assign(driver, { position: fresh.position, freeAt: now, shiftEndsAt: fresh.shiftEndsAt });
    driver.movedAt = now;
    driver.legUntil = now;
  }
  driver.movedAt = Math.max(driver.movedAt, driver.freeAt);
  for (let leg = 0; leg < LEGS_REPLAYED && driver.movedAt < now; leg++) {
    const until = Math.min(now, Math.max(driver.movedAt, driver.legUntil));
    if (driver.speed > 0 && until > driver.movedAt) {
      const meters = (driver.speed * (until - driver.movedAt)) / SECOND_MS;
      driver.position = destinationPoint(driver.position, driver.heading, meters);
    }
    driver.movedAt = until;
    if (until >= driver.legUntil) startLeg(driver, city, random);
  }
  driver.movedAt = now;
}

function startLeg(driver: FleetDriver, city: City, random: Random): void {
  const cruises = random.next() < CRUISING_SHARE;
  const outside = haversineMeters(driver.position, city.center) > city.radiusMeters;
  const turn = random.next() * 360;
  driver.heading = outside ? bearingDegrees(driver.position, city.center) : turn;
  driver.speed = cruises ? city.citySpeedMetersPerSecond * (0.7 + 0.8 * random.next()) : 0;
  driver.legUntil = driver.movedAt + random.exponential(LEG_MEAN_SECONDS) * SECOND_MS;
}

/** What the shard knows of him: a fix some seconds old, headings only from moving cars, and not from all. */
export function observe(driver: FleetDriver, city: City, pickup: LatLng, now: EpochMs, random: Random): Candidate {
  const late = random.next() < 0.1;
  const fixAgeMs = Math.round(late ? Math.min(29, random.exponential(10)) * SECOND_MS : random.next() * 4 * SECOND_MS);
  const since = Math.min(fixAgeMs, now - driver.freeAt);
  const behind = (driver.speed * since) / SECOND_MS;
  const position =
    behind > 0 ? destinationPoint(driver.position, (driver.heading + 180) % 360, behind) : driver.position;
  const wobble = random.normal() * 6;
  const knowsHeading = random.next() < 0.97 && driver.speed > 0;
  const knowsSpeed = random.next() < 0.95;
  const pickupMeters = haversineMeters(position, pickup);
  return {
    driverId: driver.id,
    shard: "cell:" as ShardName,
    position,
    headingDegrees: knowsHeading ? (driver.heading + wobble + 360) % 360 : null,
    speedMetersPerSecond: knowsSpeed ? Math.max(0, driver.speed + random.normal() * 0.3) : null,
    pickupMeters,
    pickupSeconds: pickupMeters / city.citySpeedMetersPerSecond,
    fixAgeMs,
    idleMs: now - driver.freeAt,
    rating: driver.rating,
    stats: driver.stats,
  };
}
