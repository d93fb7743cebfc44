/**
 * The storage under the supply index: one column of numbers per field, and a hashed grid over the whole globe that
 * threads each bucket's entries on a linked list. Everything is public to supply-index.ts and to nobody else.
 *
 * Rows are of equal height. Each whole degree of latitude has its own number of columns, so that cells stay about
 * square from the equator to the poles. Different cells may share a bucket; an entry remembers its own cell.
 */
import { cosDegrees, EARTH_RADIUS_METERS, RADIANS_PER_DEGREE } from "./distance.ts";

export const METERS_PER_DEGREE = EARTH_RADIUS_METERS * RADIANS_PER_DEGREE;

/** A cell number is row * CELL_STRIDE + column; a row has fewer columns than this at the smallest cell size, 50 m. */
export const CELL_STRIDE = 1 << 20;
const ROW_HASH = 0x9e3779b1 | 0;
const FIRST_CAPACITY = 64;

export class SupplyGrid {
  readonly rowsPerDegree: number;
  readonly rowMeters: number;
  /** Columns of a row, by whole degree of latitude from the south pole. */
  readonly columns: Int32Array = new Int32Array(180);

  /** First slot never used yet; no loop needs to look beyond it. */
  slotEnd = 0;
  capacity = 0;
  mask = 0;
  /** First entry of each bucket, or -1. */
  heads: Int32Array = new Int32Array(0);
  next: Int32Array = new Int32Array(0);
  /** The entry before, or ~bucket for the first of its list. */
  previous: Int32Array = new Int32Array(0);
  cell: Float64Array = new Float64Array(0);
  lat: Float64Array = new Float64Array(0);
  lng: Float64Array = new Float64Array(0);
  cosLat: Float64Array = new Float64Array(0);
  /** -Infinity where there is no entry: such a slot is expired at any time, which spares the scan a second test. */
  expiresAtMs: Float64Array = new Float64Array(0);
  traits: Int32Array = new Int32Array(0);
  rating: Float64Array = new Float64Array(0);
  seats: Uint8Array = new Uint8Array(0);

  constructor(cellMeters: number) {
    this.rowsPerDegree = Math.max(1, Math.round(METERS_PER_DEGREE / cellMeters));
    this.rowMeters = METERS_PER_DEGREE / this.rowsPerDegree;
    for (let degree = 0; degree < 180; degree++) {
      const equatorSide = degree < 90 ? degree - 89 : degree - 90;
      this.columns[degree] = Math.max(1, Math.floor(360 * this.rowsPerDegree * cosDegrees(equatorSide)));
    }
    this.#resize(FIRST_CAPACITY);
  }

  holds(slot: number): boolean {
    return slot < this.slotEnd && this.expiresAtMs[slot]! > Number.NEGATIVE_INFINITY;
  }

  /** Makes the slot valid. Capacity doubles, so that filling up costs constant time per slot. */
  makeRoom(slot: number): void {
    if (slot >= this.capacity) this.#resize(Math.max(slot + 1, this.capacity * 2));
    if (slot >= this.slotEnd) this.slotEnd = slot + 1;
  }

  place(slot: number, lat: number, lng: number, expiresAtMs: number): void {
    this.lat[slot] = lat;
    this.lng[slot] = lng;
    this.cosLat[slot] = cosDegrees(lat);
    this.expiresAtMs[slot] = expiresAtMs;
  }

  /** The row that holds this latitude; lat 90 belongs to the last one. */
  rowAt(lat: number): number {
    return Math.min(180 * this.rowsPerDegree - 1, Math.floor((lat + 90) * this.rowsPerDegree));
  }

  columnsOf(row: number): number {
    return this.columns[(row / this.rowsPerDegree) | 0]!;
  }

  cellAt(lat: number, lng: number): number {
    const row = this.rowAt(lat);
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

  #resize(capacity: number): void {
    const grown = <T extends Int32Array | Float64Array | Uint8Array>(larger: T, old: T): T => {
      larger.set(old);
      return larger;
    };
    this.next = new Int32Array(capacity);
    this.previous = new Int32Array(capacity);
    this.cell = grown(new Float64Array(capacity), this.cell);
    this.lat = grown(new Float64Array(capacity), this.lat);
    this.lng = grown(new Float64Array(capacity), this.lng);
    this.cosLat = grown(new Float64Array(capacity), this.cosLat);
    this.expiresAtMs = grown(new Float64Array(capacity).fill(Number.NEGATIVE_INFINITY), this.expiresAtMs);
    this.traits = grown(new Int32Array(capacity), this.traits);
    this.rating = grown(new Float64Array(capacity), this.rating);
    this.seats = grown(new Uint8Array(capacity), this.seats);
    this.capacity = capacity;
    // Two buckets per entry at least: an empty cell is then mostly one load and no list.
    this.mask = 2 ** Math.ceil(Math.log2(capacity * 2)) - 1;
    this.heads = new Int32Array(this.mask + 1).fill(-1);
    for (let slot = 0; slot < this.slotEnd; slot++) if (this.holds(slot)) this.link(slot, this.cell[slot]!);
  }
}
