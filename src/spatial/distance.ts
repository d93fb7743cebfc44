/**
 * Distances on the sphere, in meters, from degrees. A sphere of the mean radius is within 0.6 % of the ellipsoid,
 * far below what a road adds to a straight line.
 */
import type { CellPrefix, LatLng } from "../domain/place.ts";
import { boundsOf, type CellBounds } from "./geohash.ts";

/** IUGG mean radius. */
export const EARTH_RADIUS_METERS = 6_371_008.8;

export const RADIANS_PER_DEGREE = Math.PI / 180;

/** Taken off every lower bound, so that rounding cannot make one optimistic within a quarter of the way round. */
const ROUNDING_METERS = 1e-6;

/** Great-circle distance. Good to a micrometer up to a quarter of the way round, to 0.2 m near the antipode. */
export function haversineMeters(a: LatLng, b: LatLng): number {
  return metersBetween(a.lat, a.lng, cosDegrees(a.lat), b.lat, b.lng, cosDegrees(b.lat));
}

/** The same number, bit for bit, as `haversineMeters`, for a caller that keeps the cosines of its latitudes. */
export function metersBetween(
  latA: number,
  lngA: number,
  cosLatA: number,
  latB: number,
  lngB: number,
  cosLatB: number,
): number {
  const lngApart = degreesApart(lngA, lngB);
  const sinLat = Math.sin((latB - latA) * (RADIANS_PER_DEGREE / 2));
  const sinLng = Math.sin(lngApart * (RADIANS_PER_DEGREE / 2));
  const haversine = sinLat * sinLat + cosLatA * cosLatB * sinLng * sinLng;
  return 2 * EARTH_RADIUS_METERS * Math.asin(Math.min(1, Math.sqrt(haversine)));
}

/** Cosine of a latitude, for `metersBetween`. */
export function cosDegrees(lat: number): number {
  return Math.cos(lat * RADIANS_PER_DEGREE);
}

/** Initial course of the great circle from `a` to `b`: clockwise from north, [0, 360). Coinciding points give 0. */
export function bearingDegrees(a: LatLng, b: LatLng): number {
  const latA = a.lat * RADIANS_PER_DEGREE;
  const latB = b.lat * RADIANS_PER_DEGREE;
  const turn = (b.lng - a.lng) * RADIANS_PER_DEGREE;
  const east = Math.sin(turn) * Math.cos(latB);
  const north = Math.cos(latA) * Math.sin(latB) - Math.sin(latA) * Math.cos(latB) * Math.cos(turn);
  const degrees = Math.atan2(east, north) / RADIANS_PER_DEGREE;
  // Adding 360 to a tiny negative angle rounds to 360 itself, which is north again.
  const positive = degrees < 0 ? degrees + 360 : degrees;
  return positive >= 360 ? 0 : positive;
}

/** Where a great circle that starts at `point` on this bearing arrives after `meters`; lng within [-180, 180]. */
export function destinationPoint(point: LatLng, bearing: number, meters: number): LatLng {
  const angle = meters / EARTH_RADIUS_METERS;
  const course = bearing * RADIANS_PER_DEGREE;
  const lat = point.lat * RADIANS_PER_DEGREE;
  const sinLat = Math.sin(lat) * Math.cos(angle) + Math.cos(lat) * Math.sin(angle) * Math.cos(course);
  const arrivalLat = Math.asin(Math.max(-1, Math.min(1, sinLat)));
  const turn = Math.atan2(Math.sin(course) * Math.sin(angle) * Math.cos(lat), Math.cos(angle) - Math.sin(lat) * sinLat);
  const lng = point.lng + turn / RADIANS_PER_DEGREE;
  const wrapped = lng > 180 ? lng - 360 : lng < -180 ? lng + 360 : lng;
  return { lat: arrivalLat / RADIANS_PER_DEGREE, lng: wrapped };
}

/**
 * How far a point inside a cell may look without seeing across the border: never more than the true distance.
 * Everything nearer than this lies in the same cell. Zero for a point outside.
 */
export function metersToCellEdge(point: LatLng, prefix: CellPrefix): number {
  const bounds = boundsOf(prefix);
  const { south, west, north, east } = bounds;
  if (point.lat < south || point.lat > north || point.lng < west || point.lng > east) return 0;
  // A pole is not a border, but it is the end of both sides, so counting it as one changes nothing.
  const nearest = Math.min(
    (point.lat - south) * METERS_PER_DEGREE,
    (north - point.lat) * METERS_PER_DEGREE,
    metersToMeridian(point, west, bounds),
    metersToMeridian(point, east, bounds),
  );
  return Math.max(0, nearest - ROUNDING_METERS);
}

/** How near anything in a cell can be: zero inside and on the border, else the great-circle distance, never more. */
export function metersToCell(point: LatLng, prefix: CellPrefix): number {
  return metersToBounds(point, boundsOf(prefix));
}

/** `metersToCell` for a box that is already in degrees. */
export function metersToBounds(point: LatLng, bounds: CellBounds): number {
  const { south, west, north, east } = bounds;
  const { lat, lng } = point;
  let meters: number;
  if (lng >= west && lng <= east) {
    // Two parallels are as far apart as their latitudes, and the shortest way runs along the point's own meridian.
    meters = lat < south ? (south - lat) * METERS_PER_DEGREE : lat > north ? (lat - north) * METERS_PER_DEGREE : 0;
  } else {
    // On every parallel the distance grows with the difference in longitude, so the nearer side holds the nearest point.
    const side = degreesApart(lng, west) <= degreesApart(lng, east) ? west : east;
    meters = metersToMeridian(point, side, bounds);
  }
  return Math.max(0, meters - ROUNDING_METERS);
}

const METERS_PER_DEGREE = EARTH_RADIUS_METERS * RADIANS_PER_DEGREE;

/**
 * Distance to the piece of a meridian between two latitudes. Along the meridian the cosine of the distance is
 * proportional to cos(latitude - foot), so the nearest point is the foot where the piece holds it, else an end.
 */
function metersToMeridian(point: LatLng, lng: number, { south, north }: CellBounds): number {
  const lat = point.lat * RADIANS_PER_DEGREE;
  const apart = degreesApart(point.lng, lng) * RADIANS_PER_DEGREE;
  const foot = Math.atan2(Math.sin(lat), Math.cos(lat) * Math.cos(apart)) / RADIANS_PER_DEGREE;
  if (foot >= south && foot <= north) return haversineMeters(point, { lat: foot, lng });
  return Math.min(haversineMeters(point, { lat: south, lng }), haversineMeters(point, { lat: north, lng }));
}

/** Difference of two longitudes the short way round, [0, 180]. */
function degreesApart(lngA: number, lngB: number): number {
  const apart = Math.abs(lngB - lngA);
  return apart > 180 ? 360 - apart : apart;
}
