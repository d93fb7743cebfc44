/**
 * A quote's id is the quote itself, signed with a key that only Kerb has: asking for one writes nothing, and whoever asks
 * for the ride brings back what was promised. Whether it still holds is for the ride's shard to judge, which knows
 * whether the ride was asked for before; here it is only read.
 */
import { jwtVerify, SignJWT } from "jose";
import * as z from "zod";
import { VEHICLE_TYPES, type VehicleType } from "../domain/driver.ts";
import type { LatLng } from "../domain/place.ts";
import type { RiderId } from "../domain/ride.ts";
import { type EpochMs, MINUTE_MS } from "../domain/time.ts";
import { LatLngField, RiderIdField, WholeField } from "./fields.ts";

export const QUOTE_TTL_MS = 5 * MINUTE_MS;
const AUDIENCE = "kerb-quote";
const ALGORITHM = "HS256";

/** What was promised, and of which ride. */
export interface QuotedRide {
  readonly riderId: RiderId;
  readonly market: string;
  readonly pickup: LatLng;
  readonly dropoff: LatLng;
  readonly vehicleType: VehicleType;
  readonly fareCents: number;
  readonly expiresAt: EpochMs;
}

const Claims = z.object({
  sub: RiderIdField,
  market: z.string(),
  pickup: LatLngField,
  dropoff: LatLngField,
  vehicleType: z.enum(VEHICLE_TYPES),
  fareCents: WholeField,
  expiresAt: WholeField,
});

export function mintQuote(secret: Uint8Array, { riderId, ...promised }: QuotedRide): Promise<string> {
  return new SignJWT({ ...promised })
    .setProtectedHeader({ alg: ALGORITHM })
    .setSubject(riderId)
    .setAudience(AUDIENCE)
    .sign(secret);
}

/** Null for what is no quote of ours. Never throws for what a client sent. */
export async function readQuote(secret: Uint8Array, text: string): Promise<QuotedRide | null> {
  try {
    const { payload } = await jwtVerify(text, secret, { algorithms: [ALGORITHM], audience: AUDIENCE });
    const claims = Claims.safeParse(payload);
    if (!claims.success) return null;
    const { sub, market, pickup, dropoff, vehicleType, fareCents, expiresAt } = claims.data;
    return { riderId: sub, market, pickup, dropoff, vehicleType, fareCents, expiresAt };
  } catch {
    return null;
  }
}
