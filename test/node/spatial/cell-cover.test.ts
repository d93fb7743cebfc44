import fc from "fast-check";
import { expect, test } from "vitest";
import type { CellPrefix, LatLng } from "../../../src/domain/place.ts";
import { cellsWithin } from "../../../src/spatial/cell-cover.ts";
import { destinationPoint, metersToCell } from "../../../src/spatial/distance.ts";
import { cellOf, childrenOf, contains } from "../../../src/spatial/geohash.ts";
import { degrees, place } from "./worlds.ts";

/** Every cell of the world at this precision. */
function allCells(bits: number): CellPrefix[] {
  let cells = [cellOf(0, -90, 1), cellOf(0, 90, 1)];
  for (let depth = 1; depth < bits; depth++) cells = cells.flatMap(childrenOf);
  return cells;
}

test("the cover is every cell of the world within the radius, nearest first", () => {
  const worlds = new Map([1, 2, 5, 8, 11].map((bits) => [bits, allCells(bits)]));
  const radius = fc.oneof(fc.constant(0), fc.double({ min: 0, max: 2.5e7, noNaN: true }));
  fc.assert(
    fc.property(place, radius, fc.constantFrom(...worlds.keys()), (point, meters, bits) => {
      const cover = cellsWithin(point, meters, bits, 5_000);
      const expected = worlds.get(bits)!.filter((cell) => metersToCell(point, cell) <= meters);
      expect(cover.toSorted()).toEqual(expected.toSorted());
      const distances = cover.map((cell) => metersToCell(point, cell));
      for (let at = 1; at < distances.length; at++)
        expect(distances[at]! + 1e-6).toBeGreaterThanOrEqual(distances[at - 1]!);
    }),
    { numRuns: 200 },
  );
});

test("every point of the circle lies in one of the cells, at the seam and the poles too", () => {
  const bitsAndRadius = fc.constantFrom([25, 6_000], [27, 1_500], [30, 900], [36, 60]) as fc.Arbitrary<
    [number, number]
  >;
  fc.assert(
    fc.property(place, bitsAndRadius, degrees(0, 360), degrees(0, 1), (point, [bits, meters], bearing, part) => {
      const cover = cellsWithin(point, meters, bits, 2_000);
      const reached = destinationPoint(point, bearing, meters * part * 0.999_999);
      const cell = cellOf(reached.lat, reached.lng, bits);
      // A circle over a pole touches the tips of more cells than the limit; then only the nearest are promised.
      const nearEnough = cover.length < 2_000 || metersToCell(point, cell) < metersToCell(point, cover.at(-1)!);
      if (nearEnough) expect(cover).toContain(cell);
    }),
    { numRuns: 400 },
  );
});

test("a circle inside one cell gives that cell, and one over a border both, own cell first", () => {
  const inside: LatLng = { lat: 40.75, lng: -73.98 };
  expect(cellsWithin(inside, 10, 25, 8)).toEqual(["dr5ru"]);
  const [own, ...others] = cellsWithin({ lat: 0.01, lng: 179.999 }, 500, 25, 8);
  expect(contains(own!, { lat: 0.01, lng: 179.999 })).toBe(true);
  expect(others).toEqual([cellOf(0.01, -179.999, 25)]);
});

test("a limit keeps the nearest cells, and a radius of any size costs no more for it", () => {
  const point = { lat: 40.75, lng: -73.98 };
  const all = cellsWithin(point, 20_000, 27, 100_000);
  expect(all.length).toBeGreaterThan(100);
  expect(cellsWithin(point, 20_000, 27, 16)).toEqual(all.slice(0, 16));
  expect(cellsWithin(point, Number.POSITIVE_INFINITY, 60, 16)).toHaveLength(16);
  expect(cellsWithin({ lat: 90, lng: 0 }, 1e9, 60, 64)).toHaveLength(64);
});

test("arguments out of range are refused by name", () => {
  const point = { lat: 0, lng: 0 };
  expect(() => cellsWithin({ lat: Number.NaN, lng: 0 }, 1, 25, 1)).toThrow(/^lat must/);
  expect(() => cellsWithin({ lat: 0, lng: 181 }, 1, 25, 1)).toThrow(/^lng must/);
  expect(() => cellsWithin(point, -1, 25, 1)).toThrow(/^radiusMeters must/);
  expect(() => cellsWithin(point, Number.NaN, 25, 1)).toThrow(/^radiusMeters must/);
  expect(() => cellsWithin(point, 1, 61, 1)).toThrow(/^bits must/);
  expect(() => cellsWithin(point, 1, 25, 0)).toThrow(/^limit must/);
});
