import { describe, expect, test } from "vitest";
import { createRandom, type Random } from "../../../sim/random.ts";
import {
  type AssignmentProblem,
  costOfAssignment,
  enterGreedily,
  improveByExchanges,
} from "../../../src/matching/assignment-exchange.ts";
import { type Assignment, AssignmentSolver } from "../../../src/matching/assignment-solver.ts";

type Pair = readonly [column: number, cost: number];

function problem(pairs: readonly (readonly Pair[])[], columns: number, unassigned: readonly number[]) {
  const rowStart = Int32Array.from([0, ...pairs.map((_, row) => pairs.slice(0, row + 1).flat().length)]);
  return {
    rows: pairs.length,
    columns,
    rowStart,
    column: Int32Array.from(pairs.flat(), ([column]) => column),
    cost: Float64Array.from(pairs.flat(), ([, cost]) => cost),
    unassignedCost: Float64Array.from(unassigned),
  } satisfies AssignmentProblem;
}

function solve(of: AssignmentProblem, budgetSteps?: number): Assignment {
  return new AssignmentSolver().solve(of, budgetSteps);
}

/** Every way there is, row by row; for problems of a few rows. */
function leastCost({ rows, rowStart, column, cost, unassignedCost }: AssignmentProblem): number {
  const taken = new Set<number>();
  const from = (row: number): number => {
    if (row === rows) return 0;
    let least = unassignedCost[row]! + from(row + 1);
    for (let at = rowStart[row]!; at < rowStart[row + 1]!; at++) {
      if (taken.has(column[at]!)) continue;
      taken.add(column[at]!);
      least = Math.min(least, cost[at]! + from(row + 1));
      taken.delete(column[at]!);
    }
    return least;
  };
  return from(0);
}

/** Nobody has two, nobody has what is no pair of his, and the cost is that of what was chosen. */
function expectPossible(of: AssignmentProblem, { columnOf, cost }: Assignment): void {
  const taken = Array.from(columnOf).filter((column) => column >= 0);
  expect(new Set(taken).size).toBe(taken.length);
  expect(columnOf.length).toBe(of.rows);
  expect(Number.isFinite(cost)).toBe(true);
  expect(cost).toBe(costOfAssignment(of, columnOf));
}

/**
 * Knows nothing of how the answer was found: prices that satisfy these lines prove that no assignment costs less, for
 * any problem of any size.
 */
function expectProven(of: AssignmentProblem, { columnOf, cost, rowPrice, columnPrice, exact }: Assignment): void {
  const scale = Math.max(1, ...of.cost.map(Math.abs), ...of.unassignedCost.map(Math.abs));
  const slack = 1e-9 * scale;
  expect(exact).toBe(true);
  const owned = new Set(columnOf);
  let dual = 0;
  for (let column = 0; column < of.columns; column++) {
    dual += columnPrice[column]!;
    if (!(columnPrice[column]! <= slack)) throw new Error(`column ${column} is paid for being taken`);
    if (!owned.has(column) && columnPrice[column] !== 0) throw new Error(`free column ${column} has a price`);
  }
  for (let row = 0; row < of.rows; row++) {
    dual += rowPrice[row]!;
    if (rowPrice[row]! > of.unassignedCost[row]! + slack) throw new Error(`row ${row} would rather have nobody`);
    for (let at = of.rowStart[row]!; at < of.rowStart[row + 1]!; at++) {
      const sum = rowPrice[row]! + columnPrice[of.column[at]!]!;
      if (sum > of.cost[at]! + slack) throw new Error(`row ${row} would rather have column ${of.column[at]}`);
    }
  }
  expect(Math.abs(dual - cost)).toBeLessThanOrEqual(slack * (of.rows + of.columns + 1));
}

function randomProblem(random: Random, rows: number, columns: number, drawCost: () => number): AssignmentProblem {
  const density = random.next();
  const pairs = Array.from({ length: rows }, () => {
    const row = Array.from({ length: columns }, (_, column): Pair => [column, drawCost()]);
    const some = row.filter(() => random.next() < density);
    return random.next() < 0.5 ? some : some.sort(([, a], [, b]) => a - b);
  });
  return problem(
    pairs,
    columns,
    pairs.map(() => drawCost() * 2),
  );
}

const COSTS: Readonly<Record<string, (random: Random) => number>> = {
  "few different numbers": (random) => random.int(4),
  "whole numbers of both signs": (random) => random.int(201) - 100,
  fractions: (random) => random.next() * 600,
  "all the same": () => 7,
  "a huge range": (random) => 10 ** random.int(10) * (1 + random.int(9)),
};

describe("against every way there is", () => {
  test.each(Object.keys(COSTS))("1,500 problems with costs of %s", (kind) => {
    const random = createRandom(1).fork(kind);
    const solver = new AssignmentSolver();
    for (let round = 0; round < 1_500; round++) {
      const of = randomProblem(random, random.int(6), 1 + random.int(6), () => COSTS[kind]!(random));
      const found = solver.solve(of);
      expectPossible(of, found);
      const least = leastCost(of);
      expect(Math.abs(found.cost - least)).toBeLessThanOrEqual(1e-12 * Math.abs(least));
      expectProven(of, found);
    }
  });
});

describe("by its own proof", () => {
  test.each(Object.keys(COSTS))("problems too large to try, with costs of %s", (kind) => {
    const random = createRandom(2).fork(kind);
    const solver = new AssignmentSolver();
    for (let round = 0; round < 30; round++) {
      const of = randomProblem(random, 1 + random.int(80), 1 + random.int(120), () => COSTS[kind]!(random));
      const found = solver.solve(of);
      expectPossible(of, found);
      expectProven(of, found);
    }
  });

  test("components that have nothing to do with each other are solved as if alone", () => {
    const random = createRandom(3);
    const parts = Array.from({ length: 4 }, () => randomProblem(random, 8, 10, () => random.int(50)));
    const pairs = parts.flatMap((part, index) =>
      Array.from({ length: part.rows }, (_, row) =>
        Array.from(
          part.column.subarray(part.rowStart[row], part.rowStart[row + 1]),
          (column, at): Pair => [column + 10 * index, part.cost[part.rowStart[row]! + at]!],
        ),
      ),
    );
    const whole = problem(
      pairs,
      40,
      parts.flatMap((part) => Array.from(part.unassignedCost)),
    );
    const found = solve(whole);
    expectProven(whole, found);
    expect(found.cost).toBe(parts.reduce((sum, part) => sum + solve(part).cost, 0));
  });
});

describe("at the edges", () => {
  test("nobody asks, nobody is there, nobody fits", () => {
    expect(solve(problem([], 3, [])).columnOf).toHaveLength(0);
    expect(Array.from(solve(problem([[], []], 0, [5, 6])).columnOf)).toEqual([-1, -1]);
    const { columnOf, cost } = solve(problem([[], [[0, 4]]], 1, [5, 6]));
    expect([Array.from(columnOf), cost]).toEqual([[-1, 0], 9]);
  });

  test("one column for all goes where it saves most, not where it costs least", () => {
    const found = solve(problem([[[0, 1]], [[0, 5]], [[0, 3]]], 1, [2, 50, 20]));
    expect([Array.from(found.columnOf), found.cost]).toEqual([[-1, 0, -1], 27]);
  });

  test("a row stays unassigned where that is cheaper, and takes a column that costs the same", () => {
    expect(Array.from(solve(problem([[[0, 9]]], 1, [8])).columnOf)).toEqual([-1]);
    expect(Array.from(solve(problem([[[0, 8]]], 1, [8])).columnOf)).toEqual([0]);
  });

  test("the same pair twice counts at its lower cost", () => {
    const of = problem(
      [
        [
          [0, 9],
          [0, 2],
        ],
      ],
      1,
      [20],
    );
    expect(solve(of).cost).toBe(2);
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])("a cost of %s is refused", (cost) => {
    expect(() => solve(problem([[[0, cost]]], 1, [1]))).toThrow(RangeError);
    expect(() => solve(problem([[[0, 1]]], 1, [cost]))).toThrow(RangeError);
  });

  test.each([-1, 2])("a pair with column %s of 2 is refused", (column) => {
    expect(() => solve(problem([[[column, 1]]], 2, [1]))).toThrow(RangeError);
  });

  test("a solver that has solved, or refused, something else answers like a new one", () => {
    const random = createRandom(4);
    const used = new AssignmentSolver();
    for (let round = 0; round < 200; round++) {
      const of = randomProblem(random, random.int(30), 1 + random.int(30), () => random.int(9));
      if (round % 5 === 0) expect(() => used.solve(problem([[[0, Number.NaN]]], 1, [1]))).toThrow(RangeError);
      expect(Array.from(used.solve(of, round % 3 ? undefined : 40).columnOf)).toEqual(
        Array.from(solve(of, round % 3 ? undefined : 40).columnOf),
      );
    }
  });
});

describe("when its steps are spent", () => {
  const random = createRandom(5);
  const crowded = Array.from({ length: 40 }, () =>
    problem(
      Array.from({ length: 50 }, () =>
        Array.from({ length: 60 }, (_, column): Pair => [column, 1 + random.next() * 600]).filter(
          () => random.next() < 0.5,
        ),
      ),
      60,
      Array.from({ length: 50 }, () => 600),
    ),
  );

  test.each([0, 500, 2_000])("at %s it answers with what is possible and says that it may not be the best", (steps) => {
    for (const of of crowded) {
      const found = solve(of, steps);
      expect(found.exact).toBe(false);
      expectPossible(of, found);
    }
  });

  test("exchanges mend most of what entering greedily costs", () => {
    let [best, greedy, mended] = [0, 0, 0];
    for (const of of crowded) {
      const columnOf = new Int32Array(of.rows).fill(-1);
      const rowOf = new Int32Array(of.columns).fill(-1);
      best += solve(of).cost;
      enterGreedily(of, 0, columnOf, rowOf);
      greedy += costOfAssignment(of, columnOf);
      improveByExchanges(of, columnOf, rowOf, 1e6);
      mended += costOfAssignment(of, columnOf);
      const owned = Array.from(rowOf, (row, column) => [row, column]).filter(([row]) => row! >= 0);
      expect(owned.every(([row, column]) => columnOf[row!] === column)).toBe(true);
    }
    expect(greedy).toBeGreaterThan(best * 1.5);
    expect(mended - best).toBeLessThan((greedy - best) / 2);
  });
});
