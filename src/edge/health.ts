/** Is it up, part by part, and its metrics. */
import { createRoute, z } from "@hono/zod-openapi";
import { withDeadline } from "../calls/call-object.ts";
import { HOUR_MS } from "../domain/time.ts";
import type { Config, Env } from "../env.ts";
import { countHistory } from "../history/queries.ts";
import { countViolations } from "../history/violations.ts";
import { logError } from "../observe/log.ts";
import { HealthBody, Watched } from "../protocol/ops.ts";
import { requires } from "./auth.ts";
import { callOrRefuse } from "./call.ts";
import { jsonOf, newRoutes, refusals } from "./context.ts";
import { countDeadLetters } from "./dead-letters.ts";

/** A part that takes longer is as good as down for whoever asks. */
const PART_BUDGET_MS = 1_000;
/** The one object that gathers the metrics of all shards. */
const FLEET = "fleet";
/** The one object that knows the champion. */
export const ROLLOUT = "global";

export function healthRoutes(config: Config) {
  const health = createRoute({
    method: "get",
    path: "/health",
    summary: "Whether each part answers",
    responses: {
      200: jsonOf("All parts answer", HealthBody),
      503: jsonOf("A part does not", HealthBody),
    },
  });
  const metrics = createRoute({
    method: "get",
    path: "/metrics",
    summary: "Prometheus text of the whole fleet; in production for operators only",
    ...(config.environment === "production" && { middleware: requires(config, "ops"), security: [{ bearer: [] }] }),
    responses: {
      200: { description: "Metrics", content: { "text/plain": { schema: z.string() } } },
      ...refusals(401, 403, 503),
    },
  });

  return newRoutes()
    .openapi(health, async (c) => {
      const components = await examine(c.env);
      const ok = Object.values(components).every((part) => part.ok);
      return ok
        ? c.json({ status: "ok" as const, components }, 200)
        : c.json({ status: "degraded" as const, components }, 503);
    })
    .openapi(metrics, async (c) => {
      const [fleet, history, deadLetters] = await Promise.all([
        callOrRefuse(async () => c.env.OPS_FEED.getByName(FLEET).metricsText()),
        historyText(c.env.HISTORY),
        deadLettersText(c.env.MODELS),
      ]);
      return c.text(`${fleet}${history}${deadLetters}`, 200, {
        "content-type": "text/plain; version=0.0.4; charset=utf-8",
      });
    });
}

async function examine(env: Env): Promise<z.infer<typeof HealthBody>["components"]> {
  const parts = {
    worker: async () => true,
    history: async () => env.HISTORY.prepare("SELECT 1").first(),
    rollout: async () => env.ROLLOUT_CONTROL.getByName(ROLLOUT).champion(),
    invariants: async () => nothingViolated(env.HISTORY),
  };
  const entries = Object.entries(parts).map(async ([name, ask]) => {
    try {
      await withDeadline<unknown>(ask(), PART_BUDGET_MS);
      return [name, { ok: true }] as const;
    } catch (error) {
      if (error instanceof Violated) return [name, { ok: false, detail: error.message }] as const;
      logError("health", error, { part: name });
      return [name, { ok: false, detail: "no answer" }] as const;
    }
  });
  return Object.fromEntries(await Promise.all(entries));
}

class Violated extends Error {}

/** A promise that was broken is looked into by a person, and shown here for a day. */
async function nothingViolated(db: D1Database): Promise<void> {
  const found = await countViolations(db, Date.now() - 24 * HOUR_MS);
  if (found.size > 0) throw new Violated([...found].map(([name, times]) => `${name}: ${times}`).join(", "));
}

/** Nothing when D1 does not answer: that is when the other numbers are wanted most. */
async function historyText(db: D1Database): Promise<string> {
  try {
    const [{ rides, events, dead }, violations] = await withDeadline(
      Promise.all([countHistory(db), countViolations(db, 0)]),
      PART_BUDGET_MS,
    );
    return [
      "# TYPE kerb_history_rides_total counter",
      `kerb_history_rides_total ${rides}`,
      "# TYPE kerb_history_events_total counter",
      `kerb_history_events_total ${events}`,
      "# TYPE kerb_history_dead_messages_total counter",
      `kerb_history_dead_messages_total ${dead}`,
      "# TYPE kerb_invariant_violation_total counter",
      ...Watched.options.map((name) => `kerb_invariant_violation_total{name="${name}"} ${violations.get(name) ?? 0}`),
      "",
    ].join("\n");
  } catch (error) {
    logError("metrics without history", error);
    return "";
  }
}

async function deadLettersText(bucket: R2Bucket): Promise<string> {
  try {
    const { events, unreadable } = await withDeadline(countDeadLetters(bucket), PART_BUDGET_MS);
    return [
      "# TYPE kerb_dead_letters gauge",
      `kerb_dead_letters{kind="event"} ${events}`,
      `kerb_dead_letters{kind="unreadable"} ${unreadable}`,
      "",
    ].join("\n");
  } catch (error) {
    logError("metrics without dead letters", error);
    return "";
  }
}
