/**
 * The supply index on its own: moves and k-nearest queries, beside a static tree that is rebuilt once per simulated
 * second and beside brute force, in the same run on the same fleet. `node bench/index.bench.ts [--quick] [--json FILE]`.
 *
 * Drivers stand at real pickups where the data is present (KERB_DATA), else at generated clusters. Each moves 32 m per
 * fix (8 m/s, a fix every 4 s). A query asks for a vehicle class (70, 20, 8 or 2 % of the fleet) of whom 60 % are free.
 */
import { createRandom } from "../sim/random.ts";
import { destinationPoint } from "../src/spatial/distance.ts";
import { createWorkload, loadPickups, type Place, SEED, type Workload } from "./city-workload.ts";
import { type Ask, ENGINES, type Engine, type EngineOf, kerbEngine } from "./index-engines.ts";
import { formatNumber, formatSpread, quantile, type Spread, spreadOf, timeMs } from "./measure.ts";
import { readOptions } from "./options.ts";
import { createReporter, type Reporter } from "./report.ts";

interface Figures {
  readonly engine: string;
  readonly entries: number;
  readonly movesPerSecond: Spread;
  readonly rebuildMs: Spread | null;
  readonly k10: QueryFigures;
  readonly k20: QueryFigures;
  /** Operations per second, 25 moves to one query, rebuilds included. */
  readonly mixedPerSecond: Spread;
}

interface QueryFigures {
  readonly p50Us: Spread;
  readonly p99Us: Spread;
}

const { json, quick } = readOptions("index");
const REPETITIONS = quick ? 1 : 5;
function measureQueries(engine: Engine, asks: readonly Ask[], limit: number): QueryFigures {
  const limited = asks.map((ask) => ({ ...ask, limit }));
  const p50: number[] = [];
  const p99: number[] = [];
  for (let repetition = -1; repetition < REPETITIONS; repetition++) {
    const us = new Float64Array(limited.length);
    for (let index = 0; index < limited.length; index++)
      us[index] = timeMs(() => engine.nearest(limited[index]!)) * 1e3;
    us.sort();
    if (repetition < 0) continue;
    p50.push(quantile(us, 0.5));
    p99.push(quantile(us, 0.99));
  }
  return { p50Us: spreadOf(p50), p99Us: spreadOf(p99) };
}

function measureEngine(engineOf: EngineOf, { fleet, moves, asks }: Workload): Figures {
  const entries = fleet.lat.length;
  const engine = engineOf(fleet);
  const moveAll = (): void => {
    for (const { slot, lat, lng } of moves) engine.move(slot, lat, lng);
  };
  moveAll();
  const movesPerSecond = Array.from({ length: REPETITIONS }, () => (moves.length / timeMs(moveAll)) * 1e3);
  const { rebuild } = engine;
  const rebuildMs = rebuild ? spreadOf(Array.from({ length: REPETITIONS }, () => timeMs(rebuild))) : null;
  const k10 = measureQueries(engine, asks, 10);
  const k20 = measureQueries(engine, asks, 20);
  const mixed = Array.from({ length: REPETITIONS }, () => {
    let sinceRebuild = 0;
    let next = 0;
    const ms = timeMs(() => {
      for (const ask of asks) {
        for (let index = 0; index < 25; index++) {
          const { slot, lat, lng } = moves[next]!;
          next = (next + 1) % moves.length;
          engine.move(slot, lat, lng);
        }
        // Every driver reports every 4 s, so a quarter of the fleet's moves is one second.
        sinceRebuild += 25;
        if (rebuild && sinceRebuild >= entries / 4) {
          rebuild();
          sinceRebuild = 0;
        }
        engine.nearest(ask);
      }
    });
    return ((asks.length * 26) / ms) * 1e3;
  });
  return {
    engine: engine.name,
    entries,
    movesPerSecond: spreadOf(movesPerSecond),
    rebuildMs,
    k10,
    k20,
    mixedPerSecond: spreadOf(mixed),
  };
}

/** Worlds in which an index of a dense city could be slow: 10,000 entries, 20 wanted, nearly nobody or everybody near. */
function hardCases(city: Workload): [name: string, workload: Workload][] {
  const random = createRandom(SEED).fork("hard");
  const { fleet, asks } = city;
  const relocated = (place: () => Place): Workload => {
    const at = Array.from(fleet.lat, place);
    const moved = {
      ...fleet,
      lat: Float64Array.from(at, ({ lat }) => lat),
      lng: Float64Array.from(at, ({ lng }) => lng),
    };
    return { fleet: moved, moves: [], asks: asks.map((ask) => ({ ...ask, ...place() })) };
  };
  const rare = (share: number): Workload => ({
    fleet: { ...fleet, traits: fleet.traits.map((traits) => traits | (random.next() < share ? 32 : 0)) },
    moves: [],
    asks: asks.map((ask) => ({ ...ask, requiredTraits: 32, minimumRating: 0 })),
  });
  const spot = { lat: 40.6413, lng: -73.7781 };
  return [
    ["city, as above", city],
    ["city, 1 in 100 matches", rare(0.01)],
    ["city, 1 in 1,000 matches", rare(0.001)],
    ["city, nobody matches", rare(0)],
    ["countryside, 1,000 km wide", relocated(() => ({ lat: 40 + random.next() * 9, lng: -100 + random.next() * 12 }))],
    ["all within 20 m", relocated(() => destinationPoint(spot, random.next() * 360, random.next() * 20))],
    ["all on one point", relocated(() => spot)],
    ["around the north pole", relocated(() => ({ lat: 89.9 + random.next() * 0.1, lng: random.next() * 360 - 180 }))],
    [
      "on the antimeridian",
      relocated(() => destinationPoint({ lat: -17, lng: 180 }, random.next() * 360, random.next() * 2e4)),
    ],
  ];
}

/** A fast wrong answer is worth nothing: every engine must give the same slots before its time is believed. */
function requireAgreement(left: Engine, right: Engine, asks: readonly Ask[]): void {
  for (const ask of asks.slice(0, 200)) {
    const expected = Array.from(left.nearest(ask)).join();
    const actual = Array.from(right.nearest(ask)).join();
    if (expected !== actual) throw new Error(`${left.name} says ${expected}, ${right.name} says ${actual}`);
  }
}

function runAgainstPeers(places: readonly Place[]): Figures[] {
  const figures: Figures[] = [];
  for (const entries of [1_000, 10_000, 100_000]) {
    const workload = createWorkload(places, entries, 100_000, 1_000);
    requireAgreement(ENGINES.brute(workload.fleet), ENGINES.kerb(workload.fleet), workload.asks);
    for (const engineOf of Object.values(ENGINES)) {
      // Brute force over the largest fleet takes a second per thousand queries; fewer say as much.
      const few = engineOf === ENGINES.brute && entries > 10_000;
      figures.push(measureEngine(engineOf, few ? { ...workload, asks: workload.asks.slice(0, 100) } : workload));
    }
  }
  return figures;
}

function reportPeers(reporter: Reporter, places: readonly Place[]): void {
  reporter.table(
    "moves and queries, all engines agreeing on every answer",
    [
      "engine",
      "entries",
      "M moves/s",
      "rebuild ms",
      "k=10 p50 us",
      "k=10 p99 us",
      "k=20 p50 us",
      "k=20 p99 us",
      "M mixed op/s",
    ],
    runAgainstPeers(places).map((row) => [
      row.engine,
      row.entries.toLocaleString("en-US"),
      formatNumber(row.movesPerSecond.median / 1e6),
      row.rebuildMs ? formatNumber(row.rebuildMs.median) : "",
      formatSpread(row.k10.p50Us),
      formatNumber(row.k10.p99Us.median),
      formatSpread(row.k20.p50Us),
      formatNumber(row.k20.p99Us.median),
      formatNumber(row.mixedPerSecond.median / 1e6),
    ]),
  );
}

function reportHardCases(reporter: Reporter, city: Workload): void {
  const rows = hardCases(city).map(([name, { fleet, asks }]) => {
    const kerb = ENGINES.kerb(fleet);
    const brute = ENGINES.brute(fleet);
    requireAgreement(brute, kerb, asks);
    const slow = measureQueries(brute, asks.slice(0, 100), 20);
    const { p50Us, p99Us } = measureQueries(kerb, asks, 20);
    return [name, formatSpread(p50Us), formatSpread(p99Us), formatNumber(slow.p50Us.median)];
  });
  reporter.table("hard cases: 10,000 entries, k=20, microseconds", ["case", "kerb p50", "kerb p99", "brute p50"], rows);
}

function reportCellSizes(reporter: Reporter, { fleet, asks }: Workload): void {
  const rows = [100, 150, 200, 300, 450, 700].map((cellMeters) => {
    const { p50Us, p99Us } = measureQueries(kerbEngine(fleet, cellMeters), asks, 10);
    return [`${cellMeters}`, formatSpread(p50Us), formatSpread(p99Us)];
  });
  reporter.table("cell size: 10,000 entries in the city, k=10, microseconds", ["cell meters", "p50", "p99"], rows);
}

function main(): void {
  const reporter = createReporter("index", SEED, json);
  const { source, places } = loadPickups();
  reporter.note(`Drivers and requests at ${source}.`);
  reporter.note(`${REPETITIONS} repetitions after a warm-up; median (least-most), or the median alone.`);
  reportPeers(reporter, places);
  const city = createWorkload(places, 10_000, 0, 1_000);
  reportHardCases(reporter, city);
  reportCellSizes(reporter, city);
  reporter.end();
}

main();
