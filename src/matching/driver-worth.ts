/**
 * What a driver is worth where he is: the seconds that those who may ask next would wait longer if he were taken. The
 * last driver of a neighbourhood that often asks is worth minutes, one of five at a station hardly anything; so of two
 * drivers equally far from a ride it gets the one who will be missed less. Where rides were asked for and trips ended
 * lately says where they will next (rehearsal.ts); nothing here knows a city.
 */
import type { LatLng } from "../domain/place.ts";
import type { EpochMs } from "../domain/time.ts";
import type { Plane } from "../spatial/plane.ts";
import { LIMITS } from "./limits.ts";
import type { Remembered } from "./recent-places.ts";
import type { RecentRides } from "./recent-rides.ts";
import { type PastPoints, type RehearsalQuestion, WorthRehearsal } from "./rehearsal.ts";

interface WorthQuestion extends Pick<RehearsalQuestion, "horizonSeconds"> {
  readonly plane: Plane;
  readonly now: EpochMs;
  /** Seconds of the city in one of the clock's. */
  readonly clockSpeed: number;
  /** What a ride costs that nobody takes; nobody is missed for more. */
  readonly unservedSeconds: number;
  /** How far somebody else may be of whom nothing is known. Nor is anybody missed for more. */
  readonly othersSecondsFrom: (place: LatLng) => number;
}

const rehearsal = new WorthRehearsal();

/**
 * Worth in seconds of drivers at these places, the first `free` of them free, the others on their way to a pickup, by what
 * is remembered of rides; where there are very many drivers, by the newest of it.
 */
export function driverWorthSeconds(
  recent: RecentRides,
  drivers: readonly LatLng[],
  free: number,
  { plane, now, clockSpeed, unservedSeconds, othersSecondsFrom, horizonSeconds }: WorthQuestion,
): Float64Array {
  const past = ({ places, agoSeconds }: Remembered): PastPoints => {
    return { ...plane.pointsAt(places), agoSeconds: Float64Array.from(agoSeconds, (ago) => ago * clockSpeed) };
  };
  const asked = recent.asked.since(now, Math.ceil(LIMITS.worthPairs / drivers.length));
  const ended = recent.ended.since(now);
  return rehearsal.worthSeconds({
    asked: past(asked),
    unservedSeconds: Float64Array.from(asked.places, (place) => Math.min(unservedSeconds, othersSecondsFrom(place))),
    cameFree: past(ended),
    observedSeconds: Math.min(asked.seconds, ended.seconds) * clockSpeed,
    drivers: plane.pointsAt(drivers),
    free,
    horizonSeconds,
  });
}
