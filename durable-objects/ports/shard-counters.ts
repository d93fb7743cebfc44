/** What one shard counts, until the operations feed has it. Totals since the object started; the feed adds them up. */
import type { ShardName } from "../../src/domain/place.ts";
import type { EpochMs } from "../../src/domain/time.ts";
import type { CounterName } from "../../src/matching/commands.ts";
import type { ShardReport } from "../../src/protocol/peer.ts";

const REPORT_EVERY_MS = 5_000;

export class ShardCounters {
  readonly #counters: Record<string, number> = {};
  readonly #incarnation = crypto.randomUUID();
  readonly #send: () => void;
  #timer: ReturnType<typeof setTimeout> | null = null;

  /** `send` is called five seconds after the first count since it was last called: a quiet shard reports nothing. */
  constructor(send: () => void) {
    this.#send = send;
  }

  add(name: CounterName, label: string | undefined): void {
    const key = label === undefined ? `kerb_${name}_total` : `kerb_${name}_total{kind="${label}"}`;
    this.#counters[key] = (this.#counters[key] ?? 0) + 1;
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.#send();
    }, REPORT_EVERY_MS);
  }

  report(shard: ShardName, at: EpochMs, gauges: Record<string, number>): ShardReport {
    const named = Object.entries(gauges).map(([name, value]) => [`kerb_${name}`, value] as const);
    return { shard, incarnation: this.#incarnation, at, counters: this.#counters, gauges: Object.fromEntries(named) };
  }
}
