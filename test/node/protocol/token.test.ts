import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { createLocalJWKSet, SignJWT } from "jose";
import { describe, expect, test } from "vitest";
import { readToken, subjectOf } from "../../../src/protocol/token.ts";

const ours = generateKeyPairSync("ec", { namedCurve: "P-256" });
const older = generateKeyPairSync("ec", { namedCurve: "P-256" });
const stranger = generateKeyPairSync("ec", { namedCurve: "P-256" });
const published = (key: KeyObject, kid: string) => ({
  ...key.export({ format: "jwk" }),
  kid,
  alg: "ES256",
  use: "sig",
});
const keys = createLocalJWKSet({ keys: [published(ours.publicKey, "new"), published(older.publicKey, "old")] });

const now = 1_790_000_000_000;
const seconds = now / 1_000;
const profile = { vehicleType: "xl", seats: 6, accessible: true, rating: 4.7, payments: ["card"] };

interface Change {
  readonly claims?: Record<string, unknown>;
  readonly header?: Record<string, unknown>;
  readonly key?: KeyObject;
}

function signed({ claims = {}, header = {}, key = ours.privateKey }: Change = {}): Promise<string> {
  return new SignJWT({ role: "rider", sub: "rita", aud: "kerb", iat: seconds, exp: seconds + 900, ...claims })
    .setProtectedHeader({ alg: "ES256", kid: "new", ...header })
    .sign(key);
}

const unsigned = (header: object, claims: object) =>
  `${Buffer.from(JSON.stringify(header)).toString("base64url")}.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.`;

describe("a token", () => {
  test.each([
    [
      { role: "rider", sub: "rita" },
      { role: "rider", riderId: "rita" },
    ],
    [
      { role: "driver", sub: "ann", profile },
      { role: "driver", driverId: "ann", profile, expiresAt: now + 900_000 },
    ],
    [
      { role: "ops", sub: "olga" },
      { role: "ops", name: "olga" },
    ],
    [
      { role: "rider", sub: "rita", name: "Rita", scope: "x" },
      { role: "rider", riderId: "rita" },
    ],
  ])("with claims %j names the caller", async (claims, caller) => {
    expect(await readToken(keys, await signed({ claims }), now)).toEqual({ ok: true, caller });
  });

  test("signed with the key before the last is good while that key is published", async () => {
    const text = await signed({ header: { kid: "old" }, key: older.privateKey });
    expect((await readToken(keys, text, now)).ok).toBe(true);
  });

  test.each<[string, Change]>([
    ["that names another of our keys", { header: { kid: "old" } }],
    ["that names a key we never had", { header: { kid: "lost" } }],
    ["that names no key", { header: { kid: undefined } }],
    ["signed by a stranger under our key's name", { key: stranger.privateKey }],
    ["for another audience", { claims: { aud: "kerb-socket" } }],
    ["for no audience", { claims: { aud: undefined } }],
    ["that has expired", { claims: { iat: seconds - 900, exp: seconds - 6 } }],
    ["that never expires", { claims: { exp: undefined } }],
    ["without a moment of issue", { claims: { iat: undefined } }],
    ["that lives longer than a quarter of an hour", { claims: { exp: seconds + 901 } }],
    ["issued in the future", { claims: { iat: seconds + 60, exp: seconds + 600 } }],
    ["issued long ago and still good", { claims: { iat: seconds - 3_600, exp: seconds + 60 } }],
    ["without a subject", { claims: { sub: undefined } }],
    ["with a subject that is no name", { claims: { sub: "a/../b" } }],
    ["with a role that is none", { claims: { role: "root" } }],
    ["with two roles", { claims: { role: ["rider", "ops"] } }],
    ["of a driver without a profile", { claims: { role: "driver" } }],
    ["of a driver with an invented profile", { claims: { role: "driver", profile: { ...profile, rating: 6 } } }],
    ["of a driver with one field too many", { claims: { role: "driver", profile: { ...profile, bonus: 1 } } }],
  ])("%s is refused", async (_, change) => {
    expect((await readToken(keys, await signed(change), now)).ok).toBe(false);
  });

  test("that names no key is refused also where there is only one key to try", async () => {
    const onlyKey = createLocalJWKSet({ keys: [published(ours.publicKey, "new")] });
    expect((await readToken(onlyKey, await signed(), now)).ok).toBe(true);
    expect((await readToken(onlyKey, await signed({ header: { kid: undefined } }), now)).ok).toBe(false);
  });

  test.each(["none", "None", "HS256", "ES384"])("whose header says %s is refused without a signature", async (alg) => {
    const claims = { role: "ops", sub: "olga", aud: "kerb", iat: seconds, exp: seconds + 900 };
    expect((await readToken(keys, unsigned({ alg, kid: "new" }, claims), now)).ok).toBe(false);
  });

  test("signed with our public key as if it were a shared secret is refused", async () => {
    const secret = new TextEncoder().encode(JSON.stringify(published(ours.publicKey, "new")));
    const text = await new SignJWT({ role: "ops", sub: "olga", aud: "kerb", iat: seconds, exp: seconds + 900 })
      .setProtectedHeader({ alg: "HS256", kid: "new" })
      .sign(secret);
    expect((await readToken(keys, text, now)).ok).toBe(false);
  });

  test.each(["", "a", "a.b.c", "..", "x".repeat(10_000)])("that is no token at all is refused", async (text) => {
    expect((await readToken(keys, text, now)).ok).toBe(false);
  });
});

test("an operator asks a shard as an operator, without a name", () => {
  expect(subjectOf({ role: "ops", name: "olga" })).toEqual({ role: "ops" });
});
