import { createExecutionContext, listDurableObjectIds } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { generateKeyPair, SignJWT } from "jose";
import { beforeAll, describe, expect, test } from "vitest";
import type { Env } from "../../src/env.ts";
import worker from "../../src/worker.ts";
import {
  call,
  driverAt,
  driverToken,
  MIDTOWN,
  migrateHistory,
  ORIGIN,
  opsToken,
  PROFILE,
  problemOf,
  requestRide,
  riderToken,
  tokenWith,
} from "./support.ts";

beforeAll(migrateHistory);

const now = () => Math.floor(Date.now() / 1_000);

/** Every door that wants a token, and who may pass it. */
const DOORS: readonly [method: string, path: string, roles: readonly string[], body?: object][] = [
  ["POST", "/v1/rides", ["rider"], {}],
  ["GET", "/v1/rides/dr5ru.01J9Z3NDEKTSV4RRFFQ69G5FAV", ["rider", "driver", "ops"]],
  ["GET", "/v1/rides/dr5ru.01J9Z3NDEKTSV4RRFFQ69G5FAV/events", ["rider", "driver", "ops"]],
  ["POST", "/v1/rides/dr5ru.01J9Z3NDEKTSV4RRFFQ69G5FAV/cancel", ["rider"]],
  ["POST", "/v1/rides/dr5ru.01J9Z3NDEKTSV4RRFFQ69G5FAV/ratings", ["rider", "driver"], { stars: 5 }],
  ["POST", "/v1/ws-ticket", ["driver"], MIDTOWN],
  ["GET", "/v1/riders/me/rides", ["rider"]],
  ["GET", "/v1/drivers/me/rides", ["driver"]],
  ["GET", "/v1/ops/rollout", ["ops"]],
  ["POST", "/v1/ops/rollout", ["ops"], {}],
];
const TOKENS = { rider: () => riderToken("rita"), driver: () => driverToken("ann"), ops: () => opsToken() } as const;
type TokenRole = keyof typeof TOKENS;

describe("every door", () => {
  test.each(DOORS)("[E1] %s %s wants a token", async (method, path, _, body) => {
    const response = await call(path, { method, ...(body && { body }) });
    expect(response.headers.get("www-authenticate")).toBe('Bearer realm="kerb"');
    await problemOf(response, 401);
  });

  const pairs = DOORS.flatMap(([method, path, roles, body]) =>
    (Object.keys(TOKENS) as TokenRole[]).map((role) => [role, method, path, roles.includes(role), body] as const),
  );
  test.each(pairs)("[E2] to a %s, %s %s is open: %j", async (role, method, path, open, body) => {
    const response = await call(path, { method, token: await TOKENS[role](), ...(body && { body }) });
    if (open) expect([401, 403]).not.toContain(response.status);
    else expect((await problemOf(response, 403)).type).toBe("/problems/forbidden");
  });

  test.each(DOORS)("%s %s is shut to a forged token", async (method, path, _, body) => {
    const { privateKey } = await generateKeyPair("ES256");
    const token = await new SignJWT({ role: "ops", sub: "mallory", aud: "kerb", iat: now(), exp: now() + 60 })
      .setProtectedHeader({ alg: "ES256", kid: "test" })
      .sign(privateKey);
    const response = await call(path, { method, token, ...(body && { body }) });
    expect(response.headers.get("www-authenticate")).toContain('error="invalid_token"');
    await problemOf(response, 401);
  });
});

describe("a token", () => {
  const look = (authorization: string) => call("/v1/riders/me/rides", { headers: { authorization } });

  test.each<[string, Record<string, unknown>, Record<string, unknown>]>([
    ["for another audience", { aud: "kerb-socket" }, {}],
    ["that has expired", { iat: now() - 900, exp: now() - 60 }, {}],
    ["that never expires", { exp: undefined }, {}],
    ["that lives an hour", { exp: now() + 3_600 }, {}],
    ["of a key we do not know", {}, { kid: "other" }],
    ["of no key", {}, { kid: undefined }],
    ["of a role that is none", { role: "admin" }, {}],
  ])("%s is refused", async (_, claims, header) => {
    const token = await tokenWith({ role: "rider", sub: "rita", ...claims }, header);
    await problemOf(await look(`Bearer ${token}`), 401);
  });

  test("[E1] that was never signed is refused", async () => {
    const claims = { role: "rider", sub: "rita", aud: "kerb", iat: now(), exp: now() + 60 };
    const none = [{ alg: "none", kid: "test" }, claims].map((part) => btoa(JSON.stringify(part)).replaceAll("=", ""));
    await problemOf(await look(`Bearer ${none.join(".")}.`), 401);
  });

  test.each(["", "Bearer", "Bearer ", "Basic cml0YTpyaXRh", "Bearer a b", `Bearer ${"x".repeat(5_000)}`])(
    "in a header that is none, %j, is refused",
    async (authorization) => {
      await problemOf(await look(authorization), 401);
    },
  );

  test("for the socket's ticket does not open the API, nor the other way round", async () => {
    const ticket = await (await call("/v1/ws-ticket", { token: await driverToken("ann"), body: MIDTOWN })).json<{
      ticket: string;
    }>();
    await problemOf(await look(`Bearer ${ticket.ticket}`), 401);
    const response = await call("/v1/driver/socket", {
      headers: { upgrade: "websocket", "sec-websocket-protocol": `kerb.v1, ticket.${await driverToken("ann")}` },
    });
    await problemOf(response, 401);
  });
});

describe("somebody else's ride", () => {
  test.each([
    ["another rider", () => riderToken("mallory")],
    ["a driver who has no part in it", () => driverToken("mallory")],
  ])("[E6] [R9] is not there for %s, whatever he does with it, and stays as it was", async (_, token) => {
    const place = { lat: 40.62, lng: -74.2 };
    const { id } = await requestRide(`victim-${_.length}`, { pickup: place, dropoff: { ...place, lng: -74.25 } });
    const who = await token();
    const path = `/v1/rides/${id}`;
    const tries = await Promise.all([
      call(path, { token: who }),
      call(`${path}/events`, { token: who }),
      call(`${path}/cancel`, { method: "POST", token: who }),
      call(`${path}/ratings`, { token: who, body: { stars: 1 } }),
    ]);
    // Cancelling is for riders, so a driver hears 403 there, as he would for any ride.
    for (const response of tries) expect([403, 404]).toContain(response.status);
    expect(tries.filter(({ status }) => status === 403)).toHaveLength(_.startsWith("a driver") ? 1 : 0);
    expect(await (await call(path, { token: await opsToken() })).json()).toMatchObject({
      state: "matching",
      version: 1,
    });
  });

  test("[E6] cannot be told from one that never was", async () => {
    const { id } = await requestRide("vera", {
      pickup: { lat: 40.5, lng: -74.2 },
      dropoff: { lat: 40.55, lng: -74.2 },
    });
    const token = await riderToken("mallory");
    const [theirs, none] = await Promise.all([
      call(`/v1/rides/${id}`, { token }),
      call(`/v1/rides/${id.slice(0, -4)}0000`, { token }),
    ]);
    expect(await theirs.text()).toBe(await none.text());
    expect(theirs.status).toBe(404);
  });

  test("offered to one driver cannot be taken by another, nor driven for him", async () => {
    const place = { lat: 40.35, lng: -73.5 };
    const honest = await driverAt("hana", place);
    await requestRide("vito", { pickup: place, dropoff: { ...place, lat: 40.4 } });
    const { offerId } = await honest.hear("offer");
    const thief = await driverAt("mallory", { lat: 41.1, lng: -73.5 });
    thief.say({ type: "offer.accept", cid: "steal", offerId });
    expect((await thief.hear("offer.verdict")).verdict).toEqual({ outcome: "lost", reason: "unknown" });
    thief.say({ type: "trip", cid: "drive", offerId, step: "complete" });
    expect((await thief.hear("trip.verdict")).verdict).toMatchObject({ outcome: "refused", reason: "unknown" });
    honest.say({ type: "offer.accept", cid: "mine", offerId });
    expect((await honest.hear("offer.verdict")).verdict.outcome).toBe("won");
    honest.close();
    thief.close();
  });
});

test("[E7] an id that names no shard of ours is 404 and brings no object into being", async () => {
  const before = (await listDurableObjectIds(env.DISPATCH_SHARD)).length;
  const token = await opsToken();
  for (const cell of ["dr5r", "dr5rux", "zzzz~1", "dr5ru~01", "~0", "aaaaa"]) {
    for (const tail of ["", "/events"]) {
      await problemOf(await call(`/v1/rides/${cell}.01J9Z3NDEKTSV4RRFFQ69G5FAV${tail}`, { token }), 404);
    }
  }
  expect((await listDurableObjectIds(env.DISPATCH_SHARD)).length).toBe(before);
});

describe("responses", () => {
  test.each(["/health", "/nowhere", "/openapi.json"])("of %s are not kept, framed or guessed at", async (path) => {
    const { headers } = await call(path);
    expect(headers.get("cache-control")).toBe("no-store");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("x-frame-options")).toBe("DENY");
    expect(headers.get("strict-transport-security")).toMatch(/max-age=\d+/);
  });
});

describe("the development issuer", () => {
  test("gives a token that opens the doors of its role", async () => {
    const response = await call("/v1/dev/tokens", { body: { role: "driver", sub: "dev-ann", profile: PROFILE } });
    expect(response.status).toBe(201);
    const { token } = await response.json<{ token: string }>();
    expect((await call("/v1/ws-ticket", { token, body: MIDTOWN })).status).toBe(201);
    expect((await call("/v1/riders/me/rides", { token })).status).toBe(403);
  });

  test("does not exist where there is no private key", async () => {
    const { DEV_ISSUER_JWK: _, ...bare } = env;
    const response = await serveWith(bare as Env, "/v1/dev/tokens", "POST", { role: "ops", sub: "mallory" });
    await problemOf(response, 404);
    const document = await (await serveWith(bare as Env, "/openapi.json")).text();
    expect(document).not.toContain("dev/tokens");
  });

  test("[E9] keeps production from starting at all", async () => {
    for (const path of ["/v1/dev/tokens", "/health", "/metrics"]) {
      const problem = await problemOf(await serveWith({ ...env, ENVIRONMENT: "production" }, path), 500);
      expect(problem).toEqual({ type: "/problems/configuration", title: "Configuration refused", status: 500 });
    }
  });
});

describe("a configuration that is refused", () => {
  test("tells a developer why, field by field", async () => {
    const problem = await problemOf(await serveWith({ ...env, SHARD_BITS: "99" }, "/health"), 500);
    expect(problem.detail).toContain("SHARD_BITS");
  });

  test("tells nobody anything in production", async () => {
    const { DEV_ISSUER_JWK: _, ...bare } = env;
    const wrong = { ...bare, ENVIRONMENT: "production", TICKET_SECRET: "short" } as Env;
    expect((await problemOf(await serveWith(wrong, "/health"), 500)).detail).toBeUndefined();
  });
});

test("metrics are open in development and an operator's in production", async () => {
  expect((await call("/metrics")).status).toBe(200);
  const { DEV_ISSUER_JWK: _, ...bare } = env;
  const production = { ...bare, ENVIRONMENT: "production" } as Env;
  await problemOf(await serveWith(production, "/metrics"), 401);
  const { status } = await serveWith(production, "/metrics", "GET", undefined, await opsToken());
  expect(status).toBe(200);
});

/** The same Worker under another configuration. */
async function serveWith(config: Env, path: string, method = "GET", body?: object, token?: string): Promise<Response> {
  const request = new Request(`${ORIGIN}${path}`, {
    method,
    headers: {
      ...(body && { "content-type": "application/json" }),
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
    ...(body && { body: JSON.stringify(body) }),
  });
  return worker.fetch(request, config, createExecutionContext());
}
