/** Which cells a circle touches: whom a shard must ask when its own cell is too small for the search. */
import type { CellPrefix, LatLng } from "../domain/place.ts";
import { metersToBounds } from "./distance.ts";
import { type CellBounds, cellOf, MAX_CELL_BITS } from "./geohash.ts";

/** A cell of any size on the way down to the wanted precision. */
interface Branch {
  readonly bounds: CellBounds;
  readonly bits: number;
  readonly meters: number;
}

const WORLD: CellBounds = { south: -90, west: -180, north: 90, east: 180 };

/**
 * All cells of `bits` bits with a point within `radiusMeters`, nearest first, at most `limit` of them.
 *
 * The geohash tree is descended best-first: no cell is nearer than the cell it lies in, so leaves appear in order of
 * distance and the work follows `limit`, not the radius. A radius that wraps the world costs no more than a small one.
 * Throws RangeError naming the argument that is out of range.
 */
export function cellsWithin(point: LatLng, radiusMeters: number, bits: number, limit: number): CellPrefix[] {
  const { lat, lng } = point;
  if (!(lat >= -90 && lat <= 90)) throw new RangeError(`lat must be within [-90, 90], got ${lat}`);
  if (!(lng >= -180 && lng <= 180)) throw new RangeError(`lng must be within [-180, 180], got ${lng}`);
  if (!(radiusMeters >= 0)) throw new RangeError(`radiusMeters must be zero or more, got ${radiusMeters}`);
  if (!(Number.isInteger(limit) && limit >= 1)) throw new RangeError(`limit must be a positive integer, got ${limit}`);
  if (!(Number.isInteger(bits) && bits >= 1 && bits <= MAX_CELL_BITS)) {
    throw new RangeError(`bits must be an integer within [1, ${MAX_CELL_BITS}], got ${bits}`);
  }
  const cells: CellPrefix[] = [];
  const open: Branch[] = [{ bounds: WORLD, bits: 0, meters: 0 }];
  while (open.length > 0 && cells.length < limit) {
    const branch = popNearest(open);
    if (branch.bits === bits) {
      const { south, west, north, east } = branch.bounds;
      cells.push(cellOf((south + north) / 2, (west + east) / 2, bits));
      continue;
    }
    for (const bounds of halvesOf(branch)) {
      const meters = metersToBounds(point, bounds);
      if (meters <= radiusMeters) push(open, { bounds, bits: branch.bits + 1, meters });
    }
  }
  return cells;
}

/** Even bits split the longitude, odd bits the latitude, as the text form does. Midpoints are exact in a double. */
function halvesOf({ bounds, bits }: Branch): [CellBounds, CellBounds] {
  const { south, west, north, east } = bounds;
  if (bits % 2 === 0) {
    const middle = (west + east) / 2;
    return [
      { south, west, north, east: middle },
      { south, west: middle, north, east },
    ];
  }
  const middle = (south + north) / 2;
  return [
    { south, west, north: middle, east },
    { south: middle, west, north, east },
  ];
}

/**
 * Nearest first; of equals the finer one, so that a point deep inside the world reaches its own cell without opening
 * every cell that the point touches; then south and west, to make the order total.
 */
function comesBefore(a: Branch, b: Branch): boolean {
  if (a.meters !== b.meters) return a.meters < b.meters;
  if (a.bits !== b.bits) return a.bits > b.bits;
  if (a.bounds.south !== b.bounds.south) return a.bounds.south < b.bounds.south;
  return a.bounds.west < b.bounds.west;
}

function push(heap: Branch[], branch: Branch): void {
  let at = heap.length;
  heap.push(branch);
  while (at > 0) {
    const parent = (at - 1) >>> 1;
    if (!comesBefore(branch, heap[parent]!)) break;
    heap[at] = heap[parent]!;
    at = parent;
  }
  heap[at] = branch;
}

function popNearest(heap: Branch[]): Branch {
  const nearest = heap[0]!;
  const last = heap.pop()!;
  if (heap.length === 0) return nearest;
  let at = 0;
  for (;;) {
    let child = at * 2 + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && comesBefore(heap[child + 1]!, heap[child]!)) child++;
    if (!comesBefore(heap[child]!, last)) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = last;
  return nearest;
}
