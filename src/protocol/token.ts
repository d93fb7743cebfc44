/**
 * Who a caller is: a short JWT from the identity provider, ES256, found by `kid` among the configured public keys.
 * Kerb holds no private key in production; the development issuer is edge/dev-tokens.ts.
 */
import { type createLocalJWKSet, errors, jwtVerify } from "jose";
import * as z from "zod";
import type { DriverId, DriverProfile } from "../domain/driver.ts";
import type { RiderId } from "../domain/ride.ts";
import { type EpochMs, SECOND_MS } from "../domain/time.ts";
import { DriverIdField, ProfileField, RiderIdField, SubjectText } from "./fields.ts";
import type { Subject } from "./peer.ts";

export const TOKEN_AUDIENCE = "kerb";
export const TOKEN_ALGORITHM = "ES256";
/** A token that lives longer is refused, whoever signed it: there is no revocation list. */
export const TOKEN_LIFETIME_SECONDS = 15 * 60;
/** How far the issuer's clock may be from ours. */
const CLOCK_TOLERANCE_SECONDS = 5;
/** Far above any honest token, far below what would be expensive to look at. */
const MAX_TOKEN_CHARACTERS = 4_096;

export type Caller =
  | { readonly role: "rider"; readonly riderId: RiderId }
  | {
      readonly role: "driver";
      readonly driverId: DriverId;
      readonly profile: DriverProfile;
      /** His sockets end with the token that they were opened with. */
      readonly expiresAt: EpochMs;
    }
  | { readonly role: "ops"; readonly name: string };
export type Role = Caller["role"];

export type TokenReading =
  | { readonly ok: true; readonly caller: Caller }
  | { readonly ok: false; readonly reason: string };

/** Unknown claims are the provider's own business and are ignored; the ones we act on are checked. */
const Claims = z.discriminatedUnion("role", [
  z.object({ role: z.literal("rider"), sub: RiderIdField, iat: z.int(), exp: z.int() }),
  z.object({ role: z.literal("driver"), sub: DriverIdField, iat: z.int(), exp: z.int(), profile: ProfileField }),
  z.object({ role: z.literal("ops"), sub: SubjectText, iat: z.int(), exp: z.int() }),
]);

/** Never throws for what a client sent. The reason is for the client and says nothing that a signature would not. */
export async function readToken(
  keys: ReturnType<typeof createLocalJWKSet>,
  text: string,
  at: EpochMs,
): Promise<TokenReading> {
  if (text.length > MAX_TOKEN_CHARACTERS) return { ok: false, reason: "the token is too long" };
  try {
    const { payload } = await jwtVerify(
      text,
      (header, token) => {
        // Without a kid, jose would take any key that fits; the rotation plan needs every token to name its own.
        if (typeof header.kid !== "string") throw new errors.JWKSNoMatchingKey();
        return keys(header, token);
      },
      {
        algorithms: [TOKEN_ALGORITHM],
        audience: TOKEN_AUDIENCE,
        requiredClaims: ["exp", "iat", "sub"],
        maxTokenAge: TOKEN_LIFETIME_SECONDS,
        clockTolerance: CLOCK_TOLERANCE_SECONDS,
        currentDate: new Date(at),
      },
    );
    const claims = Claims.safeParse(payload);
    if (!claims.success) return { ok: false, reason: "the token's claims are not those of Kerb" };
    if (claims.data.exp - claims.data.iat > TOKEN_LIFETIME_SECONDS) {
      return { ok: false, reason: `a token may live ${TOKEN_LIFETIME_SECONDS} s at most` };
    }
    return { ok: true, caller: callerOf(claims.data) };
  } catch (error) {
    return { ok: false, reason: reasonOf(error) };
  }
}

export function subjectOf(caller: Caller): Subject {
  switch (caller.role) {
    case "rider":
      return { role: "rider", riderId: caller.riderId };
    case "driver":
      return { role: "driver", driverId: caller.driverId };
    case "ops":
      return { role: "ops" };
  }
}

/** A token's lifetime as clients are told it. */
export const TOKEN_LIFETIME_MS = TOKEN_LIFETIME_SECONDS * SECOND_MS;

function callerOf(claims: z.infer<typeof Claims>): Caller {
  switch (claims.role) {
    case "rider":
      return { role: "rider", riderId: claims.sub };
    case "driver":
      return {
        role: "driver",
        driverId: claims.sub,
        profile: claims.profile,
        expiresAt: claims.exp * SECOND_MS,
      };
    case "ops":
      return { role: "ops", name: claims.sub };
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof errors.JWTExpired) return "the token has expired";
  if (error instanceof errors.JWTClaimValidationFailed) return `the token's ${error.claim} is refused`;
  return "the token's signature or form is refused";
}
