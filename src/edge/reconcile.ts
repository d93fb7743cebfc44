/**
 * Reconciles one shard with everybody else who knows of its rides: the drivers' locks, which it asks itself, and history,
 * which is compared here, an hour at a time. What is wrong is counted, and what can be mended is sent again.
 */
import { createRoute } from "@hono/zod-openapi";
import { encodeTime } from "ulidx";
import type { ShardName } from "../domain/place.ts";
import type { RideId } from "../domain/ride.ts";
import { type EpochMs, HOUR_MS } from "../domain/time.ts";
import { type Config, type Env, shardServing } from "../env.ts";
import { ridesBehind, settledRides } from "../history/queries.ts";
import { keepViolations } from "../history/violations.ts";
import { logError } from "../observe/log.ts";
import { ReconcileQuery, type ReconcileReport, ReconcileReportBody } from "../protocol/ops.ts";
import { digestOf } from "../protocol/ride-digest.ts";
import { requires } from "./auth.ts";
import { callShard } from "./call.ts";
import { BEARER, jsonOf, newRoutes, refusals } from "./context.ts";
import { Refusal } from "./problem.ts";

/** A shard forgets a ride a day after it settled; an hour less, so that no ride is asked for that is being forgotten. */
const DAY_HOURS = 23;
/** Rides sent again in one run; the next finds the others. */
const RESENT_PER_RUN = 200;
/** Characters of a ULID that tell its moment. */
const TIME_CHARACTERS = 10;

export function reconcileRoutes(config: Config) {
  const reconcile = createRoute({
    method: "post",
    path: "/admin/reconcile",
    summary: "Compare a shard with its drivers' locks and with history, and mend what can be mended",
    security: BEARER,
    middleware: requires(config, "ops"),
    request: { query: ReconcileQuery },
    responses: { 200: jsonOf("What was found", ReconcileReportBody), ...refusals(401, 403, 404, 422, 503) },
  });
  return newRoutes().openapi(reconcile, async (c) => {
    const shard = shardServing(config, `${c.req.valid("query").shard.slice("cell:".length)}.` as RideId);
    if (shard === null) throw new Refusal("not-found");
    return c.json(await reconcileShard(c.env, shard, Date.now(), DAY_HOURS), 200);
  });
}

/** Looks at everybody whom the shard's rides have, and at its settled rides of the last `hours`. */
export async function reconcileShard(
  env: Env,
  shard: ShardName,
  now: EpochMs,
  hours: number,
): Promise<ReconcileReport> {
  const history = { shardCount: 0, historyCount: 0, missing: 0, resent: 0 };
  const behind: RideId[] = [];
  for (let hour = hours; hour > 0; hour--) {
    const range = { from: idAt(shard, now - hour * HOUR_MS), until: idAt(shard, now - (hour - 1) * HOUR_MS) };
    const known = digestOf(await settledRides(env.HISTORY, range));
    const here = await callShard(env, shard, (stub) => stub.settledRides({ range, known }));
    history.shardCount += here.count;
    history.historyCount += known.count;
    // Looked at again: these were confirmed before this second look, so what it lacks now is lost.
    if (here.rides.length > 0) behind.push(...(await ridesBehind(env.HISTORY, here.rides)));
  }
  history.missing = behind.length;
  const found = await callShard(env, shard, (stub) => stub.reconcile({ resend: behind.slice(0, RESENT_PER_RUN) }));
  history.resent = found.resent;
  const { checked, engaged, unanswered, released } = found;
  const lost = behind.map((rideId) => ({ name: "S7" as const, rideId, offerId: null }));
  const violations = [...found.violations, ...lost];
  await raise(env, shard, violations, now);
  return { shard, checked, engaged, unanswered, released, violations, history };
}

/** The smallest id that a ride asked for at this moment can have. */
function idAt(shard: ShardName, at: EpochMs): string {
  return `${shard.slice("cell:".length)}.${encodeTime(at, TIME_CHARACTERS)}`;
}

/** Counted in D1 and said aloud; who it was is in the report and in the table, never in the log. */
async function raise(env: Env, shard: ShardName, violations: ReconcileReport["violations"], now: EpochMs) {
  for (const [name, same] of Map.groupBy(violations, (violation) => violation.name)) {
    logError("invariant violated", name, { shard, times: same.length });
  }
  try {
    await keepViolations(env.HISTORY, shard, violations, now);
  } catch (error) {
    logError("violations not counted", error, { shard, violations: violations.length });
  }
}
