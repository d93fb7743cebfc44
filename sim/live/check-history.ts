/**
 * Judges a run from outside: by what its clients were told and by what D1 holds, never by a shard's memory. Each rule
 * is named as in docs/SPEC.md; a violation carries the trace that shows it.
 */
import type { RideEvent } from "../../src/domain/event.ts";
import type { RideState } from "../../src/domain/ride.ts";
import { engagementsHeard, engagementsKept, overlaps, swapsKept } from "./engagements.ts";
import type { HistoryRecord } from "./history-log.ts";

/** A row of D1's `rides`. */
export interface RideRow {
  readonly ride_id: string;
  readonly version: number;
  readonly state: RideState;
  readonly rider_id: string;
  readonly driver_id: string | null;
  readonly body: string;
}

export interface Evidence {
  readonly records: readonly HistoryRecord[];
  readonly rides: readonly RideRow[];
  readonly events: readonly RideEvent[];
  /** Messages that history could not read. */
  readonly buried: number;
  /** False when the run was cut short: then rides may be open and events still on their way. */
  readonly complete: boolean;
}

export interface Violation {
  readonly rule: string;
  readonly sentence: string;
  readonly trace: readonly string[];
}

const OPEN: readonly RideState[] = ["scheduled", "matching", "assigned", "arrived", "on_trip"];

const FIRST: readonly RideEvent["type"][] = ["ride.requested", "ride.scheduled"];

/** Which events may follow a state. */
const NEXT: Readonly<Record<RideState, readonly RideEvent["type"][]>> = {
  scheduled: ["ride.dispatched", "ride.cancelled"],
  matching: ["ride.assigned", "ride.cancelled", "ride.no_driver"],
  assigned: ["ride.exchanged", "ride.arrived", "ride.started", "ride.redispatched", "ride.no_driver", "ride.cancelled"],
  arrived: ["ride.started", "ride.redispatched", "ride.no_driver", "ride.cancelled", "ride.no_show"],
  on_trip: ["ride.completed", "ride.abandoned"],
  completed: ["ride.rated"],
  abandoned: [],
  cancelled_no_show: [],
  cancelled_by_rider: [],
  no_driver: [],
};

/** Empty when the run kept every promise. */
export function checkHistory(evidence: Evidence): Violation[] {
  const eventsOf = Map.groupBy(
    [...evidence.events].sort((a, b) => a.version - b.version),
    ({ rideId }) => rideId as string,
  );
  return [
    ...oneDriverPerRide(evidence),
    ...oneRidePerDriver(evidence),
    ...wonMeansAssigned(evidence),
    ...oneVerdictPerOffer(evidence),
    ...versionsRise(evidence, eventsOf),
    ...rowsAreLastEvents(evidence, eventsOf),
    ...oneRidePerKey(evidence),
    ...everyRideEnds(evidence),
    ...nothingLostNothingExtra(evidence, eventsOf),
  ];
}

function violation(rule: string, sentence: string, trace: readonly unknown[]): Violation {
  return { rule, sentence, trace: trace.map((item) => JSON.stringify(item)) };
}

/** Two drivers were both told that a ride is theirs, at a moment when neither could have left it. */
function oneDriverPerRide({ records, events }: Evidence): Violation[] {
  return overlaps(engagementsHeard(records, events), "rideId", "driverId").map(([a, b]) =>
    violation("S1", `ride ${a.rideId} had two drivers, ${a.driverId} and ${b.driverId}`, [a, b]),
  );
}

/** By what clients heard, and by what D1 kept: one driver had two rides at a time. */
function oneRidePerDriver({ records, events }: Evidence): Violation[] {
  const heard = overlaps(engagementsHeard(records, events), "driverId", "rideId");
  const kept = overlaps(engagementsKept(events), "driverId", "rideId");
  return [...heard, ...kept].map(([a, b]) =>
    violation("S2", `driver ${a.driverId} had two rides, ${a.rideId} and ${b.rideId}`, [a, b]),
  );
}

/** Every WON that a driver heard is one assignment in D1, and every assignment its driver asked for, or got for such a one. */
function wonMeansAssigned({ records, events, complete }: Evidence): Violation[] {
  const assigned = Map.groupBy(
    events.filter(({ type }) => type === "ride.assigned" || type === "ride.exchanged"),
    ({ ride }) => ("offerId" in ride ? (ride.offerId as string) : ""),
  );
  const accepts = records.flatMap((record) => (record.op === "accept" ? [record] : []));
  const asked = new Set(accepts.map(({ offerId }) => offerId as string));
  const swapped = swapsKept(events);
  const won = accepts.filter((record) => record.type === "ok" && record.outcome === "won");
  const found: Violation[] = [];
  for (const record of won) {
    const count = assigned.get(record.offerId)?.length ?? 0;
    if (count === 1 || (count === 0 && !complete)) continue;
    found.push(violation("S4", `offer ${record.offerId} was won, and D1 holds ${count} assignments of it`, [record]));
  }
  for (const [offerId, kept] of assigned) {
    if (kept.length > 1) found.push(violation("S4", `offer ${offerId} was assigned ${kept.length} times`, kept));
    if (!asked.has(swapped.get(offerId) ?? offerId))
      found.push(violation("S4", `offer ${offerId} was assigned, and nobody accepted it`, kept));
  }
  return found;
}

function oneVerdictPerOffer({ records }: Evidence): Violation[] {
  const verdicts = records.filter(
    (record) => (record.op === "accept" || record.op === "decline") && record.type === "ok",
  );
  return [...Map.groupBy(verdicts, (record) => ("offerId" in record ? `${record.who} ${record.offerId}` : ""))].flatMap(
    ([offer, heard]) => {
      const outcomes = new Set(heard.map((record) => ("outcome" in record ? record.outcome : "")));
      return outcomes.size > 1 ? [violation("S5", `${offer} heard both won and lost`, heard)] : [];
    },
  );
}

function versionsRise({ complete }: Evidence, eventsOf: ReadonlyMap<string, readonly RideEvent[]>): Violation[] {
  return [...eventsOf].flatMap(([rideId, events]) => {
    let before: RideEvent | null = null;
    for (const event of events) {
      const expected: number = (before?.version ?? 0) + 1;
      const legal: readonly RideEvent["type"][] = before ? NEXT[before.ride.state] : FIRST;
      // Cut short, a version may still be on its way; what came after it cannot be judged without it.
      if (event.version > expected && !complete) return [];
      if (event.version !== expected) {
        return [violation("S6", `ride ${rideId} has version ${event.version} where ${expected} belongs`, events)];
      }
      if (!legal.includes(event.type)) {
        return [
          violation("S6", `ride ${rideId} went from ${before?.ride.state ?? "nothing"} by ${event.type}`, events),
        ];
      }
      before = event;
    }
    return [];
  });
}

function rowsAreLastEvents({ rides }: Evidence, eventsOf: ReadonlyMap<string, readonly RideEvent[]>): Violation[] {
  const known = new Set(rides.map(({ ride_id }) => ride_id));
  const orphans = [...eventsOf].filter(([rideId]) => !known.has(rideId));
  const wrong = rides.filter((row) => {
    const last = eventsOf.get(row.ride_id)?.at(-1);
    if (!last) return true;
    const driverId = "driverId" in last.ride ? last.ride.driverId : null;
    return (
      last.version !== row.version ||
      last.ride.state !== row.state ||
      driverId !== row.driver_id ||
      canonical(JSON.parse(row.body)) !== canonical(last.ride)
    );
  });
  return [
    ...orphans.map(([rideId, events]) => violation("S7", `ride ${rideId} has events and no row`, events)),
    ...wrong.map((row) => {
      const trace = [row, eventsOf.get(row.ride_id)?.at(-1) ?? "no event"];
      return violation("S7", `the row of ride ${row.ride_id} is not its last event`, trace);
    }),
  ];
}

/** Text that is equal when the values are, whatever the order of their keys. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    inner !== null && typeof inner === "object" && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

/** One wish is one ride: by what the rider was told, and by what D1 holds of him. Here each rider has one wish. */
function oneRidePerKey({ records, rides }: Evidence): Violation[] {
  const named = records.filter((record) => record.op === "request" && record.type === "ok");
  const told = [...Map.groupBy(named, (record) => ("key" in record ? `${record.who} ${record.key}` : ""))].filter(
    ([, heard]) => new Set(heard.map((record) => ("rideId" in record ? record.rideId : ""))).size > 1,
  );
  const kept = [...Map.groupBy(rides, ({ rider_id }) => rider_id)].filter(([, rows]) => rows.length > 1);
  return [
    ...told.map(([wish, heard]) => violation("S8", `${wish} was told of two rides`, heard)),
    ...kept.map(([riderId, rows]) => violation("S8", `one wish of ${riderId} became ${rows.length} rides`, rows)),
  ];
}

function everyRideEnds({ rides, complete }: Evidence): Violation[] {
  if (!complete) return [];
  const open = rides.filter(({ state }) => OPEN.includes(state));
  return open.map((row) => violation("L1", `ride ${row.ride_id} never ended: ${row.state}`, [row]));
}

/** What clients were told is in D1, version by version; what D1 holds, some client asked for. */
function nothingLostNothingExtra(
  { records, rides, buried, complete }: Evidence,
  eventsOf: ReadonlyMap<string, readonly RideEvent[]>,
): Violation[] {
  const found: Violation[] = [];
  const riders = new Set(records.filter(({ op }) => op === "request").map(({ who }) => who));
  for (const row of rides) {
    if (!riders.has(row.rider_id)) found.push(violation("B1", `ride ${row.ride_id} was asked for by nobody`, [row]));
  }
  if (buried > 0) found.push(violation("B1", `history could not read ${buried} messages`, []));
  const reported = new Set<string>();
  for (const record of records) {
    if (!("version" in record) || reported.has(`${record.rideId}:${record.version}`)) continue;
    const event = eventsOf.get(record.rideId)?.find(({ version }) => version === record.version);
    const state = event && stateFor(event.ride, record);
    const differs = event !== undefined && "state" in record && state !== record.state;
    if (event ? !differs : !complete) continue;
    reported.add(`${record.rideId}:${record.version}`);
    const what = differs ? `${state} in D1` : "not in D1";
    found.push(
      violation("B1", `${record.who} was told version ${record.version} of ${record.rideId}, ${what}`, [record]),
    );
  }
  return found;
}

/** A driver who has left a ride hears it is looking for a driver, also when another has it by now. */
function stateFor(ride: RideEvent["ride"], record: HistoryRecord): string {
  const anothers = "offerId" in record && "offerId" in ride && ride.offerId !== record.offerId;
  return anothers ? "matching" : ride.state;
}
