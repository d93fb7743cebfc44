/** What the tests of the real Worker share: people with tokens, requests, drivers with sockets. */
import { applyD1Migrations, createExecutionContext } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { importJWK, type JWK, SignJWT } from "jose";
import { expect } from "vitest";
import type { RideView } from "../../src/domain/notice.ts";
import type { LatLng } from "../../src/domain/place.ts";
import type { Env } from "../../src/env.ts";
import { DriverDown, type DriverUp, SUBPROTOCOL, TICKET_PREFIX } from "../../src/protocol/driver.ts";
import type { ProblemBody } from "../../src/protocol/ops.ts";
import worker from "../../src/worker.ts";

export const ORIGIN = "https://kerb.test";
export const MIDTOWN: LatLng = { lat: 40.7549, lng: -73.984 };
export const DOWNTOWN: LatLng = { lat: 40.7128, lng: -74.006 };
export const PROFILE = {
  vehicleType: "economy",
  seats: 4,
  accessible: true,
  rating: 4.9,
  payments: ["card", "cash", "wallet"],
} as const;

/** D1 starts empty in every file. */
export function migrateHistory(): Promise<void> {
  return applyD1Migrations(env.HISTORY, env.TEST_MIGRATIONS);
}

let signingKey: ReturnType<typeof importJWK> | undefined;

/** A token as the identity provider would sign it; `claims` override anything. */
export async function tokenWith(
  claims: Record<string, unknown>,
  header: Record<string, unknown> = {},
): Promise<string> {
  const jwk = JSON.parse(env.DEV_ISSUER_JWK) as JWK;
  signingKey ??= importJWK(jwk, "ES256");
  const now = Math.floor(Date.now() / 1_000);
  return new SignJWT({ aud: "kerb", iat: now, exp: now + 600, ...claims })
    .setProtectedHeader({ alg: "ES256", kid: jwk.kid ?? "", ...header })
    .sign(await signingKey);
}

export const riderToken = (sub: string) => tokenWith({ role: "rider", sub });
export const driverToken = (sub: string, profile: object = PROFILE) => tokenWith({ role: "driver", sub, profile });
export const opsToken = () => tokenWith({ role: "ops", sub: "olga" });

export interface Call {
  readonly method?: string;
  readonly token?: string;
  readonly headers?: Record<string, string>;
  /** Sent as JSON, unless it is text already. */
  readonly body?: unknown;
  /** A body of unannounced length. */
  readonly stream?: ReadableStream<Uint8Array>;
}

export function call(path: string, { method, token, headers = {}, body, stream }: Call = {}): Promise<Response> {
  return exports.default.fetch(`${ORIGIN}${path}`, {
    method: method ?? (body === undefined ? "GET" : "POST"),
    headers: {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { "content-type": "application/json" }),
      ...headers,
    },
    ...(stream !== undefined && { body: stream, duplex: "half" }),
    ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
}

/** The same Worker under another configuration. */
export async function serveWith(
  config: Env,
  path: string,
  method = "GET",
  body?: object,
  token?: string,
  headers: Record<string, string> = {},
): Promise<Response> {
  const request = new Request(`${ORIGIN}${path}`, {
    method,
    headers: {
      ...(body && { "content-type": "application/json" }),
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...headers,
    },
    ...(body && { body: JSON.stringify(body) }),
  });
  return worker.fetch(request, config, createExecutionContext());
}

/** A binding that fails in everything one does with it. */
export const failing = (message: string) =>
  new Proxy(
    {},
    {
      get: () => () => {
        throw new Error(message);
      },
    },
  ) as never;

/** The problem in a refusal; fails where the response is not one of this status. */
export async function problemOf(response: Response, status: number): Promise<ProblemBody> {
  const text = await response.text();
  expect({ status: response.status, type: response.headers.get("content-type") }, text).toEqual({
    status,
    type: "application/problem+json",
  });
  const problem = JSON.parse(text) as ProblemBody;
  expect(problem.status).toBe(status);
  return problem;
}

export const rideWish = (change: object = {}) => ({ pickup: MIDTOWN, dropoff: DOWNTOWN, ...change });

/** A new ride of this rider. */
export async function requestRide(rider: string, change: object = {}, key = crypto.randomUUID()): Promise<RideView> {
  const response = await call("/v1/rides", {
    token: await riderToken(rider),
    headers: { "idempotency-key": key },
    body: rideWish(change),
  });
  expect(response.status).toBe(201);
  return response.json();
}

/** A driver's open socket; what he hears is queued until a test asks for it. */
export interface TestDriver {
  say(message: DriverUp): void;
  sayRaw(frame: string | ArrayBuffer): void;
  /** The next notice of this type; others that come before are dropped. Waits. */
  hear<T extends DriverDown["type"]>(type: T): Promise<Extract<DriverDown, { type: T }>>;
  /** How the socket ended. Waits. */
  closed(): Promise<{ code: number; reason: string }>;
  close(): void;
}

export async function ticketFor(driver: string, place: LatLng = MIDTOWN): Promise<string> {
  const response = await call("/v1/ws-ticket", { token: await driverToken(driver), body: place });
  expect(response.status).toBe(201);
  return (await response.json<{ ticket: string }>()).ticket;
}

export function upgrade(ticket: string, headers: Record<string, string> = {}): Promise<Response> {
  return call("/v1/driver/socket", {
    headers: {
      upgrade: "websocket",
      "sec-websocket-protocol": `${SUBPROTOCOL}, ${TICKET_PREFIX}${ticket}`,
      ...headers,
    },
  });
}

/** Opens a socket without a word on it. */
export async function openSocket(ticket: string): Promise<TestDriver> {
  const response = await upgrade(ticket);
  expect(response.status).toBe(101);
  expect(response.headers.get("sec-websocket-protocol")).toBe(SUBPROTOCOL);
  expect(response.headers.get("cache-control")).toBeNull();
  const socket = response.webSocket;
  if (socket === null) throw new Error("101 without a socket");
  return listenOn(socket);
}

/** A driver on duty at `place`: hello said, welcome heard, one fix sent. */
export async function driverAt(driver: string, place: LatLng = MIDTOWN): Promise<TestDriver> {
  const socket = await openSocket(await ticketFor(driver, place));
  socket.say({ type: "hello", protocol: 1, available: true });
  await socket.hear("welcome");
  socket.say({ type: "location", fixes: [fixAt(place, 1)] });
  return socket;
}

export function fixAt({ lat, lng }: LatLng, seq: number) {
  return { seq, lat, lng, headingDegrees: 0, speedMetersPerSecond: 0, accuracyMeters: 5, ageMs: 0 };
}

function listenOn(socket: WebSocket): TestDriver {
  const heard: DriverDown[] = [];
  let wake: () => void = () => {};
  const ended = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.addEventListener("close", ({ code, reason }) => resolve({ code, reason }));
  });
  socket.addEventListener("message", ({ data }) => {
    heard.push(DriverDown.parse(JSON.parse(String(data))));
    wake();
  });
  socket.accept();
  return {
    say: (message) => socket.send(JSON.stringify(message)),
    sayRaw: (frame) => socket.send(frame),
    async hear<T extends DriverDown["type"]>(type: T) {
      let closed: { code: number; reason: string } | null = null;
      void ended.then((end) => {
        closed = end;
        wake();
      });
      for (;;) {
        for (let notice = heard.shift(); notice !== undefined; notice = heard.shift()) {
          if (notice.type === type) return notice as Extract<DriverDown, { type: T }>;
        }
        if (closed !== null) throw new Error(`closed before "${type}": ${JSON.stringify(closed)}`);
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
    closed: () => ended,
    close: () => socket.close(1_000, "test over"),
  };
}
