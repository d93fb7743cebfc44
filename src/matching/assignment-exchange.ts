/**
 * What an assignment costs, and how a good one is found in a bounded number of steps where the best one is too dear: rows
 * enter greedily, then exchange columns by two as long as both together gain.
 */

/**
 * The pairs of row r are those from `rowStart[r]` up to `rowStart[r + 1]`, in any order; rows that have them cheapest
 * first are solved faster. Arrays may be longer.
 */
export interface AssignmentProblem {
  readonly rows: number;
  readonly columns: number;
  readonly rowStart: Int32Array;
  readonly column: Int32Array;
  /** Any finite number, one per pair. */
  readonly cost: Float64Array;
  /** Any finite number, one per row: what it costs to leave the row unassigned. */
  readonly unassignedCost: Float64Array;
}

export const NONE = -1;
/** Gains below this share of the costs compared are rounding, and exchanging for them might never end. */
const LEAST_GAIN = 1e-12;

/** Rows from `first` on take the cheapest free column, if it is worth more to them than none. */
export function enterGreedily(
  problem: AssignmentProblem,
  first: number,
  columnOf: Int32Array,
  rowOf: Int32Array,
): void {
  for (let row = first; row < problem.rows; row++) {
    const at = cheapestFree(problem, row, rowOf, NONE);
    if (at !== NONE) take(row, problem.column[at]!, columnOf, rowOf);
  }
}

/** Every row in turn takes a column it would rather have, its owner moving on; until nobody gains or steps are spent. */
export function improveByExchanges(
  problem: AssignmentProblem,
  columnOf: Int32Array,
  rowOf: Int32Array,
  budgetSteps: number,
): void {
  const { rows, rowStart, column } = problem;
  let steps = 0;
  for (let improved = true; improved; ) {
    improved = false;
    for (let row = 0; row < rows; row++) {
      for (let at = rowStart[row]!; at < rowStart[row + 1]!; at++) {
        const owner = rowOf[column[at]!]!;
        steps += 1 + rowStart[row + 1]! - rowStart[row]!;
        if (owner !== NONE) steps += 2 * (rowStart[owner + 1]! - rowStart[owner]!);
        if (steps > budgetSteps) return;
        if (owner !== row && exchange(problem, row, at, columnOf, rowOf)) improved = true;
      }
    }
  }
}

/** Gives a row the column of one of its pairs if that row and the column's owner together then cost less. */
function exchange(
  problem: AssignmentProblem,
  row: number,
  at: number,
  columnOf: Int32Array,
  rowOf: Int32Array,
): boolean {
  const { column, cost, unassignedCost } = problem;
  const wanted = column[at]!;
  const owner = rowOf[wanted]!;
  const left = columnOf[row]!;
  const present = rowCost(problem, row, left);
  if (owner === NONE) {
    if (!gains(present, cost[at]!)) return false;
    take(row, wanted, columnOf, rowOf);
    return true;
  }
  const other = cheapestFree(problem, owner, rowOf, left);
  const then = cost[at]! + (other === NONE ? unassignedCost[owner]! : cost[other]!);
  if (!gains(present + rowCost(problem, owner, wanted), then)) return false;
  take(row, wanted, columnOf, rowOf);
  columnOf[owner] = NONE;
  if (other !== NONE) take(owner, column[other]!, columnOf, rowOf);
  return true;
}

/** The cheapest pair of a row with a free column, or with the one about to be free; NONE when none is worth it. */
function cheapestFree(problem: AssignmentProblem, row: number, rowOf: Int32Array, aboutToBeFree: number): number {
  const { rowStart, column, cost, unassignedCost } = problem;
  let least = unassignedCost[row]!;
  let best = NONE;
  for (let at = rowStart[row]!; at < rowStart[row + 1]!; at++) {
    const free = rowOf[column[at]!] === NONE || column[at] === aboutToBeFree;
    if (!free || cost[at]! >= least) continue;
    least = cost[at]!;
    best = at;
  }
  return best;
}

function take(row: number, wanted: number, columnOf: Int32Array, rowOf: Int32Array): void {
  const left = columnOf[row]!;
  if (left !== NONE) rowOf[left] = NONE;
  columnOf[row] = wanted;
  rowOf[wanted] = row;
}

function gains(present: number, then: number): boolean {
  return present - then > LEAST_GAIN * (Math.abs(present) + Math.abs(then));
}

function rowCost({ rowStart, column, cost, unassignedCost }: AssignmentProblem, row: number, taken: number): number {
  if (taken === NONE) return unassignedCost[row]!;
  let least = Number.POSITIVE_INFINITY;
  for (let at = rowStart[row]!; at < rowStart[row + 1]!; at++) {
    if (column[at] === taken && cost[at]! < least) least = cost[at]!;
  }
  return least;
}

export function costOfAssignment(problem: AssignmentProblem, columnOf: Int32Array): number {
  let sum = 0;
  for (let row = 0; row < problem.rows; row++) sum += rowCost(problem, row, columnOf[row]!);
  return sum;
}
