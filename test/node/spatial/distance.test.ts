import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  bearingDegrees,
  cosDegrees,
  destinationPoint,
  EARTH_RADIUS_METERS,
  haversineMeters,
  metersBetween,
  metersToCell,
  metersToCellEdge,
} from "../../../src/spatial/distance.ts";
import { boundsOf, cellOf, contains } from "../../../src/spatial/geohash.ts";
import { anywhere, degrees, place, readVectors } from "./worlds.ts";

interface KnnVectors {
  readonly sources: {
    readonly tile38: {
      readonly points: Record<string, [lat: number, lng: number]>;
      readonly query: [lat: number, lng: number];
      readonly within_1500km_m: [name: string, meters: number][];
    };
    readonly redis: {
      readonly earth_radius_m: number;
      readonly nyc: {
        readonly points: Record<string, [lat: number, lng: number]>;
        readonly radius_query: { lat: number; lon: number; order_asc_km: [name: string, km: number][] };
      };
    };
  };
}

const QUARTER_METERS = (Math.PI / 2) * EARTH_RADIUS_METERS;

/** The haversine loses digits on the far side of the world; nobody drives there, and no bound can be sharper than it. */
function blur(meters: number): number {
  return meters < QUARTER_METERS ? 0 : 0.5;
}

describe("against published vectors", () => {
  const vectors = readVectors("geo-knn-vectors.json") as KnnVectors | null;

  test("distances agree with two other servers, each on its own radius", () => {
    if (vectors === null) return;
    const { tile38, redis } = vectors.sources;
    const [lat, lng] = tile38.query;
    for (const [name, meters] of tile38.within_1500km_m) {
      const [otherLat, otherLng] = tile38.points[name]!;
      const ours = haversineMeters({ lat, lng }, { lat: otherLat, lng: otherLng });
      expect(Math.abs(ours / meters - 1)).toBeLessThan(2e-5);
    }
    const { points, radius_query: query } = redis.nyc;
    for (const [name, km] of query.order_asc_km) {
      const [otherLat, otherLng] = points[name]!;
      const ours = haversineMeters({ lat: query.lat, lng: query.lon }, { lat: otherLat, lng: otherLng });
      expect((ours / 1e3) * (redis.earth_radius_m / EARTH_RADIUS_METERS)).toBeCloseTo(km, 3);
    }
  });
});

describe("haversineMeters", () => {
  test("a degree of latitude, half the world, and the seam and the poles at no distance from themselves", () => {
    expect(haversineMeters({ lat: 0, lng: 0 }, { lat: 1, lng: 0 })).toBeCloseTo(111_195.08, 1);
    expect(haversineMeters({ lat: 0, lng: 0 }, { lat: 0, lng: 180 })).toBeCloseTo(Math.PI * EARTH_RADIUS_METERS, 3);
    expect(haversineMeters({ lat: 12, lng: 180 }, { lat: 12, lng: -180 })).toBe(0);
    expect(haversineMeters({ lat: 90, lng: 17 }, { lat: 90, lng: -120 })).toBeLessThan(1e-6);
    expect(haversineMeters({ lat: 36, lng: 179.5 }, { lat: 36, lng: -179.5 })).toBeCloseTo(89_958.3, 0);
  });

  test("it agrees with the angle between the two vectors from the centre of the Earth", () => {
    fc.assert(
      fc.property(place, place, (a, b) => {
        const angle = angleBetween(unitVector(a), unitVector(b));
        expect(Math.abs(haversineMeters(a, b) - angle * EARTH_RADIUS_METERS)).toBeLessThan(0.5);
        expect(haversineMeters(b, a)).toBe(haversineMeters(a, b));
        expect(metersBetween(a.lat, a.lng, cosDegrees(a.lat), b.lat, b.lng, cosDegrees(b.lat))).toBe(
          haversineMeters(a, b),
        );
      }),
      { numRuns: 2000 },
    );
  });
});

describe("bearings and destinations", () => {
  test("the four winds, and north for a point itself", () => {
    const origin = { lat: 0, lng: 0 };
    expect(bearingDegrees(origin, { lat: 1, lng: 0 })).toBe(0);
    expect(bearingDegrees(origin, { lat: 0, lng: 1 })).toBe(90);
    expect(bearingDegrees(origin, { lat: -1, lng: 0 })).toBe(180);
    expect(bearingDegrees(origin, { lat: 0, lng: -1 })).toBe(270);
    expect(bearingDegrees(origin, origin)).toBe(0);
    expect(bearingDegrees({ lat: 0, lng: 179.5 }, { lat: 0, lng: -179.5 })).toBeCloseTo(90, 9);
  });

  test("a destination is as far as asked, on the globe, and lies on the bearing asked for", () => {
    const away = fc.record({ lat: degrees(-89, 89), lng: degrees(-180, 180) });
    fc.assert(
      fc.property(
        away,
        degrees(0, 359.999),
        fc.double({ min: 1, max: 1.5e7, noNaN: true }),
        (from, bearing, meters) => {
          const to = destinationPoint(from, bearing, meters);
          expect(Math.abs(to.lat)).toBeLessThanOrEqual(90);
          expect(Math.abs(to.lng)).toBeLessThanOrEqual(180);
          expect(Math.abs(haversineMeters(from, to) - meters)).toBeLessThan(0.01);
          const turn = Math.abs(bearingDegrees(from, to) - bearing);
          // A direction is only as sharp as the distance is long: a micrometer at one meter is a tenth of a millidegree.
          expect(Math.min(turn, 360 - turn)).toBeLessThan(1e-6 + 1e-2 / meters);
          const course = bearingDegrees(from, to);
          expect(course >= 0 && course < 360).toBe(true);
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe("cells and distance", () => {
  const cellBits = fc.integer({ min: 1, max: 40 });
  const share = fc.double({ min: 0, max: 1, noNaN: true });

  test("nothing in a cell is nearer than metersToCell says, and something is as near", () => {
    fc.assert(
      fc.property(
        place,
        place,
        cellBits,
        fc.array(fc.tuple(share, share), { maxLength: 20 }),
        (from, at, bits, shares) => {
          const cell = cellOf(at.lat, at.lng, bits);
          const { south, west, north, east } = boundsOf(cell);
          const least = metersToCell(from, cell);
          for (const [up, right] of shares) {
            const inside = { lat: south + (north - south) * up, lng: west + (east - west) * right };
            expect(haversineMeters(from, inside)).toBeGreaterThanOrEqual(least - blur(least));
          }
          if (contains(cell, from)) expect(least).toBe(0);
          const nearest = nearestOnBorder(from, boundsOf(cell));
          if (!contains(cell, from) && least < QUARTER_METERS) expect(nearest - least).toBeLessThan(1 + nearest * 2e-3);
        },
      ),
      { numRuns: 2000 },
    );
  });

  test("a step shorter than metersToCellEdge never leaves the cell, and a little more in some direction does", () => {
    fc.assert(
      fc.property(place, fc.integer({ min: 1, max: 36 }), degrees(0, 360), share, (from, bits, bearing, part) => {
        const cell = cellOf(from.lat, from.lng, bits);
        const free = metersToCellEdge(from, cell);
        const within = destinationPoint(from, bearing, free * part * 0.999999);
        // Longitude means nothing on a pole itself, and a point on the seam has two.
        if (free > 0.001) expect(contains(cell, within)).toBe(true);
        expect(nearestOnBorder(from, boundsOf(cell)) - free).toBeLessThan(1 + free * 2e-3);
      }),
      { numRuns: 2000 },
    );
  });

  test("a point outside a cell is at no distance from its edge, and across the seam cells are neighbours", () => {
    expect(metersToCellEdge({ lat: 0, lng: 0 }, cellOf(40, -74, 25))).toBe(0);
    const east = cellOf(0.01, 179.99, 25);
    expect(metersToCell({ lat: 0.01, lng: -179.999 }, east)).toBeCloseTo(111.2, 0);
    const beyondThePole = cellOf(89.99, 0, 30);
    const degreesOverThePole = 0.01 + (90 - boundsOf(beyondThePole).north);
    expect(metersToCell({ lat: 89.99, lng: 180 }, beyondThePole)).toBeCloseTo(degreesOverThePole * 111_195.08, 1);
  });

  test("distances to cells behave the same all over the ordinary world", () => {
    fc.assert(
      fc.property(anywhere, anywhere, cellBits, (from, at, bits) => {
        const meters = haversineMeters(from, at);
        expect(metersToCell(from, cellOf(at.lat, at.lng, bits))).toBeLessThanOrEqual(meters + blur(meters));
      }),
      { numRuns: 2000 },
    );
  });
});

function unitVector({ lat, lng }: { lat: number; lng: number }): [number, number, number] {
  const phi = (lat * Math.PI) / 180;
  const lambda = (lng * Math.PI) / 180;
  return [Math.cos(phi) * Math.cos(lambda), Math.cos(phi) * Math.sin(lambda), Math.sin(phi)];
}

/** By the cross and the dot product, which is sharp at every angle and shares nothing with the haversine. */
function angleBetween(a: [number, number, number], b: [number, number, number]): number {
  const cross = [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
  return Math.atan2(Math.hypot(...cross), a[0] * b[0] + a[1] * b[1] + a[2] * b[2]);
}

/** By walking the border in small steps, then in smaller ones around the nearest: no formula to share a mistake with. */
function nearestOnBorder(
  from: { lat: number; lng: number },
  { south, west, north, east }: ReturnType<typeof boundsOf>,
): number {
  const sides: ((share: number) => { lat: number; lng: number })[] = [
    (share) => ({ lat: south + (north - south) * share, lng: west }),
    (share) => ({ lat: south + (north - south) * share, lng: east }),
  ];
  if (south > -90) sides.push((share) => ({ lat: south, lng: west + (east - west) * share }));
  if (north < 90) sides.push((share) => ({ lat: north, lng: west + (east - west) * share }));
  return Math.min(
    ...sides.map((side) => {
      let [least, most] = [0, 1];
      let [nearest, best] = [Number.POSITIVE_INFINITY, 0];
      for (let round = 0; round < 16; round++) {
        for (let step = 0; step <= 20; step++) {
          const at = least + ((most - least) * step) / 20;
          const meters = haversineMeters(from, side(at));
          if (meters < nearest) [nearest, best] = [meters, at];
        }
        [least, most] = [Math.max(0, best - (most - least) / 10), Math.min(1, best + (most - least) / 10)];
      }
      return nearest;
    }),
  );
}
