/** Hours and cells over all runs of a policy, as the page shows them. */
import type { CellValue } from "./cell-map.ts";
import type { Point } from "./charts.ts";
import type { PolicyResult } from "./comparison.ts";
import { estimate } from "./statistics.ts";
import type { Group } from "./tally.ts";

/** With fewer, a mean is one driver's luck. */
const FEWEST_PICKUPS = 5;
const CELLS_LISTED = 15;

interface CellRow {
  readonly cell: string;
  readonly requests: number;
  readonly perPolicy: readonly { readonly served: number; readonly wait: number }[];
}

export function hoursOf(results: readonly PolicyResult[]): string[] {
  const keys = results.flatMap(({ runs }) => runs.flatMap(({ byHour }) => byHour.map(({ key }) => key)));
  return [...new Set(keys)].sort();
}

/** One point per hour that has anything to show; `x` is the index of the hour. */
export function hourValues({ runs }: PolicyResult, hours: readonly string[], value: (group: Group) => number): Point[] {
  return hours.flatMap((hour, x) => {
    const groups = runs.flatMap(({ byHour }) => byHour.filter(({ key }) => key === hour));
    const found = estimate(groups.map(value));
    return found === null ? [] : [{ x, y: found.mean, half: found.half }];
  });
}

export function waitsByCell(result: PolicyResult): CellValue[] {
  return [...cellsOf(result).values()]
    .filter(({ pickups }) => pickups >= FEWEST_PICKUPS)
    .map(({ key, pickups, waitMinutes }) => ({ cell: key, value: waitMinutes / pickups, count: pickups }));
}

export function differencesByCell(result: PolicyResult, base: PolicyResult): CellValue[] {
  const before = new Map(waitsByCell(base).map((cell) => [cell.cell, cell.value]));
  return waitsByCell(result).flatMap(({ cell, value, count }) => {
    const known = before.get(cell);
    return known === undefined ? [] : [{ cell, value: value - known, count }];
  });
}

/** The cells with the most requests, which are the same under every policy. */
export function cellRows(results: readonly PolicyResult[]): CellRow[] {
  const perPolicy = results.map(cellsOf);
  const busiest = [...perPolicy[0]!.values()].sort((a, b) => b.requests - a.requests || (a.key < b.key ? -1 : 1));
  return busiest.slice(0, CELLS_LISTED).map(({ key, requests }) => ({
    cell: key,
    requests,
    perPolicy: perPolicy.map((cells) => {
      const own = cells.get(key);
      return own
        ? { served: own.completed / own.requests, wait: own.waitMinutes / own.pickups }
        : { served: Number.NaN, wait: Number.NaN };
    }),
  }));
}

function cellsOf({ runs }: PolicyResult): Map<string, Group> {
  const cells = new Map<string, Group>();
  for (const group of runs.flatMap(({ byCell }) => byCell)) {
    const sum = cells.get(group.key);
    if (sum === undefined) {
      cells.set(group.key, { ...group });
      continue;
    }
    sum.requests += group.requests;
    sum.completed += group.completed;
    sum.pickups += group.pickups;
    sum.waitMinutes += group.waitMinutes;
  }
  return cells;
}
