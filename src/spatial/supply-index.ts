/**
 * Who is near: the moving points of one shard, and the k nearest of them that pass the filters, anywhere on the globe.
 * It is not a map: a slot is an array position, and who owns which slot is the caller's business. What comes in is
 * checked here; the storage is in supply-grid.ts and the search in nearest-search.ts.
 */
import { type NearestQuery, type NearestResult, NearestSearch } from "./nearest-search.ts";
import { SupplyEntries, SupplyGrid } from "./supply-grid.ts";

export { createNearestResult, type NearestQuery, type NearestResult } from "./nearest-search.ts";

export interface SupplyIndexOptions {
  /** Edge of a grid cell, 50 m to 100 km. */
  readonly cellMeters?: number;
}

/** Measured on real pickups with 1,000 to 100,000 entries; `bench/index.bench.ts` prints the neighbours of this value. */
const DEFAULT_CELL_METERS = 150;
/** Half as much is a little better for rare filters in a city and twice as slow in open country. */
const COARSE_RATIO = 16;
/** More than one object can serve. A larger slot is a bug of the caller and would take gigabytes. */
const MAX_SLOTS = 1 << 22;
export class SupplyIndex {
  readonly #entries = new SupplyEntries();
  /** Fine cells for a city, coarse ones for the countryside. */
  readonly #grids: readonly [SupplyGrid, SupplyGrid];
  readonly #search: NearestSearch;
  #size = 0;
  #sweepAt = 0;

  constructor({ cellMeters = DEFAULT_CELL_METERS }: SupplyIndexOptions = {}) {
    requireRange("cellMeters", cellMeters, 50, 100_000);
    this.#grids = [new SupplyGrid(cellMeters), new SupplyGrid(cellMeters * COARSE_RATIO)];
    this.#search = new NearestSearch(this.#entries, this.#grids);
  }

  /** Entries held, expired ones included until they are removed. */
  get size(): number {
    return this.#size;
  }

  has(slot: number): boolean {
    return this.#entries.holds(slot);
  }

  latOf(slot: number): number {
    this.#requireEntry(slot);
    return this.#entries.lat[slot]!;
  }

  lngOf(slot: number): number {
    this.#requireEntry(slot);
    return this.#entries.lng[slot]!;
  }

  expiresAtOf(slot: number): number {
    this.#requireEntry(slot);
    return this.#entries.expiresAtMs[slot]!;
  }

  /**
   * Puts an entry in, or replaces it. Storage follows the largest slot ever seen, so hand out small ones first.
   * Throws RangeError naming the field that is out of range; the index is then unchanged.
   */
  upsert(
    slot: number,
    lat: number,
    lng: number,
    expiresAtMs: number,
    traits: number,
    rating: number,
    seats: number,
  ): void {
    requireInteger("slot", slot, 0, MAX_SLOTS - 1);
    requireRange("lat", lat, -90, 90);
    requireRange("lng", lng, -180, 180);
    requireFinite("expiresAtMs", expiresAtMs);
    requireInteger("traits", traits, 0, 0xffffffff);
    requireFinite("rating", rating);
    requireInteger("seats", seats, 0, 255);
    const entries = this.#entries;
    if (slot >= entries.capacity) this.#grow(Math.max(slot + 1, entries.capacity * 2));
    if (slot >= entries.slotEnd) entries.slotEnd = slot + 1;
    this.remove(slot);
    entries.traits[slot] = traits;
    entries.rating[slot] = rating;
    entries.seats[slot] = seats;
    entries.place(slot, lat, lng, expiresAtMs);
    for (const grid of this.#grids) grid.link(slot, grid.cellAt(lat, lng));
    this.#size++;
  }

  /** The hot path: a new position of an entry that is there. Throws RangeError if it is not, or like `upsert`. */
  move(slot: number, lat: number, lng: number, expiresAtMs: number): void {
    this.#requireEntry(slot);
    requireRange("lat", lat, -90, 90);
    requireRange("lng", lng, -180, 180);
    requireFinite("expiresAtMs", expiresAtMs);
    const entries = this.#entries;
    entries.place(slot, lat, lng, expiresAtMs);
    for (const grid of this.#grids) {
      const cell = grid.cellAt(lat, lng);
      if (cell === grid.cell[slot]) continue;
      grid.unlink(slot);
      grid.link(slot, cell);
    }
  }

  /** Returns whether there was anything to remove. */
  remove(slot: number): boolean {
    const entries = this.#entries;
    if (!entries.holds(slot)) return false;
    for (const grid of this.#grids) grid.unlink(slot);
    entries.expiresAtMs[slot] = Number.NEGATIVE_INFINITY;
    this.#size--;
    return true;
  }

  /**
   * Removes entries whose time has passed and tells the owner of each. Looks at no more than `limit` slots and goes on
   * from there at the next call, so that cleaning up never stops the shard; queries do not depend on it.
   * Returns the number removed.
   */
  expire(nowMs: number, limit: number, onExpired: (slot: number) => void): number {
    requireFinite("nowMs", nowMs);
    const entries = this.#entries;
    let removed = 0;
    for (let left = Math.min(limit, entries.slotEnd); left > 0; left--) {
      const slot = this.#sweepAt < entries.slotEnd ? this.#sweepAt : 0;
      this.#sweepAt = slot + 1;
      if (entries.expiresAtMs[slot]! > nowMs || !this.remove(slot)) continue;
      removed++;
      onExpired(slot);
    }
    return removed;
  }

  /**
   * Writes the nearest entries that pass every filter and are not expired, ordered by distance and then slot, and
   * returns their number. Throws RangeError naming the field of the query that is out of range.
   */
  nearest(query: NearestQuery, out: NearestResult): number {
    checkQuery(query, out);
    return this.#size > 0 ? this.#search.run(query, out) : 0;
  }

  /** Doubling keeps the cost per slot constant, however large the fleet grows. */
  #grow(capacity: number): void {
    const entries = this.#entries;
    entries.grow(capacity);
    for (const grid of this.#grids) {
      grid.grow(capacity);
      for (let slot = 0; slot < entries.slotEnd; slot++) if (entries.holds(slot)) grid.link(slot, grid.cell[slot]!);
    }
  }

  #requireEntry(slot: number): void {
    if (!this.#entries.holds(slot)) throw new RangeError(`slot ${slot} is not in the index`);
  }
}

function checkQuery(query: NearestQuery, out: NearestResult): void {
  requireRange("lat", query.lat, -90, 90);
  requireRange("lng", query.lng, -180, 180);
  requireInteger("limit", query.limit, 0, Math.min(out.slots.length, out.meters.length));
  requireRange("maxMeters", query.maxMeters, 0, Number.MAX_VALUE);
  requireFinite("nowMs", query.nowMs);
  requireInteger("requiredTraits", query.requiredTraits, 0, 0xffffffff);
  requireFinite("minimumRating", query.minimumRating);
  requireFinite("minimumSeats", query.minimumSeats);
}

function requireFinite(field: string, value: number): void {
  if (!Number.isFinite(value)) throw new RangeError(`${field} must be a finite number, got ${value}`);
}

/** Written so that NaN fails it. */
function requireRange(field: string, value: number, least: number, most: number): void {
  if (!(value >= least && value <= most)) throw new RangeError(`${field} must be in [${least}, ${most}], got ${value}`);
}

function requireInteger(field: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new RangeError(`${field} must be an integer in [${least}, ${most}], got ${value}`);
}
