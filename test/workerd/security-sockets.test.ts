/** Who may open a driver's socket and what he may do to it: tickets said twice or bent, frames too many or unreadable. */
import { listDurableObjectIds } from "cloudflare:test";
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { decodeJwt } from "jose";
import { beforeAll, describe, expect, test } from "vitest";
import { DriverSockets } from "../../durable-objects/ports/driver-sockets.ts";
import type { DriverId } from "../../src/domain/driver.ts";
import type { ShardName } from "../../src/domain/place.ts";
import type { OfferId } from "../../src/domain/ride.ts";
import { CLOSE } from "../../src/protocol/driver.ts";
import { sessionHeader } from "../../src/protocol/internal-headers.ts";
import { encodeLocationFrame } from "../../src/protocol/location-frame.ts";
import { mintTicket, TICKET_TTL_MS } from "../../src/protocol/ticket.ts";
import { acrossBorder, insideOf, shardNameAt, shardOf, welcomed } from "./shard-tools.ts";
import {
  driverAt,
  fixAt,
  MIDTOWN,
  migrateHistory,
  openSocket,
  PROFILE,
  problemOf,
  type TestDriver,
  ticketFor,
  upgrade,
} from "./support.ts";

beforeAll(migrateHistory);

const hello = { type: "hello", protocol: 1, available: true } as const;
const { here, beyond } = acrossBorder({ lat: 48.2, lng: 16.4 });

function mint(change: { key?: string; at?: number }): Promise<string> {
  const shard = "cell:dr5ru" as ShardName;
  const sessionEndsAt = Date.now() + 60_000;
  const who = { driverId: "ann" as DriverId, shard, profile: PROFILE, ticketId: "t", sessionEndsAt };
  return mintTicket(new TextEncoder().encode(change.key ?? env.TICKET_SECRET), who, change.at ?? Date.now());
}

/** A good ticket with other claims, under the signature it had. */
async function bent(claims: object): Promise<string> {
  const good = await mint({});
  const [head, , signature] = good.split(".");
  const encode = (text: string) => btoa(text).replaceAll("=", "").replaceAll("+", "-").replaceAll("/", "_");
  return [head, encode(JSON.stringify({ ...decodeJwt(good), ...claims })), signature].join(".");
}

const objects = async () => {
  const ids = await Promise.all([listDurableObjectIds(env.DISPATCH_SHARD), listDurableObjectIds(env.DRIVER_LOCK)]);
  return ids.map(({ length }) => length);
};

describe("a ticket", () => {
  test.each<[string, () => Promise<string>]>([
    ["that has expired", () => mint({ at: Date.now() - TICKET_TTL_MS - 1_000 })],
    ["signed with another secret", () => mint({ key: "x".repeat(64) })],
    ["made out to another driver afterwards", () => bent({ sub: "bob" })],
    ["led to another shard afterwards", () => bent({ shard: "cell:gcpvj" })],
    ["made longer afterwards", () => bent({ exp: Math.floor(Date.now() / 1_000) + 3_600 })],
    ["given a longer session afterwards", () => bent({ sessionEndsAt: Date.now() + 86_400_000 })],
    ["renamed afterwards, to be used again", () => bent({ jti: "t2" })],
    ["with a better profile afterwards", () => bent({ profile: { ...PROFILE, rating: 5 } })],
    ["without its signature", async () => `${(await mint({})).split(".").slice(0, 2).join(".")}.`],
    ["that is none", async () => "abc"],
  ])("[E10] %s is refused before any object is touched", async (_, make) => {
    const before = await objects();
    expect((await problemOf(await upgrade(await make()), 401)).type).toBe("/problems/ticket-refused");
    expect(await objects()).toEqual(before);
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

  test("[D2] opens one socket of five that say hello with it at the same moment", async () => {
    const ticket = await ticketFor("rush", here);
    const sockets = await Promise.all(Array.from({ length: 5 }, () => openSocket(ticket)));
    for (const socket of sockets) socket.say(hello);
    const fates = await Promise.all(sockets.map((socket) => Promise.race([socket.hear("welcome"), socket.closed()])));
    const codes = fates.map((fate) => ("code" in fate ? fate.code : fate.type));
    expect(codes.sort()).toEqual([...Array(4).fill(CLOSE.ticketRefused), "welcome"]);
    for (const socket of sockets) socket.close();
  });

  test("[D2] replayed after its driver has moved on with another does not bring the old place back", async () => {
    const old = await ticketFor("mover", here);
    const first = await openSocket(old);
    first.say(hello);
    await first.hear("welcome");
    const { socket: second } = await welcomed("mover", beyond);
    expect((await first.closed()).code).toBe(CLOSE.superseded);
    const replay = await openSocket(old);
    replay.say(hello);
    expect((await replay.closed()).code).toBe(CLOSE.ticketRefused);
    second.say({ type: "location", fixes: [fixAt(beyond, 1)] });
    expect((await second.hear("status")).status).toEqual({ state: "available" });
    second.close();
  });

  test("[E10] alone says who comes and where to: what a client adds for the shard is not passed on", async () => {
    const moments = { ticketExpiresAt: Date.now() + 30_000, sessionEndsAt: Date.now() + 60_000 };
    const claimed = { driverId: "boss" as DriverId, profile: PROFILE, ticketId: "t", ...moments };
    const response = await upgrade(await ticketFor("clerk", here), sessionHeader(claimed));
    response.webSocket?.accept();
    const { memories } = await insideOf(here);
    expect(memories.some((text) => text.includes('"driverId":"clerk"'))).toBe(true);
    expect(memories.some((text) => text.includes("boss"))).toBe(false);
    response.webSocket?.close();
  });
});

test("a shard that is called as only the Worker calls it, with names of no shape of ours, opens nothing", async () => {
  const before = await insideOf(here);
  const names = fc.oneof(fc.json(), fc.string({ maxLength: 200 }));
  await fc.assert(
    fc.asyncProperty(fc.constantFrom("/socket", "/events?ride=x", "/other"), names, async (path, name) => {
      const text = name.replaceAll(/[^\x20-\x7e]/g, "?");
      const headers = { upgrade: "websocket", "x-kerb-session": text, "x-kerb-subject": text };
      const response = await shardOf(here).fetch(`https://shard${path}`, { headers });
      expect(response.status).toBe(400);
    }),
    { numRuns: 60 },
  );
  expect(await insideOf(here)).toEqual(before);
});

describe("frames", () => {
  test("[D14] may come 40 at once and 20 a second after that, and one more closes the socket", () => {
    const admitted = (moments: readonly number[]) => {
      const { 0: client, 1: socket } = new WebSocketPair();
      client.accept();
      socket.accept();
      const sockets = new DriverSockets();
      return moments.filter((moment) => sockets.admit(socket, moment)).length;
    };
    const every = (ms: number, count: number) => Array.from({ length: count }, (_, i) => 1_000 + i * ms);
    expect(admitted(every(0, 100))).toBe(40);
    expect(admitted(every(50, 2_000))).toBe(2_000);
    expect(admitted(every(40, 2_000))).toBeLessThan(2_000);
    // A pause fills the burst again, and never more than that.
    expect(admitted([...every(0, 40), ...every(0, 100).map((moment) => moment + 3_600_000)])).toBe(80);
  });

  test("[D14] three that cannot be read end the socket, each answered by name", async () => {
    const { socket } = await welcomed("noisy", MIDTOWN);
    for (const frame of ["{", '{"type":"status","available":1}', new ArrayBuffer(3)]) socket.sayRaw(frame);
    expect((await socket.hear("fault")).code).toBe("not_json");
    expect((await socket.hear("fault")).message).toMatch(/^available: /);
    expect((await socket.hear("fault")).message).toMatch(/^format: /);
    expect((await socket.closed()).code).toBe(CLOSE.badFrames);
  });

  test("[D14] beyond the limit are refused unread", async () => {
    const { socket } = await welcomed("bulky", MIDTOWN);
    for (const frame of ["x".repeat(4_097), new ArrayBuffer(4_097)]) {
      socket.sayRaw(frame);
      expect((await socket.hear("fault")).code).toBe("too_large");
    }
    socket.close();
  });

  test("[D14] flooding one socket close that one, and every word of its neighbours is answered in order", async () => {
    const neighbours = await Promise.all(["calm-1", "calm-2"].map((name) => welcomed(name, here, false)));
    const { socket: flooder } = await welcomed("flooder", here, false);
    const offerId = `${shardNameAt(here).slice("cell:".length)}.${"0".repeat(26)}#1` as OfferId;
    const ask = (socket: TestDriver, n: number) => socket.say({ type: "offer.accept", cid: `c${n}`, offerId });
    const junk = encodeLocationFrame([fixAt(here, 1)]);
    for (let n = 0; n < 30; n++) {
      for (let k = 0; k < 20; k++) flooder.sayRaw(junk);
      for (const { socket } of neighbours) ask(socket, n);
    }
    for (const { socket } of neighbours) {
      const heard: string[] = [];
      while (heard.length < 30) heard.push((await socket.hear("offer.verdict")).cid);
      expect(heard).toEqual(Array.from({ length: 30 }, (_, n) => `c${n}`));
    }
    expect((await flooder.closed()).code).toBe(CLOSE.flooded);
    for (const { socket } of neighbours) socket.close();
  });

  test("[D14] that nobody would send change nothing, whatever they are", async () => {
    const good = { type: "location", fixes: [fixAt(here, 9)] };
    const text = JSON.stringify(good);
    const bytes = new Uint8Array(encodeLocationFrame(good.fixes));
    const key = fc.string({ minLength: 1 }).filter((name) => name !== "type" && name !== "fixes");
    const frames = fc.oneof(
      fc.json({ maxDepth: 3 }),
      fc.tuple(key, fc.jsonValue({ maxDepth: 1 })).map(([name, value]) => JSON.stringify({ ...good, [name]: value })),
      fc.nat(text.length - 1).map((length) => text.slice(0, length)),
      fc.nat(bytes.length - 1).map((length) => bytes.slice(0, length).buffer),
      fc.uint8Array({ maxLength: 60 }).map((any) => new Uint8Array([2, ...any]).buffer),
      fc.integer({ min: 4_097, max: 9_000 }).map((length) => "[".repeat(length)),
      fc.constantFrom("NaN", text.replace(/"lat":[^,]+/, '"lat":NaN'), text.replace(/"lat":[^,]+/, '"lat":1e999')),
    );
    await fc.assert(
      fc.asyncProperty(frames, frames, async (one, other) => {
        const driver = await driverAt("fuzzed", here);
        await driver.hear("status");
        const before = await insideOf(here);
        for (const frame of [one, other]) {
          driver.sayRaw(frame);
          expect((await driver.hear("fault")).code).toMatch(/^(?:too_large|not_json|bad_frame)$/);
        }
        expect(await insideOf(here)).toEqual(before);
        driver.close();
        await driver.closed();
      }),
      { numRuns: 40 },
    );
  });
});
