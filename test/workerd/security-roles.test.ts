/** Who may pass which door: every route of the document against every kind of caller, honest and forged. */
import { env } from "cloudflare:workers";
import { exportJWK, generateKeyPair, type JWK, SignJWT } from "jose";
import { beforeAll, describe, expect, test } from "vitest";
import { createApp } from "../../src/edge/app.ts";
import { configOf, type Env } from "../../src/env.ts";
import { MIDTOWN, migrateHistory, PROFILE, problemOf, serveWith, tokenWith } from "./support.ts";

const ROLES = ["rider", "driver", "ops"] as const;
type Role = (typeof ROLES)[number];

/** What an honest caller of each role hears at a door; everybody hears the same at an open one. */
interface Door {
  readonly body?: object;
  readonly open?: number;
  readonly rider?: number;
  readonly driver?: number;
  readonly ops?: number;
}

/** A ride that never was, in a cell that is served: 404 is as far as its people get. */
const RIDE = "dr5ru.01J9Z3NDEKTSV4RRFFQ69G5FAV";
const DOORS: Readonly<Record<string, Door>> = {
  "get /health": { open: 200 },
  "get /metrics": { open: 200 },
  "get /openapi.json": { open: 200 },
  "get /v1/driver/socket": { open: 426 },
  "get /v1/drivers/me/rides": { rider: 403, driver: 200, ops: 403 },
  "get /v1/ops/markets/{market}/configuration": { rider: 403, driver: 403, ops: 200 },
  "get /v1/ops/rides/{id}/decision": { rider: 403, driver: 403, ops: 404 },
  "get /v1/ops/rollout": { rider: 403, driver: 403, ops: 200 },
  "get /v1/riders/me/rides": { rider: 200, driver: 403, ops: 403 },
  "get /v1/rides/{id}": { rider: 404, driver: 404, ops: 404 },
  "get /v1/rides/{id}/events": { rider: 404, driver: 404, ops: 404 },
  "post /admin/reconcile": { rider: 403, driver: 403, ops: 422 },
  "post /admin/redrive": { rider: 403, driver: 403, ops: 200 },
  "post /v1/dev/tokens": { body: { role: "rider", sub: "rita" }, open: 201 },
  "post /v1/ops/markets/{market}/configuration/dry-run": { body: {}, rider: 403, driver: 403, ops: 422 },
  "post /v1/ops/rollout": { body: {}, rider: 403, driver: 403, ops: 422 },
  "post /v1/quotes": { body: {}, rider: 422, driver: 403, ops: 403 },
  "post /v1/rides": { body: {}, rider: 400, driver: 403, ops: 403 },
  "post /v1/rides/{id}/cancel": { rider: 404, driver: 403, ops: 403 },
  "post /v1/rides/{id}/ratings": { body: { stars: 5 }, rider: 404, driver: 404, ops: 403 },
  "post /v1/ws-ticket": { body: MIDTOWN, rider: 403, driver: 201, ops: 403 },
  "put /v1/ops/markets/{market}/configuration": { body: {}, rider: 403, driver: 403, ops: 422 },
};
const IN_PRODUCTION: Readonly<Record<string, Door>> = {
  ...DOORS,
  "get /metrics": { rider: 403, driver: 403, ops: 200 },
  "post /v1/dev/tokens": { body: { role: "ops", sub: "mallory" }, open: 404 },
};

const seconds = () => Math.floor(Date.now() / 1_000);
const claimsOf = (role: Role) => ({ role, sub: "mallory", ...(role === "driver" && { profile: PROFILE }) });
const base64 = (part: object) => btoa(JSON.stringify(part)).replaceAll("=", "");

let environments: Readonly<Record<"development" | "production", Env>>;
/** Each makes a token of this role that must open nothing. */
let forgeries: Readonly<Record<string, (role: Role) => Promise<string>>>;

beforeAll(async () => {
  await migrateHistory();
  const ours = JSON.parse(env.AUTH_JWKS) as { keys: JWK[] };
  const [second, stranger] = await Promise.all([generateKeyPair("ES256"), generateKeyPair("ES256")]);
  const next = { ...(await exportJWK(second.publicKey)), kid: "next", alg: "ES256", use: "sig" };
  const AUTH_JWKS = JSON.stringify({ keys: [...ours.keys, next] });
  const { DEV_ISSUER_JWK: _, ...bare } = env;
  environments = {
    development: { ...env, AUTH_JWKS },
    production: { ...(bare as Env), AUTH_JWKS, ENVIRONMENT: "production" },
  };
  const whole = (role: Role) => ({ ...claimsOf(role), aud: "kerb", iat: seconds(), exp: seconds() + 60 });
  const sign = (role: Role, alg: string, key: Parameters<SignJWT["sign"]>[0]) =>
    new SignJWT(whole(role)).setProtectedHeader({ alg, kid: "test" }).sign(key);
  forgeries = {
    garbage: async () => "abc",
    expired: (role) => tokenWith({ ...claimsOf(role), iat: seconds() - 900, exp: seconds() - 60 }),
    "for another audience": (role) => tokenWith({ ...claimsOf(role), aud: "kerb-socket" }),
    "never signed": async (role) => `${base64({ alg: "none", kid: "test" })}.${base64(whole(role))}.`,
    "signed by a stranger": (role) => sign(role, "ES256", stranger.privateKey),
    "signed with the public key as a secret": (role) =>
      sign(role, "HS256", new TextEncoder().encode(JSON.stringify(ours.keys[0]))),
    "naming our other key": (role) => tokenWith(claimsOf(role), { kid: "next" }),
    "naming no key": (role) => tokenWith(claimsOf(role), { kid: undefined }),
    "of a role that is none": (role) => tokenWith({ ...claimsOf(role), role: "admin" }),
  };
});

/** What each caller hears at this door, by name. */
async function heardAt(environment: Env, name: string, door: Door): Promise<Record<string, number>> {
  const [method = "", path = ""] = name.split(" ");
  const call = async (token?: string) => {
    const at = path.replace("{id}", RIDE).replace("{market}", "nyc");
    const response = await serveWith(environment, at, method.toUpperCase(), door.body, token);
    if (response.status === 401) {
      expect(response.headers.get("www-authenticate")).toBe(
        token === undefined ? 'Bearer realm="kerb"' : 'Bearer realm="kerb", error="invalid_token"',
      );
    }
    if (response.status >= 400) await problemOf(response, response.status);
    return response.status;
  };
  const heard: Record<string, number> = { nobody: await call() };
  for (const role of ROLES) heard[role] = await call(await tokenWith(claimsOf(role)));
  // A forger claims the role that would get farthest.
  const best = ROLES.find((role) => door[role] !== undefined && door[role] !== 403) ?? "ops";
  for (const [forgery, forge] of Object.entries(forgeries)) heard[forgery] = await call(await forge(best));
  return heard;
}

function expectedAt(door: Door): Record<string, number> {
  const refused = door.open ?? 401;
  const strangers = Object.fromEntries(["nobody", ...Object.keys(forgeries)].map((name) => [name, refused]));
  const honest = ROLES.map((role) => [role, door.open ?? door[role] ?? Number.NaN] as const);
  return { ...strangers, ...Object.fromEntries(honest) };
}

describe.each(["development", "production"] as const)("in %s", (name) => {
  const doors = Object.entries(name === "production" ? IN_PRODUCTION : DOORS);
  test.each(doors)("[E1] [E2] %s answers every caller as the table says", async (route, door) => {
    expect(await heardAt(environments[name], route, door)).toEqual(expectedAt(door));
  });
});

test("[E8] the document lists every route there is, and the table above does too", async () => {
  const document = await (await serveWith(env, "/openapi.json")).json<{ paths: Record<string, object> }>();
  const listed = Object.entries(document.paths).flatMap(([path, verbs]) =>
    Object.keys(verbs).map((verb) => `${verb} ${path}`),
  );
  const { routes } = createApp(configOf(env));
  const served = routes
    .filter(({ method }) => method !== "ALL")
    .map(({ method, path }) => `${method.toLowerCase()} ${path.replaceAll(/:(\w+)/g, "{$1}")}`);
  expect([...new Set(served)].sort()).toEqual([...listed, "get /openapi.json"].sort());
  expect(Object.keys(DOORS)).toEqual([...new Set(served)].sort());
});

describe("a token", () => {
  const look = (authorization: string) =>
    serveWith(env, "/v1/riders/me/rides", "GET", undefined, undefined, { authorization });

  test.each<[string, Record<string, unknown>]>([
    ["that never expires", { exp: undefined }],
    ["that lives an hour", { exp: seconds() + 3_600 }],
    ["without a moment of issue", { iat: undefined }],
    ["of nobody", { sub: undefined }],
    ["whose subject is no name", { sub: "../rita" }],
  ])("[E1] %s is refused", async (_, claims) => {
    await problemOf(await look(`Bearer ${await tokenWith({ role: "rider", sub: "rita", ...claims })}`), 401);
  });

  test.each(["", "Bearer", "Bearer ", "Basic cml0YTpyaXRh", "Bearer a b", `Bearer ${"x".repeat(5_000)}`])(
    "[E1] in a header that is none, %j, is refused",
    async (authorization) => {
      await problemOf(await look(authorization), 401);
    },
  );

  test("for the socket's ticket does not open the API, nor the other way round", async () => {
    const driver = await tokenWith(claimsOf("driver"));
    const { ticket } = await (await serveWith(env, "/v1/ws-ticket", "POST", MIDTOWN, driver)).json<{
      ticket: string;
    }>();
    await problemOf(await look(`Bearer ${ticket}`), 401);
    const offered = { upgrade: "websocket", "sec-websocket-protocol": `kerb.v1, ticket.${driver}` };
    await problemOf(await serveWith(env, "/v1/driver/socket", "GET", undefined, undefined, offered), 401);
  });
});
