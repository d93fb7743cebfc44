/** The city as squares: where pickups take long under the first policy, and where another does better or worse. */
import type { CellPrefix } from "../../src/domain/place.ts";
import { boundsOf } from "../../src/spatial/geohash.ts";
import { escaped, roundedUp } from "./charts.ts";

export interface CellValue {
  readonly cell: string;
  readonly value: number;
  /** Pickups behind the value. */
  readonly count: number;
}

const WIDTH = 360;
const LARGEST_HEIGHT = 360;
type Color = readonly [number, number, number];
/** Light to dark; readable on both backgrounds, and by those who do not tell red from green. */
const RAMP: readonly Color[] = [
  [254, 232, 175],
  [242, 158, 76],
  [201, 64, 64],
  [102, 20, 70],
];
const DIVERGING: readonly Color[] = [
  [23, 105, 170],
  [146, 197, 222],
  [236, 236, 236],
  [244, 165, 130],
  [178, 56, 43],
];

/** `diverging` centres the colours on zero. Empty text where there is nothing to show. */
export function cellMap(title: string, cells: readonly CellValue[], unit: string, diverging: boolean): string {
  if (cells.length === 0) return "";
  const boxes = cells.map(({ cell }) => boundsOf(cell as CellPrefix));
  const [south, north] = [Math.min(...boxes.map((b) => b.south)), Math.max(...boxes.map((b) => b.north))];
  const [west, east] = [Math.min(...boxes.map((b) => b.west)), Math.max(...boxes.map((b) => b.east))];
  const narrowing = Math.cos((((south + north) / 2) * Math.PI) / 180);
  const scale = Math.min(WIDTH / ((east - west) * narrowing), LARGEST_HEIGHT / (north - south));
  const height = Math.ceil((north - south) * scale);
  const indent = (WIDTH - (east - west) * narrowing * scale) / 2;
  const reach = reachOf(cells, diverging);
  const squares = cells.map(({ value, count }, index) => {
    const box = boxes[index]!;
    const x = indent + (box.west - west) * narrowing * scale;
    const y = (north - box.north) * scale;
    const size = `width="${at((box.east - box.west) * narrowing * scale)}" height="${at((box.north - box.south) * scale)}"`;
    const words = `${signed(value, diverging)} ${unit}, ${count} pickups`;
    return `<rect x="${at(x)}" y="${at(y)}" ${size} fill="${colorOf(value, reach, diverging)}"><title>${words}</title></rect>`;
  });
  const picture = `<svg class="map" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escaped(title)}">${squares.join("")}</svg>`;
  return picture + legend(reach, unit, diverging);
}

function legend(reach: number, unit: string, diverging: boolean): string {
  const colors = diverging ? DIVERGING : RAMP;
  const gradient = colors.map((color) => `rgb(${color.join(" ")})`).join(",");
  const ends = diverging ? [`−${reach} ${unit}`, `+${reach} ${unit}`] : ["0", `${reach} ${unit} or more`];
  const bar = `<span class="bar" style="background:linear-gradient(90deg,${gradient})"></span>`;
  return `<p class="legend"><span>${ends[0]}</span>${bar}<span>${ends[1]}</span></p>`;
}

/** The nine tenths of cells that lie within set the scale: one lonely square must not bleach all the others. */
function reachOf(cells: readonly CellValue[], diverging: boolean): number {
  const sizes = cells.map(({ value }) => (diverging ? Math.abs(value) : value)).sort((a, b) => a - b);
  return roundedUp(sizes[Math.floor(sizes.length * 0.9)] ?? 1);
}

function colorOf(value: number, reach: number, diverging: boolean): string {
  const colors = diverging ? DIVERGING : RAMP;
  const share = Math.max(0, Math.min(1, diverging ? (value / reach + 1) / 2 : value / reach));
  const place = share * (colors.length - 1);
  const below = Math.min(Math.floor(place), colors.length - 2);
  const [from, to] = [colors[below]!, colors[below + 1]!];
  return `rgb(${from.map((part, index) => Math.round(part + (to[index]! - part) * (place - below))).join(" ")})`;
}

function signed(value: number, diverging: boolean): string {
  return `${diverging && value > 0 ? "+" : ""}${value.toFixed(1)}`.replace("-", "−");
}

function at(value: number): string {
  return String(Math.round(value * 10) / 10);
}
