import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { LatLng } from "../../../src/domain/place.ts";
import { haversineMeters } from "../../../src/spatial/distance.ts";
import { createNearestResult, type NearestQuery, SupplyIndex } from "../../../src/spatial/supply-index.ts";
import { degrees, readVectors, scatter, wrapLng } from "./worlds.ts";

interface Entry extends LatLng {
  readonly expiresAtMs: number;
  readonly traits: number;
  readonly rating: number;
  readonly seats: number;
}

const NOW_MS = 1_000;
const ANYONE = { nowMs: NOW_MS, requiredTraits: 0, minimumRating: 0, minimumSeats: 0, maxMeters: 1e9 };

/** The definition of a right answer: measure everyone, keep who passes, sort. */
function bruteForce(entries: ReadonlyMap<number, Entry>, query: NearestQuery): [slot: number, meters: number][] {
  return [...entries]
    .filter(([slot, entry]) => {
      const traits = (entry.traits & query.requiredTraits) >>> 0 === query.requiredTraits;
      const suits = traits && entry.rating >= query.minimumRating && entry.seats >= query.minimumSeats;
      return suits && entry.expiresAtMs > query.nowMs && !query.skip?.(slot);
    })
    .map(([slot, entry]): [number, number] => [slot, haversineMeters(query, entry)])
    .filter(([, meters]) => meters <= query.maxMeters)
    .sort(([slotA, metersA], [slotB, metersB]) => metersA - metersB || slotA - slotB)
    .slice(0, query.limit);
}

function nearest(index: SupplyIndex, query: NearestQuery): [slot: number, meters: number][] {
  const out = createNearestResult(query.limit);
  const found = index.nearest(query, out);
  return Array.from({ length: found }, (_, at) => [out.slots[at]!, out.meters[at]!]);
}

function put(index: SupplyIndex, slot: number, entry: Entry): void {
  index.upsert(slot, entry.lat, entry.lng, entry.expiresAtMs, entry.traits, entry.rating, entry.seats);
}

function standing(lat: number, lng: number): Entry {
  return { lat, lng, expiresAtMs: 2_000, traits: 0, rating: 5, seats: 4 };
}

const filters = fc.record({
  limit: fc.integer({ min: 1, max: 25 }),
  maxMeters: fc.oneof(fc.constantFrom(1e9, 0), fc.double({ min: 0, max: 50_000, noNaN: true }), degrees(0, 2.1e7)),
  nowMs: fc.constantFrom(0, 1_000, 1_500),
  requiredTraits: fc.constantFrom(0, 1, 6, 0x80000000, 0x80000004),
  minimumRating: fc.constantFrom(0, 4.7, 6),
  minimumSeats: fc.constantFrom(0, 4, 7),
});

describe("nearest", () => {
  test("it gives exactly what brute force gives, in worlds of every scale, through moves, removals and expiry", () => {
    fc.assert(
      fc.property(
        scatter,
        fc.integer({ min: 1, max: 1_500 }),
        fc.constantFrom(50, 150, 1_000, 100_000),
        fc.array(filters, { minLength: 1, maxLength: 6 }),
        ({ next, coordinate }, count, cellMeters, queries) => {
          const index = new SupplyIndex({ cellMeters });
          const entries = new Map<number, Entry>();
          // One very large slot makes a scan of everything so dear that the grid must find the answer alone.
          if (next() < 0.5) {
            entries.set(30_000, { ...standing(0, 0), traits: 0xffffffff });
            put(index, 30_000, entries.get(30_000)!);
          }
          for (let step = 0; step < count; step++) {
            const slot = Math.floor(next() * count);
            const entry = {
              ...(next() < 0.1 ? (entries.get(slot - 1) ?? coordinate()) : coordinate()),
              expiresAtMs: next() < 0.2 ? 1_000 : 2_000,
              traits: Math.floor(next() * 2 ** 32),
              rating: next() < 0.5 ? 4.7 : 1 + next() * 4,
              seats: Math.floor(next() * 9),
            };
            entries.set(slot, entry);
            put(index, slot, entry);
          }
          for (const query of queries) {
            for (const slot of [...entries.keys()].slice(0, 40)) {
              if (next() < 0.3) {
                expect(index.remove(slot)).toBe(true);
                entries.delete(slot);
                continue;
              }
              const before = entries.get(slot)!;
              const nudged = {
                lat: Math.min(90, before.lat + next() * 4e-4),
                lng: wrapLng(before.lng + next() * 4e-4),
              };
              const moved = { ...before, ...(next() < 0.5 ? nudged : coordinate()), expiresAtMs: 1_500 };
              entries.set(slot, moved);
              index.move(slot, moved.lat, moved.lng, moved.expiresAtMs);
            }
            const skip = next() < 0.5 ? (slot: number) => slot % 3 === 0 : undefined;
            const asked = { ...query, ...coordinate(), skip };
            expect(nearest(index, asked)).toEqual(bruteForce(entries, asked));
            expect(index.size).toBe(entries.size);
          }
        },
      ),
      { numRuns: 600 },
    );
  });

  test("equal distances are ordered by slot, however the entries came in", () => {
    const index = new SupplyIndex();
    for (const slot of [7, 2, 9, 0, 5]) put(index, slot, standing(40.75, -73.98));
    const found = nearest(index, { ...ANYONE, lat: 40.751, lng: -73.98, limit: 3 });
    expect(found.map(([slot]) => slot)).toEqual([0, 2, 5]);
  });

  test("a neighbour across the antimeridian or across a pole is near", () => {
    const index = new SupplyIndex();
    // The crowd makes looking at everyone dearer than looking around, so the grid has to find them.
    for (let slot = 0; slot < 2_000; slot++) put(index, slot, standing(20 + slot / 1_000, 30));
    put(index, 2_000, standing(-17, -179.999));
    put(index, 2_001, standing(89.999, 170));
    const [fiji] = nearest(index, { ...ANYONE, lat: -17, lng: 179.999, limit: 1, maxMeters: 300 });
    expect(fiji![0]).toBe(2_000);
    expect(fiji![1]).toBeCloseTo(212.7, 0);
    const [arctic] = nearest(index, { ...ANYONE, lat: 89.999, lng: -10, limit: 1, maxMeters: 300 });
    expect(arctic).toEqual([2_001, expect.closeTo(222.39, 1)]);
  });

  test("over the pole, an entry on any meridian is found by the grid alone", () => {
    for (let lng = -180; lng <= 180; lng += 15) {
      const index = new SupplyIndex({ cellMeters: 1_000 });
      put(index, 60_000, standing(0, 0));
      put(index, 0, standing(89.95, lng));
      const query = { ...ANYONE, lat: 89.9, lng: 100, limit: 1 };
      expect(nearest(index, query), `lng ${lng}`).toEqual([[0, haversineMeters(query, { lat: 89.95, lng })]]);
    }
  });

  test("a step that changes the coarse cell but not the fine one is noticed", () => {
    const index = new SupplyIndex({ cellMeters: 1_000 });
    put(index, 60_000, standing(0, 0));
    put(index, 0, standing(40.1425, -74));
    // Coarse rows meet at 40 1/7 degrees, fine ones at 40 15/111 and 40 16/111.
    index.move(0, 40.1435, -74, 2_000);
    const query = { ...ANYONE, lat: 40.25, lng: -74, limit: 5 };
    const meters = haversineMeters(query, { lat: 40.1435, lng: -74 });
    expect(nearest(index, { ...query, maxMeters: meters })).toEqual([[0, meters]]);
  });

  test("maxMeters is inclusive, and an entry is gone at its expiry time, not after it", () => {
    const index = new SupplyIndex();
    put(index, 0, standing(40.75, -73.98));
    const query = { ...ANYONE, lat: 40.76, lng: -73.97, limit: 1 };
    const meters = haversineMeters(query, { lat: 40.75, lng: -73.98 });
    expect(nearest(index, { ...query, maxMeters: meters })).toHaveLength(1);
    expect(nearest(index, { ...query, maxMeters: meters - 1e-7 })).toHaveLength(0);
    expect(nearest(index, { ...query, nowMs: 1_999 })).toHaveLength(1);
    expect(nearest(index, { ...query, nowMs: 2_000 })).toHaveLength(0);
  });

  test("skip is asked only about entries that pass every other filter", () => {
    const index = new SupplyIndex();
    put(index, 0, { ...standing(40.75, -73.98), traits: 1 });
    put(index, 1, { ...standing(40.75, -73.98), traits: 3 });
    put(index, 2, { ...standing(40.75, -73.98), traits: 3, expiresAtMs: 10 });
    const asked: number[] = [];
    const skip = (slot: number): boolean => asked.push(slot) > 0;
    expect(nearest(index, { ...ANYONE, lat: 40.75, lng: -73.98, limit: 5, requiredTraits: 2, skip })).toEqual([]);
    expect(asked).toEqual([1]);
  });

  test("published nearest orders come out right: five cities, the antimeridian, over the pole", () => {
    const vectors = readVectors("geo-knn-vectors.json") as {
      sources: {
        tile38: { points: Record<string, [number, number]>; query: [number, number]; order: string[] };
        redis: {
          antimeridian: {
            points: Record<string, [number, number]>;
            box_400km: { lat: number; lon: number; order: string[] }[];
          };
          crossing_pole: { points: Record<string, [number, number]>; radius_m: number };
        };
      };
    } | null;
    if (vectors === null) return;
    const order = (points: Record<string, [number, number]>, lat: number, lng: number, maxMeters: number): string[] => {
      const index = new SupplyIndex();
      const names = Object.keys(points);
      for (const [slot, name] of names.entries()) put(index, slot, standing(...points[name]!));
      return nearest(index, { ...ANYONE, lat, lng, limit: names.length, maxMeters }).map(([slot]) => names[slot]!);
    };
    const { tile38, redis } = vectors.sources;
    expect(order(tile38.points, ...tile38.query, 1e9)).toEqual(tile38.order);
    for (const box of redis.antimeridian.box_400km) {
      expect(order(redis.antimeridian.points, box.lat, box.lon, 400_000)).toEqual(box.order);
    }
    expect(order(redis.crossing_pole.points, 65, 45, redis.crossing_pole.radius_m)).toEqual(["n1", "n2"]);
  });
});

describe("entries", () => {
  test("what was put in can be read back, replaced, moved and removed", () => {
    const index = new SupplyIndex();
    put(index, 3, standing(40.75, -73.98));
    expect([index.has(3), index.has(2), index.has(99), index.size]).toEqual([true, false, false, 1]);
    expect([index.latOf(3), index.lngOf(3), index.expiresAtOf(3)]).toEqual([40.75, -73.98, 2_000]);
    index.move(3, 51.5, -0.1, 3_000);
    expect([index.latOf(3), index.lngOf(3), index.expiresAtOf(3)]).toEqual([51.5, -0.1, 3_000]);
    put(index, 3, standing(1, 2));
    expect([index.size, index.latOf(3)]).toEqual([1, 1]);
    expect([index.remove(3), index.remove(3), index.has(3), index.size]).toEqual([true, false, false, 0]);
    expect(() => index.latOf(3)).toThrow("slot 3 is not in the index");
    expect(() => index.move(3, 1, 2, 3)).toThrow("slot 3 is not in the index");
  });

  test("storage grows to a slot far away and keeps what was there", () => {
    const index = new SupplyIndex();
    for (let slot = 0; slot < 60; slot++) put(index, slot, standing(40.75 + slot / 1_000, -73.98));
    put(index, 50_000, standing(40.75, -73.97));
    expect(index.size).toBe(61);
    const found = nearest(index, { ...ANYONE, lat: 40.75, lng: -73.98, limit: 2, maxMeters: 500 });
    expect(found.map(([slot]) => slot)).toEqual([0, 1]);
  });

  test("expire removes the dead in bounded steps, tells of each once, and its callback may put entries in", () => {
    const index = new SupplyIndex();
    for (let slot = 0; slot < 10; slot++) put(index, slot, { ...standing(1, 2), expiresAtMs: slot * 100 });
    const dead: number[] = [];
    const note = (slot: number): void => {
      dead.push(slot);
      if (slot === 3) put(index, 3, standing(5, 5));
    };
    expect(index.expire(500, 4, note)).toBe(4);
    expect(dead).toEqual([0, 1, 2, 3]);
    expect(index.expire(500, 4, note)).toBe(2);
    expect(index.expire(500, 100, note)).toBe(0);
    expect(dead).toEqual([0, 1, 2, 3, 4, 5]);
    expect([index.size, index.has(3), index.has(5), index.has(6)]).toEqual([5, true, false, true]);
  });
});

describe("input that is not a number in its range is refused by the name of the field, and nothing changes", () => {
  const bad = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];

  test("entries", () => {
    const index = new SupplyIndex();
    put(index, 0, standing(1, 2));
    const good: Parameters<SupplyIndex["upsert"]> = [0, 40, -74, 5, 1, 4.5, 4];
    const fields = ["slot", "lat", "lng", "expiresAtMs", "traits", "rating", "seats"];
    for (const [at, field] of fields.entries()) {
      const wrong = field === "lat" ? [90.1, -90.1] : field === "lng" ? [180.1, -180.1] : [];
      const integers = ["slot", "traits", "seats"].includes(field) ? [-1, 0.5, 2 ** 33] : [];
      for (const value of [...bad, ...wrong, ...integers]) {
        const values = good.with(at, value) as typeof good;
        expect(() => index.upsert(...values), `${field} ${value}`).toThrow(new RegExp(`^${field} must`));
      }
    }
    for (const value of bad) {
      expect(() => index.move(0, value, 0, 0)).toThrow(/^lat must/);
      expect(() => index.move(0, 0, value, 0)).toThrow(/^lng must/);
      expect(() => index.move(0, 0, 0, value)).toThrow(/^expiresAtMs must/);
    }
    expect([index.size, index.latOf(0), index.lngOf(0), index.expiresAtOf(0)]).toEqual([1, 1, 2, 2_000]);
  });

  test("queries", () => {
    const index = new SupplyIndex();
    put(index, 0, standing(1, 2));
    const good = { ...ANYONE, lat: 0, lng: 0, limit: 1 };
    for (const field of Object.keys(good)) {
      for (const value of bad) {
        expect(() => nearest(index, { ...good, limit: 1, [field]: value }), field).toThrow(RangeError);
      }
    }
    const out = createNearestResult(1);
    expect(() => index.nearest({ ...good, lat: Number.NaN }, out)).toThrow(/^lat must/);
    expect(() => index.nearest({ ...good, maxMeters: -1 }, out)).toThrow(/^maxMeters must/);
    expect(() => index.nearest({ ...good, limit: 2 }, out)).toThrow(/^limit must/);
    expect(() => index.nearest({ ...good, requiredTraits: -1 }, out)).toThrow(/^requiredTraits must/);
    expect(index.nearest({ ...good, limit: 0 }, out)).toBe(0);
    for (const cellMeters of [...bad, 49, 100_001])
      expect(() => new SupplyIndex({ cellMeters })).toThrow(/^cellMeters/);
  });
});
