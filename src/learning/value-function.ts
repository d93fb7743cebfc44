/**
 * What an idle driver is worth, by where and when he is: the reward that he may still expect from there. A table over
 * cells and time slots that learns by temporal difference from what drivers did, so that a dispatcher may weigh where a
 * trip ends, and not only what it brings. Beyond the last slot nothing is worth anything: the day is over.
 *
 * Which place is which cell, and which moment which slot, is the caller's; the table is as large as it was made.
 */

/** One completed ride, or one slot of waiting (no reward, the same cell, the next slot). */
export interface Passage {
  readonly cell: number;
  readonly slot: number;
  readonly reward: number;
  readonly nextCell: number;
  /** Later than `slot`; beyond the last slot it is the end. */
  readonly nextSlot: number;
}

/** As JSON keeps it. */
export interface StoredValues {
  readonly version: 1;
  readonly cells: number;
  readonly slots: number;
  readonly discount: number;
  readonly leastStep: number;
  readonly values: readonly number[];
  readonly visits: readonly number[];
}

/** 8 MB of values and 4 MB of visits: a shard's cells by a week of quarter hours, and some to spare. */
const MOST_ENTRIES = 1_000_000;

export class ValueFunction {
  readonly cells: number;
  readonly slots: number;
  readonly #discount: number;
  readonly #leastStep: number;
  readonly #values: Float64Array;
  readonly #visits: Uint32Array;

  /**
   * `discount` is per slot; 1 counts late rewards like early ones. The n-th visit of an entry moves it by 1/n of the way,
   * a plain mean, but never by less than `leastStep`: 0 for a closed history, more where the city changes.
   */
  constructor(cells: number, slots: number, discount: number, leastStep: number) {
    if (
      !Number.isInteger(cells) ||
      !Number.isInteger(slots) ||
      cells < 1 ||
      slots < 1 ||
      cells * slots > MOST_ENTRIES
    ) {
      throw new RangeError(`a value function of ${cells} cells and ${slots} slots`);
    }
    if (!(discount > 0 && discount <= 1)) throw new RangeError(`a discount of ${discount}`);
    if (!(leastStep >= 0 && leastStep <= 1)) throw new RangeError(`a least step of ${leastStep}`);
    this.cells = cells;
    this.slots = slots;
    this.#leastStep = leastStep;
    this.#discount = discount;
    this.#values = new Float64Array(cells * slots);
    this.#visits = new Uint32Array(cells * slots);
  }

  /** 0 at and beyond the end of the last slot. */
  at(cell: number, slot: number): number {
    return slot >= this.slots ? 0 : this.#values[this.#entry(cell, slot)]!;
  }

  /** One step of temporal difference. */
  learn(passage: Passage): void {
    this.moveTowards(passage.cell, passage.slot, this.worthOf(passage));
  }

  /** What a driver gains by this passage, compared with what he may expect where he is. */
  advantage(passage: Passage): number {
    return this.worthOf(passage) - this.at(passage.cell, passage.slot);
  }

  /**
   * The reward, earned evenly over the slots that the passage takes and discounted in each, and what the driver is worth
   * where and when he comes out.
   */
  worthOf({ slot, reward, nextCell, nextSlot }: Passage): number {
    const elapsed = nextSlot - slot;
    const kept = this.#discount ** elapsed;
    const weights = this.#discount === 1 ? elapsed : (1 - kept) / (1 - this.#discount);
    return (reward / elapsed) * weights + kept * this.at(nextCell, nextSlot);
  }

  /** For learners that know better what an entry should be than one passage tells. */
  moveTowards(cell: number, slot: number, target: number): void {
    const entry = this.#entry(cell, slot);
    const visits = this.#visits[entry]! + 1;
    this.#visits[entry] = visits;
    this.#values[entry]! += (target - this.#values[entry]!) * Math.max(this.#leastStep, 1 / visits);
  }

  toJSON(): StoredValues {
    return {
      version: 1,
      cells: this.cells,
      slots: this.slots,
      discount: this.#discount,
      leastStep: this.#leastStep,
      values: [...this.#values],
      visits: [...this.#visits],
    };
  }

  /** Throws RangeError for what no value function ever wrote. */
  static fromJSON({ version, cells, slots, discount, leastStep, values, visits }: StoredValues): ValueFunction {
    if (version !== 1) throw new RangeError(`values of version ${version}`);
    const restored = new ValueFunction(cells, slots, discount, leastStep);
    const wanted = cells * slots;
    if (values.length !== wanted || visits.length !== wanted) throw new RangeError(`not ${wanted} values and visits`);
    if (!values.every(Number.isFinite)) throw new RangeError("a value that is no number");
    if (!visits.every((count) => Number.isInteger(count) && count >= 0))
      throw new RangeError("visits that are no count");
    restored.#values.set(values);
    restored.#visits.set(visits);
    return restored;
  }

  #entry(cell: number, slot: number): number {
    if (!(cell >= 0 && cell < this.cells && slot >= 0 && slot < this.slots))
      throw new RangeError(`cell ${cell} in slot ${slot}`);
    return slot * this.cells + cell;
  }
}
