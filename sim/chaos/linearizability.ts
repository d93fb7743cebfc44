/**
 * The clients' log as operations on rides and drivers, and the verdict whether some order explains them. Independent of
 * the witness checker (sim/live/check-history.ts): that one looks for known bad patterns, this one knows only how a ride
 * and a driver behave when they are alone.
 */
import type { RideEvent } from "../../src/domain/event.ts";
import { isEngaged } from "../../src/domain/ride.ts";
import type { Violation } from "../live/check-history.ts";
import { swapsKept } from "../live/engagements.ts";
import type { HistoryRecord } from "../live/history-log.ts";
import { type Finding, findOrder, type Operation, type SequentialObject } from "./find-order.ts";
import { DRIVER, type DriverCall, RIDE, type RideCall } from "./ride-object.ts";

export interface History {
  readonly records: readonly HistoryRecord[];
  /** Of D1. Only what no client does is taken from it: rides that nobody served, were taken away or given up. */
  readonly events: readonly RideEvent[];
}

export interface LinearizabilityReport {
  readonly rides: number;
  readonly drivers: number;
  readonly operations: number;
  /** Of them those whose outcome nobody heard. */
  readonly unknown: number;
  /** Objects whose search gave up. Nothing is known of them, so a run with one has not been checked. */
  readonly undecided: readonly string[];
  readonly violations: readonly Violation[];
}

/** A shard's clock may be this much ahead of the clients'. */
const CLOCKS_DIFFER_MS = 50;

export function checkLinearizability(history: History): LinearizabilityReport {
  const said = operationsSaid(history.records);
  const done = doneByShards(history.events, swapsKept(history.events));
  const takenFrom = takeovers(history.events);
  const rides = Map.groupBy(
    [...said.flatMap((one) => onRide(one, takenFrom)), ...done.flatMap(({ operation }) => onlyOfRides(operation))],
    ({ rideId }) => rideId,
  );
  const drivers = Map.groupBy(onDrivers(said, done), ({ driverId }) => driverId);
  const findings = [
    ...[...rides].map(([rideId, operations]) => judge("S1", `ride ${rideId}`, operations, RIDE)),
    ...[...drivers].map(([driverId, operations]) => judge("S2", `driver ${driverId}`, operations, DRIVER)),
  ];
  return {
    rides: rides.size,
    drivers: drivers.size,
    operations: said.length,
    unknown: said.filter(({ outcome }) => outcome === null).length,
    undecided: findings.flatMap(({ name, finding }) => (finding.kind === "undecided" ? [name] : [])),
    violations: findings.flatMap(violationOf),
  };
}

interface Judged {
  readonly rule: string;
  readonly name: string;
  readonly finding: Finding;
}

function judge<State, Call>(
  rule: string,
  name: string,
  operations: readonly Operation<Call>[],
  object: SequentialObject<State, Call>,
): Judged {
  return { rule, name, finding: findOrder(operations, object) };
}

function violationOf({ rule, name, finding }: Judged): Violation[] {
  if (finding.kind !== "impossible") return [];
  const trace = [...finding.explained, ...finding.stuck.map((label) => `cannot come next: ${label}`)];
  return [{ rule, sentence: `no order of what was heard explains ${name}`, trace }];
}

type Spoken = Extract<HistoryRecord, { op: "accept" | "decline" } | { op: "cancel" } | { op: "step" }>;

/** What one client said once; `outcome` is null when he never heard what became of it. */
interface Said {
  readonly invocation: Spoken;
  readonly invokedAt: number;
  readonly outcome: Spoken | null;
}

/**
 * An answer belongs to the earliest call of the same words that has none: where a client said them twice at once, that
 * is the wider of the possible times, so it never accuses anybody falsely.
 */
function operationsSaid(records: readonly HistoryRecord[]): Said[] {
  const open = new Map<string, Spoken[]>();
  const said: Said[] = [];
  for (const record of records) {
    if (record.op !== "accept" && record.op !== "decline" && record.op !== "cancel" && record.op !== "step") continue;
    const words = wordsOf(record);
    const waiting = open.get(words) ?? [];
    if (record.type === "invoke") open.set(words, [...waiting, record]);
    if (record.type !== "ok" && record.type !== "fail") continue;
    const [invocation, ...rest] = waiting;
    if (!invocation) throw new Error(`an answer to nothing: ${JSON.stringify(record)}`);
    open.set(
      words,
      rest.map((later) => ({ ...later, t: invocation.t })),
    );
    said.push({ invocation, invokedAt: invocation.t, outcome: record });
  }
  for (const unanswered of open.values()) {
    for (const invocation of unanswered) said.push({ invocation, invokedAt: invocation.t, outcome: null });
  }
  return said;
}

function wordsOf(record: Spoken): string {
  const step = record.op === "step" ? record.step : "";
  return `${record.who} ${record.op} ${step} ${"offerId" in record ? record.offerId : record.rideId}`;
}

type OnRide = Operation<RideCall> & { readonly rideId: string };
type OnDriver = Operation<DriverCall> & { readonly driverId: string };

/** The offers that took a ride from a driver on his way, with his: which of two ways an accept was won, no client hears. */
function takeovers(events: readonly RideEvent[]): ReadonlyMap<string, string> {
  const offerOfVersion = new Map(events.map(({ id, ride }) => [id, isEngaged(ride) ? ride.offerId : ""]));
  const exchanged = events.filter(({ type }) => type === "ride.exchanged");
  return new Map(
    exchanged.map(({ id, rideId, version }) => {
      return [offerOfVersion.get(id)!, offerOfVersion.get(`${rideId}:${version - 1}`) ?? ""];
    }),
  );
}

function onRide(said: Said, takenFrom: ReadonlyMap<string, string>): OnRide[] {
  const { invocation, outcome } = said;
  const heard = outcome === null ? callIfHeard(invocation) : callHeard(invocation, outcome);
  const from = heard?.kind === "won" ? takenFrom.get(heard.offerId) : undefined;
  const call = heard?.kind === "won" && from !== undefined ? { ...heard, kind: "took.over" as const, from } : heard;
  return call === null ? [] : [{ ...timesOf(said), rideId: invocation.rideId, call, label: labelOf(said, call) }];
}

function timesOf({ invokedAt, outcome }: Said) {
  return { invokedAt, returnedAt: outcome?.t ?? Number.POSITIVE_INFINITY, required: outcome !== null };
}

function labelOf({ invocation, invokedAt, outcome }: Said, call: object): string {
  return `${invokedAt}..${outcome?.t ?? "?"} ${invocation.who} ${JSON.stringify(call)}`;
}

/** What it would have done had it arrived. Null for a decline, which then forbids nothing. */
function callIfHeard(invocation: Spoken): RideCall | null {
  if (invocation.op === "accept") return { kind: "won", offerId: invocation.offerId };
  if (invocation.op === "cancel") return { kind: "cancelled" };
  if (invocation.op === "step") return { kind: "stepped", step: invocation.step, offerId: invocation.offerId };
  return null;
}

/** Null where the answer says nothing about the ride: the server refused to listen at all. */
function callHeard(invocation: Spoken, outcome: Spoken): RideCall | null {
  if (invocation.op === "cancel") {
    if (outcome.type === "ok") return { kind: "cancelled" };
    return "reason" in outcome && outcome.reason?.startsWith("409") ? { kind: "cancel.refused" } : null;
  }
  const { offerId } = invocation;
  if (invocation.op === "step") {
    return { kind: outcome.type === "ok" ? "stepped" : "step.refused", step: invocation.step, offerId };
  }
  if (!("outcome" in outcome)) return null;
  if (outcome.outcome === "lost") return { kind: "lost", offerId, reason: outcome.reason ?? "" };
  return { kind: invocation.op === "accept" ? "won" : "confirmed", offerId };
}

/**
 * Another driver's accept took the ride: it is that accept that did it, and only the driver who lost it is told here. Where
 * two swapped there was none, and the shard did it.
 */
type DoneCall = RideCall | { readonly kind: "exchanged" };

function onlyOfRides({ call, ...operation }: DoneByShard["operation"]): OnRide[] {
  return call.kind === "exchanged" ? [] : [{ ...operation, call }];
}

interface DoneByShard {
  readonly operation: Operation<DoneCall> & { readonly rideId: string };
  readonly driverId: string | null;
  readonly offerId: string | null;
  /** Whom it gave the ride without asking him. */
  readonly gave: { readonly driverId: string; readonly offerId: string } | null;
}

/**
 * Each may explain what clients heard and need not: a ride that was given back at its driver's word has the same event as
 * one that was taken from him.
 */
function doneByShards(events: readonly RideEvent[], swapped: ReadonlyMap<string, string>): DoneByShard[] {
  return [...Map.groupBy(events, ({ rideId }) => rideId).values()].flatMap((ofRide) => {
    const inOrder = [...ofRide].sort((a, b) => a.version - b.version);
    return inOrder.flatMap((event, index) => {
      const before = inOrder[index - 1]?.ride;
      const engaged = before !== undefined && isEngaged(before) ? before : null;
      const gave = isEngaged(event.ride) && swapped.has(event.ride.offerId) ? event.ride : null;
      const call = callOfShard(event, engaged?.offerId ?? null, gave?.offerId ?? null);
      if (call === null) return [];
      const operation = {
        call,
        rideId: event.rideId,
        invokedAt: event.at - CLOCKS_DIFFER_MS,
        returnedAt: Number.POSITIVE_INFINITY,
        // Nobody else says that two drivers swapped.
        required: call.kind === "took.over",
        label: `${event.at}.. shard ${JSON.stringify(call)}`,
      };
      return [{ operation, driverId: engaged?.driverId ?? null, offerId: engaged?.offerId ?? null, gave }];
    });
  });
}

function callOfShard({ type }: RideEvent, offerId: string | null, gave: string | null): DoneCall | null {
  if (offerId === null) return type === "ride.no_driver" ? { kind: "unserved" } : null;
  if (type === "ride.redispatched" || type === "ride.no_driver") return { kind: "taken.away", offerId };
  if (type === "ride.exchanged" && gave !== null) return { kind: "took.over", offerId: gave, from: offerId };
  if (type === "ride.exchanged") return { kind: "exchanged" };
  if (type === "ride.no_show") return { kind: "no.show", offerId };
  return type === "ride.abandoned" ? { kind: "abandoned", offerId } : null;
}

/** Wins, and everything that may have ended one: the driver's own words, his rider's, or the shard. */
function onDrivers(said: readonly Said[], done: readonly DoneByShard[]): OnDriver[] {
  const wins = said.filter(({ invocation, outcome }) => {
    const lost = outcome !== null && "outcome" in outcome && outcome.outcome === "lost";
    return invocation.op === "accept" && !lost;
  });
  const given = done.flatMap(({ operation, gave }) => (gave === null ? [] : [{ operation, ...gave }]));
  const driverOf = new Map<string, string>(wins.map(({ invocation }) => [offerOf(invocation), invocation.who]));
  for (const { offerId, driverId } of given) driverOf.set(offerId, driverId);
  const cancels = Map.groupBy(
    said.filter(({ invocation, outcome }) => invocation.op === "cancel" && outcome?.type !== "fail"),
    ({ invocation }) => invocation.rideId as string,
  );
  const own = said.filter(({ invocation, outcome }) => {
    const ends = invocation.op === "step" && (invocation.step === "complete" || invocation.step === "cancel");
    return ends && outcome?.type !== "fail";
  });
  return [
    ...wins.map((win) => onDriver(win, win.invocation.who, { kind: "won", offerId: offerOf(win.invocation) })),
    ...given.map(({ operation, driverId, offerId }) => {
      return { ...operation, driverId, call: { kind: "won", offerId } as const };
    }),
    ...own.map((end) => onDriver(end, end.invocation.who, { kind: "left", offerId: offerOf(end.invocation) })),
    ...[...driverOf].flatMap(([offerId, driverId]) =>
      (cancels.get(offerId.slice(0, offerId.lastIndexOf("#"))) ?? []).map((cancel) => ({
        // The rider may have cancelled while somebody else had the ride.
        ...onDriver(cancel, driverId, { kind: "left", offerId }),
        required: false,
      })),
    ),
    ...done.flatMap(({ operation, driverId, offerId }) =>
      driverId !== null && offerId !== null
        ? [{ ...operation, driverId, call: { kind: "left", offerId } as const }]
        : [],
    ),
  ];
}

function onDriver(said: Said, driverId: string, call: DriverCall): OnDriver {
  return { ...timesOf(said), driverId, call, label: labelOf(said, call) };
}

function offerOf(invocation: Spoken): string {
  return "offerId" in invocation ? invocation.offerId : "";
}
