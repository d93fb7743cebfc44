import { listDurableObjectIds } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, test } from "vitest";
import type { DriverId } from "../../src/domain/driver.ts";
import type { ShardName } from "../../src/domain/place.ts";
import { CLOSE } from "../../src/protocol/driver.ts";
import { encodeLocationFrame } from "../../src/protocol/location-frame.ts";
import { mintTicket, TICKET_TTL_MS } from "../../src/protocol/ticket.ts";
import {
  call,
  driverAt,
  driverToken,
  fixAt,
  MIDTOWN,
  migrateHistory,
  openSocket,
  PROFILE,
  problemOf,
  requestRide,
  ticketFor,
  upgrade,
} from "./support.ts";

beforeAll(migrateHistory);

const secret = new TextEncoder().encode(env.TICKET_SECRET);
const hello = { type: "hello", protocol: 1, available: true } as const;

function forge(change: { key?: Uint8Array; at?: number; shard?: string; sessionEndsAt?: number }): Promise<string> {
  const shard = (change.shard ?? "cell:dr5ru") as ShardName;
  const sessionEndsAt = change.sessionEndsAt ?? Date.now() + 60_000;
  const who = { driverId: "ann" as DriverId, shard, profile: PROFILE, ticketId: crypto.randomUUID(), sessionEndsAt };
  return mintTicket(change.key ?? secret, who, change.at ?? Date.now());
}

describe("a socket's ticket", () => {
  test("says where to go, how, and until when", async () => {
    const response = await call("/v1/ws-ticket", { token: await driverToken("ann"), body: MIDTOWN });
    expect(await response.json()).toEqual({
      ticket: expect.any(String),
      url: "wss://kerb.test/v1/driver/socket",
      protocol: "kerb.v1",
      expiresInMs: TICKET_TTL_MS,
    });
  });

  test("[D2] [E10] opens one socket, and is refused the second time", async () => {
    const ticket = await ticketFor("once");
    const first = await openSocket(ticket);
    first.say(hello);
    expect((await first.hear("welcome")).epoch).toBe(1);
    const second = await openSocket(ticket);
    second.say(hello);
    expect((await second.closed()).code).toBe(CLOSE.ticketRefused);
    // The holder of the first is not disturbed by the replay.
    first.say({ type: "location", fixes: [fixAt(MIDTOWN, 1)] });
    expect((await first.hear("status")).status).toEqual({ state: "available" });
    first.close();
  });

  test.each([
    ["that has expired", () => forge({ at: Date.now() - TICKET_TTL_MS - 1_000 })],
    ["signed by somebody else", () => forge({ key: new TextEncoder().encode("x".repeat(64)) })],
    ["that is none", async () => "abc"],
  ])("[E10] %s is refused before any object is touched", async (_, mint) => {
    const before = await Promise.all([listDurableObjectIds(env.DISPATCH_SHARD), listDurableObjectIds(env.DRIVER_LOCK)]);
    const problem = await problemOf(await upgrade(await mint()), 401);
    expect(problem.type).toBe("/problems/ticket-refused");
    const after = await Promise.all([listDurableObjectIds(env.DISPATCH_SHARD), listDurableObjectIds(env.DRIVER_LOCK)]);
    expect(after.map((ids) => ids.length)).toEqual(before.map((ids) => ids.length));
  });
});

describe("an upgrade", () => {
  test.each([undefined, "kerb.v1", "kerb.v2, ticket.x", "ticket.x"])("offering %j is refused", async (offered) => {
    const response = await call("/v1/driver/socket", {
      headers: { upgrade: "websocket", ...(offered !== undefined && { "sec-websocket-protocol": offered }) },
    });
    await problemOf(response, 401);
  });

  test("that is none is told what this is", async () => {
    const response = await call("/v1/driver/socket");
    expect(response.headers.get("upgrade")).toBe("websocket");
    await problemOf(response, 426);
  });
});

describe("on an open socket", () => {
  test("whoever does not say hello first is told so", async () => {
    const socket = await openSocket(await ticketFor("rude"));
    socket.say({ type: "status", available: true });
    expect((await socket.hear("fault")).code).toBe("hello_first");
    socket.close();
  });

  test("[D14] three frames that cannot be read end it, each answered by name", async () => {
    const socket = await openSocket(await ticketFor("noisy"));
    socket.say(hello);
    await socket.hear("welcome");
    for (const frame of ["{", '{"type":"status","available":1}', new ArrayBuffer(3)]) socket.sayRaw(frame);
    expect((await socket.hear("fault")).code).toBe("not_json");
    expect((await socket.hear("fault")).message).toMatch(/^available: /);
    expect((await socket.hear("fault")).message).toMatch(/^format: /);
    expect((await socket.closed()).code).toBe(CLOSE.badFrames);
  });

  test("a frame beyond the limit is refused unread", async () => {
    const socket = await openSocket(await ticketFor("bulky"));
    socket.sayRaw("x".repeat(5_000));
    expect((await socket.hear("fault")).code).toBe("too_large");
    socket.close();
  });

  test("[D14] a flood ends it", async () => {
    const socket = await openSocket(await ticketFor("flood"));
    socket.say(hello);
    await socket.hear("welcome");
    const frame = encodeLocationFrame([fixAt(MIDTOWN, 1)]);
    for (let sent = 0; sent < 300; sent++) socket.sayRaw(frame);
    expect((await socket.closed()).code).toBe(CLOSE.flooded);
  });

  test("a driver who leaves is let go at once", async () => {
    const socket = await openSocket(await ticketFor("leaver"));
    socket.say(hello);
    await socket.hear("welcome");
    socket.close();
    expect((await socket.closed()).code).toBe(1_000);
  });

  test("[D1] a second device of the same driver takes over, and the first is told not to come back", async () => {
    const first = await driverAt("twin");
    const second = await driverAt("twin");
    expect((await first.closed()).code).toBe(CLOSE.superseded);
    second.close();
  });

  test("a driver who comes back in the middle of an offer finds it, in a binary-speaking app too", async () => {
    const place = { lat: 40.9, lng: -73.4 };
    const socket = await openSocket(await ticketFor("bina", place));
    socket.say(hello);
    await socket.hear("welcome");
    socket.sayRaw(encodeLocationFrame([fixAt(place, 1)]));
    const { id } = await requestRide("rida", { pickup: place, dropoff: { ...place, lat: 40.95 } });
    const offer = await socket.hear("offer");
    expect(offer.rideId).toBe(id);
    socket.close();
    const again = await openSocket(await ticketFor("bina", place));
    again.say(hello);
    const { holding } = await again.hear("welcome");
    expect(holding).toMatchObject({ kind: "offer", offer: { offerId: offer.offerId } });
    again.close();
  });
});
