/** Plays one episode under a policy. A policy is shown what a dispatcher knows at that step and nothing else. */
import { cellsBetween, type Episode, type Order, REACH_CELLS, type Request, STEPS, stepsTaken } from "./setting.ts";

/** On his way or with a rider. */
export interface BusyDriver {
  /** Where and when he will be idle. */
  readonly cell: number;
  readonly freeAtStep: number;
}

export interface Moment {
  readonly step: number;
  /** Cells of the idle drivers. */
  readonly idle: readonly number[];
  readonly busy: readonly BusyDriver[];
  readonly open: readonly Request[];
}

/** For every open request the place in `idle` of the driver who gets it, or -1. */
export type Policy = (moment: Moment) => ArrayLike<number>;

export interface Tally {
  orders: number;
  served: number;
  pickupCells: number;
}

/** What an operator's own records would hold of the episode. */
export interface Recorder {
  /** A driver served an order, or was idle for one step. */
  passed(cell: number, step: number, nextCell: number, nextStep: number, served: boolean): void;
  /** After so many steps of waiting it was given a driver, was cancelled, or the episode was over. */
  left(request: Request, waitedSteps: number, cancelled: boolean): void;
}

interface Driver {
  cell: number;
  freeAtStep: number;
}

export function playEpisode(episode: Episode, policy: Policy, tally: Tally, recorder?: Recorder): void {
  const drivers = episode.driverCells.map((cell): Driver => ({ cell, freeAtStep: 0 }));
  let open: Order[] = [];
  let come = 0;
  for (let step = 0; step < STEPS; step++) {
    while (episode.orders[come]?.request.step === step) open.push(episode.orders[come++]!);
    open = open.filter(({ request, patienceSteps }) => {
      const stays = step - request.step < patienceSteps;
      if (!stays) recorder?.left(request, patienceSteps, true);
      return stays;
    });
    const idle = drivers.filter(({ freeAtStep }) => freeAtStep <= step);
    const busy = drivers.filter(({ freeAtStep }) => freeAtStep > step).map((driver): BusyDriver => ({ ...driver }));
    const requests = open.map(({ request }) => request);
    const driverOf = policy({ step, idle: idle.map(({ cell }) => cell), busy, open: requests });
    open = open.filter(({ request }, at) => {
      if (driverOf[at] === -1) return true;
      serve(request, idle[driverOf[at]!], step, tally, recorder);
      return false;
    });
    for (const { cell, freeAtStep } of idle)
      if (freeAtStep <= step) recorder?.passed(cell, step, cell, step + 1, false);
  }
  for (const { request } of open) recorder?.left(request, STEPS - 1 - request.step, false);
  tally.orders += episode.orders.length;
}

function serve(request: Request, driver: Driver | undefined, step: number, tally: Tally, recorder?: Recorder): void {
  const { origin, destination, tripCells } = request;
  if (driver === undefined || driver.freeAtStep > step)
    throw new Error("a policy gave an order to nobody, or two to one");
  const pickupCells = cellsBetween(driver.cell, origin);
  if (pickupCells > REACH_CELLS) throw new Error(`a policy sent a driver ${pickupCells} cells`);
  const freeAtStep = step + stepsTaken(pickupCells, tripCells);
  recorder?.passed(driver.cell, step, destination, freeAtStep, true);
  recorder?.left(request, step - request.step, false);
  driver.cell = destination;
  driver.freeAtStep = freeAtStep;
  tally.served++;
  tally.pickupCells += pickupCells;
}
