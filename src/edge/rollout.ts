/** Which model ranks: look, and promote by compare-and-set. */
import { createRoute } from "@hono/zod-openapi";
import type { Config, Env } from "../env.ts";
import { PromoteBody, RolloutBody } from "../protocol/ops.ts";
import type { RolloutControlApi } from "../protocol/peer.ts";
import { callerAs, requires } from "./auth.ts";
import { callOrRefuse } from "./call.ts";
import { BEARER, bodyOf, jsonOf, newRoutes, refusals } from "./context.ts";
import { ROLLOUT } from "./health.ts";
import { Refusal } from "./problem.ts";

export function rolloutRoutes(config: Config) {
  const show = createRoute({
    method: "get",
    path: "/v1/ops/rollout",
    summary: "The champion and how it came to be",
    security: BEARER,
    middleware: requires(config, "ops"),
    responses: { 200: jsonOf("The rollout", RolloutBody), ...refusals(401, 403, 503) },
  });
  const promote = createRoute({
    method: "post",
    path: "/v1/ops/rollout",
    summary: "Make another model the champion",
    security: BEARER,
    middleware: requires(config, "ops"),
    request: { body: bodyOf(PromoteBody) },
    responses: { 200: jsonOf("The rollout", RolloutBody), ...refusals(400, 401, 403, 409, 413, 415, 422, 503) },
  });

  return newRoutes()
    .openapi(show, async (c) => c.json(await rolloutNow(c.env), 200))
    .openapi(promote, async (c) => {
      const { name } = callerAs(c.var.caller, "ops");
      const wish = c.req.valid("json");
      const answer = await askRollout(c.env, (rollout) => rollout.promote({ ...wish, by: name }));
      if (answer.outcome === "refused") throw new Refusal("model-refused", { detail: answer.reason });
      if (answer.outcome === "conflict") {
        throw new Refusal("rollout-conflict", { detail: `the champion's epoch is ${answer.champion.epoch}` });
      }
      return c.json(await rolloutNow(c.env), 200);
    });
}

async function rolloutNow(env: Env) {
  return askRollout(env, async (rollout) => {
    const [champion, audit] = await Promise.all([rollout.champion(), rollout.audit()]);
    return { champion, audit: [...audit] };
  });
}

function askRollout<T>(env: Env, ask: (rollout: RolloutControlApi) => Promise<T>): Promise<T> {
  return callOrRefuse(() => ask(env.ROLLOUT_CONTROL.getByName(ROLLOUT)));
}
