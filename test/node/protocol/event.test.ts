import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readRide, readRideEvent } from "../../../src/protocol/event.ts";

const id = "dr5ru.01J9Z3NDEKTSV4RRFFQ69G5FAV";
const ride = {
  id,
  version: 5,
  riderId: "rita",
  request: {
    pickup: { lat: 40.7, lng: -74 },
    dropoff: { lat: 40.8, lng: -73.9 },
    vehicleType: "xl",
    payment: "cash",
    minimumRating: 4.5,
    seats: 2,
    accessible: false,
  },
  tripMeters: 13_900.5,
  fareCents: 3_100,
  redispatches: 0,
  createdAt: 1_790_000_000_000,
  ratings: { driver: 5 },
  driverId: "ann",
  offerId: `${id}#3`,
  assignedAt: 1_790_000_010_000,
  state: "completed",
  startedAt: 1_790_000_100_000,
  endedAt: 1_790_000_900_000,
};
const event = { id: `${id}:5`, type: "ride.completed", rideId: id, version: 5, at: 1_790_000_900_000, ride };

describe("an event from the queue", () => {
  test("is read as it was written", () => {
    expect(readRideEvent(event)).toEqual({ ok: true, event });
    expect(readRide(JSON.stringify(ride))).toEqual(ride);
  });

  test.each([
    ["id", { ...event, id: `${id}:6` }],
    ["ride", { ...event, ride: { ...ride, version: 4 } }],
    ["ride", { ...event, ride: { ...ride, id: "dr5ru.01J9Z3NDEKTSV4RRFFQ69G5FAW" } }],
    ["ride.state", { ...event, ride: { ...ride, state: "lost" } }],
    ["ride.endedAt", { ...event, ride: { ...ride, endedAt: undefined } }],
    ["ride.mood", { ...event, ride: { ...ride, mood: "fine" } }],
    ["type", { ...event, type: "ride.imagined" }],
  ])("with a wrong %s is refused by that name", (field, wrong) => {
    const reading = readRideEvent(wrong);
    expect(reading.ok || reading.reason.startsWith(`${field}: `)).toBe(true);
    expect(reading.ok).toBe(false);
  });

  test("that is anything at all gets an answer and never an exception", () => {
    fc.assert(
      fc.property(fc.anything(), (body) => {
        expect(readRideEvent(body).ok).toBe(false);
      }),
    );
  });

  test.each(["", "null", "{}", "{"])("whose stored ride is %j is no ride", (text) => {
    expect(readRide(text)).toBeNull();
  });
});
