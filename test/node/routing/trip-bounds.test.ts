import { expect, test } from "vitest";
import { refusalOfTrip } from "../../../src/routing/trip-bounds.ts";

const here = { lat: 40.7, lng: -74 };
/** 0.001 degree of latitude is 111.2 m. */
const north = (degrees: number) => ({ ...here, lat: here.lat + degrees });

test("a trip within a city is dispatched", () => {
  expect(refusalOfTrip(here, north(0.00046))).toBeNull();
  expect(refusalOfTrip(here, north(2.69))).toBeNull();
});

test("a trip to the same kerb is refused", () => {
  expect(refusalOfTrip(here, here)).toMatch(/50 m/);
  expect(refusalOfTrip(here, north(0.00044))).toMatch(/50 m/);
});

test("a trip to another region is refused", () => {
  expect(refusalOfTrip(here, north(2.71))).toMatch(/300 km/);
});

test("the antimeridian does not make a trip long", () => {
  expect(refusalOfTrip({ lat: -17, lng: 179.99 }, { lat: -17, lng: -179.99 })).toBeNull();
});
