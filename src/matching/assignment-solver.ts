/**
 * Who takes whom so that all together costs least: rows (rides) to columns (drivers), each at most once, over the pairs
 * that are possible. A row may stay unassigned at a price of its own; a column may always stay free.
 *
 * Rows enter one at a time, each along the cheapest chain of displacements (shortest augmenting paths with prices, as
 * Jonker and Volgenant do it, but over lists of pairs and with a heap). The answer comes with the prices that prove it.
 * Work is counted in steps, not time, so that the same problem always has the same answer; when the steps are spent, the
 * rows that are left enter greedily and the whole is improved by exchanges. Arrays are kept from one call to the next.
 */
import {
  type AssignmentProblem,
  costOfAssignment,
  enterGreedily,
  improveByExchanges,
  NONE,
} from "./assignment-exchange.ts";

/** Views of the solver's own arrays, good until it is asked again. */
export interface Assignment {
  /** Column of each row, -1 where it stays unassigned. */
  readonly columnOf: Int32Array;
  readonly cost: number;
  /** False when the steps were spent: possible and good, but not proven the best. */
  readonly exact: boolean;
  /**
   * With `exact`, the proof: row price + column price never exceeds a pair's cost, nor a row price its unassigned cost,
   * with equality where assigned; column prices are at most 0, and 0 where the column stays free.
   */
  readonly rowPrice: Float64Array;
  readonly columnPrice: Float64Array;
}

const SETTLED = -2;
const NO_PROBLEM: AssignmentProblem = {
  rows: 0,
  columns: 0,
  rowStart: new Int32Array(1),
  column: new Int32Array(0),
  cost: new Float64Array(0),
  unassignedCost: new Float64Array(0),
};

export class AssignmentSolver {
  #problem = NO_PROBLEM;
  #columnOf = new Int32Array(0);
  #rowPrice = new Float64Array(0);
  /** Rows of the tree that grows from the entering row, and how far from it each is. */
  #tree = new Int32Array(0);
  #treeDistance = new Float64Array(0);
  #treeSize = 0;
  /** 1 for rows whose pairs come cheapest first. */
  #ascending = new Uint8Array(0);
  #rowOf = new Int32Array(0);
  #columnPrice = new Float64Array(0);
  /** Of columns that the tree has touched: how far, from which row, and the place in the heap, or SETTLED. */
  #distance = new Float64Array(0);
  #reachedFrom = new Int32Array(0);
  #heapPlace = new Int32Array(0);
  #heap = new Int32Array(0);
  #heapSize = 0;
  #touched = new Int32Array(0);
  #touchedSize = 0;
  #steps = 0;
  /** The cheapest end of the chain so far: a free column, or a row that gives up its own. */
  #endDistance = 0;
  #endColumn = NONE;
  #endRow = NONE;

  /**
   * `budgetSteps` bounds the exact search and, once more, the improvement that stands in for what is left of it.
   * Throws RangeError for a cost that is no finite number and for a pair outside the problem.
   */
  solve(problem: AssignmentProblem, budgetSteps = Number.POSITIVE_INFINITY): Assignment {
    this.#prepare(problem.rows, problem.columns);
    inspect(problem, this.#ascending);
    this.#problem = problem;
    let entered = 0;
    while (entered < problem.rows && this.#enter(entered, budgetSteps)) entered++;
    const exact = entered === problem.rows;
    if (!exact) {
      enterGreedily(problem, entered, this.#columnOf, this.#rowOf);
      improveByExchanges(problem, this.#columnOf, this.#rowOf, budgetSteps);
    }
    this.#problem = NO_PROBLEM;
    return {
      columnOf: this.#columnOf.subarray(0, problem.rows),
      cost: costOfAssignment(problem, this.#columnOf),
      exact,
      rowPrice: this.#rowPrice.subarray(0, problem.rows),
      columnPrice: this.#columnPrice.subarray(0, problem.columns),
    };
  }

  #prepare(rows: number, columns: number): void {
    if (this.#columnOf.length < rows) {
      const room = rows * 2;
      this.#columnOf = new Int32Array(room);
      this.#rowPrice = new Float64Array(room);
      this.#ascending = new Uint8Array(room);
      this.#tree = new Int32Array(room);
      this.#treeDistance = new Float64Array(room);
    }
    if (this.#rowOf.length < columns) {
      const room = columns * 2;
      this.#rowOf = new Int32Array(room);
      this.#columnPrice = new Float64Array(room);
      this.#distance = new Float64Array(room);
      this.#reachedFrom = new Int32Array(room);
      this.#heapPlace = new Int32Array(room);
      this.#heap = new Int32Array(room);
      this.#touched = new Int32Array(room);
    }
    this.#columnOf.fill(NONE, 0, rows);
    this.#rowPrice.fill(0, 0, rows);
    this.#rowOf.fill(NONE, 0, columns);
    this.#columnPrice.fill(0, 0, columns);
    this.#heapPlace.fill(NONE, 0, columns);
    this.#steps = 0;
  }

  /** Lets a row in along the cheapest chain and keeps the prices true. False: out of steps, and nothing has changed. */
  #enter(row: number, budgetSteps: number): boolean {
    this.#treeSize = 0;
    this.#touchedSize = 0;
    this.#heapSize = 0;
    this.#endDistance = Number.POSITIVE_INFINITY;
    this.#rowPrice[row] = 0;
    let next = row;
    let distance = 0;
    let finished = true;
    while (next !== NONE) {
      if (this.#steps > budgetSteps) {
        finished = false;
        break;
      }
      this.#grow(next, distance);
      const column = this.#nearestColumn();
      if (column === NONE) break;
      next = this.#rowOf[column]!;
      distance = this.#distance[column]!;
    }
    if (finished) {
      this.#raisePrices();
      this.#displace(row);
    }
    for (let at = 0; at < this.#touchedSize; at++) this.#heapPlace[this.#touched[at]!] = NONE;
    return finished;
  }

  /** Takes a row into the tree and looks at its pairs. Columns beyond the best end known are of no use to anybody. */
  #grow(row: number, distance: number): void {
    const { rowStart, column, cost, unassignedCost } = this.#problem;
    const rowOf = this.#rowOf;
    const columnPrice = this.#columnPrice;
    const from = rowStart[row]!;
    const to = rowStart[row + 1]!;
    this.#tree[this.#treeSize] = row;
    this.#treeDistance[this.#treeSize++] = distance;
    const ascending = this.#ascending[row] === 1;
    const base = distance - this.#rowPrice[row]!;
    let end = this.#endDistance;
    let at = from;
    for (; at < to; at++) {
      const unpriced = base + cost[at]!;
      if (unpriced >= end) {
        // Prices only make it dearer, and what follows is dearer still.
        if (ascending) break;
        continue;
      }
      const j = column[at]!;
      const reached = unpriced - columnPrice[j]!;
      if (reached >= end) continue;
      if (rowOf[j] === NONE) {
        end = reached;
        this.#endColumn = j;
        this.#reachedFrom[j] = row;
      } else this.#reach(j, row, reached);
    }
    const given = base + unassignedCost[row]!;
    if (given < end) {
      end = given;
      this.#endColumn = NONE;
      this.#endRow = row;
    }
    this.#endDistance = end;
    this.#steps += at - from + 1;
  }

  #reach(column: number, row: number, distance: number): void {
    const place = this.#heapPlace[column]!;
    // Rounding could make a settled column look nearer than it was, and the chain run in a circle.
    if (place === SETTLED || (place !== NONE && distance >= this.#distance[column]!)) return;
    this.#distance[column] = distance;
    this.#reachedFrom[column] = row;
    if (place === NONE) {
      this.#touched[this.#touchedSize++] = column;
      this.#rise(this.#heapSize++, column);
    } else this.#rise(place, column);
  }

  /** Puts a column at a place of the heap or above it. */
  #rise(from: number, column: number): void {
    const heap = this.#heap;
    let place = from;
    while (place > 0) {
      const above = (place - 1) >> 1;
      const other = heap[above]!;
      if (!this.#before(column, other)) break;
      heap[place] = other;
      this.#heapPlace[other] = place;
      place = above;
    }
    heap[place] = column;
    this.#heapPlace[column] = place;
    this.#steps++;
  }

  /** Settles the nearest column that is nearer than the best end; NONE when there is none. */
  #nearestColumn(): number {
    const heap = this.#heap;
    if (this.#heapSize === 0) return NONE;
    const nearest = heap[0]!;
    if (this.#distance[nearest]! >= this.#endDistance) return NONE;
    this.#heapPlace[nearest] = SETTLED;
    const last = heap[--this.#heapSize]!;
    if (this.#heapSize === 0) return nearest;
    let place = 0;
    for (;;) {
      let below = 2 * place + 1;
      if (below >= this.#heapSize) break;
      if (below + 1 < this.#heapSize && this.#before(heap[below + 1]!, heap[below]!)) below++;
      const other = heap[below]!;
      if (!this.#before(other, last)) break;
      heap[place] = other;
      this.#heapPlace[other] = place;
      place = below;
    }
    heap[place] = last;
    this.#heapPlace[last] = place;
    return nearest;
  }

  #before(a: number, b: number): boolean {
    const gap = this.#distance[a]! - this.#distance[b]!;
    return gap < 0 || (gap === 0 && a < b);
  }

  #raisePrices(): void {
    for (let at = 0; at < this.#treeSize; at++) {
      const row = this.#tree[at]!;
      const rise = this.#endDistance - this.#treeDistance[at]!;
      this.#rowPrice[row]! += rise;
      const column = this.#columnOf[row]!;
      if (column !== NONE) this.#columnPrice[column]! -= rise;
    }
  }

  /** Follows the chain from its end back to the entering row, every row on it taking the next column. */
  #displace(entering: number): void {
    let column = this.#endColumn;
    if (column === NONE) {
      column = this.#columnOf[this.#endRow]!;
      this.#columnOf[this.#endRow] = NONE;
      if (this.#endRow === entering) return;
    }
    for (;;) {
      const row = this.#reachedFrom[column]!;
      const left = this.#columnOf[row]!;
      this.#columnOf[row] = column;
      this.#rowOf[column] = row;
      if (row === entering) return;
      column = left;
    }
  }
}

/** Refuses what cannot be solved, and notes which rows have their pairs in order. */
function inspect(
  { rows, columns, rowStart, column, cost, unassignedCost }: AssignmentProblem,
  ascending: Uint8Array,
): void {
  for (let row = 0; row < rows; row++) {
    if (!Number.isFinite(unassignedCost[row])) throw new RangeError(`row ${row} has no price for staying unassigned`);
    let before = Number.NEGATIVE_INFINITY;
    ascending[row] = 1;
    for (let at = rowStart[row]!; at < rowStart[row + 1]!; at++) {
      const here = cost[at]!;
      if (!Number.isFinite(here)) throw new RangeError(`pair ${at} of row ${row} has no finite cost`);
      if (!(column[at]! >= 0 && column[at]! < columns)) throw new RangeError(`pair ${at} of row ${row} has no column`);
      if (here < before) ascending[row] = 0;
      before = here;
    }
  }
}
