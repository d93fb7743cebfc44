/** Quotes: what a ride would cost and how long it would take, and the fare kept for who then asks for it. */
import { createRoute } from "@hono/zod-openapi";
import type { ShardName } from "../domain/place.ts";
import type { Quote } from "../domain/quote.ts";
import type { RideRequest, RiderId } from "../domain/ride.ts";
import { type Config, marketAt } from "../env.ts";
import type { Quoted, TooManyQuotes } from "../protocol/peer.ts";
import { mintQuote, QUOTE_TTL_MS, readQuote } from "../protocol/quote.ts";
import { QuoteBody, RideRequestBody } from "../protocol/rider.ts";
import { centerOfShard } from "../routing/shard-map.ts";
import { fieldsChanged } from "../routing/trip-bounds.ts";
import { callerAs, requires } from "./auth.ts";
import { callShard, retryAfterMs } from "./call.ts";
import { BEARER, bodyOf, jsonOf, newRoutes, refusals } from "./context.ts";
import { Refusal } from "./problem.ts";
import { shardServingTrip } from "./shards.ts";

export function quoteRoutes(config: Config) {
  const quote = createRoute({
    method: "post",
    path: "/v1/quotes",
    summary: "What a ride would be like; its fare holds for who asks for the ride in time",
    security: BEARER,
    middleware: requires(config, "rider"),
    request: { body: bodyOf(RideRequestBody) },
    responses: { 200: jsonOf("The quote", QuoteBody), ...refusals(400, 401, 403, 413, 415, 422, 429, 503) },
  });

  return newRoutes().openapi(quote, async (c) => {
    const { riderId } = callerAs(c.var.caller, "rider");
    const request = c.req.valid("json");
    const shard = shardServingTrip(config, request);
    const quoted = await callShard(
      c.env,
      shard,
      async (stub): Promise<Quote | TooManyQuotes | null> => stub.quoteRide({ riderId, request }),
    );
    if (quoted !== null && "type" in quoted)
      throw new Refusal("too-many-quotes", { retryAfterMs: quoted.retryAfterMs });
    if (quoted === null) throw new Refusal("overloaded", { retryAfterMs: retryAfterMs() });
    const { pickup, dropoff, vehicleType } = request;
    const ride = { riderId, market: marketOf(config, shard), pickup, dropoff, vehicleType };
    const promised = { ...ride, fareCents: quoted.fareCents, expiresAt: Date.now() + QUOTE_TTL_MS };
    const id = await mintQuote(config.ticketSecret, promised);
    return c.json({ id, ...quoted, expiresInMs: QUOTE_TTL_MS }, 200);
  });
}

/** What this rider was promised for this ride. Refuses what is no quote, another's, or of another ride. */
export async function promisedIn(
  config: Config,
  quoteId: string,
  riderId: RiderId,
  request: RideRequest,
): Promise<Quoted> {
  const quoted = await readQuote(config.ticketSecret, quoteId);
  // One word for both: a forger need not know whose quote he has found.
  if (quoted === null || quoted.riderId !== riderId) throw quoteRefused("is no quote of yours");
  const errors = fieldsChanged(quoted, request).map((field) => ({ field, message: "is not what was quoted" }));
  if (errors.length > 0) throw new Refusal("validation", { errors });
  if (quoted.market !== marketOf(config, shardServingTrip(config, request))) {
    throw quoteRefused("is of the market next door");
  }
  return { fareCents: quoted.fareCents, expiresAt: quoted.expiresAt };
}

export function quoteRefused(message: string): Refusal {
  return new Refusal("validation", { errors: [{ field: "quoteId", message }] });
}

function marketOf(config: Config, shard: ShardName): string {
  return marketAt(config, centerOfShard(shard))?.name ?? "";
}
