/** Riders' and drivers' HTTP: bodies in, bodies out. `meta.id` names the component in the OpenAPI document. */
import * as z from "zod";
import { PAYMENT_METHODS, VEHICLE_TYPES } from "../domain/driver.ts";
import type { RideView } from "../domain/notice.ts";
import type { Quote } from "../domain/quote.ts";
import type { RideRequest } from "../domain/ride.ts";
import { DriverIdField, LatLngField, pinned, RideIdField, RideStateField, type Same, WholeField } from "./fields.ts";

/** Longest body of any request. */
export const MAX_BODY_BYTES = 16_384;

export const RideRequestBody = z
  .strictObject({
    pickup: LatLngField,
    dropoff: LatLngField,
    vehicleType: z.enum(VEHICLE_TYPES).default("economy"),
    payment: z.enum(PAYMENT_METHODS).default("card"),
    minimumRating: z.number().min(0).max(5).default(0),
    seats: z.int().min(1).max(8).default(1),
    accessible: z.boolean().default(false),
  })
  .meta({ id: "RideRequest" });
pinned<Same<z.infer<typeof RideRequestBody>, Omit<RideRequest, "pickupAt">>>();

/** Opaque to clients. */
const QuoteId = z.string().regex(/^[A-Za-z0-9_.-]{1,1000}$/);

export const RideOrderBody = RideRequestBody.extend({
  quoteId: QuoteId.optional().meta({ description: "Of a quote for this ride: its fare holds." }),
  pickupAt: z.exactOptional(WholeField).meta({
    description:
      "When to be picked up, in milliseconds since 1970: five minutes to seven days ahead. As soon as may be.",
  }),
}).meta({ id: "RideOrder" });

export const QuoteBody = z
  .strictObject({
    id: QuoteId,
    tripMeters: z.number().min(0),
    tripSeconds: z.number().min(0),
    fareCents: WholeField,
    currency: z.string().max(3),
    surge: z.number().min(1).meta({ description: "How many times the tariff the fare is." }),
    drivers: WholeField.meta({ description: "Near enough and free; at most eight are counted." }),
    pickupSeconds: z.number().min(0).nullable().meta({ description: "Of the quickest driver, in half minutes." }),
    expiresInMs: WholeField,
  })
  .meta({ id: "Quote" });
pinned<Same<Omit<z.infer<typeof QuoteBody>, "id" | "expiresInMs">, Quote>>();

/** Visible ASCII, so that it survives every proxy and log unchanged. */
export const IdempotencyKey = z
  .string()
  .regex(/^[\x21-\x7e]{1,128}$/)
  .meta({ description: "A name for this request, new for every new wish. The same key and body give the same ride." });

const Position = z.strictObject({
  lat: z.number(),
  lng: z.number(),
  headingDegrees: z.number().nullable(),
  ageMs: z.number().min(0),
  stale: z.boolean(),
  etaSeconds: z.number().min(0).nullable(),
});

const Stars = z.int().min(1).max(5);

export const RideViewBody = z
  .strictObject({
    id: RideIdField,
    state: RideStateField,
    version: WholeField,
    pickup: LatLngField,
    dropoff: LatLngField,
    vehicleType: z.enum(VEHICLE_TYPES),
    tripMeters: z.number().min(0),
    fareCents: WholeField,
    currency: z.string().max(3),
    redispatches: WholeField,
    createdAt: WholeField,
    pickupAt: WholeField.optional(),
    driver: z.strictObject({ id: DriverIdField, position: Position.optional() }).optional(),
    endedAt: WholeField.optional(),
    reason: z.string().max(40).optional(),
    ratings: z.strictObject({ driver: Stars.optional(), rider: Stars.optional() }),
  })
  .meta({ id: "Ride" });
pinned<Same<z.infer<typeof RideViewBody>, RideView>>();

export const RatingBody = z.strictObject({ stars: Stars }).meta({ id: "Rating" });

/** Where the driver is now: it decides which shard his socket goes to. */
export const TicketRequestBody = LatLngField.meta({ id: "SocketTicketRequest" });

export const TicketBody = z
  .strictObject({
    ticket: z.string().max(2_000),
    url: z.url(),
    protocol: z.string().max(40),
    expiresInMs: WholeField,
  })
  .meta({ id: "SocketTicket" });

/** The last ride of a page, as creation time and id; opaque to clients. */
const PageCursor = z.string().regex(/^\d{1,15}_[0-9b-hjkmnp-z~]{2,20}\.[0-9A-HJKMNP-TV-Z]{26}$/);

export const RidePageQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(100).default(20),
  cursor: PageCursor.optional(),
});

export const RidePageBody = z
  .strictObject({ rides: z.array(RideViewBody), next: PageCursor.nullable() })
  .meta({ id: "RidePage" });
