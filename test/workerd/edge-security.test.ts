import { listDurableObjectIds } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, test } from "vitest";
import type { Env } from "../../src/env.ts";
import {
  call,
  failing,
  MIDTOWN,
  migrateHistory,
  ORIGIN,
  opsToken,
  PROFILE,
  problemOf,
  riderToken,
  serveWith,
  ticketFor,
} from "./support.ts";

beforeAll(migrateHistory);

const RIDE = "dr5ru.01J9Z3NDEKTSV4RRFFQ69G5FAV";

test("[E7] an id that names no shard of ours is 404 and brings no object into being", async () => {
  const before = (await listDurableObjectIds(env.DISPATCH_SHARD)).length;
  const token = await opsToken();
  for (const cell of ["dr5r", "dr5rux", "zzzz~1", "dr5ru~01", "~0", "aaaaa"]) {
    for (const tail of ["", "/events"]) {
      await problemOf(await call(`/v1/rides/${cell}.01J9Z3NDEKTSV4RRFFQ69G5FAV${tail}`, { token }), 404);
    }
    await problemOf(await call(`/v1/ops/rides/${cell}.01J9Z3NDEKTSV4RRFFQ69G5FAV/decision`, { token }), 404);
  }
  expect((await listDurableObjectIds(env.DISPATCH_SHARD)).length).toBe(before);
});

const OURS = "https://app.test";
const listing = (origins: string): Env => ({ ...env, ALLOWED_ORIGINS: origins });

describe("a page", () => {
  test.each<[origin: string | undefined, listed: boolean, sockets: boolean]>([
    [undefined, false, true],
    [ORIGIN, false, true],
    [OURS, true, true],
    ["https://second.test:8443", true, true],
    ["null", false, false],
    ["http://app.test", false, false],
    ["https://app.test:8443", false, false],
    ["https://app.test.evil.test", false, false],
    ["https://evil.test", false, false],
  ])("[E11] of %j is allowed as the list says: reads %j, opens sockets %j", async (origin, listed, sockets) => {
    const config = listing(`${OURS}  https://second.test:8443`);
    const headers = origin === undefined ? {} : { origin };
    const read = await serveWith(config, "/health", "GET", undefined, undefined, headers);
    expect(read.headers.get("access-control-allow-origin")).toBe(listed ? origin : null);
    expect(read.headers.get("access-control-allow-credentials")).toBeNull();

    const ask = { ...headers, "access-control-request-method": "POST" };
    const preflight = await serveWith(config, "/v1/rides", "OPTIONS", undefined, undefined, ask);
    expect(preflight.status).toBe(listed ? 204 : 405);
    expect(preflight.headers.get("access-control-allow-origin")).toBe(listed ? origin : null);
    expect(preflight.headers.get("access-control-allow-headers")?.includes("idempotency-key") ?? false).toBe(listed);

    // Refused for its origin, or only then for its ticket.
    const upgrade = { ...headers, upgrade: "websocket", "sec-websocket-protocol": "kerb.v1, ticket.none" };
    const { status } = await serveWith(config, "/v1/driver/socket", "GET", undefined, undefined, upgrade);
    expect(status).toBe(sockets ? 401 : 403);
  });

  test("[E11] of a listed origin reads refusals too, and opens a socket with a ticket", async () => {
    const refused = await serveWith(listing(OURS), "/v1/riders/me/rides", "GET", undefined, undefined, {
      origin: OURS,
    });
    expect([refused.status, refused.headers.get("access-control-allow-origin")]).toEqual([401, OURS]);
    const headers = {
      origin: OURS,
      upgrade: "websocket",
      "sec-websocket-protocol": `kerb.v1, ticket.${await ticketFor("page")}`,
    };
    const opened = await serveWith(listing(OURS), "/v1/driver/socket", "GET", undefined, undefined, headers);
    expect(opened.status).toBe(101);
    opened.webSocket?.accept();
    opened.webSocket?.close();
  });

  test("[E11] of another origin is nobody's where no list is configured", async () => {
    const { ALLOWED_ORIGINS: _, ...bare } = env;
    const read = await serveWith(bare as Env, "/health", "GET", undefined, undefined, { origin: OURS });
    expect(read.headers.get("access-control-allow-origin")).toBeNull();
  });

  test.each(["*", "null", "app.test", "https://app.test/", "https://*.app.test/x", "https://APP.test"])(
    "[E11] cannot be allowed by a list that says %j",
    async (origins) => {
      expect((await problemOf(await serveWith(listing(origins), "/health"), 500)).detail).toContain("ALLOWED_ORIGINS");
    },
  );
});

describe("the road network's router", () => {
  test.each([
    "router",
    "ftp://router.test/table/v1/driving",
    "https://router.test/table/",
    "https://router.test/table?x=1",
  ])("[Q8] cannot be at %j", async (url) => {
    expect((await problemOf(await serveWith({ ...env, ROUTER_URL: url }, "/health"), 500)).detail).toContain(
      "ROUTER_URL",
    );
  });
});

const SECRET = "select body from rides at /srv/kerb/src/history.ts:12";

describe("a response", () => {
  test.each<[status: number, what: string, ask: () => Promise<Response>]>([
    [200, "an answer", () => serveWith(env, "/openapi.json")],
    [
      204,
      "a preflight",
      () =>
        serveWith(listing(OURS), "/v1/rides", "OPTIONS", undefined, undefined, {
          origin: OURS,
          "access-control-request-method": "POST",
        }),
    ],
    [401, "no token", () => serveWith(env, "/v1/riders/me/rides")],
    [404, "no such path", () => serveWith(env, "/nowhere")],
    [405, "a wrong verb", () => serveWith(env, "/health", "DELETE")],
    [413, "a huge body", () => serveWith(env, "/v1/rides", "POST", { pad: "x".repeat(17_000) })],
    [422, "a wrong body", () => serveWith(env, "/v1/dev/tokens", "POST", {})],
    [426, "no upgrade", () => serveWith(env, "/v1/driver/socket")],
    [
      500,
      "a failure of ours",
      async () =>
        serveWith(
          { ...env, HISTORY: failing(SECRET) },
          "/v1/riders/me/rides",
          "GET",
          undefined,
          await riderToken("rita"),
        ),
    ],
    [
      503,
      "history away",
      async () =>
        serveWith(
          { ...env, HISTORY: failing(`D1_ERROR: ${SECRET}`) },
          "/v1/riders/me/rides",
          "GET",
          undefined,
          await riderToken("rita"),
        ),
    ],
    [503, "a part away", () => serveWith({ ...env, HISTORY: failing(SECRET) }, "/health")],
    [
      503,
      "an object away",
      async () =>
        serveWith(
          { ...env, DISPATCH_SHARD: failing(SECRET) },
          `/v1/rides/${RIDE}`,
          "GET",
          undefined,
          await riderToken("rita"),
        ),
    ],
    [500, "a configuration that is refused", () => serveWith({ ...env, SHARD_BITS: "99" }, "/health")],
  ])("[E13] with %d, %s, is not kept, framed or guessed at, and says nothing of our inside", async (status, _, ask) => {
    const response = await ask();
    const { headers } = response;
    expect(response.status).toBe(status);
    expect(Object.fromEntries(headers)).toMatchObject({
      "cache-control": "no-store",
      "content-security-policy": expect.stringContaining("default-src 'none'"),
      "referrer-policy": "no-referrer",
      "x-content-type-options": "nosniff",
      "x-frame-options": "DENY",
    });
    expect(Number(headers.get("strict-transport-security")?.match(/^max-age=(\d+)/)?.[1])).toBeGreaterThan(10_000_000);
    expect(await response.text()).not.toMatch(/\.ts\b|\.js\b|node_modules|\bat \w+ \(|\bselect |Error:/);
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
