/** Points where geometry goes wrong: seams, poles, crowds, far corners. Shared by the spatial tests. */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import type { LatLng } from "../../../src/domain/place.ts";

/** Doubles from `least` to `most`, both ends included and drawn often. */
export function degrees(least: number, most: number): fc.Arbitrary<number> {
  return fc.double({ min: least, max: most, noNaN: true });
}

export const anywhere: fc.Arbitrary<LatLng> = fc.record({ lat: degrees(-90, 90), lng: degrees(-180, 180) });

const onTheSeam = fc.record({
  lat: degrees(-70, 70),
  lng: fc.oneof(degrees(179.9, 180), degrees(-180, -179.9), fc.constantFrom(180, -180)),
});
const atAPole = fc.record({
  lat: fc.oneof(degrees(89.9, 90), degrees(-90, -89.9), fc.constantFrom(90, -90)),
  lng: degrees(-180, 180),
});

/** Mostly ordinary places, often one of the places where a naive formula breaks. */
export const place: fc.Arbitrary<LatLng> = fc.oneof(anywhere, onTheSeam, atAPole);

/** Wraps a longitude that ran over the seam by less than a turn. */
export function wrapLng(lng: number): number {
  return lng > 180 ? lng - 360 : lng < -180 ? lng + 360 : lng;
}

/** Points scattered around a centre at one scale, from a parking lot to a continent, over the seam and the poles. */
export const scatter = fc
  .record({
    centre: fc.oneof(place, fc.constant({ lat: 40.75, lng: -73.98 })),
    spread: fc.constantFrom(0, 0.0002, 0.02, 0.3, 10, 180),
    seed: fc.integer(),
  })
  .map(({ centre, spread, seed }) => {
    let state = seed;
    const next = (): number => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
      return (state >>> 0) / 2 ** 32;
    };
    // Meridians meet at the poles: the same distance there is a wide angle, up to the whole turn.
    const turn = Math.min(359, spread / Math.max(0.001, Math.cos((centre.lat * Math.PI) / 180)));
    const coordinate = (): LatLng => ({
      lat: Math.max(-90, Math.min(90, centre.lat + (next() - 0.5) * spread)),
      lng: wrapLng(centre.lng + (next() - 0.5) * turn),
    });
    return { next, coordinate };
  });

/** Parsed JSON of a file of the shared test vectors, or null with a message where this machine does not have it. */
export function readVectors(name: string): unknown {
  const folder = process.env.KERB_DATA ?? fileURLToPath(new URL("../../../../shared/data", import.meta.url));
  const file = `${folder}/vectors/${name}`;
  if (existsSync(file)) return JSON.parse(readFileSync(file, "utf8"));
  console.warn(`skipped: test vectors ${name} not found in ${folder}/vectors (set KERB_DATA)`);
  return null;
}
