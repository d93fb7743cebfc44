import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ShardName } from "../../../src/domain/place.ts";
import { mergeReport, newFleetMetrics, prometheusText, type Report } from "../../../src/observe/metrics.ts";

const north = "cell:dr5ru" as ShardName;
const south = "cell:dr5rs" as ShardName;

function report(change: Partial<Report>): Report {
  return { shard: north, incarnation: "one", at: 1_000, counters: {}, gauges: {}, ...change };
}

function fleetOf(...reports: Partial<Report>[]) {
  const fleet = newFleetMetrics();
  for (const change of reports) mergeReport(fleet, report(change));
  return fleet;
}

const total = (fleet: ReturnType<typeof fleetOf>) => fleet.totals.get("kerb_x_total");
const counted = (count: number) => ({ kerb_x_total: count });

describe("the fleet's totals", () => {
  test("are the sum over shards of what each has counted", () => {
    expect(total(fleetOf({ counters: counted(3) }, { shard: south, counters: counted(4) }))).toBe(7);
  });

  test("count a shard's growth once, however often it reports", () => {
    expect(
      total(fleetOf({ counters: counted(3) }, { counters: counted(3) }, { at: 2_000, counters: counted(5) })),
    ).toBe(5);
  });

  test("go on from where they were when a shard starts again at zero", () => {
    expect(total(fleetOf({ counters: counted(10) }, { incarnation: "two", at: 2_000, counters: counted(1) }))).toBe(11);
  });

  test("ignore a report that was overtaken, also by a newer life of the shard", () => {
    const late = { at: 1_500, counters: counted(12) };
    expect(total(fleetOf({ counters: counted(10) }, { at: 2_000, counters: counted(15) }, late))).toBe(15);
    expect(
      total(fleetOf({ counters: counted(10) }, { incarnation: "two", at: 2_000, counters: counted(1) }, late)),
    ).toBe(11);
  });

  test("never fall, whatever is reported in whatever order", () => {
    const anyReport = fc.record({
      shard: fc.constantFrom(north, south),
      incarnation: fc.constantFrom("one", "two", "three"),
      at: fc.nat(10_000),
      counters: fc.nat(100).map(counted),
    });
    fc.assert(
      fc.property(fc.array(anyReport, { maxLength: 30 }), (reports) => {
        const fleet = newFleetMetrics();
        let before = 0;
        for (const change of reports) {
          mergeReport(fleet, report(change));
          expect(total(fleet) ?? 0).toBeGreaterThanOrEqual(before);
          before = total(fleet) ?? 0;
        }
      }),
    );
  });
});

describe("the metrics page", () => {
  test("shows a gauge per shard while the shard is heard of, and its counters for ever", () => {
    const fleet = fleetOf(
      { at: 1_000, counters: counted(2), gauges: { kerb_open_rides: 3 } },
      { shard: south, at: 50_000, gauges: { 'kerb_open_rides{kind="a"}': 4 } },
    );
    expect(prometheusText(fleet, 61_001)).toBe(
      [
        "# TYPE kerb_open_rides gauge",
        'kerb_open_rides{shard="cell:dr5rs",kind="a"} 4',
        "# TYPE kerb_shards_reporting gauge",
        "kerb_shards_reporting 1",
        "# TYPE kerb_x_total counter",
        "kerb_x_total 2",
        "",
      ].join("\n"),
    );
    expect(prometheusText(fleet, 61_000)).toContain('kerb_open_rides{shard="cell:dr5ru"} 3');
  });

  test("writes a histogram as one family, its buckets upward to infinity", () => {
    const fleet = fleetOf({
      counters: {
        kerb_wait_ms_sum: 60,
        'kerb_wait_ms_bucket{le="+Inf"}': 5,
        'kerb_wait_ms_bucket{le="10"}': 4,
        'kerb_wait_ms_bucket{le="5"}': 3,
        kerb_wait_ms_count: 5,
        kerb_visits_count: 1,
      },
    });
    expect(prometheusText(fleet, 1_000)).toContain(
      [
        "# TYPE kerb_visits_count counter",
        "kerb_visits_count 1",
        "# TYPE kerb_wait_ms histogram",
        'kerb_wait_ms_bucket{le="5"} 3',
        'kerb_wait_ms_bucket{le="10"} 4',
        'kerb_wait_ms_bucket{le="+Inf"} 5',
        "kerb_wait_ms_count 5",
        "kerb_wait_ms_sum 60",
      ].join("\n"),
    );
  });
});
