/**
 * Kerb's policy: an order goes to a driver when that is worth more than what the driver would be worth idle, and what he
 * would be worth idle depends on who else is there. Both are prices of the same assignment:
 *
 * - the value of a cell and step is what one driver more would add there, learned from the prices of the orders he could
 *   take from others, under this policy itself;
 * - what an idle driver is worth now is asked of a few futures drawn from history, with the drivers who are about to be
 *   free, the riders who would still wait, and the value function for what comes after.
 *
 * Why, and what else was tried: docs/decisions/0007-what-a-driver-is-worth.md.
 */
import { ValueFunction } from "../../src/learning/value-function.ts";
import type { Random } from "../random.ts";
import { drawPatience, type History, replays } from "./history.ts";
import { Pairing, type Pairs } from "./pairing.ts";
import { type Moment, type Policy, playEpisode } from "./play.ts";
import { CELLS, cellsBetween, type Episode, type Order, REACH_CELLS, STEPS, stepsTaken } from "./setting.ts";

const LEAST_STEP = 0.01;
const PASSES = 2;
const FUTURES = 8;
const FUTURE_STEPS = 3;
/** Of two drivers worth the same, the nearer: a thousandth of an order for a cell. */
const PRICE_OF_A_CELL = 0.001;

/** An order that some driver could be given, now or in a future. */
interface Chance {
  readonly order: Order;
  readonly fromStep: number;
}

/** Learns from the prices of its own decisions on the days of history. An order counts the same whenever it is served. */
export function learnPrices(history: History, random: Random): ValueFunction {
  const values = new ValueFunction(CELLS, STEPS, 1, LEAST_STEP);
  const learning: Policy = (moment) => {
    const assignment = assign(moment, values, worthByTable(moment, values));
    for (let cell = 0; cell < CELLS; cell++) {
      values.moveTowards(cell, moment.step, worthOfOneMore(cell, moment, values, assignment.orderPrice));
    }
    return assignment.driverOf;
  };
  for (let pass = 0; pass < PASSES; pass++) {
    for (const day of replays(history, random.fork(pass))) {
      playEpisode(day, learning, { orders: 0, served: 0, pickupCells: 0 });
    }
  }
  return values;
}

export function kerbPolicy(values: ValueFunction, history: History, random: Random): Policy {
  const futures = replays(history, random.fork("days"));
  const draws = random.fork("futures");
  return (moment) => {
    const byTable = assign(moment, values, worthByTable(moment, values)).driverOf;
    const worth = new Float64Array(moment.idle.length);
    for (let future = 0; future < FUTURES; future++) {
      const chances = drawFuture(moment, byTable, draws.pick(futures), history, draws);
      addWorth(worth, moment, byTable, chances, values);
    }
    const mean = worth.map((sum) => sum / FUTURES);
    return assign(moment, values, mean).driverOf;
  };
}

/** What each idle driver is worth if he stays idle, by where he is alone. */
function worthByTable({ step, idle }: Moment, values: ValueFunction): Float64Array {
  return Float64Array.from(idle, (cell) => values.at(cell, step + 1));
}

function assign({ step, idle, open }: Moment, values: ValueFunction, worth: Float64Array): Pairs {
  const pairing = new Pairing(idle.length);
  for (const request of open) {
    pairing.addOrder();
    for (let driver = 0; driver < idle.length; driver++) {
      const cells = cellsBetween(idle[driver]!, request.origin);
      if (cells > REACH_CELLS) continue;
      const after = values.at(request.destination, step + stepsTaken(cells, request.tripCells));
      pairing.addPair(driver, 1 + after - worth[driver]! - PRICE_OF_A_CELL * cells);
    }
  }
  return pairing.solve();
}

/** He either stays idle or takes an order, and then adds no more than it is worth beyond its price. */
function worthOfOneMore(cell: number, moment: Moment, values: ValueFunction, orderPrice: Float64Array): number {
  const { step, open } = moment;
  let worth = values.at(cell, step + 1);
  for (let order = 0; order < open.length; order++) {
    const { origin, destination, tripCells } = open[order]!;
    const cells = cellsBetween(cell, origin);
    if (cells > REACH_CELLS) continue;
    const after = values.at(destination, step + stepsTaken(cells, tripCells));
    worth = Math.max(worth, 1 + after - PRICE_OF_A_CELL * cells - orderPrice[order]!);
  }
  return worth;
}

/** Whom of those that nobody takes now the next steps still find waiting, and who comes as on a day of history. */
function drawFuture(
  { step, open }: Moment,
  driverOf: Int32Array,
  day: Episode,
  { stays }: History,
  random: Random,
): Chance[] {
  const chances: Chance[] = [];
  for (const [at, request] of open.entries()) {
    const patienceSteps = drawPatience(random, stays, step - request.step + 1);
    if (driverOf[at] === -1 && request.step + patienceSteps > step + 1) {
      chances.push({ order: { request, patienceSteps }, fromStep: step + 1 });
    }
  }
  for (const order of day.orders) {
    const { request, patienceSteps } = order;
    if (request.step <= step || request.step > step + FUTURE_STEPS || patienceSteps === 0) continue;
    chances.push({ order, fromStep: request.step });
  }
  return chances;
}

/** Adds what one driver more would be worth in this future at the place of each who is idle now. */
function addWorth(
  worth: Float64Array,
  { step, idle, busy }: Moment,
  driverOf: Int32Array,
  chances: readonly Chance[],
  values: ValueFunction,
): void {
  const untilStep = step + FUTURE_STEPS;
  const taken = new Set(driverOf);
  const soon = busy.filter(({ freeAtStep }) => freeAtStep <= untilStep);
  const gainOf = (cell: number, freeAtStep: number, { order, fromStep }: Chance): number => {
    const { request, patienceSteps } = order;
    const cells = cellsBetween(cell, request.origin);
    const startStep = Math.max(fromStep, freeAtStep);
    if (cells > REACH_CELLS || startStep >= request.step + patienceSteps || startStep > untilStep) return 0;
    const after = values.at(request.destination, startStep + stepsTaken(cells, request.tripCells));
    return 1 + after - values.at(cell, untilStep + 1) - PRICE_OF_A_CELL * cells;
  };
  const pairing = new Pairing(idle.length + soon.length);
  for (const chance of chances) {
    pairing.addOrder();
    for (let driver = 0; driver < idle.length + soon.length; driver++) {
      if (taken.has(driver)) continue;
      const later = soon[driver - idle.length];
      const gain = gainOf(later?.cell ?? idle[driver]!, later?.freeAtStep ?? step + 1, chance);
      if (gain > 0) pairing.addPair(driver, gain);
    }
  }
  const { orderPrice } = pairing.solve();
  for (let driver = 0; driver < idle.length; driver++) {
    let best = 0;
    for (let at = 0; at < chances.length; at++) {
      best = Math.max(best, gainOf(idle[driver]!, step + 1, chances[at]!) - orderPrice[at]!);
    }
    worth[driver]! += best + values.at(idle[driver]!, untilStep + 1);
  }
}
