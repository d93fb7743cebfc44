/** Keys made for one run of the benchmark, and what they sign: riders' tokens and drivers' tickets. */
import { exportJWK, generateKeyPair, importJWK, type JWK, SignJWT } from "jose";
import type { DriverId, DriverProfile } from "../../src/domain/driver.ts";
import type { ShardName } from "../../src/domain/place.ts";
import { mintTicket } from "../../src/protocol/ticket.ts";
import {
  TOKEN_ALGORITHM,
  TOKEN_AUDIENCE,
  TOKEN_LIFETIME_MS,
  TOKEN_LIFETIME_SECONDS,
} from "../../src/protocol/token.ts";

export interface Keys {
  /** Public keys as the server's configuration wants them: JWKS JSON. */
  readonly authJwks: string;
  readonly privateJwk: JWK;
  readonly ticketSecret: string;
}

export interface Signer {
  riderToken(riderId: string): Promise<string>;
  ticket(driverId: DriverId, shard: ShardName, profile: DriverProfile): Promise<string>;
}

export async function createKeys(): Promise<Keys> {
  const { publicKey, privateKey } = await generateKeyPair(TOKEN_ALGORITHM, { extractable: true });
  const name = { kid: "bench", alg: TOKEN_ALGORITHM, use: "sig" };
  return {
    authJwks: JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), ...name }] }),
    privateJwk: { ...(await exportJWK(privateKey)), ...name },
    ticketSecret: crypto.randomUUID() + crypto.randomUUID(),
  };
}

export async function createSigner({ privateJwk, ticketSecret }: Keys): Promise<Signer> {
  const key = await importJWK(privateJwk, TOKEN_ALGORITHM);
  const secret = new TextEncoder().encode(ticketSecret);
  return {
    riderToken(riderId) {
      const now = Math.floor(Date.now() / 1_000);
      return new SignJWT({ role: "rider" })
        .setProtectedHeader({ alg: TOKEN_ALGORITHM, kid: "bench" })
        .setSubject(riderId)
        .setAudience(TOKEN_AUDIENCE)
        .setIssuedAt(now)
        .setExpirationTime(now + TOKEN_LIFETIME_SECONDS)
        .sign(key);
    },
    ticket: (driverId, shard, profile) => {
      const [ticketId, now] = [crypto.randomUUID(), Date.now()];
      return mintTicket(secret, { driverId, shard, profile, ticketId, sessionEndsAt: now + TOKEN_LIFETIME_MS }, now);
    },
  };
}
