/**
 * Metrics of the whole fleet, put together from what each shard reports. Pure: the object that keeps it is
 * durable-objects/ops-feed.ts. Reports hold totals since the reporting object started, so a restarted shard begins again
 * at zero; the fleet's totals never fall because of it.
 */
import type { ShardName } from "../domain/place.ts";
import { type EpochMs, MINUTE_MS } from "../domain/time.ts";

/** A shard that has been silent this long has no gauges: its last numbers are no longer true. */
const STALE_AFTER_MS = MINUTE_MS;

export interface Report {
  readonly shard: ShardName;
  /** New with every start of the object. */
  readonly incarnation: string;
  readonly at: EpochMs;
  /** Names may carry labels, `kerb_x_total{reason="y"}`; buckets of histograms are counters named so. */
  readonly counters: Readonly<Record<string, number>>;
  readonly gauges: Readonly<Record<string, number>>;
}

export interface FleetMetrics {
  readonly totals: Map<string, number>;
  readonly latest: Map<ShardName, Report>;
}

export function newFleetMetrics(): FleetMetrics {
  return { totals: new Map(), latest: new Map() };
}

/** Adds what happened since the shard's last report. A report older than the newest one says nothing new. */
export function mergeReport({ totals, latest }: FleetMetrics, report: Report): void {
  const last = latest.get(report.shard);
  if (last !== undefined && report.at < last.at) return;
  const counted = last?.incarnation === report.incarnation ? last.counters : {};
  for (const [name, value] of Object.entries(report.counters)) {
    const grown = Math.max(0, value - (counted[name] ?? 0));
    totals.set(name, (totals.get(name) ?? 0) + grown);
  }
  latest.set(report.shard, report);
}

/** Prometheus text, format 0.0.4. Counters are the fleet's; gauges carry the shard they came from. */
export function prometheusText({ totals, latest }: FleetMetrics, now: EpochMs): string {
  const fresh = [...latest.values()].filter((report) => now - report.at <= STALE_AFTER_MS);
  const samples = [
    ...[...totals].map(([name, value]) => ({ ...partsOf(name), value, gauge: false })),
    ...fresh.flatMap(({ shard, gauges }) =>
      Object.entries(gauges).map(([name, value]) => ({ ...withShard(partsOf(name), shard), value, gauge: true })),
    ),
    { family: "kerb_shards_reporting", labels: "", value: fresh.length, gauge: true },
  ];
  return textOf(samples);
}

interface Sample {
  /** The name without its labels. */
  readonly family: string;
  /** `{...}` or nothing. */
  readonly labels: string;
  readonly value: number;
  readonly gauge: boolean;
}

function partsOf(name: string): { family: string; labels: string } {
  const brace = name.indexOf("{");
  return brace < 0 ? { family: name, labels: "" } : { family: name.slice(0, brace), labels: name.slice(brace) };
}

function withShard({ family, labels }: { family: string; labels: string }, shard: ShardName) {
  const own = `shard="${shard}"`;
  return { family, labels: labels === "" ? `{${own}}` : `{${own},${labels.slice(1)}` };
}

function textOf(samples: readonly Sample[]): string {
  const families = new Map<string, Sample[]>();
  const histograms = new Set(
    samples.filter(({ family }) => family.endsWith("_bucket")).map(({ family }) => family.slice(0, -"_bucket".length)),
  );
  for (const sample of samples) {
    const base = histogramOf(sample.family, histograms) ?? sample.family;
    families.set(base, [...(families.get(base) ?? []), sample]);
  }
  const lines: string[] = [];
  for (const [family, members] of [...families].sort(([a], [b]) => compareText(a, b))) {
    lines.push(`# TYPE ${family} ${histograms.has(family) ? "histogram" : members[0]?.gauge ? "gauge" : "counter"}`);
    for (const { family: name, labels, value } of members.sort(compareSamples)) lines.push(`${name}${labels} ${value}`);
  }
  return `${lines.join("\n")}\n`;
}

/** The histogram that a `_bucket`, `_sum` or `_count` belongs to; null for a name of its own. */
function histogramOf(family: string, histograms: ReadonlySet<string>): string | null {
  const base = family.replace(/_(?:bucket|sum|count)$/, "");
  return base !== family && histograms.has(base) ? base : null;
}

/** By name, then by the labels other than `le`, then buckets upward. */
function compareSamples(a: Sample, b: Sample): number {
  return (
    compareText(a.family, b.family) ||
    compareText(withoutBound(a.labels), withoutBound(b.labels)) ||
    compareNumbers(boundOf(a.labels), boundOf(b.labels))
  );
}

const BOUND = /,?le="([^"]*)"/;

function withoutBound(labels: string): string {
  return labels.replace(BOUND, "");
}

function boundOf(labels: string): number {
  const text = BOUND.exec(labels)?.[1];
  return text === undefined ? 0 : text === "+Inf" ? Number.POSITIVE_INFINITY : Number(text);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Not by subtraction: the last bucket's bound is infinite. */
function compareNumbers(a: number, b: number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
