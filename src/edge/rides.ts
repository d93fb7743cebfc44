/** Rides: ask for one, look at it, cancel it, rate it. */
import { createRoute, z } from "@hono/zod-openapi";
import { ulid } from "ulidx";
import type { RideView } from "../domain/notice.ts";
import type { Config } from "../env.ts";
import { RideIdField } from "../protocol/fields.ts";
import type { Answer, RatedBy } from "../protocol/peer.ts";
import { IdempotencyKey, RatingBody, RideOrderBody, RideViewBody } from "../protocol/rider.ts";
import { type Caller, subjectOf } from "../protocol/token.ts";
import { newRideId } from "../routing/shard-map.ts";
import { callerAs, requires } from "./auth.ts";
import { callShard, retryAfterMs } from "./call.ts";
import { BEARER, bodyOf, jsonOf, newRoutes, refusals } from "./context.ts";
import { Refusal } from "./problem.ts";
import { promisedIn, quoteRefused } from "./quotes.ts";
import { findRecord } from "./ride-record.ts";
import { askRide, shardServingTrip } from "./shards.ts";

const RideParams = z.object({ id: RideIdField });

export function rideRoutes(config: Config) {
  const request = createRoute({
    method: "post",
    path: "/v1/rides",
    summary: "Ask for a ride",
    security: BEARER,
    middleware: requires(config, "rider"),
    request: { headers: z.object({ "idempotency-key": IdempotencyKey }), body: bodyOf(RideOrderBody) },
    responses: {
      201: {
        ...jsonOf(
          "The ride, looking for a driver or scheduled; for a repeated key, as it was first answered",
          RideViewBody,
        ),
        headers: z.object({ location: z.string(), "idempotent-replayed": z.literal("true").optional() }),
      },
      ...refusals(400, 401, 403, 409, 413, 415, 422, 429, 503),
    },
  });
  const view = createRoute({
    method: "get",
    path: "/v1/rides/{id}",
    summary: "A ride, as its rider, its driver or an operator sees it",
    security: BEARER,
    middleware: requires(config, "rider", "driver", "ops"),
    request: { params: RideParams },
    responses: { 200: jsonOf("The ride", RideViewBody), ...refusals(401, 404, 503) },
  });
  const cancel = createRoute({
    method: "post",
    path: "/v1/rides/{id}/cancel",
    summary: "Cancel one's ride",
    security: BEARER,
    middleware: requires(config, "rider"),
    request: { params: RideParams },
    responses: { 200: jsonOf("The ride, cancelled", RideViewBody), ...refusals(401, 403, 404, 409, 503) },
  });
  const rate = createRoute({
    method: "post",
    path: "/v1/rides/{id}/ratings",
    summary: "Rate the other side of a finished ride",
    security: BEARER,
    middleware: requires(config, "rider", "driver"),
    request: { params: RideParams, body: bodyOf(RatingBody) },
    responses: {
      200: jsonOf("The ride, rated", RideViewBody),
      ...refusals(400, 401, 403, 404, 409, 413, 415, 422, 503),
    },
  });

  return newRoutes()
    .openapi(request, async (c) => {
      const { riderId } = callerAs(c.var.caller, "rider");
      const key = c.req.valid("header")["idempotency-key"];
      const body = c.req.valid("json");
      const { quoteId, ...request } = body;
      const shard = shardServingTrip(config, request);
      const quoted = quoteId === undefined ? null : await promisedIn(config, quoteId, riderId, request);
      const bodyHash = await hashOf(body);
      // The id is used only when the key is new; a repeat hears the id of the ride it made the first time.
      const rideId = newRideId(request.pickup, config.shardBits, ulid());
      const call = { rideId, riderId, request, key, bodyHash, quoted };
      const answer = await callShard(c.env, shard, async (stub): Promise<Answer> => stub.requestRide(call));
      const ride = rideOf(answer);
      c.header("location", `/v1/rides/${ride.id}`);
      if (answer.type === "ride" && answer.replayed) c.header("idempotent-replayed", "true");
      return c.json(ride, 201);
    })
    .openapi(view, async (c) => {
      const { id } = c.req.valid("param");
      const subject = subjectOf(c.var.caller);
      const answer = await askRide(c.env, config, id, (shard) => shard.viewRide({ rideId: id, subject }));
      if (answer.type === "refused" && answer.reason === "not_found") {
        const record = await findRecord(c.env, config, id, subject);
        if (record !== null) return c.json(record, 200);
      }
      return c.json(rideOf(answer), 200);
    })
    .openapi(cancel, async (c) => {
      const { id } = c.req.valid("param");
      const { riderId } = callerAs(c.var.caller, "rider");
      const answer = await askRide(c.env, config, id, (shard) => shard.cancelRide({ rideId: id, riderId }), "always");
      return c.json(rideOf(answer), 200);
    })
    .openapi(rate, async (c) => {
      const { id } = c.req.valid("param");
      const { stars } = c.req.valid("json");
      const by = raterOf(c.var.caller);
      const answer = await askRide(c.env, config, id, (shard) => shard.rateRide({ rideId: id, by, stars }));
      return c.json(rideOf(answer), 200);
    });
}

function raterOf(caller: Caller): RatedBy {
  return caller.role === "rider"
    ? { role: "rider", riderId: caller.riderId }
    : { role: "driver", driverId: callerAs(caller, "driver").driverId };
}

/** SHA-256, hex, of the parsed body: the schema puts fields in one order and fills in defaults, so spelling is no matter. */
async function hashOf(body: z.infer<typeof RideOrderBody>): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(JSON.stringify(body)));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The ride in a shard's answer; its refusals become ours. */
function rideOf(answer: Answer): RideView {
  if (answer.type === "ride") return answer.view;
  if (answer.type !== "refused") throw new Error(`a shard answered ${answer.type} to a ride call`);
  if (answer.reason === "quote_expired") throw quoteRefused("has expired: ask for a new one");
  if (answer.reason === "pickup_at") throw pickupTimeRefused(answer.why);
  if (answer.reason === "too_many_rides") throw new Refusal("too-many-rides", { retryAfterMs: answer.retryAfterMs });
  const rideId = answer.view?.id;
  const state = answer.view && { detail: `the ride is ${answer.view.state}` };
  switch (answer.reason) {
    case "not_found":
      throw new Refusal("not-found");
    case "key_reused":
      throw new Refusal("key-reused");
    case "rider_busy":
      throw new Refusal("rider-busy", { ...(rideId && { rideId }) });
    case "overloaded":
      throw new Refusal("overloaded", { retryAfterMs: retryAfterMs() });
    case "wrong_state":
      throw new Refusal("wrong-state", { ...state });
    case "already_rated":
      throw new Refusal("already-rated");
  }
}

const PICKUP_TIME_REFUSED = {
  off: "rides at a later time are not taken here",
  too_soon: "is less than five minutes ahead: leave it out for a ride now",
  too_late: "is more than seven days ahead",
} as const;

function pickupTimeRefused(why: keyof typeof PICKUP_TIME_REFUSED | "too_many"): Refusal {
  if (why === "too_many") return new Refusal("too-many-scheduled");
  return new Refusal("validation", { errors: [{ field: "pickupAt", message: PICKUP_TIME_REFUSED[why] }] });
}
