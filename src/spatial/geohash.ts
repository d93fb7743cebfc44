/**
 * Geohash cells to single-bit precision: the text form, the borders and the family (parent, children, neighbours).
 * Every border is a dyadic multiple of 45 degrees, so it is exact in a double down to 60 bits; a point is compared with
 * the true border and never lands in one cell at 25 bits and in a stranger's child at 30.
 * Distances to cells are in distance.ts; the cells that a circle touches are in cell-cover.ts.
 */
import type { CellPrefix, LatLng } from "../domain/place.ts";

export const MAX_CELL_BITS = 60;

const ALPHABET = "0123456789bcdefghjkmnpqrstuvwxyz";
const CELL_TEXT = /^(?:[0-9b-hjkmnp-z]{1,12}|[0-9b-hjkmnp-z]{0,11}~[01]{1,4})$/;

/** Degrees. `west < east` always: no cell straddles the antimeridian. */
export interface CellBounds {
  readonly south: number;
  readonly west: number;
  readonly north: number;
  readonly east: number;
}

/** Column and row of a cell, counted from the south-west corner of the world; each has at most 30 bits. */
interface GridCell {
  readonly column: number;
  readonly row: number;
  readonly bits: number;
}

/**
 * The cell of a point. Cells own their south and west borders; the last row also owns lat 90 and the last column lng
 * 180, so 180 and -180 name the same meridian but lie in the last and in the first column.
 * Throws RangeError for degrees off the globe (or NaN) and for bits outside 1 to 60.
 */
export function cellOf(lat: number, lng: number, bits: number): CellPrefix {
  if (!(lat >= -90 && lat <= 90)) throw new RangeError(`lat must be within [-90, 90], got ${lat}`);
  if (!(lng >= -180 && lng <= 180)) throw new RangeError(`lng must be within [-180, 180], got ${lng}`);
  if (!(Number.isInteger(bits) && bits >= 1 && bits <= MAX_CELL_BITS)) {
    throw new RangeError(`bits must be an integer within [1, ${MAX_CELL_BITS}], got ${bits}`);
  }
  const column = intervalOf(lng, -180, 360, columnBits(bits));
  const row = intervalOf(lat, -90, 180, rowBits(bits));
  return textOf({ column, row, bits });
}

export function bitsOf(prefix: CellPrefix): number {
  const tilde = prefix.indexOf("~");
  return tilde < 0 ? prefix.length * 5 : tilde * 5 + (prefix.length - tilde - 1);
}

export function boundsOf(prefix: CellPrefix): CellBounds {
  const { column, row, bits } = parse(prefix);
  const width = 360 / 2 ** columnBits(bits);
  const height = 180 / 2 ** rowBits(bits);
  const south = row * height - 90;
  const west = column * width - 180;
  return { south, west, north: south + height, east: west + width };
}

/** One bit coarser. A cell of one bit has no parent: throws RangeError. */
export function parentOf(prefix: CellPrefix): CellPrefix {
  const { column, row, bits } = parse(prefix);
  if (bits === 1) throw new RangeError(`${prefix} is half the world and has no parent`);
  return bits % 2 === 1
    ? textOf({ column: column >>> 1, row, bits: bits - 1 })
    : textOf({ column, row: row >>> 1, bits: bits - 1 });
}

/** One bit finer: west then east, or south then north. Throws RangeError below 60 bits. */
export function childrenOf(prefix: CellPrefix): [CellPrefix, CellPrefix] {
  const { column, row, bits } = parse(prefix);
  if (bits === MAX_CELL_BITS) throw new RangeError(`${prefix} has ${MAX_CELL_BITS} bits already and cannot be split`);
  const child = (half: number): CellPrefix =>
    bits % 2 === 0
      ? textOf({ column: column * 2 + half, row, bits: bits + 1 })
      : textOf({ column, row: row * 2 + half, bits: bits + 1 });
  return [child(0), child(1)];
}

/**
 * The cells of the same size around this one, clockwise from north. Columns wrap at the antimeridian; beyond a pole
 * there is nothing, so a cell there has fewer. Coarse cells meet the same neighbour twice; it is listed once.
 */
export function neighborsOf(prefix: CellPrefix): CellPrefix[] {
  const { column, row, bits } = parse(prefix);
  const columns = 2 ** columnBits(bits);
  const rows = 2 ** rowBits(bits);
  const found = new Set<CellPrefix>();
  for (const [up, right] of CLOCKWISE) {
    const neighborRow = row + up;
    if (neighborRow < 0 || neighborRow >= rows) continue;
    found.add(textOf({ column: (column + right + columns) % columns, row: neighborRow, bits }));
  }
  found.delete(prefix);
  return [...found];
}

const CLOCKWISE = [
  [1, 0],
  [1, 1],
  [0, 1],
  [-1, 1],
  [-1, 0],
  [-1, -1],
  [0, -1],
  [1, -1],
] as const;

/** True exactly when `cellOf` of the point at this precision is this cell. */
export function contains(prefix: CellPrefix, point: LatLng): boolean {
  const { south, west, north, east } = boundsOf(prefix);
  const { lat, lng } = point;
  const inRow = lat >= south && (lat < north || (lat === 90 && north === 90));
  const inColumn = lng >= west && (lng < east || (lng === 180 && east === 180));
  return inRow && inColumn;
}

/** Judges untrusted text. There is one spelling per cell: lower case, 1 to 60 bits, no empty or full tail of bits. */
export function isCellPrefix(text: string): text is CellPrefix {
  return CELL_TEXT.test(text);
}

function columnBits(bits: number): number {
  return (bits + 1) >>> 1;
}

function rowBits(bits: number): number {
  return bits >>> 1;
}

/** Just below a border the division may round up to it; never the other way, since rounding keeps order. */
function intervalOf(value: number, origin: number, span: number, bits: number): number {
  const count = 2 ** bits;
  const size = span / count;
  const index = Math.min(count - 1, Math.floor((value - origin) / size));
  return value < origin + index * size ? index - 1 : index;
}

function textOf({ column, row, bits }: GridCell): CellPrefix {
  const columnTop = columnBits(bits) - 1;
  const rowTop = rowBits(bits) - 1;
  let text = "";
  let group = 0;
  for (let bit = 0; bit < bits; bit++) {
    const level = bit >>> 1;
    const value = bit % 2 === 0 ? column >>> (columnTop - level) : row >>> (rowTop - level);
    group = (group << 1) | (value & 1);
    if (bit % 5 === 4) {
      text += ALPHABET[group];
      group = 0;
    }
  }
  const rest = bits % 5;
  if (rest > 0) text += `~${group.toString(2).padStart(rest, "0")}`;
  return text as CellPrefix;
}

function parse(prefix: CellPrefix): GridCell {
  // The brand can be cast away; text that slipped through must not become a cell somewhere else on Earth.
  if (!isCellPrefix(prefix)) throw new RangeError(`not a cell prefix: ${JSON.stringify(prefix)}`);
  const bits = bitsOf(prefix);
  const whole = Math.floor(bits / 5);
  let column = 0;
  let row = 0;
  for (let bit = 0; bit < bits; bit++) {
    const place = Math.floor(bit / 5);
    const value =
      place < whole
        ? (ALPHABET.indexOf(prefix[place]!) >>> (4 - (bit % 5))) & 1
        : Number(prefix[whole + 1 + (bit - whole * 5)]);
    if (bit % 2 === 0) column = (column << 1) | value;
    else row = (row << 1) | value;
  }
  return { column, row, bits };
}

/** The middle of a cell, in degrees. */
export function centerOf(prefix: CellPrefix): LatLng {
  const { south, west, north, east } = boundsOf(prefix);
  return { lat: (south + north) / 2, lng: (west + east) / 2 };
}
