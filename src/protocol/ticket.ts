/**
 * The one-time ticket that opens a driver's socket: a JWT signed with a key that only Kerb has. The Worker mints one for
 * an authenticated driver, a shard mints one for a driver it sends to a neighbour. It names the shard, so nothing the
 * client sends besides it decides which object is touched; the driver's lock burns its id at the first use.
 */
import { errors, jwtVerify, SignJWT } from "jose";
import * as z from "zod";
import type { DriverId, DriverProfile } from "../domain/driver.ts";
import type { ShardName } from "../domain/place.ts";
import { type EpochMs, SECOND_MS } from "../domain/time.ts";
import { DriverIdField, ProfileField, ShardNameField, TicketIdField, WholeField } from "./fields.ts";

export const TICKET_TTL_MS = 30 * SECOND_MS;
const AUDIENCE = "kerb-socket";
const ALGORITHM = "HS256";

export interface SocketTicket {
  readonly driverId: DriverId;
  readonly shard: ShardName;
  readonly profile: DriverProfile;
  /** Burned by the driver's lock at the first attach. */
  readonly ticketId: string;
  /** To the millisecond: by it the lock tells which of a driver's tickets is the newer. */
  readonly expiresAt: EpochMs;
  /** When the token that it was got with expires: the socket ends then, and so do those that a shard sends him on to. */
  readonly sessionEndsAt: EpochMs;
}

export type TicketReading =
  | { readonly ok: true; readonly ticket: SocketTicket }
  | { readonly ok: false; readonly reason: "expired" | "invalid" };

const Claims = z.object({
  sub: DriverIdField,
  shard: ShardNameField,
  profile: ProfileField,
  jti: TicketIdField,
  expiresAt: WholeField,
  sessionEndsAt: WholeField,
});

/** `ticketId` must be unpredictable and never reused: a ULID or a random UUID. Good for 30 s from `at`. */
export function mintTicket(
  secret: Uint8Array,
  { driverId, shard, profile, ticketId, sessionEndsAt }: Omit<SocketTicket, "expiresAt">,
  at: EpochMs,
): Promise<string> {
  const expiresAt = at + TICKET_TTL_MS;
  return new SignJWT({ shard, profile, expiresAt, sessionEndsAt })
    .setProtectedHeader({ alg: ALGORITHM })
    .setSubject(driverId)
    .setJti(ticketId)
    .setAudience(AUDIENCE)
    .setExpirationTime(Math.floor(expiresAt / SECOND_MS))
    .sign(secret);
}

/** Signature first, then audience and expiry, then shape. Never throws for what a client sent. */
export async function readTicket(secret: Uint8Array, text: string, at: EpochMs): Promise<TicketReading> {
  try {
    const { payload } = await jwtVerify(text, secret, {
      algorithms: [ALGORITHM],
      audience: AUDIENCE,
      requiredClaims: ["exp"],
      currentDate: new Date(at),
    });
    const claims = Claims.safeParse(payload);
    if (!claims.success) return { ok: false, reason: "invalid" };
    const { sub, shard, profile, jti, expiresAt, sessionEndsAt } = claims.data;
    return { ok: true, ticket: { driverId: sub, shard, profile, ticketId: jti, expiresAt, sessionEndsAt } };
  } catch (error) {
    return { ok: false, reason: error instanceof errors.JWTExpired ? "expired" : "invalid" };
  }
}
