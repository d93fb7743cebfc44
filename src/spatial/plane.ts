/**
 * A city as a plane, measured in seconds of driving straight at one speed: for asking about thousands of pairs of places
 * where the kind of answer matters and not its last percent. Within half a percent of the sphere over 50 km.
 */
import type { LatLng } from "../domain/place.ts";
import { cosDegrees, EARTH_RADIUS_METERS, RADIANS_PER_DEGREE } from "./distance.ts";

/** Places side by side in arrays, in seconds from nowhere in particular. */
export interface PlanePoints {
  readonly north: Float64Array;
  readonly east: Float64Array;
}

export class Plane {
  readonly #northPerDegree: number;
  readonly #eastPerDegree: number;

  constructor(middle: LatLng, metersPerSecond: number) {
    this.#northPerDegree = (EARTH_RADIUS_METERS * RADIANS_PER_DEGREE) / metersPerSecond;
    this.#eastPerDegree = this.#northPerDegree * cosDegrees(middle.lat);
  }

  pointsAt(places: readonly LatLng[]): PlanePoints {
    const north = Float64Array.from(places, ({ lat }) => lat * this.#northPerDegree);
    const east = Float64Array.from(places, ({ lng }) => lng * this.#eastPerDegree);
    return { north, east };
  }

  secondsBetween(a: LatLng, b: LatLng): number {
    const [north, east] = [(a.lat - b.lat) * this.#northPerDegree, (a.lng - b.lng) * this.#eastPerDegree];
    return Math.sqrt(north * north + east * east);
  }
}
