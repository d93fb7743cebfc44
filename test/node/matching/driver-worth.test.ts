import { describe, expect, test } from "vitest";
import { driverWorthSeconds } from "../../../src/matching/driver-worth.ts";

const UNSERVED_SECONDS = 600;

interface Street {
  /** Where drivers stand on a street measured in seconds; those on their way are `busy`. */
  readonly free: readonly number[];
  readonly busy?: readonly number[];
  readonly asked: readonly number[];
  readonly observedSeconds?: number;
  readonly horizonSeconds?: number;
  /** From wherever one asks. */
  readonly othersSeconds?: number;
}

const NOBODY_ELSE = Number.POSITIVE_INFINITY;

function worthOn(street: Street): number[] {
  const { free, busy = [], asked, observedSeconds = 100, horizonSeconds = 1e9, othersSeconds = NOBODY_ELSE } = street;
  const along = (seconds: readonly number[]) => ({
    north: Float64Array.from(seconds),
    east: new Float64Array(seconds.length),
  });
  const worth = driverWorthSeconds({
    asked: along(asked),
    observedSeconds,
    drivers: along([...free, ...busy]),
    free: free.length,
    unservedSeconds: UNSERVED_SECONDS,
    othersSeconds: Float64Array.from(asked, () => othersSeconds),
    horizonSeconds,
  });
  return [...worth];
}

describe("what a driver is worth where he is", () => {
  test("is the way that the next nearest would have more", () => {
    expect(worthOn({ free: [10, 150], asked: [0] })).toEqual([140, 0]);
    expect(worthOn({ free: [150, 10], asked: [0] })).toEqual([0, 140]);
  });

  test("is nothing where nobody asks and where others stand beside him", () => {
    expect(worthOn({ free: [10, 150], asked: [] })).toEqual([0, 0]);
    expect(worthOn({ free: [10, 10, 10], asked: [0] })).toEqual([0, 0, 0]);
  });

  test("is no more than a ride costs that nobody takes, nor anything for those whom he could not reach", () => {
    expect(worthOn({ free: [10], asked: [0] })).toEqual([UNSERVED_SECONDS - 10]);
    expect(worthOn({ free: [10, 5_000], asked: [0] })).toEqual([UNSERVED_SECONDS - 10, 0]);
    expect(worthOn({ free: [5_000], asked: [0] })).toEqual([0]);
  });

  test("is no more than whoever may be there of whom nothing is known would have farther", () => {
    expect(worthOn({ free: [10, 150], asked: [0], othersSeconds: 60 })).toEqual([50, 0]);
    expect(worthOn({ free: [70], busy: [20], asked: [0], othersSeconds: 60 })).toEqual([0, 40]);
  });

  test("is, on his way, what he would save if he were free again, and takes nothing from the free", () => {
    expect(worthOn({ free: [100], busy: [30, 200], asked: [0] })).toEqual([500, 70, 0]);
    expect(worthOn({ free: [], busy: [30], asked: [0] })).toEqual([UNSERVED_SECONDS - 30]);
  });

  test("is a mean, because he can take one of them only", () => {
    expect(worthOn({ free: [0, 100], asked: [0, 0, 20, 100] })[0]).toBeCloseTo((100 + 100 + 60) / 3, 9);
  });

  test("counts as likely as it is that he is wanted within the horizon", () => {
    const [worth] = worthOn({ free: [0, 100], asked: [0, 0], observedSeconds: 400, horizonSeconds: 200 });
    expect(worth).toBeCloseTo(100 * (1 - Math.exp(-1)), 9);
  });
});
