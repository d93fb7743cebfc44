/** The dispatcher's assignment solver, asked for the greatest gain: rows are orders, who goes without gains nothing. */
import { AssignmentSolver } from "../../src/matching/assignment-solver.ts";

export interface Pairs {
  /** Driver of each order, -1 where it has none. */
  readonly driverOf: Int32Array;
  /** What would be lost without the order; 0 where it has no driver. */
  readonly orderPrice: Float64Array;
}

/** Keeps its arrays from one problem to the next; nothing of the problems. */
const SOLVER = new AssignmentSolver();

export class Pairing {
  readonly #drivers: number;
  readonly #rowStart: number[] = [];
  readonly #column: number[] = [];
  readonly #cost: number[] = [];

  constructor(drivers: number) {
    this.#drivers = drivers;
  }

  /** The pairs that follow are this order's. */
  addOrder(): void {
    this.#rowStart.push(this.#column.length);
  }

  addPair(driver: number, gain: number): void {
    this.#column.push(driver);
    this.#cost.push(-gain);
  }

  solve(): Pairs {
    const orders = this.#rowStart.length;
    const { columnOf, rowPrice } = SOLVER.solve({
      rows: orders,
      columns: this.#drivers,
      rowStart: Int32Array.from([...this.#rowStart, this.#column.length]),
      column: Int32Array.from(this.#column),
      cost: Float64Array.from(this.#cost),
      unassignedCost: new Float64Array(orders),
    });
    return { driverOf: columnOf.slice(), orderPrice: rowPrice.map((price) => -price) };
  }
}
