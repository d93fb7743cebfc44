/**
 * Batched dispatch: all waiting rides of a window, the free drivers, and the drivers still on their way to a pickup,
 * solved together. Beyond its window of a few seconds no ride waits while somebody in reach is free. A driver on his way
 * may be exchanged, for another on his way or for a free one, where all riders together gain by it; never when he is
 * nearly there, never so that a rider loses his driver without another, and only as often as the limits say.
 *
 * Costs are seconds. What an exchange must save is no constant: a ride that may be exchanged once is worth keeping for a
 * better moment where drivers come free nearby all the time, and hardly so where nobody does (turnover.ts). Nor is the
 * nearest driver always the cheapest: others may need him more where he is (driver-worth.ts). The caller brings
 * candidates, its own and the neighbours', and carries out what is decided; the plan binds nobody until it has.
 */

import type { AssignmentProblem } from "./assignment-exchange.ts";
import { type Assignment, AssignmentSolver } from "./assignment-solver.ts";
import { LIMITS } from "./limits.ts";
import { secondsWithExchange } from "./turnover.ts";

/** What taking this ride would mean for this driver, as it is predicted now. */
export interface PickupEstimate {
  readonly pickupSeconds: number;
  /** Seconds expected to be lost on refusals; 0 for a driver who has accepted, and where nothing is known. */
  readonly refusalSeconds?: number;
}

export interface BatchRide {
  /** Index of the driver on his way; null while it waits for one. */
  readonly driver: number | null;
  /** Since it was asked for. */
  readonly waitedSeconds: number;
  /** How often its driver was exchanged already. */
  readonly exchanges: number;
  /** What it may expect of drivers who are not free yet; Infinity where that is not known. */
  readonly turnoverSeconds: number;
  /** Drivers that may take it, by index; a ride's own need not be among them. */
  readonly candidates: readonly number[];
}

export interface BatchDriver {
  /** How often a ride was exchanged away from him since his last trip. */
  readonly exchanges: number;
  /** What it costs others that he is not free for them (driver-worth.ts); 0 where nothing is known. */
  readonly worthSeconds: number;
}

export interface BatchWindow {
  readonly rides: readonly BatchRide[];
  readonly drivers: readonly BatchDriver[];
  /** What leaving a ride without a driver for now costs: see `unservedCostSeconds`. */
  readonly unservedSeconds: number;
  /** Null where the driver may not take the ride. Asked once for each candidate. */
  readonly estimate: (ride: number, driver: number) => PickupEstimate | null;
}

export interface BatchChoice {
  readonly ride: number;
  readonly driver: number;
  /** The driver it had, who is free or has another ride of this plan; null where the ride was waiting. */
  readonly instead: number | null;
}

export interface BatchPlan {
  /**
   * Only what changes: rides that keep their driver, and those that go on waiting, are not in it. Whom it sets free is
   * free from the next plan on.
   */
  readonly choices: readonly BatchChoice[];
  /** When to plan again if nothing happens before: the first end of a window. Null where no ride is kept in one. */
  readonly againSeconds: number | null;
  /** False when the window was too large to be solved to the end; what was decided is sound all the same. */
  readonly exact: boolean;
}

/** The part of `LIMITS` that is asked here. `Infinity` is a limit too. */
export interface BatchLimits {
  readonly exchangesPerRide: number;
  readonly exchangesPerDriver: number;
  readonly nearlyThereSeconds: number;
  readonly exchangeSeconds: number;
  readonly windowSeconds: number;
}

/** Leaving a ride without the driver it has is never worth it, whatever else it would save. */
const NEVER_SECONDS = 1e9;

export class BatchPlanner {
  readonly #limits: BatchLimits;
  readonly #solver = new AssignmentSolver();

  constructor(limits: BatchLimits = LIMITS) {
    this.#limits = limits;
  }

  plan(window: BatchWindow): BatchPlan {
    const { rides, drivers } = window;
    const own = rides.map(({ driver }, ride) => (driver === null ? null : window.estimate(ride, driver)));
    const movable = rides.map((ride, at) => ride.driver === null || this.#mayMove(window, ride, own[at] ?? null));
    const bound = new Uint8Array(drivers.length);
    const onWay = new Uint8Array(drivers.length);
    for (const [at, { driver }] of rides.entries()) {
      if (driver === null) continue;
      onWay[driver] = 1;
      if (!movable[at]) bound[driver] = 1;
    }
    const rowRides = rides.flatMap((_, at) => (movable[at] ? [at] : []));
    const { problem, againSeconds } = this.#pairs(window, rowRides, own, bound, onWay);
    const solved = this.#solver.solve(problem, LIMITS.batchSteps);
    return { choices: choicesOf(rides, rowRides, solved), againSeconds, exact: solved.exact };
  }

  #mayMove({ drivers }: BatchWindow, ride: BatchRide, own: PickupEstimate | null): boolean {
    const { exchangesPerRide, exchangesPerDriver, nearlyThereSeconds } = this.#limits;
    return (
      own !== null &&
      own.pickupSeconds > nearlyThereSeconds &&
      ride.exchanges < exchangesPerRide &&
      drivers[ride.driver!]!.exchanges < exchangesPerDriver
    );
  }

  /** Everybody whom a ride might have, with what that would cost; drivers bound to another ride are left out. */
  #pairs(
    window: BatchWindow,
    rowRides: readonly number[],
    own: readonly (PickupEstimate | null)[],
    bound: Uint8Array,
    onWay: Uint8Array,
  ): { readonly problem: AssignmentProblem; readonly againSeconds: number | null } {
    const { rides, drivers, estimate } = window;
    const rowStart = new Int32Array(rowRides.length + 1);
    const column: number[] = [];
    const cost: number[] = [];
    const unassignedCost = new Float64Array(rowRides.length);
    let againSeconds = Number.POSITIVE_INFINITY;
    for (const [row, at] of rowRides.entries()) {
      const ride = rides[at]!;
      const present = own[at];
      // Dearer than any free driver, however unwilling or missed: nobody waits while somebody in reach has nothing to do.
      let dearestFree = window.unservedSeconds;
      let nearestFreeSeconds = Number.POSITIVE_INFINITY;
      for (const driver of ride.candidates) {
        if (bound[driver] || driver === ride.driver) continue;
        const found = estimate(at, driver);
        if (found === null) continue;
        const seconds = this.#cost(window, at, driver, found, present ? 1 : 0, onWay[driver]!);
        if (!onWay[driver]) {
          dearestFree = Math.max(dearestFree, seconds);
          nearestFreeSeconds = Math.min(nearestFreeSeconds, found.pickupSeconds);
        }
        column.push(driver);
        cost.push(seconds);
      }
      if (present) {
        column.push(ride.driver!);
        cost.push(this.#cost(window, at, ride.driver!, present, 0, 0));
      } else {
        const dueSeconds = this.#windowSeconds(ride, nearestFreeSeconds) - ride.waitedSeconds;
        if (dueSeconds > 0) {
          againSeconds = Math.min(againSeconds, dueSeconds);
          column.length = rowStart[row]!;
          cost.length = rowStart[row]!;
        }
      }
      rowStart[row + 1] = column.length;
      unassignedCost[row] = present ? NEVER_SECONDS : dearestFree;
    }
    const problem: AssignmentProblem = {
      rows: rowRides.length,
      columns: drivers.length,
      rowStart,
      column: Int32Array.from(column),
      cost: Float64Array.from(cost),
      unassignedCost,
    };
    return { problem, againSeconds: againSeconds === Number.POSITIVE_INFINITY ? null : againSeconds };
  }

  /**
   * How long a new ride is kept to be solved with those that come after it: not at all while somebody free is as near as
   * whoever comes free next, and the longer the farther they all are.
   */
  #windowSeconds({ turnoverSeconds }: BatchRide, nearestFreeSeconds: number): number {
    if (nearestFreeSeconds <= turnoverSeconds || nearestFreeSeconds === Number.POSITIVE_INFINITY) return 0;
    return this.#limits.windowSeconds * (1 - turnoverSeconds / nearestFreeSeconds);
  }

  /**
   * Seconds that this ride may expect with this driver, after as many exchanges as taking him would need, and those that
   * others lose by it.
   */
  #cost(
    { rides, drivers }: BatchWindow,
    at: number,
    driver: number,
    { pickupSeconds, refusalSeconds = 0 }: PickupEstimate,
    ofRide: number,
    ofDriver: number,
  ): number {
    const { exchangesPerRide, exchangesPerDriver, exchangeSeconds } = this.#limits;
    const { exchanges, turnoverSeconds } = rides[at]!;
    const { exchanges: exchangesOfDriver, worthSeconds } = drivers[driver]!;
    const again = exchanges + ofRide < exchangesPerRide && exchangesOfDriver + ofDriver < exchangesPerDriver;
    const seconds = again ? secondsWithExchange(pickupSeconds, turnoverSeconds) : pickupSeconds;
    return worthSeconds + seconds + refusalSeconds + ofRide * exchangeSeconds;
  }
}

/**
 * What a ride costs that gets no driver now: the longest pickup this market offers, and a quarter of the time that it may
 * be searched for; half of that time is left on average, and about every second such ride is reached later after all.
 * The same for all, however long they have waited: where there are too few drivers, those who have waited longest would
 * else be served last and farthest, and everybody would wait so.
 */
export function unservedCostSeconds(longestPickupSeconds: number, searchSeconds: number): number {
  return longestPickupSeconds + searchSeconds / 4;
}

function choicesOf(
  rides: readonly BatchRide[],
  rowRides: readonly number[],
  { columnOf }: Assignment,
): readonly BatchChoice[] {
  return rowRides.flatMap((ride, row) => {
    const driver = columnOf[row]!;
    const instead = rides[ride]!.driver;
    return driver < 0 || driver === instead ? [] : [{ ride, driver, instead }];
  });
}
