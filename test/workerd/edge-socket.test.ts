import { beforeAll, describe, expect, test } from "vitest";
import { CLOSE } from "../../src/protocol/driver.ts";
import { encodeLocationFrame } from "../../src/protocol/location-frame.ts";
import { TICKET_TTL_MS } from "../../src/protocol/ticket.ts";
import {
  call,
  driverAt,
  driverToken,
  fixAt,
  MIDTOWN,
  migrateHistory,
  openSocket,
  problemOf,
  requestRide,
  ticketFor,
} from "./support.ts";

beforeAll(migrateHistory);

const hello = { type: "hello", protocol: 1, available: true } as const;

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
