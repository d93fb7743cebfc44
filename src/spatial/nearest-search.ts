/**
 * The k nearest entries of a supply grid: cells that a growing circle touches, each once, until the circle holds the
 * answer. When that has cost as much as looking at every entry would, it looks at every entry.
 *
 * All bounds used on the way are free of sines and err on the safe side by construction; the distances that decide are
 * those of `haversineMeters`, so the answer is exactly the brute-force one. One search object serves one grid, one
 * query at a time, and allocates nothing.
 */
import { cosDegrees, EARTH_RADIUS_METERS, metersBetween, RADIANS_PER_DEGREE } from "./distance.ts";
import { CELL_STRIDE, METERS_PER_DEGREE, type SupplyGrid } from "./supply-grid.ts";

export interface NearestQuery {
  readonly lat: number;
  readonly lng: number;
  /** At most this many; meant for tens. The result must have the room. */
  readonly limit: number;
  /** Inclusive; half the Earth's circumference and more means everywhere. */
  readonly maxMeters: number;
  readonly nowMs: number;
  /** Every bit set here must be set in the entry. */
  readonly requiredTraits: number;
  readonly minimumRating: number;
  readonly minimumSeats: number;
  /** Asked last, only of entries that would enter the result; must not touch the index. */
  readonly skip?: ((slot: number) => boolean) | undefined;
}

/** Filled from the front; positions beyond the returned count hold leftovers. */
export interface NearestResult {
  readonly slots: Int32Array;
  readonly meters: Float64Array;
}

export function createNearestResult(room: number): NearestResult {
  return { slots: new Int32Array(room), meters: new Float64Array(room) };
}

const HALF_RADIANS = RADIANS_PER_DEGREE / 2;
/** Wider than every rounding error, of the grid and of the haversine, below LINEAR_BEYOND_METERS. */
const SLACK_METERS = 1e-6;
/** Beyond this the haversine loses digits (0.2 m at the antipode), and a circle covers a third of the world anyway. */
const LINEAR_BEYOND_METERS = 8e6;
/** Work is counted in entries met on a list; the price of an entry met in a scan of everything, as measured. */
const SCAN_PRICE = 0.4;
const NO_QUERY: NearestQuery = {
  lat: 0,
  lng: 0,
  limit: 0,
  maxMeters: 0,
  nowMs: 0,
  requiredTraits: 0,
  minimumRating: 0,
  minimumSeats: 0,
};
const NO_RESULT = createNearestResult(0);

export class NearestSearch {
  readonly #grid: SupplyGrid;
  #query = NO_QUERY;
  #out = NO_RESULT;
  #cosLat = 1;
  #found = 0;
  #work = 0;
  #budget = 0;
  #haversineBound = 0;

  constructor(grid: SupplyGrid) {
    this.#grid = grid;
  }

  /** Fills `out` by distance and then slot and returns the number found. The query has been checked. */
  run(query: NearestQuery, out: NearestResult): number {
    this.#query = query;
    this.#out = out;
    this.#cosLat = cosDegrees(query.lat);
    this.#work = 0;
    this.#budget = this.#grid.slotEnd * SCAN_PRICE;
    this.#found = 0;
    this.#tighten(query.maxMeters);
    if (query.limit > 0 && !this.#searchOutward()) {
      this.#found = 0;
      this.#tighten(query.maxMeters);
      this.#scanEverything();
    }
    // The index outlives the query; what the query's `skip` closes over should not.
    this.#query = NO_QUERY;
    this.#out = NO_RESULT;
    return this.#found;
  }

  /** False when a scan of everything is cheaper than going on; what was found until then is worth nothing. */
  #searchOutward(): boolean {
    const { limit, maxMeters } = this.#query;
    let seen = -1;
    let radius = Math.min(maxMeters, this.#grid.rowMeters);
    for (;;) {
      if (radius > LINEAR_BEYOND_METERS || !this.#visitRing(seen, radius)) return false;
      if (radius >= maxMeters) return true;
      seen = radius;
      if (this.#found === limit) {
        // Only what is nearer than the worst can still matter, so one last circle reaches exactly that far.
        const worst = this.#out.meters[limit - 1]!;
        if (worst <= radius) return true;
        radius = worst;
        continue;
      }
      const growth = this.#found === 0 ? 2 : Math.min(2, Math.max(1.3, Math.sqrt((1.2 * limit) / this.#found)));
      // The work grows like the area of the circle: do not start what will not be finished.
      if (this.#work * (growth * growth - 1) > this.#budget) return false;
      radius = Math.min(maxMeters, radius * growth);
    }
  }

  /** Visits every cell that the circle of `radius` touches and the circle of `seen` does not. False: too much work. */
  #visitRing(seen: number, radius: number): boolean {
    const { lat, lng } = this.#query;
    const grid = this.#grid;
    const { rowsPerDegree } = grid;
    const reach = radius + SLACK_METERS;
    const square = halfAngleSquare(reach);
    const cosines = this.#cosinesWithin(reach);
    const seenSquare = seen < 0 ? -1 : halfAngleSquare(seen + SLACK_METERS);
    const seenCosines = seen < 0 ? 1 : this.#cosinesWithin(seen + SLACK_METERS);
    const reachDegrees = reach / METERS_PER_DEGREE;
    // A row more on each side: whether a row is touched is decided by its half width alone, in both circles alike.
    const lastRow = Math.min(180 * rowsPerDegree - 1, Math.floor((lat + 90 + reachDegrees) * rowsPerDegree) + 1);
    let row = Math.max(0, Math.floor((lat + 90 - reachDegrees) * rowsPerDegree) - 1);
    for (; row <= lastRow; row++) {
      const south = row / rowsPerDegree - 90;
      const north = (row + 1) / rowsPerDegree - 90;
      const gap = lat < south ? south - lat : lat > north ? lat - north : 0;
      const halfWidth = halfWidthDegrees(gap, square, cosines);
      if (halfWidth < 0) continue;
      const columns = grid.columnsOf(row);
      const perDegree = columns / 360;
      const from = Math.floor((lng + 180 - halfWidth) * perDegree);
      const to = Math.floor((lng + 180 + halfWidth) * perDegree);
      const wholeRow = to - from + 1 >= columns;
      const seenHalfWidth = halfWidthDegrees(gap, seenSquare, seenCosines);
      if (seenHalfWidth < 0) {
        if (!this.#visitCells(row, columns, wholeRow ? 0 : from, wholeRow ? columns - 1 : to)) return false;
        continue;
      }
      const seenFrom = Math.floor((lng + 180 - seenHalfWidth) * perDegree);
      const seenTo = Math.floor((lng + 180 + seenHalfWidth) * perDegree);
      if (seenTo - seenFrom + 1 >= columns) continue;
      if (wholeRow) {
        if (!this.#visitCells(row, columns, seenTo + 1, seenFrom - 1 + columns)) return false;
        continue;
      }
      if (!this.#visitCells(row, columns, from, seenFrom - 1)) return false;
      if (!this.#visitCells(row, columns, seenTo + 1, to)) return false;
    }
    return true;
  }

  /** cos(here) times the least cosine of a latitude in reach: a cosine falls no faster than its angle grows. */
  #cosinesWithin(reach: number): number {
    return this.#cosLat * Math.max(0, this.#cosLat - (reach + this.#grid.rowMeters) / EARTH_RADIUS_METERS);
  }

  /** Columns may run off either end of the row by less than its length; they continue at the other end. */
  #visitCells(row: number, columns: number, from: number, to: number): boolean {
    this.#work += to - from + 1;
    if (this.#work > this.#budget) return false;
    const { heads, next, cell, traits, expiresAtMs } = this.#grid;
    const { requiredTraits, nowMs } = this.#query;
    const required = requiredTraits | 0;
    for (let at = from; at <= to; at++) {
      const column = at < 0 ? at + columns : at >= columns ? at - columns : at;
      const wanted = row * CELL_STRIDE + column;
      for (let slot = heads[this.#grid.bucketOf(row, column)]!; slot >= 0; slot = next[slot]!) {
        this.#work++;
        if (cell[slot] !== wanted) continue;
        if ((traits[slot]! & required) === required && expiresAtMs[slot]! > nowMs) this.#consider(slot);
      }
    }
    return true;
  }

  #scanEverything(): void {
    const { traits, expiresAtMs, slotEnd } = this.#grid;
    const { requiredTraits, nowMs } = this.#query;
    const required = requiredTraits | 0;
    for (let slot = 0; slot < slotEnd; slot++) {
      if ((traits[slot]! & required) === required && expiresAtMs[slot]! > nowMs) this.#consider(slot);
    }
  }

  /** The rest of the filters, dearest last; keeps the result sorted by insertion, which for tens beats a heap. */
  #consider(slot: number): void {
    const grid = this.#grid;
    const query = this.#query;
    if (grid.seats[slot]! < query.minimumSeats || grid.rating[slot]! < query.minimumRating) return;
    const lat = grid.lat[slot]!;
    const lng = grid.lng[slot]!;
    const cosLat = grid.cosLat[slot]!;
    // A lower bound of the haversine without a sine: sin(x)^2 >= x^2 (1 - x^2 / 3). It turns most entries away.
    const up = (lat - query.lat) * HALF_RADIANS;
    const lngApart = Math.abs(lng - query.lng);
    const right = (lngApart > 180 ? 360 - lngApart : lngApart) * HALF_RADIANS;
    const upSquare = up * up;
    const rightSquare = right * right;
    const least = upSquare * (1 - upSquare / 3) + this.#cosLat * cosLat * (rightSquare * (1 - rightSquare / 3));
    if (least > this.#haversineBound) return;
    const meters = metersBetween(query.lat, query.lng, this.#cosLat, lat, lng, cosLat);
    if (meters > query.maxMeters) return;
    const { slots, meters: distances } = this.#out;
    const last = query.limit - 1;
    let at = this.#found;
    if (at > last) {
      if (meters > distances[last]! || (meters === distances[last] && slot > slots[last]!)) return;
      at = last;
    }
    if (query.skip?.(slot)) return;
    for (; at > 0; at--) {
      const before = distances[at - 1]!;
      if (before < meters || (before === meters && slots[at - 1]! < slot)) break;
      distances[at] = before;
      slots[at] = slots[at - 1]!;
    }
    distances[at] = meters;
    slots[at] = slot;
    if (this.#found <= last) this.#found++;
    if (this.#found > last) this.#tighten(distances[last]!);
  }

  /** From now on only entries within `meters` matter: sin(x)^2 <= x^2, so the bound is never too tight. */
  #tighten(meters: number): void {
    this.#haversineBound =
      meters > LINEAR_BEYOND_METERS ? Number.POSITIVE_INFINITY : halfAngleSquare(meters + SLACK_METERS);
  }
}

function halfAngleSquare(meters: number): number {
  const half = meters / (2 * EARTH_RADIUS_METERS);
  return half * half;
}

/**
 * Half the width in longitude of a circle within a row `gapDegrees` away: never less than the truth, negative where the
 * circle does not touch the row. From the haversine: sin(width)^2 = (sin(radius)^2 - sin(gap)^2) / cosines, all halved.
 */
function halfWidthDegrees(gapDegrees: number, radiusSquare: number, cosines: number): number {
  const gap = gapDegrees * HALF_RADIANS;
  const gapSquare = gap * gap;
  const left = radiusSquare - gapSquare * (1 - gapSquare / 3);
  if (left < 0) return -1;
  if (left >= cosines) return 180;
  const sine = Math.sqrt(left / cosines);
  // asin(x) <= x + (pi / 2 - 1) x^3 on [0, 1].
  return Math.min(180, (sine * (1 + 0.5708 * sine * sine)) / HALF_RADIANS);
}
