/** Why these drivers were asked for a ride, for operators: it names drivers, and nobody else may know them. */
import { createRoute, z } from "@hono/zod-openapi";
import { type Config, shardServing } from "../env.ts";
import { RideIdField } from "../protocol/fields.ts";
import { RideExplanationBody } from "../protocol/ops.ts";
import { requires } from "./auth.ts";
import { callShard } from "./call.ts";
import { BEARER, jsonOf, newRoutes, refusals } from "./context.ts";
import { Refusal } from "./problem.ts";

export function decisionRoutes(config: Config) {
  const explain = createRoute({
    method: "get",
    path: "/v1/ops/rides/{id}/decision",
    summary:
      "Why this driver: who was considered for a ride, what the ranker was given and made of it, what came of it",
    security: BEARER,
    middleware: requires(config, "ops"),
    request: { params: z.object({ id: RideIdField }) },
    responses: { 200: jsonOf("The decisions of the ride", RideExplanationBody), ...refusals(401, 403, 404, 503) },
  });

  return newRoutes().openapi(explain, async (c) => {
    const { id } = c.req.valid("param");
    const shard = shardServing(config, id);
    const explanation = shard && (await callShard(c.env, shard, (stub) => stub.explainRide(id)));
    if (explanation === null) {
      throw new Refusal("not-found", { detail: "Decisions are kept for a day after the ride has ended." });
    }
    return c.json(explanation, 200);
  });
}
