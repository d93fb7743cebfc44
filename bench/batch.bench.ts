/**
 * One window of batched dispatch: the sparse solver beside the simplest thing that could do it, a textbook Jonker and
 * Volgenant over a full matrix; and a window's whole plan, by what is remembered of recent rides (what rides on their way
 * may hope for, what drivers are worth where they are) beside without.
 * `node bench/batch.bench.ts [--quick] [--json FILE]`.
 *
 * Rides and drivers stand at real pickups where the data is present (KERB_DATA), else at generated clusters; costs are
 * straight-line pickup seconds. "All" pairs every ride with every driver, "nearest 24" as a search would.
 */
import { createRandom } from "../sim/random.ts";
import type { AssignmentProblem } from "../src/matching/assignment-exchange.ts";
import { AssignmentSolver } from "../src/matching/assignment-solver.ts";
import { type BatchPlan, BatchPlanner } from "../src/matching/batch.ts";
import { driverWorthSeconds } from "../src/matching/driver-worth.ts";
import { LIMITS } from "../src/matching/limits.ts";
import { RecentRides } from "../src/matching/recent-rides.ts";
import { turnoverAt } from "../src/matching/turnover.ts";
import { haversineMeters, metersToCellEdge } from "../src/spatial/distance.ts";
import { cellOf } from "../src/spatial/geohash.ts";
import { Plane } from "../src/spatial/plane.ts";
import { loadPickups, type Place, SEED } from "./city-workload.ts";
import { assignDensely } from "./dense-assignment.ts";
import { formatNumber, formatRatio, formatSpread, quantile, spreadOf, timeMs } from "./measure.ts";
import { readOptions } from "./options.ts";
import { createReporter } from "./report.ts";

const METERS_PER_SECOND = 5;
const LONGEST_SECONDS = 600;
const CELL_BITS = 25;
const SIZES = [
  [50, 200],
  [200, 500],
] as const;

const { json, quick } = readOptions("batch");
const REPETITIONS = quick ? 2 : 7;
const WINDOWS = quick ? 5 : 40;

/** `most`: pairs per ride, nearest first. A ride left for now costs the longest pickup. */
function windowOf(rides: readonly Place[], drivers: readonly Place[], most: number): AssignmentProblem {
  const rowStart = new Int32Array(rides.length + 1);
  const column: number[] = [];
  const cost: number[] = [];
  for (const [row, ride] of rides.entries()) {
    const seconds = drivers.map((driver) => haversineMeters(ride, driver) / METERS_PER_SECOND);
    const nearest = [...seconds.keys()].sort((a, b) => seconds[a]! - seconds[b]!).slice(0, most);
    column.push(...nearest);
    cost.push(...nearest.map((driver) => seconds[driver]!));
    rowStart[row + 1] = column.length;
  }
  return {
    rows: rides.length,
    columns: drivers.length,
    rowStart,
    column: Int32Array.from(column),
    cost: Float64Array.from(cost),
    unassignedCost: new Float64Array(rides.length).fill(LONGEST_SECONDS),
  };
}

/** A whole plan of rides, half of them on their way to be picked up, among as many free drivers as are left. */
interface PlanCase {
  readonly window: AssignmentProblem;
  readonly rides: readonly Place[];
  readonly drivers: readonly Place[];
}

const planner = new BatchPlanner();

function worthOf(recent: RecentRides, plane: Plane, drivers: readonly Place[], free: number): Float64Array {
  const cell = cellOf(drivers[0]!.lat, drivers[0]!.lng, CELL_BITS);
  const othersSecondsFrom = (place: Place) => metersToCellEdge(place, cell) / METERS_PER_SECOND;
  return driverWorthSeconds(recent, drivers, free, {
    plane,
    now: LIMITS.recentMs,
    clockSpeed: 1,
    unservedSeconds: LONGEST_SECONDS,
    horizonSeconds: 120,
    othersSecondsFrom,
  });
}

/** As a shard does it; with `recent` null it hopes for nothing and nobody is missed. */
function planOf({ window, rides, drivers }: PlanCase, recent: RecentRides | null): BatchPlan {
  const onTheirWay = Math.floor(rides.length / 2);
  const free = drivers.length - onTheirWay;
  const plane = new Plane(drivers[0]!, METERS_PER_SECOND);
  const ended = recent?.ended.since(LIMITS.recentMs);
  const pickups = plane.pointsAt(rides.slice(0, onTheirWay));
  const turnover = ended && turnoverAt(pickups, plane.pointsAt(ended.places), ended.seconds);
  const worth = recent && worthOf(recent, plane, drivers, free);
  return planner.plan({
    rides: rides.map((_, row) => ({
      driver: row < onTheirWay ? free + row : null,
      waitedSeconds: Number.POSITIVE_INFINITY,
      exchanges: 0,
      turnoverSeconds: turnover?.[row] ?? Number.POSITIVE_INFINITY,
      candidates: Array.from(window.column.subarray(window.rowStart[row], window.rowStart[row + 1])),
    })),
    drivers: drivers.map((_, driver) => ({ exchanges: 0, worthSeconds: worth?.[driver] ?? 0 })),
    unservedSeconds: LONGEST_SECONDS,
    estimate: (row, driver) => ({
      pickupSeconds: haversineMeters(rides[row]!, drivers[driver]!) / METERS_PER_SECOND,
    }),
  });
}

/** As much as a shard remembers, evenly over the time. */
function recentRidesAt(draw: (count: number) => Place[]): RecentRides {
  const recent = new RecentRides();
  const places = [draw(LIMITS.recentRoom), draw(LIMITS.recentRoom)] as const;
  for (let at = 0; at < LIMITS.recentRoom; at++) {
    const time = ((at + 1) * LIMITS.recentMs) / LIMITS.recentRoom;
    recent.ended.note(places[0][at]!, time);
    recent.asked.note(places[1][at]!, time);
  }
  return recent;
}

/** What drivers are worth alone, up to as many as a shard has sockets. */
function worthRows(places: readonly Place[]): string[][] {
  return [200, 1_024, LIMITS.sessions].map((count) => {
    const random = createRandom(SEED).fork(`worth ${count}`);
    const draw = (some: number): Place[] => Array.from({ length: some }, () => random.pick(places));
    const [recent, drivers] = [recentRidesAt(draw), draw(count)];
    const plane = new Plane(drivers[0]!, METERS_PER_SECOND);
    const took = Float64Array.from({ length: WINDOWS * (REPETITIONS + 1) }, () =>
      timeMs(() => worthOf(recent, plane, drivers, count)),
    );
    const counted = took.subarray(WINDOWS).sort();
    return [`${count}`, formatNumber(quantile(counted, 0.5)), formatNumber(quantile(counted, 0.99))];
  });
}

function planRows(places: readonly Place[]): string[][] {
  return SIZES.map(([rideCount, driverCount]) => {
    const random = createRandom(SEED).fork(`plan ${rideCount}x${driverCount}`);
    const draw = (count: number): Place[] => Array.from({ length: count }, () => random.pick(places));
    const recent = recentRidesAt(draw);
    const cases = Array.from({ length: WINDOWS }, () => {
      const [rides, drivers] = [draw(rideCount), draw(driverCount)];
      return { rides, drivers, window: windowOf(rides, drivers, LIMITS.candidatesPerSearch) };
    });
    const [without, with_, slowest] = [[], [], []] as [number[], number[], number[]];
    for (let repetition = -1; repetition < REPETITIONS; repetition++) {
      const blind = Float64Array.from(cases, (one) => timeMs(() => planOf(one, null)));
      const seeing = Float64Array.from(cases, (one) => timeMs(() => planOf(one, recent)));
      if (repetition < 0) continue;
      without.push(quantile(blind.sort(), 0.5));
      with_.push(quantile(seeing.sort(), 0.5));
      slowest.push(quantile(seeing, 0.99));
    }
    const [blind, seeing] = [spreadOf(without), spreadOf(with_)];
    return [
      `${rideCount} x ${driverCount}`,
      formatSpread(blind),
      formatSpread(seeing),
      formatNumber(spreadOf(slowest).median),
      formatRatio(seeing.median, blind.median),
    ];
  });
}

function main(): void {
  const reporter = createReporter("batch", SEED, json);
  const { source, places } = loadPickups();
  reporter.note(`Rides and drivers at ${source}.`);
  reporter.note(
    `${REPETITIONS} repetitions of ${WINDOWS} windows after one that is not counted, both solvers in turns and agreeing ` +
      "on every cost; median (least-most) of the repetitions.",
  );
  const solver = new AssignmentSolver();
  const rows = SIZES.flatMap(([rideCount, driverCount]) =>
    [driverCount, 24].map((most) => {
      const random = createRandom(SEED).fork(`${rideCount}x${driverCount}`);
      const draw = (count: number): Place[] => Array.from({ length: count }, () => random.pick(places));
      const windows = Array.from({ length: WINDOWS }, () => windowOf(draw(rideCount), draw(driverCount), most));
      const taken = { sparse: { p50: [] as number[], p99: [] as number[] }, dense: [] as number[] };
      for (let repetition = -1; repetition < REPETITIONS; repetition++) {
        const [sparse, dense] = [new Float64Array(WINDOWS), new Float64Array(WINDOWS)];
        for (const [index, window] of windows.entries()) {
          let [ours, theirs] = [0, 0];
          sparse[index] = timeMs(() => (ours = solver.solve(window).cost));
          dense[index] = timeMs(() => (theirs = assignDensely(window)));
          // A fast wrong answer is worth nothing.
          if (Math.abs(ours - theirs) > 1e-6 * theirs) throw new Error(`${ours} and ${theirs} for the same window`);
        }
        if (repetition < 0) continue;
        taken.sparse.p50.push(quantile(sparse.sort(), 0.5));
        taken.sparse.p99.push(quantile(sparse, 0.99));
        taken.dense.push(quantile(dense.sort(), 0.5));
      }
      const [p50, dense] = [spreadOf(taken.sparse.p50), spreadOf(taken.dense)];
      return [
        `${rideCount} x ${driverCount}`,
        most === driverCount ? "all" : `nearest ${most}`,
        formatSpread(p50),
        formatNumber(spreadOf(taken.sparse.p99).median),
        formatSpread(dense),
        formatRatio(dense.median, p50.median),
      ];
    }),
  );
  reporter.table(
    "one window solved, milliseconds",
    ["rides x drivers", "pairs", "kerb p50", "kerb p99", "dense p50", "dense / kerb"],
    rows,
  );
  reporter.table(
    `one window planned, half of its rides with a driver on his way, ${LIMITS.recentRoom} requests and ends of trips remembered, milliseconds`,
    ["rides x drivers", "by the ways alone p50", "by recent rides p50", "p99", "with / without"],
    planRows(places),
  );
  reporter.table(
    `of that, what drivers are worth where they are, by ${LIMITS.recentRoom} requests and ${LIMITS.worthPairs} pairs at most`,
    ["free drivers", "p50", "p99"],
    worthRows(places),
  );
  reporter.end();
}

main();
