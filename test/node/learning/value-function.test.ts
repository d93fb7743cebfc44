import fc from "fast-check";
import { expect, test } from "vitest";
import { type Passage, type StoredValues, ValueFunction } from "../../../src/learning/value-function.ts";

const waiting = (cell: number, slot: number): Passage => ({
  cell,
  slot,
  reward: 0,
  nextCell: cell,
  nextSlot: slot + 1,
});
const riding = (cell: number, slot: number, nextCell: number, nextSlot: number, reward = 1): Passage => ({
  cell,
  slot,
  reward,
  nextCell,
  nextSlot,
});

const CELLS = 4;
const SLOTS = 6;
const passages = fc.array(
  fc
    .record({
      cell: fc.nat(CELLS - 1),
      slot: fc.nat(SLOTS - 1),
      reward: fc.constantFrom(0, 1, 2.5),
      nextCell: fc.nat(CELLS - 1),
      takes: fc.integer({ min: 1, max: 9 }),
    })
    .map(({ takes, ...rest }): Passage => ({ ...rest, nextSlot: rest.slot + takes })),
  { minLength: 1, maxLength: 200 },
);

test("nothing is known at first, and nothing comes after the last slot", () => {
  const values = new ValueFunction(2, 3, 1, 0);
  expect([values.at(0, 0), values.at(1, 2), values.at(1, 3), values.at(1, 99)]).toEqual([0, 0, 0, 0]);
  values.learn(riding(1, 2, 0, 7));
  expect([values.at(1, 2), values.at(0, 2), values.at(1, 1)]).toEqual([1, 0, 0]);
});

test("a reward is earned evenly over its slots, and what comes after is worth less by all of them", () => {
  const values = new ValueFunction(2, 10, 0.9, 0);
  values.learn(riding(1, 3, 0, 20, 2));
  const after = (2 * (1 - 0.9 ** 17)) / (17 * 0.1);
  expect(values.at(1, 3)).toBeCloseTo(after, 12);
  expect(values.worthOf(riding(0, 0, 1, 3, 3))).toBeCloseTo(1 + 0.9 + 0.81 + 0.9 ** 3 * after, 12);
  expect(values.worthOf(waiting(1, 2))).toBeCloseTo(0.9 * after, 12);
  values.learn(waiting(1, 2));
  expect(values.advantage(riding(1, 2, 0, 3, 1))).toBeCloseTo(1 - 0.9 * after, 12);
});

test("a closed history, from its end to its beginning, gives every entry the mean of what came of it", () => {
  fc.assert(
    fc.property(passages, fc.constantFrom(0.5, 0.9, 1), (history, discount) => {
      const values = new ValueFunction(CELLS, SLOTS, discount, 0);
      for (const passage of history.toSorted((a, b) => b.slot - a.slot)) values.learn(passage);
      for (let slot = 0; slot < SLOTS; slot++) {
        for (let cell = 0; cell < CELLS; cell++) {
          const here = history.filter((passage) => passage.cell === cell && passage.slot === slot);
          const sum = here.reduce((total, passage) => total + worth(passage, discount, values), 0);
          expect(values.at(cell, slot)).toBeCloseTo(here.length === 0 ? 0 : sum / here.length, 9);
        }
      }
    }),
  );
});

/** Written out slot by slot, so that it shares nothing with the formula. */
function worth({ slot, reward, nextCell, nextSlot }: Passage, discount: number, values: ValueFunction): number {
  let sum = 0;
  let kept = 1;
  for (let at = slot; at < nextSlot; at++) {
    sum += (kept * reward) / (nextSlot - slot);
    kept *= discount;
  }
  return sum + (nextSlot < SLOTS ? kept * values.at(nextCell, nextSlot) : 0);
}

test("with a least step it follows a city that changes; without, it weighs all days alike", () => {
  const [steady, quick] = [new ValueFunction(1, 1, 1, 0), new ValueFunction(1, 1, 1, 0.2)];
  for (const values of [steady, quick]) {
    for (let day = 0; day < 100; day++) values.learn(riding(0, 0, 0, 1, 4));
    expect(values.at(0, 0)).toBeCloseTo(4, 9);
    for (let day = 0; day < 100; day++) values.learn(riding(0, 0, 0, 1, 8));
  }
  expect(steady.at(0, 0)).toBeCloseTo(6, 9);
  expect(quick.at(0, 0)).toBeCloseTo(8, 6);
});

test("learned ride by ride, it settles on what a driver may expect", () => {
  // In cell 0 every second wait ends with a ride to cell 1, from which a ride always leads back: both can be written down.
  const values = new ValueFunction(2, 40, 0.8, 0.02);
  for (let day = 0; day < 4_000; day++) {
    for (let slot = 0; slot < 40; slot++) {
      values.learn((day + slot) % 2 === 0 ? riding(0, slot, 1, slot + 2) : waiting(0, slot));
      values.learn(riding(1, slot, 0, slot + 1, 2));
    }
  }
  // a = (0.9 + 0.64 b + 0.8 a) / 2 and b = 2 + 0.8 a, far enough from the end.
  const a = (0.45 + 0.64) / (1 - 0.4 - 0.256);
  expect(Math.abs(values.at(0, 0) - a)).toBeLessThan(0.05);
  expect(Math.abs(values.at(1, 0) - (2 + 0.8 * a))).toBeLessThan(0.05);
});

test("comes back from JSON as it was, and goes on learning from there", () => {
  fc.assert(
    fc.property(passages, passages, (before, after) => {
      const values = new ValueFunction(CELLS, SLOTS, 0.9, 0.05);
      for (const passage of before) values.learn(passage);
      const restored = ValueFunction.fromJSON(JSON.parse(JSON.stringify(values)) as StoredValues);
      for (const passage of after) {
        values.learn(passage);
        restored.learn(passage);
      }
      expect(restored.toJSON()).toEqual(values.toJSON());
    }),
    { numRuns: 30 },
  );
});

test("refuses sizes, discounts and steps that make no sense, and places it does not have", () => {
  for (const [cells, slots, discount, leastStep] of [
    [0, 1, 1, 0],
    [1, 1.5, 1, 0],
    [1_001, 1_000, 1, 0],
    [1, 1, 0, 0],
    [1, 1, 1.1, 0],
    [1, 1, 1, Number.NaN],
  ] as const) {
    expect(() => new ValueFunction(cells, slots, discount, leastStep)).toThrow(RangeError);
  }
  const values = new ValueFunction(2, 2, 1, 0);
  for (const [cell, slot] of [
    [2, 0],
    [-1, 0],
    [0, -1],
  ] as const) {
    expect(() => values.at(cell, slot)).toThrow(RangeError);
    expect(() => values.moveTowards(cell, slot, 1)).toThrow(RangeError);
  }
  // The day is over: there is no entry to learn for.
  expect(() => values.moveTowards(0, 2, 1)).toThrow(RangeError);
});

test("refuses stored values that it never wrote", () => {
  const stored = new ValueFunction(2, 2, 0.9, 0).toJSON();
  const broken: Partial<Record<keyof StoredValues, unknown>>[] = [
    { version: 2 },
    { cells: 3 },
    { values: [0, 0, 0] },
    { values: [0, 0, 0, null] },
    { visits: [0, 0, 0, -1] },
    { visits: [0, 0, 0, 0.5] },
    { discount: 0 },
  ];
  for (const part of broken) {
    expect(() => ValueFunction.fromJSON({ ...stored, ...part } as unknown as StoredValues)).toThrow(RangeError);
  }
});
