/** What one shard counts, until the operations feed has it. Totals since the object started; the feed adds them up. */
import type { ShardName } from "../../src/domain/place.ts";
import type { EpochMs } from "../../src/domain/time.ts";
import type { CounterName } from "../../src/matching/commands.ts";
import type { ShardReport } from "../../src/protocol/peer.ts";

const REPORT_EVERY_MS = 5_000;

export class ShardCounters {
  readonly #counters: Record<string, number> = {};
  readonly #incarnation = crypto.randomUUID();
  #reportedAt: EpochMs = 0;

  add(name: CounterName, label: string | undefined): void {
    const key = label === undefined ? `kerb_${name}_total` : `kerb_${name}_total{kind="${label}"}`;
    this.#counters[key] = (this.#counters[key] ?? 0) + 1;
  }

  /** At most one report every five seconds; null in between. */
  reportDue(shard: ShardName, now: EpochMs, gauges: () => Record<string, number>): ShardReport | null {
    if (now - this.#reportedAt < REPORT_EVERY_MS) return null;
    this.#reportedAt = now;
    const named = Object.entries(gauges()).map(([name, value]) => [`kerb_${name}`, value] as const);
    const { ...counters } = this.#counters;
    return { shard, incarnation: this.#incarnation, at: now, counters, gauges: Object.fromEntries(named) };
  }
}
