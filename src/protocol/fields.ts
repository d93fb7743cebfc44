/** Fields that more than one wire carries: ids, places, a driver's profile. Every string has a bound and an alphabet. */
import * as z from "zod";
import { type DriverId, type DriverProfile, PAYMENT_METHODS, VEHICLE_TYPES } from "../domain/driver.ts";
import type { LatLng, ShardName } from "../domain/place.ts";
import type { OfferId, RideId, RiderId, RideState } from "../domain/ride.ts";

/** The one cast in this folder: text that matched its alphabet is the id it claims to be. */
function id<T extends string>(pattern: RegExp): z.ZodType<T> {
  return z.string().regex(pattern) satisfies z.ZodType<string> as z.ZodType<unknown> as z.ZodType<T>;
}

/** Subjects of tokens: what an identity provider may call a person. */
const SUBJECT = /^[A-Za-z0-9_-]{1,64}$/;
const RIDE = /^[0-9b-hjkmnp-z~]{2,20}\.[0-9A-HJKMNP-TV-Z]{26}$/;
const SHARD = /^cell:[0-9b-hjkmnp-z~]{1,20}$/;
const OFFER = /^[0-9b-hjkmnp-z~]{2,20}\.[0-9A-HJKMNP-TV-Z]{26}#\d{1,12}$/;

export const SubjectText = z.string().regex(SUBJECT);
/** What names one ticket: a ULID or a UUID. */
export const TicketIdField = z.string().regex(SUBJECT);
export const DriverIdField = id<DriverId>(SUBJECT);
export const RiderIdField = id<RiderId>(SUBJECT);
export const RideIdField = id<RideId>(RIDE);
export const OfferIdField = id<OfferId>(OFFER);
export const ShardNameField = id<ShardName>(SHARD);

export const LatLngField = z.strictObject({
  lat: z.number().min(-90).max(90),
  lng: z.number().min(-180).max(180),
});

const RIDE_STATES = [
  "scheduled",
  "matching",
  "assigned",
  "arrived",
  "on_trip",
  "completed",
  "abandoned",
  "cancelled_no_show",
  "cancelled_by_rider",
  "no_driver",
] as const;
export const RideStateField = z.enum(RIDE_STATES);

export const ProfileField = z.strictObject({
  vehicleType: z.enum(VEHICLE_TYPES),
  seats: z.int().min(1).max(8),
  accessible: z.boolean(),
  rating: z.number().min(1).max(5),
  payments: z.array(z.enum(PAYMENT_METHODS)).min(1).max(PAYMENT_METHODS.length),
});

/** Non-negative whole numbers that a peer counts up: epochs, versions, cents, milliseconds since 1970. */
export const WholeField = z.int().min(0);

/** Removes `readonly`, flattens intersections and lets a missing field be `undefined`: one shape, one spelling. */
type Plain<T> = T extends string | number | boolean | null | undefined
  ? T
  : { -readonly [K in keyof T]: Plain<Exclude<T[K], undefined>> };

/** `true` when two types are the same, optional fields included; anything else does not compile where it is claimed. */
export type Same<A, B> =
  (<T>() => T extends Plain<A> ? 1 : 2) extends <T>() => T extends Plain<B> ? 1 : 2 ? true : false;

/** Stops compiling the day a schema and the domain's type drift apart. */
export function pinned<_ extends true>(): void {}

pinned<Same<z.infer<typeof LatLngField>, LatLng>>();
pinned<Same<z.infer<typeof ProfileField>, DriverProfile>>();
pinned<Same<z.infer<typeof RideStateField>, RideState>>();

/** The first thing wrong with a peer's message, as `field: reason`; bounded, because the field's name is the peer's. */
export function firstIssue(error: z.ZodError): { field: string; message: string } {
  const issue = error.issues[0];
  if (issue === undefined) return { field: "", message: "refused" };
  return { field: fieldName(issue), message: issue.message.slice(0, 200) };
}

/** The path of an issue as a client writes it: `fixes.0.lat`; a stranger's key is named by itself. */
export function fieldName(issue: z.core.$ZodIssue): string {
  const path = issue.path.map(String);
  if (issue.code === "unrecognized_keys") path.push(issue.keys[0] ?? "");
  return path.join(".").slice(0, 100);
}
