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

/** Parsed JSON of a file of the shared test vectors, or null with a message where this machine does not have it. */
export function readVectors(name: string): unknown {
  const folder = process.env.KERB_DATA ?? fileURLToPath(new URL("../../../../shared/data", import.meta.url));
  const file = `${folder}/vectors/${name}`;
  if (existsSync(file)) return JSON.parse(readFileSync(file, "utf8"));
  console.warn(`skipped: test vectors ${name} not found in ${folder}/vectors (set KERB_DATA)`);
  return null;
}
