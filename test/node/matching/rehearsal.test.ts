import { describe, expect, test } from "vitest";
import { createRandom } from "../../../sim/random.ts";
import { AssignmentSolver } from "../../../src/matching/assignment-solver.ts";
import { WorthRehearsal } from "../../../src/matching/rehearsal.ts";

const UNSERVED_SECONDS = 600;

type Past = readonly [along: number, agoSeconds: number];

interface Street {
  /** Where drivers stand on a street measured in seconds; those on their way are `busy`. */
  readonly free: readonly number[];
  readonly busy?: readonly number[];
  readonly asked: readonly Past[];
  readonly cameFree?: readonly Past[];
  readonly observedSeconds?: number;
  /** Of each that asked, where it is not the same for all. */
  readonly unservedSeconds?: readonly number[];
}

function worthOn(street: Street): number[] {
  const { free, busy = [], asked, cameFree = [], observedSeconds = 300 } = street;
  const along = (seconds: readonly number[]) => ({
    north: Float64Array.from(seconds),
    east: new Float64Array(seconds.length),
  });
  const past = (of: readonly Past[]) => ({
    ...along(of.map(([place]) => place)),
    agoSeconds: Float64Array.from(of, ([, ago]) => ago),
  });
  const worth = new WorthRehearsal().worthSeconds({
    asked: past(asked),
    cameFree: past(cameFree),
    observedSeconds,
    drivers: along([...free, ...busy]),
    free: free.length,
    unservedSeconds: Float64Array.from(asked, (_, at) => street.unservedSeconds?.[at] ?? UNSERVED_SECONDS),
    horizonSeconds: 300,
  });
  return [...worth];
}

/** The least that all of a rehearsal's rides cost with these drivers, by its definition. */
function costWith(free: readonly number[], asked: readonly Past[], cameFree: readonly Past[]): number {
  const columns = free.length + cameFree.length;
  const cost = asked.flatMap(([place, ago]) => [
    ...free.map((driver) => Math.abs(driver - place)),
    ...cameFree.map(([driver, agoFree]) => Math.abs(driver - place) + Math.max(0, ago - agoFree)),
  ]);
  return new AssignmentSolver().solve({
    rows: asked.length,
    columns,
    rowStart: Int32Array.from({ length: asked.length + 1 }, (_, row) => row * columns),
    column: Int32Array.from(cost, (_, at) => at % columns),
    cost: Float64Array.from(cost),
    unassignedCost: new Float64Array(asked.length).fill(UNSERVED_SECONDS),
  }).cost;
}

describe("what a driver is worth in a rehearsal of the next minutes", () => {
  test("is the way that the next nearest would have more, and nothing where nobody asks", () => {
    expect(worthOn({ free: [10, 150], asked: [[0, 100]] })).toEqual([140, 0]);
    expect(worthOn({ free: [10, 10], asked: [[0, 100]] })).toEqual([0, 0]);
    expect(worthOn({ free: [10, 150], asked: [] })).toEqual([0, 0]);
  });

  test("is no more than a ride costs that nobody takes, nor anything for those whom he could not reach", () => {
    expect(worthOn({ free: [10, 5_000], asked: [[0, 100]] })).toEqual([UNSERVED_SECONDS - 10, 0]);
  });

  test("is no more than each of them costs that nobody takes, where that differs", () => {
    const asked: Past[] = [
      [0, 400],
      [0, 100],
    ];
    expect(worthOn({ free: [10, 150], asked, observedSeconds: 600, unservedSeconds: [100, 50] })).toEqual([65, 0]);
  });

  test("does not depend on how many are farther", () => {
    const far = new Array<number>(20).fill(400);
    expect(worthOn({ free: [...far, 150, 10, ...far], asked: [[0, 100]] })[21]).toBe(140);
    const cameFree = far.map((place): Past => [place, 100]);
    expect(worthOn({ free: [10], asked: [[0, 100]], cameFree: [...cameFree, [50, 100], ...cameFree] })).toEqual([40]);
  });

  test("is something for the second in the row where two ask", () => {
    const asked: Past[] = [
      [0, 100],
      [0, 50],
    ];
    expect(worthOn({ free: [10, 30, 200], asked })).toEqual([190, 170, 0]);
  });

  test("is less where somebody comes free in time, by as much as he need not be waited for", () => {
    const asked: Past[] = [[0, 100]];
    expect(worthOn({ free: [10, 150], asked, cameFree: [[20, 200]] })).toEqual([10, 0]);
    expect(worthOn({ free: [10, 150], asked, cameFree: [[20, 60]] })).toEqual([50, 0]);
    expect(worthOn({ free: [10, 150], asked, cameFree: [[20, 301]] })).toEqual([140, 0]);
  });

  test("is, on his way, what he would save if he were free again, and takes nothing from the free", () => {
    expect(worthOn({ free: [100], busy: [30, 200], asked: [[0, 100]] })).toEqual([500, 70, 0]);
    expect(worthOn({ free: [], busy: [30], asked: [[0, 100]] })).toEqual([UNSERVED_SECONDS - 30]);
  });

  test("is the mean of as many rehearsals as are remembered", () => {
    expect(worthOn({ free: [10, 150], asked: [[0, 100]], observedSeconds: 900 })[0]).toBeCloseTo(140 / 3, 9);
    const asked: Past[] = [
      [0, 400],
      [0, 100],
    ];
    expect(worthOn({ free: [10, 150], asked, observedSeconds: 899 })).toEqual([140, 0]);
    expect(worthOn({ free: [10, 150], asked: [[0, 100]], observedSeconds: 60 })).toEqual([140, 0]);
  });

  test("is what all would cost more without one who is free, and less with one more", () => {
    const random = createRandom(7);
    const place = () => random.int(700);
    const past = (): Past => [place(), random.int(300)];
    for (let round = 0; round < 300; round++) {
      const free = Array.from({ length: random.int(7) }, place);
      const busy = Array.from({ length: random.int(4) }, place);
      const asked = Array.from({ length: random.int(7) }, past);
      const cameFree = Array.from({ length: random.int(6) }, past);
      const all = costWith(free, asked, cameFree);
      const expected = [
        ...free.map((_, driver) => costWith(free.toSpliced(driver, 1), asked, cameFree) - all),
        ...busy.map((driver) => all - costWith([...free, driver], asked, cameFree)),
      ];
      for (const [driver, seconds] of worthOn({ free, busy, asked, cameFree }).entries()) {
        expect(seconds).toBeCloseTo(expected[driver]!, 5);
      }
    }
  });
});
