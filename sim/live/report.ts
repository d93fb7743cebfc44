/** The city in figures: the live summary and the final report say the same things in the same words. */
import type { Violation } from "./check-history.ts";
import type { HistoryRows } from "./evidence.ts";
import type { Counters, Percentiles } from "./measures.ts";

export interface CityFigures {
  readonly city: string;
  readonly seed: number;
  readonly speed: number;
  readonly url: string;
  readonly seconds: number;
  readonly drivers: { readonly online: number; readonly engaged: number };
  readonly openRides: number;
  readonly rides: Readonly<Counters>;
  readonly requestToOfferMs: Percentiles;
  readonly acceptToVerdictMs: Percentiles;
  readonly history: HistoryRows;
  readonly restarts: number;
  readonly serverErrors: number;
}

export interface Report extends CityFigures {
  /** Share of accepted requests that had a driver at some time; 0 where none was accepted. */
  readonly matchedShare: number;
  /** False when the run was cut short and only safety could be judged. */
  readonly complete: boolean;
  readonly violations: readonly Violation[];
}

export function matchedShareOf({ requests, refused, matched }: Pick<Counters, "requests" | "refused" | "matched">) {
  return requests > refused ? matched / (requests - refused) : 0;
}

/** Whether the run shows that the city works: no promise broken, and somebody served. */
export function passes({ violations, complete, rides }: Pick<Report, "violations" | "complete" | "rides">): boolean {
  // Who stops a run at once may not have waited for its first ride; but a city that refuses everybody is none.
  const served = rides.matched > 0 || (!complete && (rides.requests === 0 || rides.refused < rides.requests));
  return violations.length === 0 && served;
}

export function summaryLines(figures: CityFigures): string[] {
  const { rides, drivers, history } = figures;
  return [
    `kerb ${figures.city}, seed ${figures.seed}, ${figures.speed} times as fast as life, ${clock(figures.seconds)}`,
    `server    ${figures.url}   ${figures.url}/openapi.json   ${figures.url}/metrics`,
    `drivers   ${drivers.online} online, ${drivers.engaged} with a ride`,
    `rides     ${rides.requests} requested, ${rides.offers} offers, ${rides.matched} matched, ` +
      `${rides.unserved} expired, ${rides.cancelled} cancelled, ${rides.completed} completed, ${figures.openRides} open` +
      (rides.noShow > 0 ? `, ${rides.noShow} no-show` : "") +
      (rides.refused > 0 ? `, ${rides.refused} refused` : "") +
      (rides.abandoned > 0 ? `, ${rides.abandoned} abandoned` : ""),
    `latency   request to offer ${percentiles(figures.requestToOfferMs)}   ` +
      `accept to verdict ${percentiles(figures.acceptToVerdictMs)}`,
    `history   ${history.rides} rides and ${history.events} events in D1   ${figures.restarts} restarts, ` +
      `${rides.reconnects} reconnects, ${figures.serverErrors} server errors`,
  ];
}

/** One line, for output that nobody redraws. */
export function shortSummary(figures: CityFigures): string {
  const { rides } = figures;
  return (
    `${clock(figures.seconds)}  drivers ${figures.drivers.online}  requests ${rides.requests}  offers ${rides.offers}  ` +
    `matched ${rides.matched}  expired ${rides.unserved}  cancelled ${rides.cancelled}  completed ${rides.completed}  ` +
    `request→offer ${percentiles(figures.requestToOfferMs)}  accept→verdict ${percentiles(figures.acceptToVerdictMs)}  ` +
    `D1 ${figures.history.rides}+${figures.history.events}  restarts ${figures.restarts}`
  );
}

export function reportLines(report: Report): string[] {
  const matched = `${(report.matchedShare * 100).toFixed(1)} % of the requests were matched`;
  const judged = report.complete
    ? "every ride ended, and the clients' logs and D1 agree"
    : "cut short: what was said so far is consistent; open rides and late events were not judged";
  const verdict =
    report.violations.length > 0
      ? `BROKEN: ${report.violations.length} violations`
      : passes(report)
        ? `checked: ${judged}`
        : "FAILED: nobody was served";
  const violations = report.violations
    .slice(0, VIOLATIONS_SHOWN)
    .flatMap(({ rule, sentence, trace }) => [
      `  [${rule}] ${sentence}`,
      ...trace.slice(0, TRACE_SHOWN).map((line) => `      ${line.slice(0, 240)}`),
    ]);
  return [...summaryLines(report), matched, verdict, ...violations];
}

const VIOLATIONS_SHOWN = 20;
const TRACE_SHOWN = 8;

function percentiles({ count, p50, p95, p99 }: Percentiles): string {
  if (count === 0) return "–";
  return `p50 ${milliseconds(p50)} p95 ${milliseconds(p95)} p99 ${milliseconds(p99)} ms`;
}

function milliseconds(value: number): string {
  return value < 10 ? value.toFixed(1) : value.toFixed(0);
}

function clock(seconds: number): string {
  return `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
}
