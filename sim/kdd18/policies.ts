/** The policies of the paper: all of them serve as many orders as they can at every step, and differ in which. */
import { type Passage, ValueFunction } from "../../src/learning/value-function.ts";
import { Pairing } from "./pairing.ts";
import type { Moment, Policy } from "./play.ts";
import { CELLS, cellsBetween, DISCOUNT, REACH_CELLS, type Request, STEPS, stepsTaken } from "./setting.ts";

/** More than all gains of a step together: one order more is worth more than any choice between orders. */
const ONE_MORE = 1_000;

/** The nearest pair first, then the nearest of what is left. */
export const nearestPair: Policy = ({ idle, open }) => {
  const driverOf = new Int32Array(open.length).fill(-1);
  const taken = new Set<number>();
  for (let cells = 0; cells <= REACH_CELLS; cells++) {
    for (const [order, { origin }] of open.entries()) {
      if (driverOf[order] !== -1) continue;
      const driver = idle.findIndex((cell, at) => !taken.has(at) && cellsBetween(cell, origin) === cells);
      if (driver === -1) continue;
      driverOf[order] = driver;
      taken.add(driver);
    }
  }
  return driverOf;
};

/** The least distance of all pickups together. */
export function distancePolicy(): Policy {
  return servingMost((cell, { origin }) => -cellsBetween(cell, origin));
}

/** Every order is worth the same now, so nothing but their number counts. */
export function myopicPolicy(): Policy {
  return servingMost(() => 0);
}

/** The paper's: the greatest advantage, by values learned from days under another policy. */
export function valuePolicy(values: ValueFunction): Policy {
  return servingMost((cell, { origin, destination, tripCells }, step) =>
    values.advantage({
      cell,
      slot: step,
      reward: 1,
      nextCell: destination,
      nextSlot: step + stepsTaken(cellsBetween(cell, origin), tripCells),
    }),
  );
}

/** From the last step to the first, as the paper does it: what a passage leads to is known before it is looked at. */
export function evaluateHistory(passages: readonly Passage[]): ValueFunction {
  const values = new ValueFunction(CELLS, STEPS, DISCOUNT, 0);
  for (const passage of passages.toSorted((a, b) => b.slot - a.slot)) values.learn(passage);
  return values;
}

function servingMost(gainOf: (cell: number, request: Request, step: number) => number): Policy {
  return ({ step, idle, open }: Moment) => {
    const pairing = new Pairing(idle.length);
    for (const request of open) {
      pairing.addOrder();
      for (const [driver, cell] of idle.entries()) {
        if (cellsBetween(cell, request.origin) > REACH_CELLS) continue;
        pairing.addPair(driver, ONE_MORE + gainOf(cell, request, step));
      }
    }
    return pairing.solve().driverOf;
  };
}
