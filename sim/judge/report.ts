/** What the judge's rows say, cell by cell, beside the nearest-first policies of the same run. */

/** One day and seed under one policy, as the judge writes it; shares and means. */
export interface JudgedRow {
  readonly policy: string;
  readonly load: number;
  readonly day: string;
  readonly seed: number;
  readonly cost_s: number;
  readonly wait_s: number;
  readonly pickup_m: number;
  readonly unserved: number;
  readonly invalid: number;
}

const OURS = "module";

/** Medians over days and seeds, then the mean change against `greedy` with its least and most. */
export function tableOf(rows: readonly JudgedRow[]): string[] {
  const head =
    "load  policy      cost s   wait s  pickup m  unserved %   cost, pickup in %, unserved in points, vs greedy";
  const loads = [...new Set(rows.map(({ load }) => load))];
  return [head, ...loads.flatMap((load) => linesOf(rows.filter((row) => row.load === load)))];
}

function linesOf(rows: readonly JudgedRow[]): string[] {
  const policies = [...new Set(rows.map(({ policy }) => policy))];
  return policies.map((policy) => {
    const of = rows.filter((row) => row.policy === policy);
    const cell = (key: "cost_s" | "wait_s" | "pickup_m", width: number) =>
      median(of.map((row) => row[key]))
        .toFixed(0)
        .padStart(width);
    const unserved = (100 * median(of.map((row) => row.unserved))).toFixed(1).padStart(10);
    const name = (policy === OURS ? "kerb" : policy).padEnd(9);
    const figures = `${cell("cost_s", 8)} ${cell("wait_s", 8)} ${cell("pickup_m", 9)}  ${unserved}`;
    return `${`${of[0]!.load}`.padEnd(5)} ${name} ${figures}   ${against(of, rows)}`;
  });
}

function against(of: readonly JudgedRow[], rows: readonly JudgedRow[]): string {
  const pairs = of.flatMap((row) => {
    const other = rows.find(({ policy, day, seed }) => policy === "greedy" && day === row.day && seed === row.seed);
    return other === undefined ? [] : [[row, other] as const];
  });
  if (pairs.length === 0) return "";
  const percent = (key: "cost_s" | "pickup_m") =>
    spread(pairs.map(([row, other]) => 100 * (row[key] / other[key] - 1)));
  const points = spread(pairs.map(([row, other]) => 100 * (row.unserved - other.unserved)));
  const invalid = of.reduce((sum, row) => sum + row.invalid, 0);
  return `${percent("cost_s")}  ${percent("pickup_m")}  ${points}${invalid > 0 ? `  ${invalid} invalid pairs` : ""}`;
}

function spread(values: readonly number[]): string {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const sign = (value: number): string => `${value < 0 ? "" : "+"}${value.toFixed(1)}`;
  return `${sign(mean)} [${sign(Math.min(...values))} .. ${sign(Math.max(...values))}]`.padEnd(24);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}
