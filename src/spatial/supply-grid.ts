/**
 * The storage under the supply index. `SupplyEntries` is one column of numbers per field; a `SupplyGrid` is a hashed
 * grid over the whole globe that threads the entries of each bucket on a linked list. Everything is public to
 * supply-index.ts and nearest-search.ts, and to nobody else.
 */
import { cosDegrees, EARTH_RADIUS_METERS, RADIANS_PER_DEGREE } from "./distance.ts";

export const METERS_PER_DEGREE = EARTH_RADIUS_METERS * RADIANS_PER_DEGREE;

/** A cell number is row * CELL_STRIDE + column; a row has fewer columns than this at the smallest cell size, 50 m. */
export const CELL_STRIDE = 1 << 20;
const ROW_HASH = 0x9e3779b1 | 0;
const FIRST_CAPACITY = 64;

export class SupplyEntries {
  /** First slot never used yet; no loop needs to look beyond it. */
  slotEnd = 0;
  capacity = FIRST_CAPACITY;
  lat: Float64Array = new Float64Array(FIRST_CAPACITY);
  lng: Float64Array = new Float64Array(FIRST_CAPACITY);
  cosLat: Float64Array = new Float64Array(FIRST_CAPACITY);
  /** -Infinity where there is no entry: such a slot is expired at any time, which spares the scan a second test. */
  expiresAtMs: Float64Array = new Float64Array(FIRST_CAPACITY).fill(Number.NEGATIVE_INFINITY);
  traits: Int32Array = new Int32Array(FIRST_CAPACITY);
  rating: Float64Array = new Float64Array(FIRST_CAPACITY);
  seats: Uint8Array = new Uint8Array(FIRST_CAPACITY);

  holds(slot: number): boolean {
    return slot < this.slotEnd && this.expiresAtMs[slot]! > Number.NEGATIVE_INFINITY;
  }

  place(slot: number, lat: number, lng: number, expiresAtMs: number): void {
    this.lat[slot] = lat;
    this.lng[slot] = lng;
    this.cosLat[slot] = cosDegrees(lat);
    this.expiresAtMs[slot] = expiresAtMs;
  }

  grow(capacity: number): void {
    this.lat = enlarged(this.lat, new Float64Array(capacity));
    this.lng = enlarged(this.lng, new Float64Array(capacity));
    this.cosLat = enlarged(this.cosLat, new Float64Array(capacity));
    this.expiresAtMs = enlarged(this.expiresAtMs, new Float64Array(capacity).fill(Number.NEGATIVE_INFINITY));
    this.traits = enlarged(this.traits, new Int32Array(capacity));
    this.rating = enlarged(this.rating, new Float64Array(capacity));
    this.seats = enlarged(this.seats, new Uint8Array(capacity));
    this.capacity = capacity;
  }
}

/**
 * Rows are of equal height. Each whole degree of latitude has its own number of columns, so that cells stay about
 * square from the equator to the poles. Different cells may share a bucket, so an entry remembers its own cell.
 */
export class SupplyGrid {
  readonly rowsPerDegree: number;
  readonly rowMeters: number;
  /** Columns of a row, by whole degree of latitude from the south pole. */
  readonly columns: Int32Array = new Int32Array(180);

  mask = 0;
  /** First entry of each bucket, or -1. */
  heads: Int32Array = new Int32Array(0);
  next: Int32Array = new Int32Array(0);
  /** The entry before, or ~bucket for the first of its list. */
  previous: Int32Array = new Int32Array(0);
  cell: Float64Array = new Float64Array(0);

  constructor(cellMeters: number) {
    this.rowsPerDegree = Math.max(1, Math.round(METERS_PER_DEGREE / cellMeters));
    this.rowMeters = METERS_PER_DEGREE / this.rowsPerDegree;
    for (let degree = 0; degree < 180; degree++) {
      const equatorSide = degree < 90 ? degree - 89 : degree - 90;
      this.columns[degree] = Math.max(1, Math.floor(360 * this.rowsPerDegree * cosDegrees(equatorSide)));
    }
    this.grow(FIRST_CAPACITY);
  }

  /** Makes room for slots below `capacity` and forgets all links: the owner links its entries again. */
  grow(capacity: number): void {
    this.next = new Int32Array(capacity);
    this.previous = new Int32Array(capacity);
    this.cell = enlarged(this.cell, new Float64Array(capacity));
    // Two buckets per entry at least: an empty cell is then mostly one load and no list.
    this.mask = 2 ** Math.ceil(Math.log2(capacity * 2)) - 1;
    this.heads = new Int32Array(this.mask + 1).fill(-1);
  }

  columnsOf(row: number): number {
    return this.columns[(row / this.rowsPerDegree) | 0]!;
  }

  /** Lat 90 belongs to the last row and lng 180 to the last column. */
  cellAt(lat: number, lng: number): number {
    const row = Math.min(180 * this.rowsPerDegree - 1, Math.floor((lat + 90) * this.rowsPerDegree));
    const columns = this.columnsOf(row);
    return row * CELL_STRIDE + Math.min(columns - 1, Math.floor((lng + 180) * (columns / 360)));
  }

  /** Neighbours in a row are neighbours in memory: a search walks along rows. */
  bucketOf(row: number, column: number): number {
    return (Math.imul(row, ROW_HASH) + column) & this.mask;
  }

  link(slot: number, cell: number): void {
    const bucket = this.bucketOf(Math.floor(cell / CELL_STRIDE), cell % CELL_STRIDE);
    const first = this.heads[bucket]!;
    this.cell[slot] = cell;
    this.next[slot] = first;
    this.previous[slot] = ~bucket;
    if (first >= 0) this.previous[first] = slot;
    this.heads[bucket] = slot;
  }

  unlink(slot: number): void {
    const before = this.previous[slot]!;
    const after = this.next[slot]!;
    if (before >= 0) this.next[before] = after;
    else this.heads[~before] = after;
    if (after >= 0) this.previous[after] = before;
  }
}

function enlarged<T extends Int32Array | Float64Array | Uint8Array>(old: T, larger: T): T {
  larger.set(old);
  return larger;
}
