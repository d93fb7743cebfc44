/** A ride's life as server-sent events. The stream is the shard's own; this door only says who is listening. */
import { createRoute, z } from "@hono/zod-openapi";
import { type Config, shardServing } from "../env.ts";
import { RideIdField } from "../protocol/fields.ts";
import { subjectHeader } from "../protocol/internal-headers.ts";
import { subjectOf } from "../protocol/token.ts";
import { requires } from "./auth.ts";
import { callShard, retryAfterMs } from "./call.ts";
import { BEARER, newRoutes, refusals } from "./context.ts";
import { Refusal } from "./problem.ts";

/** Digits, as the shard writes them: a version of the ride. */
const LAST_EVENT_ID = /^\d{1,12}$/;

export function rideEventRoutes(config: Config) {
  const events = createRoute({
    method: "get",
    path: "/v1/rides/{id}/events",
    summary: "What happens to a ride, as it happens; resumes after Last-Event-ID",
    security: BEARER,
    middleware: requires(config, "rider", "driver", "ops"),
    request: {
      params: z.object({ id: RideIdField }),
      headers: z.object({ "last-event-id": z.string().regex(LAST_EVENT_ID).optional() }),
    },
    responses: {
      200: { description: "The stream", content: { "text/event-stream": { schema: z.string() } } },
      ...refusals(400, 401, 404, 429, 503),
    },
  });

  return newRoutes().openapi(events, async (c) => {
    const { id } = c.req.valid("param");
    const lastEventId = c.req.valid("header")["last-event-id"];
    const shard = shardServing(config, id);
    if (shard === null) throw new Refusal("not-found");
    const response = await callShard(c.env, shard, (stub) =>
      stub.fetch(`https://shard/events?ride=${encodeURIComponent(id)}`, {
        headers: {
          ...subjectHeader(subjectOf(c.var.caller)),
          ...(lastEventId !== undefined && { "last-event-id": lastEventId }),
        },
      }),
    );
    if (response.status === 404) throw new Refusal("not-found");
    if (response.status === 429) throw new Refusal("too-many-streams", { retryAfterMs: retryAfterMs() });
    if (response.status !== 200) throw new Refusal("unavailable", { retryAfterMs: retryAfterMs() });
    // A fetched response is immutable, and the middleware on the way out sets headers.
    return new Response(response.body, response);
  });
}
