/** The page of a comparison: one file, nothing loaded from anywhere, readable on a phone and on paper. */
import { cellMap } from "./cell-map.ts";
import { type Axis, dotChart, escaped, intervalMark, lineChart, roundedUp, type Series } from "./charts.ts";
import { type Comparison, FIGURES, type Figure, type PolicyResult } from "./comparison.ts";
import { estimateText, verdictOn } from "./figures-text.ts";
import { cellRows, differencesByCell, hoursOf, hourValues, waitsByCell } from "./groups.ts";
import { PAGE_STYLE } from "./page-style.ts";
import { quantileOf } from "./statistics.ts";

/** What the first lines say of each policy. */
const HEADLINES = ["servedShare", "waitMinutes", "incomeGini"] as const;
const CURVE_POINTS = 60;
const LONGEST_WAIT_MINUTES = 40;

export function reportPage(comparison: Comparison): string {
  const { experiment, results } = comparison;
  const { plan, seeds, drivers, hours } = experiment;
  const title = `Dispatch policies in ${plan.name}`;
  const runs = seeds.length === 1 ? "1 run each" : `${seeds.length} paired runs each`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>${escaped(title)}</title><style>${PAGE_STYLE}</style></head><body>
<header><h1>${escaped(title)}</h1>
<p>${escaped(experiment.wishes.source)}; ${drivers} drivers, ${hours} h, ${runs}.</p>${legend(results)}</header>
<main>
<section class="cards">${results.map((result) => card(comparison, result)).join("")}</section>
<section><h2>Riders and drivers</h2><div class="charts">${distributions(results)}</div></section>
<section><h2>Hour by hour</h2><p class="note">Dots are means of the runs, bars their 95 % intervals. Hours are the city's.</p>
<div class="charts">${byHour(results)}</div></section>
<section><h2>Where</h2>${maps(results)}${cellTable(results)}</section>
<section><h2>All figures</h2><p class="note">${noteOnIntervals(seeds.length, results)}</p>${figuresTable(comparison)}</section>
<section><h2>How this was made</h2>${method(comparison)}</section>
</main></body></html>
`;
}

function legend(results: readonly PolicyResult[]): string {
  const names = results.map(
    ({ policy }, index) => `<span><i style="background:var(--p${index % 8})"></i>${escaped(policy.name)}</span>`,
  );
  return `<p class="names">${names.join("")}</p>`;
}

function card({ results }: Comparison, result: PolicyResult): string {
  const color = results.indexOf(result) % 8;
  const lines = HEADLINES.map((key) => {
    const figure = FIGURES.find((known) => known.key === key)!;
    const { differences } = result;
    const verdict = differences === null ? "unclear" : verdictOn(figure, differences[key]);
    const difference =
      differences === null
        ? "the base"
        : `${estimateText(figure, differences[key], true)} ${verdict === "unclear" ? "· no clear difference" : `· ${verdict}`}`;
    const mean = estimateText(figure, result.means[key]);
    return `<dt>${escaped(figure.title.split(":")[0]!)}</dt><dd><b>${mean}</b><small class="${verdict}">${difference}</small></dd>`;
  });
  return `<article style="border-top-color:var(--p${color})"><h3>${escaped(result.policy.name)}</h3><dl>${lines.join("")}</dl></article>`;
}

function distributions(results: readonly PolicyResult[]): string {
  const all = results.flatMap(({ runs }) => runs.flatMap(({ waits }) => waits)).sort((a, b) => a - b);
  const to = roundedUp(Math.min(LONGEST_WAIT_MINUTES, quantileOf(all, 0.98) || 1));
  const waits = results.map(({ policy, runs }, index): Series => {
    const own = runs.flatMap((run) => run.waits).sort((a, b) => a - b);
    const requests = runs.reduce((sum, run) => sum + run.requests, 0);
    const points = Array.from({ length: CURVE_POINTS + 1 }, (_, step) => {
      const x = (step / CURVE_POINTS) * to;
      return { x, y: countUpTo(own, x) / requests, half: null };
    });
    return { name: policy.name, color: index % 8, points };
  });
  const incomes = results.map(({ policy, runs }, index): Series => {
    const own = runs.flatMap((run) => run.incomes).sort((a, b) => a - b);
    return { name: policy.name, color: index % 8, points: lorenz(own) };
  });
  const equal: Series = { name: "equal", color: 9, points: [0, 1].map((x) => ({ x, y: x, half: null })) };
  return (
    figure(
      "Picked up within so many minutes, of all who asked",
      lineChart(
        "Pickup time distribution",
        waits,
        { label: "minutes from request to driver at the kerb", from: 0, to, text: String },
        SHARES,
      ),
    ) +
    figure(
      "Who earns how much: share of all fares that goes to the lowest-paid share of drivers",
      lineChart(
        "Lorenz curve of hourly fares",
        [equal, ...incomes],
        { ...SHARES, label: "drivers, from the lowest paid up" },
        SHARES,
      ),
    )
  );
}

const SHARES: Axis = { label: "", from: 0, to: 1, text: (value) => `${Math.round(value * 100)} %` };

function lorenz(sorted: readonly number[]): Series["points"] {
  const total = sorted.reduce((sum, value) => sum + value, 0) || 1;
  let sum = 0;
  const sums = [0, ...sorted.map((value) => (sum += value))];
  return Array.from({ length: CURVE_POINTS + 1 }, (_, step) => {
    const index = Math.round((step / CURVE_POINTS) * sorted.length);
    return { x: step / CURVE_POINTS, y: sums[index]! / total, half: null };
  });
}

function byHour(results: readonly PolicyResult[]): string {
  const hours = hoursOf(results);
  const every = Math.ceil(hours.length / 8);
  const xAxis: Axis = {
    label: "hour",
    from: -0.5,
    to: hours.length - 0.5,
    ticks: hours.map((_, index) => index).filter((index) => index % every === 0),
    text: (index) => hours[index]!.slice(-2),
  };
  const chart = (title: string, words: string, value: Parameters<typeof hourValues>[2], yAxis?: Axis): string => {
    const series = results.map((result, index): Series => {
      return { name: result.policy.name, color: index % 8, points: hourValues(result, hours, value) };
    });
    const tops = series.flatMap(({ points }) => points.map(({ y, half }) => y + (half ?? 0)));
    const to = roundedUp(Math.max(0, ...tops));
    return figure(words, dotChart(title, series, xAxis, yAxis ?? { label: "", from: 0, to, text: plain }));
  };
  return (
    chart("Served share by hour", "Served, of those who asked in the hour", (g) => g.completed / g.requests, SHARES) +
    chart("Pickup time by hour", "Minutes from request to driver at the kerb", (g) => g.waitMinutes / g.pickups) +
    chart("Idle time by hour", "Drivers' time without a ride", (g) => 1 - g.busyMs / g.onlineMs, SHARES)
  );
}

function maps(results: readonly PolicyResult[]): string {
  const [first, ...others] = results;
  const base = cellMap("Pickup time by cell", waitsByCell(first!), "min", false);
  if (base === "") return `<p class="note">Too few pickups in any square for a map.</p>`;
  const differences = others.map((result) => {
    const words = `${escaped(result.policy.name)}: pickup time against ${escaped(first!.policy.name)}`;
    return figure(
      words,
      cellMap(words, differencesByCell(result, first!), "min", true) || "Too few pickups in any square.",
    );
  });
  return `<p class="note">Squares of about 1 km with at least five pickups, all runs together.</p><div class="charts">${figure(
    `${escaped(first!.policy.name)}: minutes from request to driver at the kerb`,
    base,
  )}${differences.join("")}</div>`;
}

function cellTable(results: readonly PolicyResult[]): string {
  const rows = cellRows(results).map(
    ({ cell, requests, perPolicy }) =>
      `<tr><td><code>${cell}</code></td><td>${requests}</td>${perPolicy
        .map(
          ({ served, wait }) =>
            `<td>${(served * 100).toFixed(0)} %</td><td>${Number.isNaN(wait) ? "–" : wait.toFixed(1)}</td>`,
        )
        .join("")}</tr>`,
  );
  const names = results.map(({ policy }) => `<th colspan="2" scope="colgroup">${escaped(policy.name)}</th>`).join("");
  const units = results.map(() => `<th scope="col">served</th><th scope="col">min</th>`).join("");
  return `<details><summary>The busiest squares</summary><div class="scroll"><table class="cells"><thead>
<tr><th rowspan="2" scope="col">geohash</th><th rowspan="2" scope="col">requests</th>${names}</tr><tr>${units}</tr></thead>
<tbody>${rows.join("")}</tbody></table></div></details>`;
}

function figuresTable(comparison: Comparison): string {
  return `<table class="figures"><thead><tr><th scope="col">policy</th><th scope="col">mean</th><th scope="col">difference to ${escaped(
    comparison.results[0]!.policy.name,
  )}</th><th scope="col" class="wide"></th></tr></thead>${FIGURES.map((known) => figureRows(comparison, known)).join("")}</table>`;
}

function figureRows({ results, currency }: Comparison, known: Figure): string {
  const reach = Math.max(
    ...results.map(({ differences }) => {
      const difference = differences?.[known.key];
      return difference ? Math.abs(difference.mean) + (difference.half ?? 0) : 0;
    }),
    1e-9,
  );
  const rows = results.map(({ policy, means, differences }, index) => {
    const difference = differences?.[known.key] ?? null;
    const verdict = verdictOn(known, difference);
    const mark = difference?.half == null ? "" : intervalMark(difference.mean, difference.half, reach, verdict);
    const words = differences === null ? "" : `${estimateText(known, difference, true)}`;
    const name = `<i style="background:var(--p${index % 8})"></i>${escaped(policy.name)}`;
    return `<tr><th scope="row">${name}</th><td>${estimateText(known, means[known.key])}</td><td class="${verdict}">${words}</td><td class="wide">${mark}</td></tr>`;
  });
  const unit = known.unit === "money" ? `, ${currency}` : "";
  return `<tbody><tr class="title"><th colspan="4" scope="rowgroup">${escaped(known.title + unit)} <small>${known.better} is better</small></th></tr>${rows.join("")}</tbody>`;
}

function noteOnIntervals(seeds: number, results: readonly PolicyResult[]): string {
  if (seeds === 1) return "One run says nothing of chance: ask for more with --seeds.";
  const clear = results.length > 1 ? " Green and red are differences whose interval does not hold zero." : "";
  return `± is a 95 % interval over ${seeds} runs. Differences are taken run by run, on the same demand and fleet.${clear} Of twenty intervals one misses by chance.`;
}

function method({ experiment, events }: Comparison): string {
  const { wishes, travel, seeds, policies } = experiment;
  const total = (events.shardCommands + events.lockCommands).toLocaleString("en-US");
  const models = policies.some(({ byModel }) => byModel)
    ? "Policies with @model order drivers by the served model's expected cost, the others by pickup time."
    : "Drivers are ordered by pickup time.";
  const facts = [
    `Demand: ${wishes.source}.`,
    `Travel times: ${travel.source}.`,
    `Seeds ${seeds[0]} to ${seeds.at(-1)}: a seed draws the fleet, everybody's character and what the demand leaves open.`,
    `Shards and driver locks are the product's own code, in virtual time: ${total} commands. ${models}`,
    "Drivers and riders behave as sim/behaviour.ts says: chosen, not fitted to any company's data. A difference here is a difference in that world.",
    "Words take no time on the way; cars drive in straight lines; all drivers are free at the beginning.",
  ];
  return `<ul>${facts.map((fact) => `<li>${escaped(fact)}</li>`).join("")}</ul>`;
}

function figure(words: string, picture: string): string {
  return `<figure><figcaption>${words}</figcaption>${picture}</figure>`;
}

function plain(value: number): string {
  return String(Math.round(value * 100) / 100);
}

function countUpTo(sorted: readonly number[], limit: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}
