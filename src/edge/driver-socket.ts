/** A driver's way in: a one-time ticket for an authenticated driver, and the socket that the ticket opens. */
import { createRoute, z } from "@hono/zod-openapi";
import { ulid } from "ulidx";
import type { Config } from "../env.ts";
import { SUBPROTOCOL, TICKET_PREFIX } from "../protocol/driver.ts";
import { sessionHeader } from "../protocol/internal-headers.ts";
import { TicketBody, TicketRequestBody } from "../protocol/rider.ts";
import { mintTicket, readTicket, TICKET_TTL_MS } from "../protocol/ticket.ts";
import { callerAs, requires } from "./auth.ts";
import { callShard, retryAfterMs } from "./call.ts";
import { BEARER, bodyOf, jsonOf, newRoutes, refusals } from "./context.ts";
import { refuseForeignOrigin } from "./origins.ts";
import { Refusal } from "./problem.ts";
import { shardServingPlace } from "./shards.ts";

const SOCKET_PATH = "/v1/driver/socket";

export function driverSocketRoutes(config: Config) {
  const ticket = createRoute({
    method: "post",
    path: "/v1/ws-ticket",
    summary: "A one-time ticket for the driver's socket, good for 30 s",
    security: BEARER,
    middleware: requires(config, "driver"),
    request: { body: bodyOf(TicketRequestBody) },
    responses: { 201: jsonOf("The ticket", TicketBody), ...refusals(400, 401, 403, 413, 415, 422) },
  });
  const socket = createRoute({
    method: "get",
    path: SOCKET_PATH,
    summary: "The driver's WebSocket",
    description: `Offer the subprotocols \`${SUBPROTOCOL}\` and \`${TICKET_PREFIX}{ticket}\`, in this order.`,
    request: { headers: z.object({ "sec-websocket-protocol": z.string().max(4_096).optional() }) },
    responses: { 101: { description: "Switching to WebSocket" }, ...refusals(401, 403, 426, 503) },
  });

  return newRoutes()
    .openapi(ticket, async (c) => {
      const { driverId, profile, expiresAt } = callerAs(c.var.caller, "driver");
      const position = c.req.valid("json");
      const shard = shardServingPlace(config, position);
      if (shard === null) {
        throw new Refusal("validation", { errors: [{ field: "lat", message: "is outside every market we serve" }] });
      }
      const ticket = { driverId, shard, profile, ticketId: ulid(), sessionEndsAt: expiresAt };
      const text = await mintTicket(config.ticketSecret, ticket, Date.now());
      return c.json(
        { ticket: text, url: socketUrl(c.req.url), protocol: SUBPROTOCOL, expiresInMs: TICKET_TTL_MS },
        201,
      );
    })
    .openapi(socket, async (c) => {
      if (c.req.header("upgrade")?.toLowerCase() !== "websocket") {
        throw new Refusal("upgrade-required", { headers: { upgrade: "websocket" } });
      }
      refuseForeignOrigin(config, c.req.header("origin"), c.req.url);
      const text = ticketAmong(c.req.valid("header")["sec-websocket-protocol"] ?? "");
      // The signature comes first: a forged ticket must not wake, or create, any object.
      const reading = await readTicket(config.ticketSecret, text, Date.now());
      if (!reading.ok)
        throw new Refusal("ticket-refused", { detail: `the ticket is ${reading.reason}; get a new one` });
      const { driverId, shard, profile, ticketId, expiresAt, sessionEndsAt } = reading.ticket;
      const answer = await callShard(c.env, shard, (stub) =>
        stub.fetch("https://shard/socket", {
          headers: {
            upgrade: "websocket",
            "sec-websocket-protocol": SUBPROTOCOL,
            ...sessionHeader({ driverId, profile, ticketId, ticketExpiresAt: expiresAt, sessionEndsAt }),
          },
        }),
      );
      if (answer.webSocket === null) throw new Refusal("unavailable", { retryAfterMs: retryAfterMs() });
      return new Response(null, {
        status: 101,
        webSocket: answer.webSocket,
        headers: { "sec-websocket-protocol": SUBPROTOCOL },
      });
    });
}

function socketUrl(requestUrl: string): string {
  const url = new URL(SOCKET_PATH, requestUrl);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}

/** The ticket among the offered subprotocols, where it stays out of URLs and their logs. */
function ticketAmong(offered: string): string {
  const items = offered.split(",").map((item) => item.trim());
  const ticket = items.find((item) => item.startsWith(TICKET_PREFIX));
  if (!items.includes(SUBPROTOCOL) || ticket === undefined) {
    throw new Refusal("ticket-refused", {
      detail: `offer the subprotocols ${SUBPROTOCOL} and ${TICKET_PREFIX}{ticket}`,
    });
  }
  return ticket.slice(TICKET_PREFIX.length);
}
