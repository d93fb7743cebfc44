import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import { createDriverClient, type DriverClient, type DriverEvent } from "../../../client/driver-client.ts";
import { StoppedError } from "../../../client/pending-commands.ts";
import type { DriverNotice, DriverRide } from "../../../src/domain/notice.ts";
import type { OfferId, RideId } from "../../../src/domain/ride.ts";
import { CLOSE, type DriverUp, decodeDriverUp, SUBPROTOCOL, TICKET_PREFIX } from "../../../src/protocol/driver.ts";
import { PATIENTLY } from "../../patience.ts";

/** The other end as the protocol describes it: every ticket opens one socket, and the test says what the server says. */
interface Peer {
  readonly socket: WebSocket;
  readonly ticket: string;
  next(): Promise<DriverUp>;
  say(notice: DriverNotice): void;
}

const OFFER = "dr5ru.01ARZ3NDEKTSV4RRFFQ69G5FAV#1" as OfferId;
const HERE = { lat: 40.75, lng: -73.98 };
const FIX = { ...HERE, headingDegrees: 90, speedMetersPerSecond: 5, accuracyMeters: 8 };
const RIDE: DriverRide = {
  offerId: OFFER,
  rideId: "dr5ru.01ARZ3NDEKTSV4RRFFQ69G5FAV" as RideId,
  state: "assigned",
  version: 2,
  pickup: HERE,
  dropoff: { lat: 40.76, lng: -73.98 },
  fareCents: 1_000,
  currency: "USD",
};
const WELCOME: DriverNotice = {
  type: "welcome",
  epoch: 1,
  fixEveryMs: 0,
  status: { state: "available" },
  holding: { kind: "none" },
};

let server: Server;
let client: DriverClient;
let tickets: number;
let events: DriverEvent[];
let peers: AsyncQueue<Peer>;

/** Values in the order they came, to whoever asks next. */
class AsyncQueue<T> {
  readonly #values: T[] = [];
  readonly #takers: ((value: T) => void)[] = [];
  put(value: T): void {
    const taker = this.#takers.shift();
    if (taker) taker(value);
    else this.#values.push(value);
  }
  take(): Promise<T> {
    const value = this.#values.shift();
    return value === undefined ? new Promise((resolve) => this.#takers.push(resolve)) : Promise.resolve(value);
  }
}

beforeEach(async () => {
  tickets = 0;
  events = [];
  peers = new AsyncQueue();
  server = createServer((_, response) => {
    tickets += 1;
    const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/socket`;
    response.writeHead(201, { "content-type": "application/json" });
    response.end(JSON.stringify({ ticket: `t${tickets}`, url, protocol: SUBPROTOCOL, expiresInMs: 30_000 }));
  });
  const sockets = new WebSocketServer({ server, handleProtocols: () => SUBPROTOCOL });
  sockets.on("connection", (socket, request) => {
    const frames = new AsyncQueue<DriverUp>();
    socket.on("message", (data: Buffer, isBinary) => {
      const frame = isBinary ? new Uint8Array(data).buffer : data.toString();
      const decoded = decodeDriverUp(frame as string | ArrayBuffer);
      if (!decoded.ok) throw new Error(`the client said what the server refuses: ${decoded.message}`);
      frames.put(decoded.message);
    });
    const ticket = String(request.headers["sec-websocket-protocol"]).split(TICKET_PREFIX)[1]!;
    peers.put({ socket, ticket, next: () => frames.take(), say: (notice) => socket.send(JSON.stringify(notice)) });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  client = createDriverClient({
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    token: async () => "token",
    // No jitter: the wait before a retry is drawn between nothing and its limit.
    random: () => 0,
    position: () => HERE,
    onEvent: (event) => events.push(event),
  });
  client.start();
});

afterEach(() => {
  client.stop();
  server.closeAllConnections();
  server.close();
});

async function welcomed(): Promise<Peer> {
  const peer = await peers.take();
  expect(await peer.next()).toMatchObject({ type: "hello", available: true });
  peer.say(WELCOME);
  return peer;
}

test("a fix goes out in the compact form, and the newest one again on every new connection", async () => {
  client.locate(FIX);
  const first = await welcomed();
  expect(await first.next()).toMatchObject({ type: "location", fixes: [{ seq: 1, lat: 40.75, headingDegrees: 90 }] });
  client.locate({ ...FIX, lat: 40.76 });
  expect(await first.next()).toMatchObject({ type: "location", fixes: [{ seq: 2, lat: 40.76 }] });
  first.socket.terminate();
  const second = await welcomed();
  expect(await second.next()).toMatchObject({ type: "location", fixes: [{ seq: 3, lat: 40.76 }] });
});

test("[V2] it sends fixes no more often than the server asks, however often it is told where he is", async () => {
  const peer = await welcomed();
  client.locate(FIX);
  expect(await peer.next()).toMatchObject({ type: "location", fixes: [{ seq: 1 }] });
  peer.say({ type: "config", fixEveryMs: 600_000 });
  // Notices come in order: once the second is handed on, the first has been heard.
  peer.say({ type: "status", status: { state: "available" } });
  await expect.poll(() => events.length, PATIENTLY).toBe(2);
  client.locate({ ...FIX, lat: 40.76 });
  peer.say({ type: "config", fixEveryMs: 0 });
  peer.say({ type: "status", status: { state: "available" } });
  await expect.poll(() => events.length, PATIENTLY).toBe(3);
  client.locate({ ...FIX, lat: 40.77 });
  expect(await peer.next()).toMatchObject({ type: "location", fixes: [{ seq: 2, lat: 40.77 }] });
});

test("an accept whose answer was lost is said again under the same name until there is a verdict", async () => {
  const first = await welcomed();
  const verdict = client.accept(OFFER);
  const said = await first.next();
  first.socket.terminate();
  const second = await welcomed();
  expect(await second.next()).toEqual(said);
  if (said.type !== "offer.accept") throw new Error("not an accept");
  second.say({
    type: "offer.verdict",
    cid: said.cid,
    offerId: OFFER,
    verdict: { outcome: "pending", retryAfterMs: 1 },
  });
  expect(await second.next()).toEqual(said);
  second.say({ type: "offer.verdict", cid: said.cid, offerId: OFFER, verdict: { outcome: "won", ride: RIDE } });
  expect(await verdict).toEqual({ outcome: "won", ride: RIDE });
});

test("a move opens the new socket before the old one goes, and is not a loss", async () => {
  const old = await welcomed();
  old.say({ type: "rehome", ticket: "moved" });
  const next = await peers.take();
  expect(next.ticket).toBe("moved");
  expect(await next.next()).toMatchObject({ type: "hello" });
  expect(old.socket.readyState).toBe(old.socket.OPEN);
  // The old shard may hear of the newer socket before the new one has said welcome.
  const closed = new Promise<void>((resolve) => old.socket.once("close", () => resolve()));
  old.socket.close(CLOSE.superseded);
  await closed;
  next.say(WELCOME);
  const verdict = client.decline(OFFER);
  const said = await next.next();
  if (said.type !== "offer.decline") throw new Error("not a decline");
  next.say({ type: "offer.verdict", cid: said.cid, offerId: OFFER, verdict: { outcome: "lost", reason: "declined" } });
  expect(await verdict).toEqual({ outcome: "lost", reason: "declined" });
  expect(events.map(({ type }) => type)).toEqual(["live", "live"]);
  expect(tickets).toBe(1);
});

test("[D19] where the driver is going is said at once, and again on the next socket", async () => {
  const destination = { lat: 40.68, lng: -73.94 };
  const old = await welcomed();
  client.setAvailable(true, destination);
  expect(await old.next()).toEqual({ type: "status", available: true, destination });
  old.say({ type: "rehome", ticket: "moved" });
  const next = await peers.take();
  expect(await next.next()).toEqual({ type: "hello", protocol: 1, available: true, destination });
});

test("a change of mind between the hello and its welcome is said after it", async () => {
  const old = await welcomed();
  old.say({ type: "rehome", ticket: "moved" });
  const next = await peers.take();
  expect(await next.next()).toEqual({ type: "hello", protocol: 1, available: true });
  client.setAvailable(false);
  next.say(WELCOME);
  expect(await next.next()).toEqual({ type: "status", available: false });
});

test("told that the driver rests, it says again that he does not", async () => {
  const peer = await welcomed();
  peer.say({ type: "status", status: { state: "paused", reason: "driver" } });
  expect(await peer.next()).toEqual({ type: "status", available: true });
  client.setAvailable(false);
  expect(await peer.next()).toEqual({ type: "status", available: false });
  peer.say({ type: "status", status: { state: "paused", reason: "driver" } });
  client.setAvailable(true);
  expect(await peer.next()).toEqual({ type: "status", available: true });
});

test("[D17] told that its session ends, it comes in with a new ticket before it goes", async () => {
  const old = await welcomed();
  old.say({ type: "session.ending", endsInMs: 60_000 });
  const next = await peers.take();
  expect(next.ticket).toBe("t2");
  expect(await next.next()).toMatchObject({ type: "hello" });
  expect(old.socket.readyState).toBe(old.socket.OPEN);
  next.say(WELCOME);
  await expect.poll(() => events.length, PATIENTLY).toBe(2);
  old.socket.close(CLOSE.superseded);
  await new Promise<void>((resolve) => old.socket.once("close", () => resolve()));
  expect(events.map(({ type }) => type)).toEqual(["live", "live"]);
});

test("[D17] closed because its session has ended, it takes a new ticket and says again what is not judged", async () => {
  const old = await welcomed();
  const verdict = client.accept(OFFER);
  const said = await old.next();
  old.socket.close(CLOSE.expired);
  const next = await welcomed();
  expect(next.ticket).toBe("t2");
  expect(await next.next()).toEqual(said);
  if (said.type !== "offer.accept") throw new Error("not an accept");
  next.say({ type: "offer.verdict", cid: said.cid, offerId: OFFER, verdict: { outcome: "won", ride: RIDE } });
  expect(await verdict).toEqual({ outcome: "won", ride: RIDE });
  expect(events.map(({ type }) => type)).toEqual(["live", "lost", "live"]);
});

test("a newer device ends this one for good, and what it still waited for is unknown", async () => {
  const peer = await welcomed();
  const verdict = client.accept(OFFER);
  await peer.next();
  const stopped = expect(verdict).rejects.toBeInstanceOf(StoppedError);
  peer.socket.close(CLOSE.superseded);
  await stopped;
  expect(events.at(-1)).toEqual({ type: "ended", reason: "another device of this driver took over" });
  expect(tickets).toBe(1);
});

test("a server that is full is left alone for as long as it asks", async () => {
  const peer = await welcomed();
  peer.socket.close(CLOSE.overloaded, JSON.stringify({ retryAfterMs: 40 }));
  await welcomed();
  expect(events.find(({ type }) => type === "lost")).toEqual({ type: "lost", code: CLOSE.overloaded, retryInMs: 40 });
});

test("what the server tells is handed on as it is", async () => {
  const peer = await welcomed();
  peer.say({ type: "trip.changed", ride: { ...RIDE, state: "cancelled_by_rider", version: 3 } });
  peer.socket.close(CLOSE.badFrames, "unreadable");
  await new Promise<void>((resolve) => peer.socket.once("close", () => resolve()));
  await expect.poll(() => events.at(-1)?.type, PATIENTLY).toBe("ended");
  expect(events[1]).toMatchObject({ type: "told", notice: { type: "trip.changed", ride: { version: 3 } } });
});
