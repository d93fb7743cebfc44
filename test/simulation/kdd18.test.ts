import fc from "fast-check";
import { expect, test } from "vitest";
import { drawPatience, type History, recordHistory, replays } from "../../sim/kdd18/history.ts";
import { kerbPolicy, learnPrices } from "../../sim/kdd18/kerb-policy.ts";
import { Pairing } from "../../sim/kdd18/pairing.ts";
import { type Moment, type Policy, playEpisode } from "../../sim/kdd18/play.ts";
import { distancePolicy, evaluateHistory, myopicPolicy, nearestPair, valuePolicy } from "../../sim/kdd18/policies.ts";
import { CELLS, cellsBetween, drawEpisode, type Episode, STEPS } from "../../sim/kdd18/setting.ts";
import { runTrial } from "../../sim/kdd18/trial.ts";
import { createRandom } from "../../sim/random.ts";
import { ValueFunction } from "../../src/learning/value-function.ts";

const tally = () => ({ orders: 0, served: 0, pickupCells: 0 });
const days = Array.from({ length: 200 }, (_, day) => drawEpisode(createRandom(5).fork(day), 50));
const orders = days.flatMap((day) => day.orders);

/** 9 x 9 cells, x first. */
const cell = (x: number, y: number): number => y * 9 + x;

function oneOrder(patienceSteps: number, driverCell: number): Episode {
  const [origin, destination] = [cell(4, 4), cell(6, 4)];
  return {
    orders: [{ request: { step: 3, origin, destination, tripCells: 2 }, patienceSteps }],
    driverCells: [driverCell],
  };
}

test("the city is the paper's: two peaks, patience of at most five steps, destinations anywhere", () => {
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  expect(cellsBetween(cell(1, 2), cell(3, 1))).toBe(3);
  for (const { request, patienceSteps } of orders) {
    expect(request.tripCells).toBe(cellsBetween(request.origin, request.destination));
    for (const [value, size] of [
      [request.origin, CELLS],
      [request.destination, CELLS],
      [request.step, STEPS],
      [patienceSteps, 6],
    ] as const) {
      expect(Number.isInteger(value) && value >= 0 && value < size).toBe(true);
    }
  }
  expect(orders).toHaveLength(20_000);
  const late = orders.filter(({ request }) => request.step >= 10);
  expect(late.length / orders.length).toBeCloseTo(2 / 3, 1);
  expect(Math.abs(mean(late.map(({ request }) => request.origin % 9)) - 5)).toBeLessThan(0.35);
  expect(Math.abs(mean(orders.map(({ request }) => request.destination)) - 40)).toBeLessThan(1);
  expect(Math.abs(mean(orders.map((order) => order.patienceSteps)) - 2.5)).toBeLessThan(0.05);
});

test("an order is shown at as many steps as its rider has patience, and a driver is away as long as he drives", () => {
  const seen = (patienceSteps: number): number[] => {
    const steps: number[] = [];
    const look: Policy = ({ step, open }) => {
      if (open.length > 0) steps.push(step);
      return open.map(() => -1);
    };
    playEpisode(oneOrder(patienceSteps, cell(4, 4)), look, tally());
    return steps;
  };
  expect([seen(0), seen(1), seen(3)]).toEqual([[], [3], [3, 4, 5]]);

  const busy: number[] = [];
  const serve: Policy = (moment) => {
    if (moment.busy.length > 0) busy.push(moment.step);
    return moment.open.map(() => 0);
  };
  const result = tally();
  playEpisode(oneOrder(1, cell(3, 3)), serve, result);
  expect(result).toEqual({ orders: 1, served: 1, pickupCells: 2 });
  expect(busy).toEqual([4, 5, 6, 7]);
});

test("a policy that cheats is stopped", () => {
  const first: Policy = ({ open }) => open.map(() => 0);
  expect(() => playEpisode(oneOrder(1, cell(0, 0)), first, tally())).toThrow("sent a driver 8 cells");
  const { orders: one, driverCells } = oneOrder(1, cell(4, 4));
  expect(() => playEpisode({ orders: [...one, ...one], driverCells }, first, tally())).toThrow("two to one");
});

test("patience is estimated from those who gave up, although most were served before they could", () => {
  const history = recordHistory(createRandom(1), 50, 300, myopicPolicy());
  const known = orders.map((order) => order.patienceSteps);
  for (let wait = 0; wait < 5; wait++) {
    const there = known.filter((patience) => patience >= wait);
    const truth = there.filter((patience) => patience > wait).length / there.length;
    expect(Math.abs(history.stays[wait]! - truth)).toBeLessThan(0.03);
  }
  expect(drawPatience(createRandom(1), history.stays, 5)).toBe(5);
  const again = replays(history, createRandom(2)).flatMap((day) => day.orders);
  expect(again).toHaveLength(30_000);
  const meanPatience = again.reduce((sum, order) => sum + order.patienceSteps, 0) / again.length;
  expect(Math.abs(meanPatience - 2.5)).toBeLessThan(0.1);
});

/** Every order in turn with every driver or none. */
function mostGain(rows: readonly (readonly number[])[], drivers: readonly number[]): number {
  const [row, ...rest] = rows;
  if (row === undefined) return 0;
  const withOne = drivers.map(
    (driver) =>
      row[driver]! +
      mostGain(
        rest,
        drivers.filter((other) => other !== driver),
      ),
  );
  return Math.max(mostGain(rest, drivers), ...withOne);
}

test("pairs gain the most together, and one driver more would add his best order's gain beyond its price", () => {
  const gains = fc.array(fc.array(fc.integer({ min: -3, max: 9 }), { minLength: 4, maxLength: 4 }), { maxLength: 5 });
  fc.assert(
    fc.property(gains, (rows) => {
      const pairing = new Pairing(3);
      for (const row of rows) {
        pairing.addOrder();
        for (let driver = 0; driver < 3; driver++) pairing.addPair(driver, row[driver]!);
      }
      const { driverOf, orderPrice } = pairing.solve();
      const taken = [...driverOf].filter((driver) => driver !== -1);
      expect(new Set(taken).size).toBe(taken.length);
      const gain = rows.reduce((sum, row, order) => sum + (driverOf[order] === -1 ? 0 : row[driverOf[order]!]!), 0);
      expect(gain).toBeCloseTo(mostGain(rows, [0, 1, 2]), 9);
      const added = Math.max(0, ...rows.map((row, order) => row[3]! - orderPrice[order]!));
      expect(gain + added).toBeCloseTo(mostGain(rows, [0, 1, 2, 3]), 9);
    }),
    { numRuns: 300 },
  );
});

test("a place is worth more before its peak than after it, and less to each of many drivers than to each of few", () => {
  const learn = (drivers: number) =>
    learnPrices(recordHistory(createRandom(6), drivers, 60, myopicPolicy()), createRandom(7));
  const [few, many] = [learn(25), learn(75)];
  const [busy, corner] = [cell(5, 5), cell(8, 0)];
  expect(few.at(busy, 8)).toBeGreaterThan(1);
  expect(few.at(busy, 12)).toBeGreaterThan(few.at(busy, 18) + 0.4);
  expect(few.at(busy, 12)).toBeGreaterThan(few.at(corner, 12) + 0.6);
  expect(few.at(busy, 12)).toBeGreaterThan(many.at(busy, 12) + 0.4);
});

test("a driver is kept for a nearer order to come, unless somebody will be free and nearer still", () => {
  const request = (step: number, origin: number) => ({ step, origin, destination: cell(0, 8), tripCells: 0 });
  const here = cell(4, 4);
  const history: History = {
    days: [{ endings: [{ request: request(6, here), waitedSteps: 0, cancelled: false }], driverCells: [] }],
    passages: [],
    stays: [1, 1, 1, 1, 1, 0],
  };
  const decide = (busy: Moment["busy"]): number[] => {
    const policy = kerbPolicy(new ValueFunction(CELLS, STEPS, 1, 0), history, createRandom(1));
    return Array.from(policy({ step: 5, idle: [here], busy, open: [request(5, cell(4, 5))] }));
  };
  expect(decide([])).toEqual([-1]);
  expect(decide([{ cell: here, freeAtStep: 6 }])).toEqual([0]);
  expect(decide([{ cell: here, freeAtStep: 12 }])).toEqual([-1]);
  expect(decide([{ cell: cell(8, 8), freeAtStep: 6 }])).toEqual([-1]);
});

test("no policy looks ahead: what has not happened yet changes nothing that is decided", () => {
  const drivers = 25;
  const history = recordHistory(createRandom(3), drivers, 30, myopicPolicy());
  const prices = learnPrices(history, createRandom(4));
  const [day, other] = [1, 2].map((seed) => drawEpisode(createRandom(seed), drivers)) as [Episode, Episode];
  const until = 12;
  const changed: Episode = {
    ...day,
    orders: [
      ...day.orders.filter(({ request }) => request.step < until),
      ...other.orders.filter(({ request }) => request.step >= until),
    ],
  };
  const policies: (() => Policy)[] = [
    () => nearestPair,
    distancePolicy,
    myopicPolicy,
    () => valuePolicy(evaluateHistory(history.passages)),
    () => kerbPolicy(prices, history, createRandom(5)),
  ];
  for (const policyOf of policies) {
    const decisionsOf = (episode: Episode): [Moment, number[]][] => {
      const decisions: [Moment, number[]][] = [];
      const policy = policyOf();
      const watched: Policy = (moment) => {
        const driverOf = policy(moment);
        decisions.push([moment, Array.from(driverOf)]);
        return driverOf;
      };
      playEpisode(episode, watched, tally());
      return decisions;
    };
    const [one, two] = [decisionsOf(day), decisionsOf(changed)];
    expect(one.slice(0, until)).toEqual(two.slice(0, until));
    expect(one).not.toEqual(two);
    expect(one.flatMap(([, driverOf]) => driverOf).filter((driver) => driver >= 0).length).toBeGreaterThan(30);
  }
});

test("the paper's order of its policies comes out again, with Kerb's above all of them, the same every time", () => {
  const trial = { seed: 1, drivers: 25, historyEpisodes: 60, episodes: 30 };
  const result = runTrial(trial);
  const served = (["nearest pair", "myopic", "value function", "kerb"] as const).map((name) => result[name].served);
  expect(served).toEqual(served.toSorted((a, b) => a - b));
  expect(new Set(served).size).toBe(4);
  const pickup = (name: "kerb" | "value function"): number => result[name].pickupCells / result[name].served;
  expect(pickup("kerb")).toBeLessThan(pickup("value function"));
  expect(runTrial(trial)).toEqual(result);
});
