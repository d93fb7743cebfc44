/** How a figure is written, on the screen and on the page alike. */
import type { Figure } from "./comparison.ts";
import type { Estimate } from "./statistics.ts";

/** Numbers are kept as they are computed and shown as people read them. */
const SHOWN: Record<Figure["unit"], { readonly times: number; readonly digits: number; readonly suffix: string }> = {
  "%": { times: 100, digits: 1, suffix: " %" },
  min: { times: 1, digits: 2, suffix: " min" },
  s: { times: 1, digits: 1, suffix: " s" },
  km: { times: 1, digits: 2, suffix: " km" },
  offers: { times: 1, digits: 2, suffix: "" },
  money: { times: 1, digits: 2, suffix: "" },
  "": { times: 1, digits: 3, suffix: "" },
};

/** `12.3 ± 0.4 %`; without an interval where there was one run only. */
export function estimateText({ unit }: Pick<Figure, "unit">, estimate: Estimate | null, signed = false): string {
  if (estimate === null) return "–";
  const { times, digits } = SHOWN[unit];
  const suffix = signed && unit === "%" ? " pp" : SHOWN[unit].suffix;
  const mean = (estimate.mean * times).toFixed(digits).replace(/^-(?=[0.]+$)/, "");
  const sign = signed && Number(mean) > 0 ? "+" : "";
  const half = estimate.half === null ? "" : ` ± ${(estimate.half * times).toFixed(digits)}`;
  return `${sign}${mean.replace("-", "−")}${half}${suffix}`;
}

export type Verdict = "better" | "worse" | "unclear";

/** Clear is what the interval keeps away from zero. */
export function verdictOn({ better }: Pick<Figure, "better">, difference: Estimate | null): Verdict {
  if (difference === null || difference.half === null || Math.abs(difference.mean) <= difference.half) return "unclear";
  return difference.mean > 0 === (better === "more") ? "better" : "worse";
}

export function differenceText(figure: Figure, difference: Estimate | null): string {
  const verdict = verdictOn(figure, difference);
  return `${estimateText(figure, difference, true)}${verdict === "unclear" ? "" : ` (${verdict})`}`;
}
