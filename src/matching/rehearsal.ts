/**
 * What drivers are worth where they are, found by rehearsal: the next minutes are taken to be as the last were, then as
 * those before them, and so on back to where the memory ends. Each time, the rides that were asked for are put together
 * with the drivers who are free now and those who came free then, at the least cost for all. What it would cost more
 * without a driver is what he is worth. So no two rides count on the same driver, whoever comes free in time spares those
 * who are free already, and one who is missed by nobody beside him may be the nearest that is left for the third ride at
 * the station.
 */
import type { PlanePoints } from "../spatial/plane.ts";
import { type AssignmentProblem, NONE } from "./assignment-exchange.ts";
import { type Assignment, AssignmentSolver } from "./assignment-solver.ts";

/** The oldest first. */
export interface PastPoints extends PlanePoints {
  readonly agoSeconds: Float64Array;
}

export interface RehearsalQuestion {
  /** Where rides were asked for and where drivers came free, all within so many seconds. */
  readonly asked: PastPoints;
  /** What each of those rides costs where nobody takes it; nobody is missed for more. */
  readonly unservedSeconds: Float64Array;
  readonly cameFree: PastPoints;
  readonly observedSeconds: number;
  readonly drivers: PlanePoints;
  /** So many of them, the first, are free. The others are on their way to a pickup and would be free again. */
  readonly free: number;
  /** How long a rehearsal is. */
  readonly horizonSeconds: number;
}

/** Of each kind, as many drivers for one ride as a search would find. */
const CANDIDATES = 12;
/** A gain that is no rounding. */
const LEAST_SECONDS = 1e-6;

/** What one rehearsal puts together. Its columns are the free drivers and then those who come free. */
interface Rehearsal {
  readonly problem: AssignmentProblem;
  readonly rides: PlanePoints;
}

export class WorthRehearsal {
  readonly #solver = new AssignmentSolver();
  readonly #nearest = new Nearest();

  /** Worth in seconds of every driver: the mean of what he would save in each rehearsal. */
  worthSeconds(question: RehearsalQuestion): Float64Array {
    const { drivers, free, observedSeconds, horizonSeconds } = question;
    const rehearsals = Math.max(1, Math.floor(observedSeconds / horizonSeconds));
    const worth = new Float64Array(drivers.north.length);
    for (let part = 0; part < rehearsals; part++) {
      const rehearsal = this.#rehearse(question, part * horizonSeconds);
      const solved = this.#solver.solve(rehearsal.problem);
      const lost = lostSeconds(rehearsal.problem, solved);
      for (const [ride, driver] of solved.columnOf.entries()) {
        if (driver !== NONE && driver < free) worth[driver]! += lost[ride]! / rehearsals;
      }
      for (let driver = free; driver < worth.length; driver++) {
        worth[driver]! += savedSeconds(rehearsal, solved, drivers, driver) / rehearsals;
      }
    }
    return worth;
  }

  /** As it was from `endAgoSeconds` and a horizon ago on. */
  #rehearse(question: RehearsalQuestion, endAgoSeconds: number): Rehearsal {
    const { drivers, free, horizonSeconds } = question;
    const rides = during(question.asked, endAgoSeconds, horizonSeconds);
    const coming = during(question.cameFree, endAgoSeconds, horizonSeconds);
    const unassignedCost = question.unservedSeconds.subarray(rides.from, rides.from + rides.north.length);
    const rowStart = new Int32Array(rides.north.length + 1);
    const column: number[] = [];
    const cost: number[] = [];
    const nearest = this.#nearest;
    for (let ride = 0; ride < rides.north.length; ride++) {
      const north = rides.north[ride]!;
      const east = rides.east[ride]!;
      const mostSeconds = unassignedCost[ride]!;
      // By their squares: most of so many need no root.
      nearest.clear(mostSeconds * mostSeconds);
      for (let driver = 0; driver < free; driver++) {
        nearest.offer(driver, (drivers.north[driver]! - north) ** 2 + (drivers.east[driver]! - east) ** 2);
      }
      for (let place = 0; place < nearest.size; place++) {
        column.push(nearest.at[place]!);
        cost.push(Math.sqrt(nearest.key[place]!));
      }
      nearest.clear(mostSeconds);
      for (let driver = 0; driver < coming.north.length; driver++) {
        // Both count back from the end of the rehearsal: who came free less long ago is still to be waited for.
        const waitSeconds = Math.max(0, rides.agoSeconds[ride]! - coming.agoSeconds[driver]!);
        const square = (coming.north[driver]! - north) ** 2 + (coming.east[driver]! - east) ** 2;
        nearest.offer(free + driver, waitSeconds + Math.sqrt(square));
      }
      for (let place = 0; place < nearest.size; place++) {
        column.push(nearest.at[place]!);
        cost.push(nearest.key[place]!);
      }
      rowStart[ride + 1] = column.length;
    }
    const problem: AssignmentProblem = {
      rows: rides.north.length,
      columns: free + coming.north.length,
      rowStart,
      column: Int32Array.from(column),
      cost: Float64Array.from(cost),
      unassignedCost,
    };
    return { problem, rides };
  }
}

/** The least few of many, in order. */
class Nearest {
  readonly at = new Int32Array(CANDIDATES);
  readonly key = new Float64Array(CANDIDATES);
  size = 0;
  /** Nothing is taken that is not less. */
  #most = 0;

  clear(most: number): void {
    this.size = 0;
    this.#most = most;
  }

  offer(at: number, key: number): void {
    if (key >= this.#most) return;
    if (this.size < CANDIDATES) this.size++;
    let place = this.size - 1;
    for (; place > 0 && this.key[place - 1]! > key; place--) {
      this.key[place] = this.key[place - 1]!;
      this.at[place] = this.at[place - 1]!;
    }
    this.key[place] = key;
    this.at[place] = at;
    if (this.size === CANDIDATES) this.#most = this.key[CANDIDATES - 1]!;
  }
}

/** What there was from so long ago on, and from which place of all it begins. */
function during(past: PastPoints, endAgoSeconds: number, seconds: number): PastPoints & { readonly from: number } {
  const { north, east, agoSeconds } = past;
  // The oldest are first.
  const begin = (mostSeconds: number) => {
    const at = agoSeconds.findIndex((ago) => ago < mostSeconds);
    return at < 0 ? agoSeconds.length : at;
  };
  const [from, to] = [begin(endAgoSeconds + seconds), begin(endAgoSeconds)];
  return {
    from,
    north: north.subarray(from, to),
    east: east.subarray(from, to),
    agoSeconds: agoSeconds.subarray(from, to),
  };
}

/**
 * How much dearer all would be, for each ride, if its driver were not there: it takes a free one, or is not served, or
 * takes another's, who then loses as much as he does. Shortest ways, found by repetition: no chain is long.
 */
function lostSeconds(problem: AssignmentProblem, { columnOf }: Assignment): Float64Array {
  const { rows, columns, rowStart, column, cost, unassignedCost } = problem;
  const rowOf = new Int32Array(columns).fill(NONE);
  const own = Float64Array.from(unassignedCost);
  for (let row = 0; row < rows; row++) {
    const taken = columnOf[row]!;
    if (taken === NONE) continue;
    rowOf[taken] = row;
    for (let at = rowStart[row]!; at < rowStart[row + 1]!; at++) if (column[at] === taken) own[row] = cost[at]!;
  }
  const lost = unassignedCost.map((unassigned, row) => unassigned - own[row]!);
  for (let changed = true; changed; ) {
    changed = false;
    for (let row = 0; row < rows; row++) {
      for (let at = rowStart[row]!; at < rowStart[row + 1]!; at++) {
        const other = rowOf[column[at]!]!;
        if (other === row) continue;
        const seconds = cost[at]! - own[row]! + (other === NONE ? 0 : lost[other]!);
        if (seconds >= lost[row]! - LEAST_SECONDS) continue;
        lost[row] = seconds;
        changed = true;
      }
    }
  }
  return lost;
}

/** What one more driver would save: the best that any ride would give for him, by the prices of the others. */
function savedSeconds({ rides }: Rehearsal, { rowPrice }: Assignment, drivers: PlanePoints, driver: number): number {
  const north = drivers.north[driver]!;
  const east = drivers.east[driver]!;
  let saved = 0;
  for (let ride = 0; ride < rowPrice.length; ride++) {
    const room = rowPrice[ride]! - saved;
    const square = (rides.north[ride]! - north) ** 2 + (rides.east[ride]! - east) ** 2;
    if (room > 0 && square < room * room) saved = rowPrice[ride]! - Math.sqrt(square);
  }
  return saved;
}
