/**
 * What a driver is worth where he is: the seconds that those who may ask next would wait longer if he were taken. The
 * last driver of a neighbourhood that often asks is worth minutes, one of five at a station hardly anything; so of two
 * drivers equally far from a ride it gets the one who will be missed less. Where rides were asked for lately says where
 * they will be asked for next; nothing here knows a city.
 */
import type { LatLng } from "../domain/place.ts";
import type { EpochMs } from "../domain/time.ts";
import type { RecentPlaces } from "./recent-places.ts";

export interface WorthQuestion {
  readonly now: EpochMs;
  /** Of every driver, by index: whether he is free. The others are on their way to a pickup and would be free again. */
  readonly free: readonly boolean[];
  readonly pickupSeconds: (driver: number, place: LatLng) => number;
  /** What a ride costs that nobody takes; nobody is missed for more. */
  readonly unservedSeconds: number;
  /** How far ahead to look: later, others will have come free. */
  readonly horizonSeconds: number;
}

/**
 * Worth in seconds of every driver. Had each recent ride been asked for now, with the free drivers where they are, its
 * nearest driver would have saved it the way of the second nearest; a driver on his way, if he were free, the way of the
 * nearest. One driver takes one ride, so he is worth the mean of what he would save, times the chance that any ride
 * that would save it is asked for within the horizon.
 */
export function driverWorthSeconds(asked: RecentPlaces, question: WorthQuestion): Float64Array {
  const { now, free, pickupSeconds, unservedSeconds, horizonSeconds } = question;
  const worth = new Float64Array(free.length);
  const wanted = new Uint32Array(free.length);
  const away = new Float64Array(free.length);
  const observedSeconds = asked.visit(now, (place) => {
    let [nearest, first, second] = [-1, unservedSeconds, unservedSeconds];
    for (let driver = 0; driver < free.length; driver++) {
      const seconds = pickupSeconds(driver, place);
      away[driver] = seconds;
      if (!free[driver] || seconds >= second) continue;
      if (seconds >= first) second = seconds;
      else [nearest, first, second] = [driver, seconds, first];
    }
    for (let driver = 0; driver < free.length; driver++) {
      const saved = (driver === nearest ? second : first) - away[driver]!;
      if (saved <= 0) continue;
      worth[driver]! += saved;
      wanted[driver]!++;
    }
  });
  for (let driver = 0; driver < free.length; driver++) {
    const expected = (wanted[driver]! * horizonSeconds) / observedSeconds;
    if (wanted[driver]! > 0) worth[driver] = (worth[driver]! / wanted[driver]!) * (1 - Math.exp(-expected));
  }
  return worth;
}
