/**
 * Gathers the reports of every shard and answers with one page of metrics. Memory only: after a restart the next reports
 * fill it again, and whoever scrapes sees one counter reset, as after any restart.
 */
import { DurableObject } from "cloudflare:workers";
import type { Env } from "../src/env.ts";
import { mergeReport, newFleetMetrics, prometheusText } from "../src/observe/metrics.ts";
import type { OpsFeedApi, ShardReport } from "../src/protocol/peer.ts";

export class OpsFeed extends DurableObject<Env> implements OpsFeedApi {
  readonly #fleet = newFleetMetrics();

  async report(report: ShardReport): Promise<void> {
    mergeReport(this.#fleet, report);
  }

  async metricsText(): Promise<string> {
    return prometheusText(this.#fleet, Date.now());
  }
}
