import { expect, test } from "vitest";
import { createRandom, type Random } from "../../sim/random.ts";

function draw(random: Random, count: number): number[] {
  return Array.from({ length: count }, () => random.next());
}

test("a seed decides the whole stream, and near seeds share nothing", () => {
  expect(draw(createRandom(7), 100)).toEqual(draw(createRandom(7), 100));
  const other = new Set(draw(createRandom(8), 1_000));
  expect(draw(createRandom(7), 1_000).filter((number) => other.has(number))).toEqual([]);
});

test("a fork depends on seed and label alone, not on what was drawn before", () => {
  const drawn = createRandom(7);
  draw(drawn, 50);
  expect(draw(drawn.fork("riders"), 20)).toEqual(draw(createRandom(7).fork("riders"), 20));
  const streams = [createRandom(7), createRandom(7).fork("riders"), createRandom(7).fork(1), createRandom(7).fork("1")];
  expect(new Set(streams.map((stream) => stream.next())).size).toBe(4);
});

test("the distributions have the mean and the spread they promise, over 100,000 draws", () => {
  const random = createRandom(1);
  const mean = (sample: () => number): number => {
    let sum = 0;
    for (let count = 0; count < 100_000; count++) sum += sample();
    return sum / 100_000;
  };
  expect(mean(random.next)).toBeCloseTo(0.5, 2);
  expect(mean(random.normal)).toBeCloseTo(0, 1);
  expect(mean(() => random.normal() ** 2)).toBeCloseTo(1, 1);
  expect(Math.abs(mean(() => random.exponential(30)) - 30)).toBeLessThan(0.5);
  const counts = [0, 0, 0, 0, 0];
  for (let count = 0; count < 50_000; count++) counts[random.int(5)]! += 1;
  for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(400);
  expect(["a", "b"]).toContain(random.pick(["a", "b"]));
  expect(() => random.pick([])).toThrow("cannot pick");
});
