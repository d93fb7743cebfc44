import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { CellPrefix } from "../../../src/domain/place.ts";
import {
  bitsOf,
  boundsOf,
  cellOf,
  childrenOf,
  contains,
  isCellPrefix,
  neighborsOf,
  parentOf,
} from "../../../src/spatial/geohash.ts";
import { place, readVectors } from "./worlds.ts";

interface GeohashVectors {
  readonly encode: [hash12: string, lat: number, lng: number][];
  readonly decode: [hash: string, south: number, north: number, west: number, east: number][];
  readonly neighbors: { hash: string; neighbors: string[] }[];
}

const bits = fc.integer({ min: 1, max: 60 });
const cell = (text: string): CellPrefix => {
  if (!isCellPrefix(text)) throw new Error(`${text} is no cell`);
  return text;
};

describe("against published vectors", () => {
  const vectors = readVectors("geohash-mmcloughlin.json") as GeohashVectors | null;

  test("every point encodes to the published 60-bit hash", () => {
    for (const [hash, lat, lng] of vectors?.encode ?? []) expect(cellOf(lat, lng, 60)).toBe(hash);
  });

  test("every hash decodes to the published box, which is printed to ten decimals", () => {
    for (const [hash, south, north, west, east] of vectors?.decode ?? []) {
      const bounds = boundsOf(cell(hash));
      expect(bounds.south).toBeCloseTo(south, 9);
      expect(bounds.north).toBeCloseTo(north, 9);
      expect(bounds.west).toBeCloseTo(west, 9);
      expect(bounds.east).toBeCloseTo(east, 9);
    }
  });

  test("neighbours are the published ones clockwise from north, except beyond a pole where there are none", () => {
    for (const { hash, neighbors } of vectors?.neighbors ?? []) {
      const { south, north } = boundsOf(cell(hash));
      const row = [neighbors[7]!, ...neighbors.slice(0, 2)];
      const low = neighbors.slice(3, 6);
      const beyond = north === 90 ? row : south === -90 ? low : [];
      expect(neighborsOf(cell(hash))).toEqual(neighbors.filter((name) => !beyond.includes(name)));
    }
  });
});

test("known hashes of well-known places, whole characters and single bits", () => {
  expect(cellOf(57.64911, 10.40744, 55)).toBe("u4pruydqqvj");
  expect(cellOf(40.7484, -73.9857, 25)).toBe("dr5ru");
  expect(cellOf(0, 0, 5)).toBe("s");
  expect(cellOf(-0.0001, -0.0001, 5)).toBe("7");
  // The next character is 6, which is 00110, so two bits more are 00 and four more 0011.
  expect(cellOf(40.7484, -73.9857, 30)).toBe("dr5ru6");
  expect(cellOf(40.7484, -73.9857, 27)).toBe("dr5ru~00");
  expect(cellOf(40.7484, -73.9857, 29)).toBe("dr5ru~0011");
  expect(cellOf(-10, -10, 1)).toBe("~0");
  expect(cellOf(10, 10, 2)).toBe("~11");
});

test("the ends of the world belong to the last row and the last column", () => {
  expect(cellOf(90, 180, 60)).toBe("zzzzzzzzzzzz");
  expect(cellOf(-90, -180, 60)).toBe("000000000000");
  expect(cellOf(0, 180, 10)).toBe(cellOf(0, 179.999, 10));
  expect(contains(cell("zzzzzzzzzzzz"), { lat: 90, lng: 180 })).toBe(true);
});

test("a cell contains a point exactly when the point encodes to it, at every precision and border", () => {
  fc.assert(
    fc.property(place, bits, place, (point, precision, other) => {
      const own = cellOf(point.lat, point.lng, precision);
      expect(isCellPrefix(own)).toBe(true);
      expect(bitsOf(own)).toBe(precision);
      expect(contains(own, point)).toBe(true);
      expect(contains(own, other)).toBe(cellOf(other.lat, other.lng, precision) === own);
      const { south, west, north, east } = boundsOf(own);
      expect(cellOf(south, west, precision)).toBe(own);
      if (north < 90 && east < 180) {
        expect(cellOf(north, east, precision)).not.toBe(own);
        expect(contains(own, { lat: north, lng: west })).toBe(false);
        expect(contains(own, { lat: south, lng: east })).toBe(false);
      }
    }),
    { numRuns: 2000 },
  );
});

test("the parent at any precision is the coarser cell of the same point, and the two children tile it", () => {
  fc.assert(
    fc.property(place, fc.integer({ min: 2, max: 60 }), (point, precision) => {
      const own = cellOf(point.lat, point.lng, precision);
      const parent = parentOf(own);
      expect(parent).toBe(cellOf(point.lat, point.lng, precision - 1));
      const children = childrenOf(parent);
      expect(children).toContain(own);
      const [first, second] = children.map(boundsOf);
      const whole = boundsOf(parent);
      expect([first!.south, first!.west, second!.north, second!.east]).toEqual([
        whole.south,
        whole.west,
        whole.north,
        whole.east,
      ]);
      expect(precision % 2 === 1 ? first!.east === second!.west : first!.north === second!.south).toBe(true);
    }),
    { numRuns: 2000 },
  );
});

test("neighbours share a border or a corner, know each other, and wrap at the antimeridian", () => {
  fc.assert(
    fc.property(place, bits, (point, precision) => {
      const own = cellOf(point.lat, point.lng, precision);
      const mine = boundsOf(own);
      for (const neighbor of neighborsOf(own)) {
        expect(neighborsOf(neighbor)).toContain(own);
        const theirs = boundsOf(neighbor);
        expect(theirs.south <= mine.north && theirs.north >= mine.south).toBe(true);
        const touches = theirs.west <= mine.east && theirs.east >= mine.west;
        const wraps = (theirs.west === -180 && mine.east === 180) || (theirs.east === 180 && mine.west === -180);
        expect(touches || wraps).toBe(true);
      }
      // From 5 bits on there are at least four rows and eight columns, so nobody is met twice.
      if (precision >= 5) expect(neighborsOf(own)).toHaveLength(mine.north === 90 || mine.south === -90 ? 5 : 8);
    }),
    { numRuns: 1000 },
  );
  expect(neighborsOf(cell("2"))).toContain("r");
  expect(neighborsOf(cell("~0"))).toEqual(["~1"]);
});

test("untrusted text is a cell prefix only in its one spelling", () => {
  for (const text of ["d", "dr5ru", "dr5ru~01", "~0", "~1111", "zzzzzzzzzzzz", "00000000000~0101"]) {
    expect(isCellPrefix(text), text).toBe(true);
  }
  const wrong = ["", "~", "d~", "d~00000", "a", "DR5RU", "dr5ru~2", "dr5ru~~0", "~0d", " d", "d\n", "d~0\n", "cell:d"];
  for (const text of [...wrong, "zzzzzzzzzzzzz", "zzzzzzzzzzzz~0", "0".repeat(5_000), "i", "l", "o", "ｄ"]) {
    expect(isCellPrefix(text), JSON.stringify(text)).toBe(false);
  }
});

test("text that was cast to a cell without being one is refused, not read as some other place", () => {
  for (const text of ["", "dr5ra", "dr5ru~2"]) {
    expect(() => boundsOf(text as CellPrefix)).toThrow(RangeError);
    expect(() => parentOf(text as CellPrefix)).toThrow("not a cell prefix");
  }
});

test("numbers off the globe are refused by the name of the field", () => {
  for (const lat of [Number.NaN, 90.0001, -91, Number.POSITIVE_INFINITY]) {
    expect(() => cellOf(lat, 0, 25)).toThrow(/^lat must/);
  }
  for (const lng of [Number.NaN, 180.0001, -181, Number.NEGATIVE_INFINITY]) {
    expect(() => cellOf(0, lng, 25)).toThrow(/^lng must/);
  }
  for (const precision of [0, 61, 2.5, Number.NaN]) expect(() => cellOf(0, 0, precision)).toThrow(/^bits must/);
  expect(() => parentOf(cell("~0"))).toThrow("no parent");
  expect(() => childrenOf(cell("zzzzzzzzzzzz"))).toThrow("cannot be split");
});
