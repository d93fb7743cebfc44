/**
 * Plots as inline SVG. Everything is drawn on a sheet as wide as a phone, so that letters keep their size where it is read
 * most narrowly; on a wide screen two stand side by side. Colours come from the page (`--p0`, `--p1`, …).
 */

export interface Point {
  readonly x: number;
  readonly y: number;
  /** Half the height of the interval; null for none. */
  readonly half: number | null;
}

export interface Series {
  readonly name: string;
  /** Index of the policy, which is its colour. */
  readonly color: number;
  readonly points: readonly Point[];
}

export interface Axis {
  readonly label: string;
  readonly from: number;
  readonly to: number;
  readonly text: (value: number) => string;
  /** Where ticks are to stand; round numbers when it is not said. */
  readonly ticks?: readonly number[];
}

const WIDTH = 360;
const HEIGHT = 230;
const LEFT = 42;
const RIGHT = 16;
const TOP = 10;
const BOTTOM = 36;
const TICKS_WANTED = 5;

interface Sheet {
  readonly x: (value: number) => number;
  readonly y: (value: number) => number;
  readonly frame: string;
}

/** Lines without intervals: distributions. */
export function lineChart(title: string, series: readonly Series[], xAxis: Axis, yAxis: Axis): string {
  const sheet = sheetFor(xAxis, yAxis);
  const lines = series.map(({ color, points }) => line(sheet, color, points));
  return svg(title, sheet.frame + lines.join(""));
}

/** Dots with intervals side by side, joined where they are several in a row: what changes from hour to hour. */
export function dotChart(title: string, series: readonly Series[], xAxis: Axis, yAxis: Axis): string {
  const sheet = sheetFor(xAxis, yAxis);
  const count = Math.max(1, ...series.map(({ points }) => points.length));
  const gap = Math.min(10, (sheet.x(1) - sheet.x(0)) / (series.length + 1.5));
  const marks = series.map(({ color, points }, index) => {
    const shift = (index - (series.length - 1) / 2) * gap;
    const radius = count > 12 ? 1.8 : 3;
    const dots = points.map((point) => {
      const [x, y] = [sheet.x(point.x) + shift, sheet.y(point.y)];
      const whisker =
        point.half === null
          ? ""
          : `<path d="M${at(x)} ${at(sheet.y(point.y - point.half))}V${at(sheet.y(point.y + point.half))}"/>`;
      return `${whisker}<circle cx="${at(x)}" cy="${at(y)}" r="${radius}" fill="var(--p${color})"/>`;
    });
    const joined = points.length > 2 ? `<path class="thin" d="${path(sheet, points, shift)}"/>` : "";
    return `<g class="series" stroke="var(--p${color})">${joined}${dots.join("")}</g>`;
  });
  return svg(title, sheet.frame + marks.join(""));
}

/** One interval on a line whose middle is "no difference"; `reach` is the half of the line's length in the figure's unit. */
export function intervalMark(mean: number, half: number, reach: number, verdict: string): string {
  const x = (value: number): string => at(60 + 56 * Math.max(-1, Math.min(1, value / reach)));
  return (
    `<svg class="mark ${verdict}" viewBox="0 0 120 16" aria-hidden="true"><path class="zero" d="M60 1V15"/>` +
    `<path d="M${x(mean - half)} 8H${x(mean + half)}"/><circle cx="${x(mean)}" cy="8" r="3"/></svg>`
  );
}

/** A round number that is not below the value. */
export function roundedUp(value: number, round: readonly number[] = [1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10]): number {
  if (!(value > 0)) return 1;
  const unit = 10 ** Math.floor(Math.log10(value));
  return round.map((times) => times * unit).find((top) => top >= value * 0.999)!;
}

export function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

function sheetFor(xAxis: Axis, yAxis: Axis): Sheet {
  const x = (value: number) => LEFT + ((value - xAxis.from) / (xAxis.to - xAxis.from)) * (WIDTH - LEFT - RIGHT);
  const y = (value: number) => {
    const share = (value - yAxis.from) / (yAxis.to - yAxis.from);
    return HEIGHT - BOTTOM - Math.max(0, Math.min(1, share)) * (HEIGHT - TOP - BOTTOM);
  };
  const across = ticksOf(yAxis).map(
    (value) =>
      `<path class="grid" d="M${LEFT} ${at(y(value))}H${WIDTH - RIGHT}"/>` +
      `<text class="end" x="${LEFT - 5}" y="${at(y(value) + 3.5)}">${escaped(yAxis.text(value))}</text>`,
  );
  const up = ticksOf(xAxis).map(
    (value) => `<text class="mid" x="${at(x(value))}" y="${HEIGHT - BOTTOM + 14}">${escaped(xAxis.text(value))}</text>`,
  );
  const label = `<text class="mid" x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 5}">${escaped(xAxis.label)}</text>`;
  return { x, y, frame: across.join("") + up.join("") + label };
}

function ticksOf({ from, to, ticks }: Axis): readonly number[] {
  if (ticks !== undefined) return ticks;
  const step = roundedUp((to - from) / TICKS_WANTED, [1, 2, 5, 10]);
  return Array.from({ length: Math.floor((to - from) / step + 1e-9) + 1 }, (_, index) => from + index * step);
}

function line(sheet: Sheet, color: number, points: readonly Point[]): string {
  return `<path class="line" stroke="var(--p${color})" d="${path(sheet, points, 0)}"/>`;
}

function path({ x, y }: Sheet, points: readonly Point[], shift: number): string {
  return points.map((point, index) => `${index === 0 ? "M" : "L"}${at(x(point.x) + shift)} ${at(y(point.y))}`).join("");
}

/** A tenth of a pixel is fine enough, and keeps the page small. */
function at(value: number): string {
  return String(Math.round(value * 10) / 10);
}

function svg(title: string, content: string): string {
  const name = escaped(title);
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${name}">${content}</svg>`;
}
