/** One stretch of driving in a straight line at even pace: where the car is at any moment, without stepping there. */
import type { LatLng } from "../../src/domain/place.ts";
import type { EpochMs } from "../../src/domain/time.ts";
import { bearingDegrees } from "../../src/spatial/distance.ts";

export interface Leg {
  readonly from: LatLng;
  readonly to: LatLng;
  readonly startAt: EpochMs;
  readonly endAt: EpochMs;
  readonly headingDegrees: number;
  readonly speedMetersPerSecond: number;
}

export function legOf(from: LatLng, to: LatLng, startAt: EpochMs, seconds: number, meters: number): Leg {
  const lasting = Math.max(seconds, 0.001);
  return {
    from,
    to,
    startAt,
    endAt: startAt + Math.max(1, Math.round(lasting * 1_000)),
    headingDegrees: bearingDegrees(from, to),
    speedMetersPerSecond: meters / lasting,
  };
}

/** Linear in degrees: within a city that is the great circle to a few metres. */
export function positionOn({ from, to, startAt, endAt }: Leg, now: EpochMs): LatLng {
  const share = (now - startAt) / (endAt - startAt);
  if (share >= 1) return to;
  return { lat: from.lat + (to.lat - from.lat) * share, lng: from.lng + (to.lng - from.lng) * share };
}
