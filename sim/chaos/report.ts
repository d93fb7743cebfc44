/** What happened in a run under attack, in figures and in words. */
import type { RideState } from "../../src/domain/ride.ts";
import type { Evidence, Violation } from "../live/check-history.ts";
import type { HistoryRecord } from "../live/history-log.ts";
import { HEALED_WITHIN_SECONDS, type Healing } from "./healing.ts";
import type { LinearizabilityReport } from "./linearizability.ts";
import type { Fault, Restart } from "./nemesis.ts";
import type { ReturnTimes } from "./returns.ts";

export interface ChaosReport {
  readonly seed: number;
  readonly seconds: number;
  readonly drivers: number;
  readonly riders: number;
  readonly faults: FaultFigures;
  readonly happened: Happened;
  readonly interrupted: Interrupted;
  readonly returns: ReturnTimes;
  /** Drivers whose app gave up, with its reason. */
  readonly driversGone: readonly string[];
  /** Where too few drivers were in the index at the end: those who were not, and what they were last told. */
  readonly driversMissing: readonly string[];
  /** From each kill until workerd ran again. */
  readonly restarts: readonly Restart[];
  readonly healing: Healing;
  readonly linearizability: LinearizabilityReport;
  readonly violations: readonly Violation[];
}

interface FaultFigures {
  readonly kills: number;
  /** Of them those that took the server process too. */
  readonly wholeKills: number;
  readonly cuts: number;
  readonly connectionsCut: number;
  readonly pauses: number;
  readonly pausedSeconds: number;
  readonly evicted: number;
  readonly eventsRepeated: number;
}

interface Happened {
  readonly shards: number;
  readonly rides: number;
  readonly byState: Readonly<Partial<Record<RideState, number>>>;
  readonly redispatched: number;
  readonly offers: number;
  readonly offersAcrossBorders: number;
  readonly won: number;
  readonly lost: number;
  /** Accepts whose verdict nobody heard. */
  readonly unknown: number;
  readonly events: number;
  readonly reconnects: number;
}

/** Operations that were under way when the server was killed, and how many of them had an answer in the end. */
interface Interrupted {
  readonly requests: number;
  readonly accepts: number;
  readonly steps: number;
  readonly cancels: number;
  readonly answered: number;
}

export function faultFigures(faults: readonly Fault[]): FaultFigures {
  const of = (kind: Fault["kind"]) => faults.filter((fault) => fault.kind === kind);
  const sizes = (kind: Fault["kind"]) => of(kind).reduce((sum, { size }) => sum + size, 0);
  return {
    kills: of("kill").length,
    wholeKills: of("kill").filter(({ size }) => size > 1).length,
    cuts: of("cut").length,
    connectionsCut: sizes("cut"),
    pauses: of("pause").length,
    pausedSeconds: sizes("pause") / 1_000,
    evicted: of("evict").length,
    eventsRepeated: sizes("repeat"),
  };
}

export function happened({ records, rides, events }: Evidence, reconnects: number, acrossBorders: number): Happened {
  const byState: Partial<Record<RideState, number>> = {};
  for (const { state } of rides) byState[state] = (byState[state] ?? 0) + 1;
  const accepts = records.filter(({ op }) => op === "accept");
  const heard = (outcome: "won" | "lost") =>
    accepts.filter((record) => "outcome" in record && record.outcome === outcome).length;
  const [won, lost] = [heard("won"), heard("lost")];
  return {
    shards: new Set(rides.map(({ ride_id: id }) => id.slice(0, id.indexOf(".")))).size,
    rides: rides.length,
    byState,
    redispatched: events.filter(({ type }) => type === "ride.redispatched").length,
    offers: records.filter(({ op, type }) => op === "told" && type === "offer").length,
    offersAcrossBorders: acrossBorders,
    won,
    lost,
    unknown: accepts.filter(({ type }) => type === "invoke").length - won - lost,
    events: events.length,
    reconnects,
  };
}

export function interrupted(records: readonly HistoryRecord[], faults: readonly Fault[]): Interrupted {
  const kills = faults.filter(({ kind }) => kind === "kill").map(({ at }) => at);
  const count = { requests: 0, accepts: 0, steps: 0, cancels: 0, answered: 0 };
  const groups = { request: "requests", accept: "accepts", step: "steps", cancel: "cancels" } as const;
  const said = new Map<string, number>();
  for (const record of records) {
    if (!(record.op in groups)) continue;
    const words = wordsOf(record);
    if (record.type === "invoke") {
      said.set(words, record.t);
      continue;
    }
    const from = said.get(words);
    said.delete(words);
    if (from === undefined || !kills.some((at) => from < at && at < record.t)) continue;
    count[groups[record.op as keyof typeof groups]] += 1;
    if (record.type !== "info") count.answered += 1;
  }
  return count;
}

function wordsOf(record: HistoryRecord): string {
  const about = "offerId" in record ? record.offerId : "key" in record ? record.key : record.rideId;
  return `${record.who} ${record.op} ${about} ${"step" in record ? record.step : ""}`;
}

/** Why a run without a violation proves nothing all the same. */
export function doubts({ driversGone, driversMissing, linearizability, happened: what }: ChaosReport): string[] {
  return [
    ...driversGone.map((who) => `gone: ${who}`),
    ...driversMissing.map((who) => `not in the index at the end: ${who}`),
    ...linearizability.undecided.map((name) => `not decided: ${name}`),
    ...(what.byState.completed ? [] : ["not one ride was completed"]),
  ];
}

export function chaosLines(report: ChaosReport): string[] {
  const { faults, happened: what, interrupted: cut, linearizability: order, healing } = report;
  const states = Object.entries(what.byState).sort(([a], [b]) => (a < b ? -1 : 1));
  return [
    `chaos, seed ${report.seed}: ${report.drivers} drivers, ${report.riders} riders at a time, ${report.seconds.toFixed(0)} s`,
    `faults      ${faults.kills} kills of workerd, ${faults.wholeKills} of them with its server process, ${faults.cuts} cuts of ${faults.connectionsCut} connections, ` +
      `${faults.pauses} pauses of ${faults.pausedSeconds.toFixed(1)} s in all, ${faults.evicted} objects ended, ` +
      `${faults.eventsRepeated} events repeated`,
    `rides       ${what.rides} in ${what.shards} shards: ${states.map(([state, count]) => `${count} ${state}`).join(", ")}; ` +
      `given back or taken away ${what.redispatched} times`,
    `offers      ${what.offers} seen, ${what.offersAcrossBorders} of them by drivers in another cell; ` +
      `accepts ${what.won} won, ${what.lost} lost, ${what.unknown} never answered; ${what.reconnects} reconnects`,
    `under way at a kill: ${cut.requests} requests, ${cut.accepts} accepts, ${cut.steps} steps, ${cut.cancels} cancels; ` +
      `${cut.answered} of them answered in the end`,
    `workerd back after a kill: ${spread(report.restarts.filter(({ whole }) => !whole).map(({ ms }) => ms))}; ` +
      `with its server process: ${spread(report.restarts.filter(({ whole }) => whole).map(({ ms }) => ms))}`,
    `drivers back in the index after a kill, 99 % of them: ${returnWords(report.returns)}`,
    `healed      rides over after ${seconds(healing.ridesOver)}, locks free after ${seconds(healing.locksFree)}, ` +
      `events in D1 after ${seconds(healing.eventsKept)} (bound ${HEALED_WITHIN_SECONDS} s)`,
    `checked     ${what.rides} rides and ${what.events} events in D1 against clients and shards; an order for ` +
      `${order.operations} operations (${order.unknown} of unknown outcome) on ${order.rides} rides and ${order.drivers} drivers`,
    ...doubts(report),
    ...violationLines(report.violations),
  ];
}

/** Of each rule: a broken run has many of one kind, and the first few show it. */
const VIOLATIONS_SHOWN = 4;
const TRACE_SHOWN = 12;
const LINE_SHOWN = 240;

function violationLines(violations: readonly Violation[]): string[] {
  if (violations.length === 0) return ["violations: 0"];
  const byRule = [...Map.groupBy(violations, ({ rule }) => rule)];
  return [
    `BROKEN: ${violations.length} violations (${byRule.map(([rule, found]) => `${found.length} of ${rule}`).join(", ")})`,
    ...byRule
      .flatMap(([, found]) => found.slice(0, VIOLATIONS_SHOWN))
      .flatMap(({ rule, sentence, trace }) => [
        `  [${rule}] ${sentence}`,
        ...trace.slice(0, TRACE_SHOWN).map((line) => `      ${line.slice(0, LINE_SHOWN)}`),
      ]),
  ];
}

function seconds(value: number | null): string {
  return value === null ? "NEVER" : `${value.toFixed(1)} s`;
}

function returnWords({ times, cutShort }: ReturnTimes): string {
  return spread(times) + (cutShort > 0 ? `; ${cutShort} more kills were followed by the next one before` : "");
}

function spread(timesMs: readonly number[]): string {
  if (timesMs.length === 0) return "never";
  const sorted = [...timesMs].sort((a, b) => a - b);
  const at = (share: number): string => `${(sorted[Math.ceil(share * sorted.length) - 1]! / 1_000).toFixed(1)} s`;
  return `p50 ${at(0.5)}, p95 ${at(0.95)}, longest ${at(1)} over ${sorted.length} kills`;
}
