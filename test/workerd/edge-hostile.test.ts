import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import {
  call,
  DOWNTOWN,
  driverToken,
  MIDTOWN,
  migrateHistory,
  opsToken,
  problemOf,
  riderToken,
  rideWish,
} from "./support.ts";

let token: string;
beforeAll(async () => {
  await migrateHistory();
  token = await riderToken("rita");
});

const ask = (body: unknown, headers: Record<string, string> = {}) =>
  call("/v1/rides", { method: "POST", token, body, headers: { "idempotency-key": crypto.randomUUID(), ...headers } });

describe("a body", () => {
  test.each<[string, object | null]>([
    ["pickup", { dropoff: DOWNTOWN }],
    ["pickup.lat", rideWish({ pickup: { lat: 91, lng: 0 } })],
    ["pickup.lat", rideWish({ pickup: { lat: "40", lng: 0 } })],
    ["pickup.lat", rideWish({ pickup: { lat: null, lng: 0 } })],
    ["pickup.lng", rideWish({ pickup: { lat: 40, lng: -180.1 } })],
    ["pickup.alt", rideWish({ pickup: { ...MIDTOWN, alt: 1 } })],
    ["pickup", rideWish({ pickup: [40, -74] })],
    ["vehicleType", rideWish({ vehicleType: "tank" })],
    ["payment", rideWish({ payment: ["card"] })],
    ["minimumRating", rideWish({ minimumRating: 5.1 })],
    ["seats", rideWish({ seats: 0 })],
    ["seats", rideWish({ seats: 1.5 })],
    ["accessible", rideWish({ accessible: "true" })],
    ["riderId", rideWish({ riderId: "vera" })],
    ["fareCents", rideWish({ fareCents: 1 })],
    ["quoteId", rideWish({ quoteId: "" })],
    ["quoteId", rideWish({ quoteId: "x".repeat(1_001) })],
    ["quoteId", rideWish({ quoteId: { fareCents: 1 } })],
    ["", null],
    ["", []],
  ])("[E3] with a wrong %j is refused by that name", async (field, body) => {
    const problem = await problemOf(await ask(body), 422);
    expect(problem.type).toBe("/problems/validation");
    expect(problem.errors?.map((error) => error.field)).toContain(field);
  });

  test.each(["{", "", '{"pickup":NaN}', "\u0000", '{"pickup":{"lat":40,', "undefined"])(
    "that is not JSON, %j, is refused as such",
    async (body) => {
      expect((await problemOf(await ask(body), 400)).type).toBe("/problems/malformed-body");
    },
  );

  test("with numbers beyond a double is refused, not read as infinity", async () => {
    const text = JSON.stringify(rideWish()).replace(String(MIDTOWN.lat), "1e999");
    const problem = await problemOf(await ask(text), 422);
    expect(problem.errors?.[0]?.field).toBe("pickup.lat");
  });

  test("[E4] larger than 16 KiB is refused, announced or not", async () => {
    const huge = JSON.stringify(rideWish({ note: "x".repeat(16_384) }));
    expect((await problemOf(await ask(huge), 413)).type).toBe("/problems/body-too-large");
    const response = await call("/v1/rides", {
      method: "POST",
      token,
      headers: { "idempotency-key": "h", "content-type": "application/json" },
      stream: new Blob([huge]).stream(),
    });
    await problemOf(response, 413);
  });

  test.each(["text/plain", "application/xml", "multipart/form-data; boundary=x", "application/jsonp"])(
    "of type %s is refused",
    async (type) => {
      await problemOf(await ask(rideWish(), { "content-type": type }), 415);
    },
  );

  test("of a kind with a charset is read", async () => {
    expect((await ask({}, { "content-type": "application/json; charset=utf-8" })).status).toBe(422);
  });

  test("that is any JSON at all is answered with a problem that names no file of ours", async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue({ maxDepth: 3 }), async (value) => {
        const response = await ask(JSON.stringify(value));
        const text = await response.text();
        expect([400, 422], text).toContain(response.status);
        expect(text).not.toMatch(/\.ts|node_modules|\bat /);
      }),
      { numRuns: 150 },
    );
  });

  test("with one field replaced by anything never gets a 500", async () => {
    const fields = ["pickup", "dropoff", "vehicleType", "payment", "minimumRating", "seats", "accessible", "__proto__"];
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...fields), fc.jsonValue({ maxDepth: 2 }), async (field, value) => {
        const { status } = await ask(JSON.stringify({ ...rideWish(), [field]: value }));
        // 201 or 409 where the value happened to be a good one.
        expect([201, 409, 422]).toContain(status);
      }),
      { numRuns: 150 },
    );
  });
});

/** Every route that reads a body, with a caller who may and a field that is not his to set. */
const BODIES: Readonly<Record<string, readonly [token: () => Promise<string>, good: object, mine: string]>> = {
  "post /v1/dev/tokens": [riderToken.bind(null, "rita"), { role: "rider", sub: "rita" }, "aud"],
  "post /v1/ops/markets/{market}/configuration/dry-run": [opsToken, { configuration: {} }, "why"],
  "post /v1/ops/rollout": [opsToken, { digest: "builtin", version: "v", epoch: 0 }, "by"],
  "post /v1/quotes": [riderToken.bind(null, "rita"), rideWish(), "fareCents"],
  "post /v1/rides": [riderToken.bind(null, "rita"), rideWish(), "fareCents"],
  "post /v1/rides/{id}/ratings": [riderToken.bind(null, "rita"), { stars: 5 }, "by"],
  "post /v1/ws-ticket": [driverToken.bind(null, "ann"), MIDTOWN, "shard"],
  "put /v1/ops/markets/{market}/configuration": [opsToken, { version: 0, why: "rain", configuration: {} }, "by"],
};

describe("a body for", () => {
  test.each(Object.entries(BODIES))(
    "[E3] [E4] %s is refused when it is huge, cut, no JSON, or says too much",
    async (door, [tokenOf, good, mine]) => {
      const [method = "", path = ""] = door.split(" ");
      const at = path.replace("{id}", "dr5ru.01J9Z3NDEKTSV4RRFFQ69G5FAV").replace("{market}", "nyc");
      const send = async (body: unknown, type = "application/json") =>
        call(at, {
          method: method.toUpperCase(),
          token: await tokenOf(),
          body,
          headers: { "content-type": type, "idempotency-key": crypto.randomUUID() },
        });
      const text = JSON.stringify(good);
      await problemOf(await send(`${text.slice(0, -1)},"pad":"${"x".repeat(16_384)}"}`), 413);
      for (const broken of [text.slice(0, -1), `${text},`, text.replace(/:.+/, ":NaN}"), ""]) {
        await problemOf(await send(broken), 400);
      }
      await problemOf(await send(text, "text/plain"), 415);
      for (const whole of ["null", "[]", "1", `[${text}]`]) await problemOf(await send(whole), 422);
      for (const key of [mine, "__proto__", "constructor"]) {
        const more = `${text.slice(0, -1)},${JSON.stringify(key)}:1}`;
        const { errors } = await problemOf(await send(more), 422);
        expect(errors).toEqual([{ field: key, message: expect.any(String) }]);
      }
    },
  );

  test("[E3] nobody is forgotten above", async () => {
    const { paths } = await (await call("/openapi.json")).json<{
      paths: Record<string, Record<string, { requestBody?: object }>>;
    }>();
    const reading = Object.entries(paths).flatMap(([path, verbs]) =>
      Object.keys(verbs).flatMap((verb) => (verbs[verb]?.requestBody === undefined ? [] : [`${verb} ${path}`])),
    );
    expect(reading.sort()).toEqual(Object.keys(BODIES));
  });
});

describe("a header", () => {
  test.each([undefined, "", "x".repeat(129), "a b", "clé"])("[E5] Idempotency-Key %j is refused", async (key) => {
    const response = await call("/v1/rides", {
      token,
      body: rideWish(),
      headers: key === undefined ? {} : { "idempotency-key": key },
    });
    const problem = await problemOf(response, 400);
    expect(problem.errors?.[0]?.field).toBe("idempotency-key");
  });
});

describe("a path", () => {
  test.each(["/", "/v1", "/v1/rides/", "/v2/rides", "/v1/rides/x/y/z", "/v1/admin", "/v1/rides/%2e%2e%2fops"])(
    "%s leads nowhere",
    async (path) => {
      await problemOf(await call(path, { token }), 404);
    },
  );

  test.each([
    "x",
    "dr5ru",
    "dr5ru.01J9Z3NDEKTSV4RRFFQ69G5FA",
    "dr5ru.01j9z3ndektsv4rrffq69g5fav",
    "DR5RU.01J9Z3NDEKTSV4RRFFQ69G5FAV",
    "dr5ru.01J9Z3NDEKTSV4RRFFQ69G5FAV%23",
    "%00",
    "%ff%fe",
    "' OR 1=1 --",
    "x".repeat(4_000),
  ])("with %j for a ride's id is 404 on every verb", async (id) => {
    const path = `/v1/rides/${encodeURI(id).replaceAll("%25", "%")}`;
    for (const response of [
      await call(path, { token }),
      await call(`${path}/events`, { token }),
      await call(`${path}/cancel`, { method: "POST", token }),
      await call(`${path}/ratings`, { token, body: { stars: 5 } }),
    ]) {
      await problemOf(response, 404);
    }
  });

  test.each([
    ["DELETE", "/v1/rides", "POST"],
    ["PUT", "/v1/rides/dr5ru.01J9Z3NDEKTSV4RRFFQ69G5FAV", "GET"],
    ["GET", "/v1/rides/dr5ru.01J9Z3NDEKTSV4RRFFQ69G5FAV/cancel", "POST"],
    ["PATCH", "/v1/ops/rollout", "GET, POST"],
    ["OPTIONS", "/health", "GET"],
  ])("does not know %s on %s and says what it knows", async (method, path, allow) => {
    const response = await call(path, { method, token });
    expect(response.headers.get("allow")).toBe(allow);
    await problemOf(response, 405);
  });
});

describe("a page of history", () => {
  test.each([
    ["limit", "limit=0"],
    ["limit", "limit=101"],
    ["limit", "limit=1e1000"],
    ["limit", "limit=ten"],
    ["cursor", "cursor=1"],
    ["cursor", "cursor=1_dr5ru.01J9Z3NDEKTSV4RRFFQ69G5FAV'--"],
    ["rider", "rider=vera"],
  ])("with a wrong %s in %s is refused by that name", async (field, query) => {
    const problem = await problemOf(await call(`/v1/riders/me/rides?${query}`, { token }), 422);
    expect(problem.errors?.[0]?.field).toBe(field);
  });
});

describe("the document of the API", () => {
  interface Document {
    openapi: string;
    paths: Record<string, Record<string, { responses: Record<string, unknown>; security?: unknown[] }>>;
    components: { schemas: Record<string, unknown>; securitySchemes: Record<string, unknown> };
  }
  const read = async () => (await call("/openapi.json")).json<Document>();

  test("has no reference that leads nowhere, and a schema for every JSON it promises", async () => {
    const document = await read();
    const text = JSON.stringify(document);
    const names = [...text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)].map((match) => match[1]!);
    expect(new Set(names)).toEqual(new Set(Object.keys(document.components.schemas)));
    for (const verbs of Object.values(document.paths)) {
      for (const { responses } of Object.values(verbs)) {
        expect(JSON.stringify(responses)).not.toContain('"schema":{}');
        expect(Object.keys(responses).length).toBeGreaterThan(0);
      }
    }
  });

  test("says which routes want a token", async () => {
    const { paths, components } = await read();
    expect(components.securitySchemes).toHaveProperty("bearer");
    expect(paths["/v1/rides"]?.post?.security).toEqual([{ bearer: [] }]);
    expect(paths["/health"]?.get?.security).toBeUndefined();
  });
});

test("a wrong promotion names the field", async () => {
  const body = { digest: "../secrets", version: "v", epoch: -1, force: true };
  const problem = await problemOf(await call("/v1/ops/rollout", { token: await opsToken(), body }), 422);
  expect(problem.errors?.map((error) => error.field)).toEqual(["digest", "epoch", "force"]);
});
