/** Ride events on the queue. The producer is Kerb itself, and the consumer reads them as if it were not. */
import * as z from "zod";
import { PAYMENT_METHODS, VEHICLE_TYPES } from "../domain/driver.ts";
import type { RideEvent } from "../domain/event.ts";
import type { Ride } from "../domain/ride.ts";
import {
  DriverIdField,
  firstIssue,
  LatLngField,
  OfferIdField,
  pinned,
  RideIdField,
  RiderIdField,
  type Same,
  WholeField,
} from "./fields.ts";

const request = z.strictObject({
  pickup: LatLngField,
  dropoff: LatLngField,
  vehicleType: z.enum(VEHICLE_TYPES),
  payment: z.enum(PAYMENT_METHODS),
  minimumRating: z.number().min(0).max(5),
  seats: z.int().min(1).max(8),
  accessible: z.boolean(),
  pickupAt: z.exactOptional(WholeField),
});
const base = {
  id: RideIdField,
  version: WholeField,
  riderId: RiderIdField,
  request,
  tripMeters: z.number().min(0),
  fareCents: WholeField,
  redispatches: WholeField,
  createdAt: WholeField,
  ratings: z.strictObject({
    driver: z.exactOptional(z.int().min(1).max(5)),
    rider: z.exactOptional(z.int().min(1).max(5)),
  }),
};
const hasDriver = { driverId: DriverIdField, offerId: OfferIdField, assignedAt: WholeField };
const trip = { startedAt: WholeField, endedAt: WholeField };

const RideField = z.discriminatedUnion("state", [
  z.strictObject({ ...base, state: z.literal("scheduled"), request: request.extend({ pickupAt: WholeField }) }),
  z.strictObject({ ...base, state: z.literal("matching"), deadlineAt: WholeField }),
  z.strictObject({ ...base, ...hasDriver, state: z.literal("assigned") }),
  z.strictObject({ ...base, ...hasDriver, state: z.literal("arrived"), arrivedAt: WholeField }),
  z.strictObject({ ...base, ...hasDriver, state: z.literal("on_trip"), startedAt: WholeField }),
  z.strictObject({ ...base, ...hasDriver, ...trip, state: z.literal("completed") }),
  z.strictObject({ ...base, ...hasDriver, ...trip, state: z.literal("abandoned") }),
  z.strictObject({ ...base, ...hasDriver, state: z.literal("cancelled_no_show"), endedAt: WholeField }),
  z.strictObject({ ...base, state: z.literal("cancelled_by_rider"), endedAt: WholeField, late: z.boolean() }),
  z.strictObject({
    ...base,
    state: z.literal("no_driver"),
    endedAt: WholeField,
    reason: z.enum(["deadline", "redispatches"]),
  }),
]);
pinned<Same<z.infer<typeof RideField>, Ride>>();

const RideEventMessage = z
  .strictObject({
    id: z.string().max(80),
    type: z.enum([
      "ride.requested",
      "ride.scheduled",
      "ride.dispatched",
      "ride.assigned",
      "ride.exchanged",
      "ride.arrived",
      "ride.started",
      "ride.completed",
      "ride.redispatched",
      "ride.cancelled",
      "ride.no_show",
      "ride.no_driver",
      "ride.abandoned",
      "ride.rated",
    ]),
    rideId: RideIdField,
    version: WholeField,
    at: WholeField,
    ride: RideField,
  })
  .refine((event) => event.id === `${event.rideId}:${event.version}`, {
    path: ["id"],
    message: "is not {rideId}:{version}",
  })
  .refine((event) => event.ride.id === event.rideId && event.ride.version === event.version, {
    path: ["ride"],
    message: "is not the ride that the event names",
  });
pinned<Same<z.infer<typeof RideEventMessage>, RideEvent>>();

export type EventReading =
  | { readonly ok: true; readonly event: RideEvent }
  | { readonly ok: false; readonly reason: string };

/** Never throws: what cannot be read is kept with the reason. */
export function readRideEvent(body: unknown): EventReading {
  const result = RideEventMessage.safeParse(body);
  if (result.success) return { ok: true, event: result.data };
  const { field, message } = firstIssue(result.error);
  return { ok: false, reason: `${field}: ${message}` };
}

/** A stored ride, read back from its row; null when the row is not a ride. */
export function readRide(text: string): Ride | null {
  try {
    return RideField.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}
