/**
 * The k nearest entries of a supply grid: cells that a growing circle touches, each once, until the circle holds the
 * answer. When that has cost as much as looking at every entry would, it looks at every entry.
 *
 * All bounds used on the way are free of sines and err on the safe side by construction; the distances that decide are
 * those of `haversineMeters`, so the answer is exactly the brute-force one. One search object serves one grid, one
 * query at a time, and allocates nothing.
 */
import { cosDegrees, EARTH_RADIUS_METERS, metersBetween, RADIANS_PER_DEGREE } from "./distance.ts";
import { CELL_STRIDE, METERS_PER_DEGREE, type SupplyEntries, type SupplyGrid } from "./supply-grid.ts";

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
  readonly #entries: SupplyEntries;
  readonly #grids: readonly SupplyGrid[];
  #query = NO_QUERY;
  #out = NO_RESULT;
  #cosLat = 1;
  #found = 0;
  #cells = 0;
  /** Cells and entries met on lists. */
  #work = 0;
  #budget = 0;
  #haversineBound = 0;

  /** `grids` hold all entries each, from the finest cells to the coarsest. */
  constructor(entries: SupplyEntries, grids: readonly SupplyGrid[]) {
    this.#entries = entries;
    this.#grids = grids;
  }

  /** Fills `out` by distance and then slot and returns the number found. The query has been checked. */
  run(query: NearestQuery, out: NearestResult): number {
    if (query.limit === 0) return 0;
    this.#query = query;
    this.#out = out;
    this.#cosLat = cosDegrees(query.lat);
    this.#budget = this.#entries.slotEnd * SCAN_PRICE;
    let done = false;
    for (let level = 0; level < this.#grids.length && !done; level++) {
      const coarser = this.#grids[level + 1];
      this.#restart();
      done = this.#searchOutward(this.#grids[level]!, coarser?.rowMeters ?? LINEAR_BEYOND_METERS);
    }
    if (!done) {
      this.#restart();
      this.#scanEverything();
    }
    // The index outlives the query; what the query's `skip` closes over should not.
    this.#query = NO_QUERY;
    this.#out = NO_RESULT;
    return this.#found;
  }

  #restart(): void {
    this.#found = 0;
    this.#cells = 0;
    this.#work = 0;
    this.#tighten(this.#query.maxMeters);
  }

  /**
   * False when the circle grew beyond `giveUpMeters` or became dearer than a scan of everything: another way is cheaper
   * then, and what was found until there is worth nothing.
   */
  #searchOutward(grid: SupplyGrid, giveUpMeters: number): boolean {
    const { limit, maxMeters } = this.#query;
    let seen = -1;
    let radius = Math.min(maxMeters, grid.rowMeters);
    for (;;) {
      if (!this.#visitRing(grid, seen, radius)) return false;
      if (radius >= maxMeters) return true;
      seen = radius;
      if (this.#found === limit) {
        // Only what is nearer than the worst can still matter, so one last circle reaches exactly that far.
        const worst = this.#out.meters[limit - 1]!;
        if (worst <= radius) return true;
        radius = worst;
        continue;
      }
      // As entries thin out evenly, this circle would hold enough. None found counts as half a one.
      const growth = Math.sqrt((1.2 * limit) / Math.max(0.5, this.#found));
      // The work grows like the area of the circle: do not start what will not be finished.
      if (radius * growth > giveUpMeters || this.#work * (growth * growth - 1) > this.#budget) return false;
      radius = Math.min(maxMeters, radius * Math.min(2, Math.max(1.3, growth)));
    }
  }

  /** Visits every cell that the circle of `radius` touches and the circle of `seen` does not. False: too much work. */
  #visitRing(grid: SupplyGrid, seen: number, radius: number): boolean {
    const { lat, lng } = this.#query;
    const { rowsPerDegree } = grid;
    const reach = radius + SLACK_METERS;
    const square = halfAngleSquare(reach);
    const cosines = this.#cosinesWithin(grid, reach);
    const seenSquare = seen < 0 ? -1 : halfAngleSquare(seen + SLACK_METERS);
    const seenCosines = seen < 0 ? 1 : this.#cosinesWithin(grid, seen + SLACK_METERS);
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
        if (!this.#visitCells(grid, row, columns, wholeRow ? 0 : from, wholeRow ? columns - 1 : to)) return false;
        continue;
      }
      const seenFrom = Math.floor((lng + 180 - seenHalfWidth) * perDegree);
      const seenTo = Math.floor((lng + 180 + seenHalfWidth) * perDegree);
      if (seenTo - seenFrom + 1 >= columns) continue;
      if (wholeRow) {
        if (!this.#visitCells(grid, row, columns, seenTo + 1, seenFrom - 1 + columns)) return false;
        continue;
      }
      if (!this.#visitCells(grid, row, columns, from, seenFrom - 1)) return false;
      if (!this.#visitCells(grid, row, columns, seenTo + 1, to)) return false;
    }
    return true;
  }

  /** cos(here) times the least cosine of a latitude in reach: a cosine falls no faster than its angle grows. */
  #cosinesWithin(grid: SupplyGrid, reach: number): number {
    return this.#cosLat * Math.max(0, this.#cosLat - (reach + grid.rowMeters) / EARTH_RADIUS_METERS);
  }

  /** Columns may run off either end of the row by less than its length; they continue at the other end. */
  #visitCells(grid: SupplyGrid, row: number, columns: number, from: number, to: number): boolean {
    const { heads, next, cell } = grid;
    const { lat, lng, cosLat, traits, expiresAtMs } = this.#entries;
    const { lat: queryLat, lng: queryLng, requiredTraits, nowMs } = this.#query;
    const queryCosLat = this.#cosLat;
    const required = requiredTraits | 0;
    const count = to - from + 1;
    this.#cells += count;
    // Only cells can be too many: a crowd must be looked at in any case, and starting anew would do it twice.
    if (this.#cells > this.#budget) return false;
    let met = count;
    for (let at = from; at <= to; at++) {
      const column = at < 0 ? at + columns : at >= columns ? at - columns : at;
      const wanted = row * CELL_STRIDE + column;
      for (let slot = heads[grid.bucketOf(row, column)]!; slot >= 0; slot = next[slot]!) {
        met++;
        if (cell[slot] !== wanted || (traits[slot]! & required) !== required || !(expiresAtMs[slot]! > nowMs)) continue;
        const least = leastHaversine(queryLat, queryLng, queryCosLat, lat[slot]!, lng[slot]!, cosLat[slot]!);
        if (least <= this.#haversineBound) this.#admit(slot);
      }
    }
    this.#work += met;
    return true;
  }

  #scanEverything(): void {
    const { lat, lng, cosLat, traits, expiresAtMs, slotEnd } = this.#entries;
    const { lat: queryLat, lng: queryLng, requiredTraits, nowMs } = this.#query;
    const queryCosLat = this.#cosLat;
    const required = requiredTraits | 0;
    for (let slot = 0; slot < slotEnd; slot++) {
      if ((traits[slot]! & required) !== required || !(expiresAtMs[slot]! > nowMs)) continue;
      const least = leastHaversine(queryLat, queryLng, queryCosLat, lat[slot]!, lng[slot]!, cosLat[slot]!);
      if (least <= this.#haversineBound) this.#admit(slot);
    }
  }

  /** The rest of the filters, dearest last; keeps the result sorted by insertion, which for tens beats a heap. */
  #admit(slot: number): void {
    const { lat, lng, cosLat, seats, rating } = this.#entries;
    const query = this.#query;
    if (seats[slot]! < query.minimumSeats || rating[slot]! < query.minimumRating) return;
    const meters = metersBetween(query.lat, query.lng, this.#cosLat, lat[slot]!, lng[slot]!, cosLat[slot]!);
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
 * Never more than the haversine of the distance, and needs no sine: sin(x)^2 >= x^2 (1 - x^2 / 3). Turns most entries
 * away. Above a right angle the estimate is loose, not wrong.
 */
function leastHaversine(
  latA: number,
  lngA: number,
  cosLatA: number,
  latB: number,
  lngB: number,
  cosLatB: number,
): number {
  const up = (latB - latA) * HALF_RADIANS;
  const lngApart = Math.abs(lngB - lngA);
  const right = (lngApart > 180 ? 360 - lngApart : lngApart) * HALF_RADIANS;
  const upSquare = up * up;
  const rightSquare = right * right;
  return upSquare * (1 - upSquare / 3) + cosLatA * cosLatB * (rightSquare * (1 - rightSquare / 3));
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
