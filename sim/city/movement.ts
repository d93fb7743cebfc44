/** A car that drives straight from place to place: enough for dispatch, which sees only fixes. */
import type { LatLng } from "../../src/domain/place.ts";
import { bearingDegrees, destinationPoint, haversineMeters } from "../../src/spatial/distance.ts";

export interface Car {
  position: LatLng;
  headingDegrees: number | null;
  /** Of the last stretch, in city time; 0 while standing. */
  speedMetersPerSecond: number;
  target: LatLng | null;
}

export function createCar(position: LatLng): Car {
  return { position, headingDegrees: null, speedMetersPerSecond: 0, target: null };
}

/** Drives for `seconds` of city time. True when the car reached its target in this stretch; it then has none. */
export function advance(car: Car, metersPerSecond: number, seconds: number): boolean {
  if (!car.target) {
    car.speedMetersPerSecond = 0;
    return false;
  }
  const wayMeters = haversineMeters(car.position, car.target);
  const driveMeters = metersPerSecond * seconds;
  if (wayMeters > 1) car.headingDegrees = bearingDegrees(car.position, car.target);
  car.speedMetersPerSecond = metersPerSecond;
  if (driveMeters >= wayMeters) {
    car.position = car.target;
    car.target = null;
    return true;
  }
  car.position = destinationPoint(car.position, car.headingDegrees ?? 0, driveMeters);
  return false;
}
