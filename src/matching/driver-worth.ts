/**
 * What a driver is worth where he is: the seconds that those who may ask next would wait longer if he were taken. The
 * last driver of a neighbourhood that often asks is worth minutes, one of five at a station hardly anything; so of two
 * drivers equally far from a ride it gets the one who will be missed less. Where rides were asked for lately says where
 * they will be asked for next; nothing here knows a city.
 */
import type { LatLng } from "../domain/place.ts";
import type { EpochMs } from "../domain/time.ts";
import type { Plane, PlanePoints } from "../spatial/plane.ts";
import { LIMITS } from "./limits.ts";
import type { RecentRides } from "./recent-rides.ts";

export interface WorthQuestion {
  /** Where rides were asked for, all within so many seconds. */
  readonly asked: PlanePoints;
  readonly observedSeconds: number;
  readonly drivers: PlanePoints;
  /** So many of them, the first, are free. The others are on their way to a pickup and would be free again. */
  readonly free: number;
  /** What a ride costs that nobody takes; nobody is missed for more. */
  readonly unservedSeconds: number;
  /** Of each place where one was: how far somebody else may be of whom nothing is known. Nor is anybody missed for more. */
  readonly othersSeconds: Float64Array;
  /** How far ahead to look: later, others will have come free. */
  readonly horizonSeconds: number;
}

/**
 * Worth in seconds of every driver. Had each recent ride been asked for now, with the free drivers where they are, its
 * nearest driver would have saved it the way of the second nearest; a driver on his way, if he were free, the way of the
 * nearest. One driver takes one ride, so he is worth the mean of what he would save, times the chance that any ride
 * that would save it is asked for within the horizon.
 */
export function driverWorthSeconds(question: WorthQuestion): Float64Array {
  const { asked, observedSeconds, drivers, free, unservedSeconds, othersSeconds, horizonSeconds } = question;
  const worth = new Float64Array(drivers.north.length);
  const wanted = new Uint32Array(drivers.north.length);
  for (let place = 0; place < asked.north.length; place++) {
    const north = asked.north[place]!;
    const east = asked.east[place]!;
    const mostSquare = Math.min(unservedSeconds, othersSeconds[place]!) ** 2;
    // Squares: most of so many pairs need no root.
    let nearest = -1;
    let first = mostSquare;
    let second = mostSquare;
    for (let driver = 0; driver < free; driver++) {
      const square = (drivers.north[driver]! - north) ** 2 + (drivers.east[driver]! - east) ** 2;
      if (square >= second) continue;
      if (square >= first) second = square;
      else {
        second = first;
        first = square;
        nearest = driver;
      }
    }
    if (nearest >= 0) {
      worth[nearest]! += Math.sqrt(second) - Math.sqrt(first);
      if (second > first) wanted[nearest]!++;
    }
    for (let driver = free; driver < worth.length; driver++) {
      const square = (drivers.north[driver]! - north) ** 2 + (drivers.east[driver]! - east) ** 2;
      if (square >= first) continue;
      worth[driver]! += Math.sqrt(first) - Math.sqrt(square);
      wanted[driver]!++;
    }
  }
  for (let driver = 0; driver < worth.length; driver++) {
    const expected = (wanted[driver]! * horizonSeconds) / observedSeconds;
    if (wanted[driver]! > 0) worth[driver] = (worth[driver]! / wanted[driver]!) * (1 - Math.exp(-expected));
  }
  return worth;
}

interface RecentQuestion extends Pick<WorthQuestion, "unservedSeconds" | "horizonSeconds"> {
  readonly plane: Plane;
  readonly now: EpochMs;
  /** Seconds of the city in one of the clock's. */
  readonly clockSpeed: number;
  readonly othersSecondsFrom: (place: LatLng) => number;
}

/**
 * The same of drivers at these places, the first `free` of them free, by what is remembered of rides; where there are very
 * many drivers, by the newest of it.
 */
export function recentWorthSeconds(
  { asked }: RecentRides,
  drivers: readonly LatLng[],
  free: number,
  { plane, now, clockSpeed, othersSecondsFrom, ...costs }: RecentQuestion,
): Float64Array {
  const { places, seconds } = asked.since(now, Math.ceil(LIMITS.worthPairs / drivers.length));
  return driverWorthSeconds({
    asked: plane.pointsAt(places),
    observedSeconds: seconds * clockSpeed,
    drivers: plane.pointsAt(drivers),
    free,
    othersSeconds: Float64Array.from(places, othersSecondsFrom),
    ...costs,
  });
}
