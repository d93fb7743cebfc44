/**
 * Driver to shard and back, over one WebSocket. The peer is untrusted: size before parse, parse before trust, and a
 * peer's fault is an answer, never an exception. The compact form of `location` is in location-frame.ts, the ticket that
 * opens the socket in ticket.ts.
 */
import * as z from "zod";
import type { DriverStatus, Fix } from "../domain/driver.ts";
import { VEHICLE_TYPES } from "../domain/driver.ts";
import type { DriverNotice, DriverRide, FaultCode, OfferCard } from "../domain/notice.ts";
import type { DeadReason } from "../domain/ride.ts";
import {
  firstIssue,
  LatLngField,
  OfferIdField,
  pinned,
  RideIdField,
  RideStateField,
  type Same,
  WholeField,
} from "./fields.ts";
import { decodeLocationFrame, MAX_FIXES } from "./location-frame.ts";
import { PROTOCOL_VERSION } from "./version.ts";

/** Longest frame a driver may send: characters of text or bytes. */
export const MAX_FRAME = 4_096;
/** Offered first in `Sec-WebSocket-Protocol`; the second item is `ticket.` and the one-time ticket. */
export const SUBPROTOCOL = "kerb.v1";
export const TICKET_PREFIX = "ticket.";

/** Why the server ended a socket, and what the client should do about it. */
export const CLOSE = {
  /** A newer socket of this driver took over. Do not reconnect. */
  superseded: 4001,
  /** Three frames that could not be read. Do not reconnect: fix the client. */
  badFrames: 4400,
  /** The ticket was refused, used before or has expired. Get a new one, then reconnect. */
  ticketRefused: 4401,
  /** The token that this socket was opened with has expired. Get a new token and a ticket, then reconnect. */
  expired: 4401,
  /** No hello within five seconds. Reconnect with a new ticket and say hello first. */
  noHello: 4408,
  /** Another shard serves this place now. Get a new ticket and reconnect. */
  moved: 4409,
  /** Nothing heard for a minute. Reconnect with a new ticket. */
  silent: 4410,
  /** Too many frames. Wait a minute, reconnect with a new ticket, send less. */
  flooded: 4429,
  /** The shard is full or ill. The reason is JSON `{"retryAfterMs": n}`: wait that long, then reconnect. */
  overloaded: 4503,
} as const;
export type CloseCode = (typeof CLOSE)[keyof typeof CLOSE];

/** The close reason that goes with `CLOSE.overloaded`. */
export function overloadedReason(retryAfterMs: number): string {
  return JSON.stringify({ retryAfterMs });
}

/** The client's name for one command; it comes back in the verdict, and a repeat is said under the same name. */
const CommandId = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/);
const TripStepField = z.enum(["arrive", "start", "complete", "cancel"]);

/** A fix as sent: `ageMs` is how old it is, a duration, because the device's clock may be wrong. */
export const WireFix = z.strictObject({
  seq: z.int().min(0).max(0xffff_ffff),
  lat: z.number().min(-90).max(90),
  lng: z.number().min(-180).max(180),
  headingDegrees: z.number().min(0).lt(360).nullable(),
  speedMetersPerSecond: z.number().min(0).max(200_000).nullable(),
  accuracyMeters: z.number().min(0).max(10_000),
  ageMs: z.int().min(0).max(600_000),
});
export type WireFix = z.infer<typeof WireFix>;

const Location = z.strictObject({
  type: z.literal("location"),
  fixes: z.array(WireFix).min(1).max(MAX_FIXES),
});

/** Where the driver is going, if his rides shall bring him nearer to it; left out, he is going nowhere in particular. */
const Destination = LatLngField.optional();

export const DriverUp = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("hello"),
    protocol: z.literal(PROTOCOL_VERSION),
    available: z.boolean(),
    destination: Destination,
  }),
  Location,
  z.strictObject({ type: z.literal("status"), available: z.boolean(), destination: Destination }),
  z.strictObject({ type: z.literal("offer.accept"), cid: CommandId, offerId: OfferIdField }),
  z.strictObject({ type: z.literal("offer.decline"), cid: CommandId, offerId: OfferIdField }),
  z.strictObject({ type: z.literal("trip"), cid: CommandId, offerId: OfferIdField, step: TripStepField }),
]);
export type DriverUp = z.infer<typeof DriverUp>;

export type Decoded =
  | { readonly ok: true; readonly message: DriverUp }
  | { readonly ok: false; readonly code: FaultCode; readonly message: string };

/** Text is JSON; a buffer is the compact form of `location`. Never throws. */
export function decodeDriverUp(frame: string | ArrayBuffer): Decoded {
  const size = typeof frame === "string" ? frame.length : frame.byteLength;
  if (size > MAX_FRAME) return { ok: false, code: "too_large", message: `a frame is at most ${MAX_FRAME} bytes` };
  if (typeof frame !== "string") {
    const fixes = decodeLocationFrame(frame);
    if (typeof fixes === "string") return { ok: false, code: "bad_frame", message: fixes };
    // One truth for the bounds: what the numbers may be is in the schema, whichever form carried them.
    return judged(Location.safeParse({ type: "location", fixes }));
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(frame);
  } catch {
    return { ok: false, code: "not_json", message: "the frame is not JSON" };
  }
  return judged(DriverUp.safeParse(parsed));
}

function judged(result: z.ZodSafeParseResult<DriverUp>): Decoded {
  if (result.success) return { ok: true, message: result.data };
  const { field, message } = firstIssue(result.error);
  return { ok: false, code: "bad_frame", message: field === "" ? message : `${field}: ${message}` };
}

/** Stamps wire fixes with the server's time: received at `at`, each `ageMs` old by then. */
export function fixesOf(fixes: readonly WireFix[], at: number): Fix[] {
  return fixes.map(({ lat, lng, ageMs, ...rest }) => ({ ...rest, position: { lat, lng }, at: at - ageMs }));
}

const DeadReasonField = z.enum([
  "busy",
  "offline",
  "stale",
  "declined",
  "expired",
  "superseded",
  "cancelled",
  "unreachable",
  "unanswered",
]);

const offerCard = {
  offerId: OfferIdField,
  rideId: RideIdField,
  pickup: LatLngField,
  dropoff: LatLngField,
  pickupMeters: z.number().min(0),
  pickupSeconds: z.number().min(0),
  tripMeters: z.number().min(0),
  fareCents: WholeField,
  currency: z.string().max(3),
  vehicleType: z.enum(VEHICLE_TYPES),
  pickupAt: z.exactOptional(WholeField),
  ttlMs: z.number().min(0),
  zone: z.exactOptional(z.string().max(40)),
};
const OfferCardField = z.strictObject(offerCard);

const driverRide = {
  offerId: OfferIdField,
  rideId: RideIdField,
  state: RideStateField,
  version: WholeField,
  pickup: LatLngField,
  dropoff: LatLngField,
  fareCents: WholeField,
  currency: z.string().max(3),
  pickupAt: z.exactOptional(WholeField),
};
const NextRideField = z.strictObject(driverRide);
const DriverRideField = z.strictObject({
  ...driverRide,
  exchanged: z.exactOptional(z.literal(true)),
  next: z.exactOptional(NextRideField),
});

const StatusField = z.discriminatedUnion("state", [
  z.strictObject({ state: z.literal("available") }),
  z.strictObject({ state: z.literal("paused"), reason: z.literal("driver") }),
  z.strictObject({ state: z.literal("unlocated"), reason: z.enum(["no-fix", "stale-fix", "held-fix"]) }),
  z.strictObject({ state: z.literal("offered") }),
  z.strictObject({ state: z.literal("engaged") }),
]);

const HoldingField = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("offer"), offer: OfferCardField }),
  z.strictObject({ kind: z.literal("ride"), ride: DriverRideField }),
  z.strictObject({ kind: z.literal("none") }),
]);

const PendingField = z.strictObject({ outcome: z.literal("pending"), retryAfterMs: WholeField });

const VerdictField = z.discriminatedUnion("outcome", [
  z.strictObject({ outcome: z.literal("won"), ride: DriverRideField }),
  z.strictObject({
    outcome: z.literal("lost"),
    reason: z.enum([...DeadReasonField.options, "unknown", "ride_over"]),
  }),
  PendingField,
]);

const TripVerdictField = z.discriminatedUnion("outcome", [
  z.strictObject({ outcome: z.literal("done"), ride: DriverRideField }),
  z.strictObject({
    outcome: z.literal("refused"),
    reason: z.enum(["unknown", "wrong_state"]),
    state: z.exactOptional(RideStateField),
    next: z.exactOptional(NextRideField),
  }),
  PendingField,
]);

/** What a driver hears. Clients parse with it; the server proves at compile time that it says nothing else. */
export const DriverDown = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("welcome"),
    epoch: WholeField,
    fixEveryMs: WholeField,
    status: StatusField,
    holding: HoldingField,
  }),
  z.strictObject({ type: z.literal("offer"), ...offerCard }),
  z.strictObject({ type: z.literal("offer.closed"), offerId: OfferIdField, reason: DeadReasonField }),
  z.strictObject({
    type: z.literal("offer.verdict"),
    cid: CommandId,
    offerId: OfferIdField,
    verdict: VerdictField,
  }),
  z.strictObject({
    type: z.literal("trip.verdict"),
    cid: CommandId,
    offerId: OfferIdField,
    step: TripStepField,
    verdict: TripVerdictField,
  }),
  z.strictObject({ type: z.literal("trip.changed"), ride: DriverRideField }),
  z.strictObject({ type: z.literal("status"), status: StatusField }),
  z.strictObject({ type: z.literal("rehome"), ticket: z.string().max(2_000) }),
  z.strictObject({
    type: z.literal("hint"),
    to: LatLngField,
    meters: WholeField,
    seconds: WholeField,
    surge: z.number().min(1),
    ttlMs: WholeField,
  }),
  z.strictObject({
    type: z.literal("queue"),
    standing: z.strictObject({ zone: z.string().max(40), place: WholeField, of: WholeField }).nullable(),
  }),
  z.strictObject({ type: z.literal("config"), fixEveryMs: WholeField }),
  z.strictObject({ type: z.literal("session.ending"), endsInMs: WholeField }),
  z.strictObject({
    type: z.literal("fault"),
    code: z.enum(["too_large", "not_json", "bad_frame", "hello_first", "flood"]),
    message: z.string().max(400),
  }),
]);
export type DriverDown = z.infer<typeof DriverDown>;

pinned<Same<DriverDown, DriverNotice>>();
pinned<Same<z.infer<typeof OfferCardField>, OfferCard>>();
pinned<Same<z.infer<typeof DriverRideField>, DriverRide>>();
pinned<Same<z.infer<typeof StatusField>, DriverStatus>>();
pinned<Same<z.infer<typeof DeadReasonField>, DeadReason>>();

/** A notice is a frame already; `satisfies` stops compiling the day the two drift apart. */
export function encodeNotice(notice: DriverNotice): string {
  return JSON.stringify(notice satisfies DriverDown);
}
