/**
 * Which free drivers are told to go where. Riders of the last minutes say how many drivers a cell will call for; whoever
 * is free near it, will be, or was sent there covers that, the nearest first. What is left uncovered is the cell's
 * shortage; who is left over is to spare where he is. All is weighed in seconds of a driver's waiting: going costs the
 * way, staying costs the horizon as far as nobody is expected to need him there. So together they drive least, nobody is
 * sent for whom staying is better, and to no cell more than it is short of: ten drivers at one ride have all driven in vain.
 */
import type { DriverId } from "../domain/driver.ts";
import type { CellPrefix, LatLng } from "../domain/place.ts";
import { centerOf } from "../spatial/geohash.ts";
import { NONE } from "./assignment-exchange.ts";
import { AssignmentSolver } from "./assignment-solver.ts";
import { LIMITS } from "./limits.ts";

export interface CellDemand {
  /** Different people who asked there of late. */
  readonly riders: number;
  /** That the next `LIMITS.hintHorizonSeconds` will call for. */
  readonly drivers: number;
}

/** Who may be told; he is among the supply of his cell. */
export interface WaitingDriver {
  readonly driverId: DriverId;
  readonly cell: CellPrefix;
  readonly position: LatLng;
  readonly idleMs: number;
}

export interface HintQuestion {
  readonly demand: ReadonlyMap<CellPrefix, CellDemand>;
  /** Drivers who are free in a cell, will be, or were sent there. */
  readonly supply: ReadonlyMap<CellPrefix, number>;
  readonly waiting: readonly WaitingDriver[];
  readonly seconds: (from: LatLng, to: LatLng) => number;
}

export interface HintChoice {
  readonly driverId: DriverId;
  readonly cell: CellPrefix;
  readonly seconds: number;
}

/** What is left of each side once the supply that is near has covered the demand. */
export interface Balance {
  readonly short: ReadonlyMap<CellPrefix, number>;
  readonly spare: ReadonlyMap<CellPrefix, number>;
}

const solver = new AssignmentSolver();

/** The same for the same question, in whatever order its parts come. */
export function planHints(question: HintQuestion): HintChoice[] {
  if (question.waiting.length === 0) return [];
  const balance = balanceOf(question);
  const goals = goalsOf(question, balance);
  const drivers = goals.length === 0 ? [] : sparedDrivers(question, balance);
  if (drivers.length === 0) return [];
  const ways = drivers.map(({ driver }) => waysOf(driver, goals, question.seconds));
  const { columnOf } = solver.solve(
    {
      rows: drivers.length,
      columns: goals.length,
      rowStart: Int32Array.from({ length: drivers.length + 1 }, (_, row) => row * goals.length),
      column: Int32Array.from(ways.flatMap((way) => [...way.keys()])),
      cost: Float64Array.from(ways.flat()),
      unassignedCost: Float64Array.from(drivers, ({ stayingSeconds }) => stayingSeconds),
    },
    LIMITS.batchSteps,
  );
  return drivers.flatMap(({ driver: { driverId } }, row) => {
    const goal = columnOf[row]!;
    return goal === NONE ? [] : [{ driverId, cell: goals[goal]!, seconds: ways[row]![goal]! }];
  });
}

/** The nearest supply covers first: its own cell's at once, then whoever is within reach. */
export function balanceOf({ demand, supply, seconds }: Omit<HintQuestion, "waiting">): Balance {
  const short = new Map(
    [...demand]
      .map(([cell, { drivers }]) => [cell, drivers] as const)
      .sort((a, b) => b[1] - a[1] || byName(a[0], b[0]))
      .slice(0, LIMITS.hintCells),
  );
  const spare = new Map(supply);
  const pairs: { readonly to: CellPrefix; readonly from: CellPrefix; readonly away: number }[] = [];
  for (const to of short.keys()) {
    const center = centerOf(to);
    for (const from of spare.keys()) {
      const away = from === to ? 0 : seconds(centerOf(from), center);
      if (away <= LIMITS.hintReachSeconds) pairs.push({ to, from, away });
    }
  }
  pairs.sort((a, b) => a.away - b.away || byName(a.to, b.to) || byName(a.from, b.from));
  for (const { to, from } of pairs) {
    const covered = Math.min(short.get(to)!, spare.get(from)!);
    short.set(to, short.get(to)! - covered);
    spare.set(from, spare.get(from)! - covered);
  }
  return { short, spare };
}

/** A cell stands here as often as it is short of a whole driver; one that would tell of single riders, never. */
function goalsOf({ demand }: HintQuestion, { short }: Balance): CellPrefix[] {
  const named = [...short].filter(([cell]) => demand.get(cell)!.riders >= LIMITS.hintRiders);
  named.sort((a, b) => b[1] - a[1] || byName(a[0], b[0]));
  return named
    .flatMap(([cell, drivers]) => Array<CellPrefix>(Math.floor(drivers)).fill(cell))
    .slice(0, LIMITS.hintsAtOnce);
}

/** Of each cell those who have waited longest, as many as it can do without, and what staying costs each of them. */
function sparedDrivers({ supply, waiting }: HintQuestion, { spare }: Balance) {
  const left = new Map([...spare].map(([cell, drivers]) => [cell, Math.round(drivers)]));
  const sorted = waiting.toSorted((a, b) => b.idleMs - a.idleMs || byName(a.driverId, b.driverId));
  const spared = sorted.flatMap((driver) => {
    const { cell } = driver;
    const others = left.get(cell)!;
    if (others === 0) return [];
    left.set(cell, others - 1);
    return [{ driver, stayingSeconds: (LIMITS.hintHorizonSeconds * spare.get(cell)!) / supply.get(cell)! }];
  });
  return spared.slice(0, LIMITS.hintsAtOnce);
}

function waysOf({ position }: WaitingDriver, goals: readonly CellPrefix[], seconds: HintQuestion["seconds"]): number[] {
  const away = new Map([...new Set(goals)].map((cell) => [cell, seconds(position, centerOf(cell))]));
  return goals.map((cell) => away.get(cell)!);
}

function byName(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
