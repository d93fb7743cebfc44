/** The Worker: which door leads where, and the object classes for the platform. No logic. */
import { serve } from "./edge/app.ts";
import { archiveBatch } from "./edge/event-queue.ts";
import { sweepEveryMinute } from "./edge/sweep.ts";
import type { Env } from "./env.ts";

export { DispatchShard } from "../durable-objects/dispatch-shard.ts";
export { DriverLock } from "../durable-objects/driver-lock.ts";
export { MarketControl } from "../durable-objects/market-control.ts";
export { OpsFeed } from "../durable-objects/ops-feed.ts";
export { RolloutControl } from "../durable-objects/rollout-control.ts";

export default {
  fetch: serve,
  queue: archiveBatch,
  async scheduled(controller, env) {
    await sweepEveryMinute(controller.scheduledTime, env);
  },
} satisfies ExportedHandler<Env, unknown>;
