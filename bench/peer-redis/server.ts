/**
 * The peer's doors: plain Node, `ws` and Redis GEO, speaking as much of Kerb's protocol as the load does. Tokens, tickets,
 * bodies and frames are checked by the same functions as Kerb's, so that the two differ in what happens behind the door.
 * Started by bench/targets.ts as a process of its own.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createLocalJWKSet, type JSONWebKeySet } from "jose";
import { type WebSocket, WebSocketServer } from "ws";
import { decodeDriverUp, SUBPROTOCOL, TICKET_PREFIX } from "../../src/protocol/driver.ts";
import { IdempotencyKey, RideRequestBody } from "../../src/protocol/rider.ts";
import { readTicket } from "../../src/protocol/ticket.ts";
import { readToken } from "../../src/protocol/token.ts";
import { type PeerDriver, RedisDispatch } from "./dispatch.ts";
import { RedisClient } from "./resp.ts";

export interface PeerSetting {
  readonly redisSocket: string;
  readonly authJwks: string;
  readonly ticketSecret: string;
}

const SWEEP_EVERY_MS = 15_000;

async function start({ redisSocket, authJwks, ticketSecret }: PeerSetting): Promise<string> {
  const keys = createLocalJWKSet(JSON.parse(authJwks) as JSONWebKeySet);
  const secret = new TextEncoder().encode(ticketSecret);
  const dispatch = await RedisDispatch.create(await RedisClient.connect(redisSocket));
  const sockets = new WebSocketServer({ noServer: true, handleProtocols: () => SUBPROTOCOL });

  async function requestRide(request: IncomingMessage): Promise<{ status: number; body: unknown }> {
    const token = request.headers.authorization?.slice("Bearer ".length) ?? "";
    const reading = await readToken(keys, token, Date.now());
    if (!reading.ok || reading.caller.role !== "rider") return { status: 401, body: {} };
    const key = IdempotencyKey.safeParse(request.headers["idempotency-key"]);
    let text = "";
    for await (const part of request) text += part;
    const body = RideRequestBody.safeParse(JSON.parse(text));
    if (!key.success || !body.success) return { status: 422, body: {} };
    const id = await dispatch.request(reading.caller.riderId, body.data, key.data);
    return { status: 201, body: { id, state: "matching", ...body.data } };
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { status, body } =
      request.method === "POST" && request.url === "/v1/rides" ? await requestRide(request) : { status: 404, body: {} };
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  }

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
  });
  server.on("upgrade", (request, socket, head) => {
    const offered = (request.headers["sec-websocket-protocol"] ?? "").split(",").map((item) => item.trim());
    const ticket = offered.find((item) => item.startsWith(TICKET_PREFIX))?.slice(TICKET_PREFIX.length) ?? "";
    void readTicket(secret, ticket, Date.now()).then((reading) => {
      if (!reading.ok) return socket.end("HTTP/1.1 401 Unauthorized\r\n\r\n");
      const { driverId, profile } = reading.ticket;
      return sockets.handleUpgrade(request, socket, head, (opened) => {
        const send = (notice: object): void => opened.send(JSON.stringify(notice));
        serve(opened, { driverId, profile, send, position: null, heardAt: performance.now(), onRide: false });
      });
    });
  });

  function serve(socket: WebSocket, driver: PeerDriver): void {
    socket.binaryType = "arraybuffer";
    socket.on("message", (data, isBinary) => {
      const decoded = decodeDriverUp(isBinary ? (data as ArrayBuffer) : String(Buffer.from(data as ArrayBuffer)));
      if (decoded.ok) void hear(driver, decoded.message);
      else driver.send({ type: "fault", code: decoded.code, message: decoded.message });
    });
    socket.on("close", () => void dispatch.detach(driver));
  }

  function hear(driver: PeerDriver, message: Extract<ReturnType<typeof decodeDriverUp>, { ok: true }>["message"]) {
    switch (message.type) {
      case "hello":
        dispatch.attach(driver);
        return driver.send({
          type: "welcome",
          epoch: 1,
          fixEveryMs: 4_000,
          status: { state: "available" },
          holding: { kind: "none" },
        });
      case "location":
        return dispatch.locate(driver, message.fixes.at(-1)!);
      case "offer.accept":
        return dispatch.accept(driver, message.cid, message.offerId);
      case "offer.decline":
        return dispatch.decline(driver, message.cid, message.offerId);
      case "trip":
        return dispatch.step(driver, message.cid, message.offerId, message.step);
      case "status":
        return;
    }
  }

  setInterval(() => void dispatch.sweep(), SWEEP_EVERY_MS);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

process.on("message", (setting: PeerSetting) => {
  void start(setting).then((url) => process.send?.({ url }));
});
process.on("disconnect", () => process.exit(0));
