import { expect, test } from "vitest";
import { checkHistory, type Evidence, type RideRow } from "../../../sim/live/check-history.ts";
import type { Happening, HistoryRecord } from "../../../sim/live/history-log.ts";
import type { DriverId } from "../../../src/domain/driver.ts";
import type { RideEvent, RideEventType } from "../../../src/domain/event.ts";
import type { OfferId, Ride, RideId, RiderId, RideState } from "../../../src/domain/ride.ts";

const RIDE = "dr5ru.01ARZ3NDEKTSV4RRFFQ69G5FAV" as RideId;
const OTHER_RIDE = "dr5rv.01ARZ3NDEKTSV4RRFFQ69G5FAW" as RideId;

function offerOf(rideId: RideId, seq: number): OfferId {
  return `${rideId}#${seq}` as OfferId;
}

/** One version of a ride as D1 keeps it; `driver` and `seq` name the offer it is engaged by. */
function event(
  rideId: RideId,
  version: number,
  type: RideEventType,
  state: RideState,
  at: number,
  driver?: [string, number],
): RideEvent {
  const ride = {
    id: rideId,
    version,
    riderId: `rider-of-${rideId}` as RiderId,
    request: {
      pickup: { lat: 40.7, lng: -74 },
      dropoff: { lat: 40.8, lng: -74 },
      vehicleType: "economy",
      payment: "card",
      minimumRating: 0,
      seats: 1,
      accessible: false,
    },
    tripMeters: 11_119,
    fareCents: 2_000,
    redispatches: 0,
    createdAt: 0,
    ratings: {},
    state,
    ...(driver && { driverId: driver[0] as DriverId, offerId: offerOf(rideId, driver[1]), assignedAt: at }),
  } as unknown as Ride;
  return { id: `${rideId}:${version}`, type, rideId, version, at, ride };
}

function rowOf({ ride }: RideEvent): RideRow {
  return {
    ride_id: ride.id,
    version: ride.version,
    state: ride.state,
    rider_id: ride.riderId,
    driver_id: "driverId" in ride ? ride.driverId : null,
    body: JSON.stringify(ride),
  };
}

/** Ann takes the ride and completes it; everybody hears what happened. `start` moves it in time. */
function goodRide(rideId: RideId, driverId: string, start: number): { records: HistoryRecord[]; events: RideEvent[] } {
  const offerId = offerOf(rideId, 1);
  const rider = `rider-of-${rideId}`;
  const said = (t: number, who: string, happening: Happening): HistoryRecord => ({ t: start + t, who, ...happening });
  return {
    records: [
      said(0, rider, { op: "request", type: "invoke", key: "k" }),
      said(1, rider, { op: "request", type: "ok", key: "k", rideId, version: 1 }),
      said(2, driverId, { op: "told", type: "offer", offerId, rideId }),
      said(3, driverId, { op: "accept", type: "invoke", offerId, rideId }),
      said(5, driverId, { op: "accept", type: "ok", offerId, rideId, outcome: "won" }),
      said(6, rider, { op: "told", type: "ride", rideId, version: 2, state: "assigned", driverId }),
      said(20, driverId, { op: "step", type: "invoke", step: "complete", offerId, rideId }),
      said(22, driverId, { op: "step", type: "ok", step: "complete", offerId, rideId, version: 4, state: "completed" }),
    ],
    events: [
      event(rideId, 1, "ride.requested", "matching", start),
      event(rideId, 2, "ride.assigned", "assigned", start + 4, [driverId, 1]),
      event(rideId, 3, "ride.started", "on_trip", start + 10, [driverId, 1]),
      event(rideId, 4, "ride.completed", "completed", start + 21, [driverId, 1]),
    ],
  };
}

function evidence({ records, events }: { records: HistoryRecord[]; events: RideEvent[] }): Evidence {
  const last = new Map(events.map((each) => [each.rideId, each]));
  return { records, events, rides: [...last.values()].map(rowOf), buried: 0, complete: true };
}

function merged(...runs: { records: HistoryRecord[]; events: RideEvent[] }[]) {
  return {
    records: runs.flatMap(({ records }) => records).sort((a, b) => a.t - b.t),
    events: runs.flatMap(({ events }) => events),
  };
}

function rulesBroken(judged: Evidence): string[] {
  return [...new Set(checkHistory(judged).map(({ rule }) => rule))];
}

test("a run in which all went well has no violation", () => {
  const run = merged(goodRide(RIDE, "ann", 0), goodRide(OTHER_RIDE, "ann", 100));
  expect(checkHistory(evidence(run))).toEqual([]);
});

test("[P2] [S6] a ride that was scheduled is searched for before it is anybody's, and does not stay scheduled", () => {
  const later = (...kinds: readonly (readonly [RideEvent["type"], Ride["state"]])[]) =>
    kinds.map(([type, state], index) => event(RIDE, index + 1, type, state, index));
  const asked: HistoryRecord = { t: 0, who: `rider-of-${RIDE}`, op: "request", type: "invoke", key: "k" };
  const broken = (events: RideEvent[]) => rulesBroken(evidence({ records: [asked], events }));
  const [scheduled, dispatched] = [
    ["ride.scheduled", "scheduled"],
    ["ride.dispatched", "matching"],
  ] as const;
  expect(broken(later(scheduled, dispatched, ["ride.no_driver", "no_driver"]))).toEqual([]);
  expect(broken(later(scheduled, ["ride.cancelled", "cancelled_by_rider"]))).toEqual([]);
  expect(broken(later(scheduled, ["ride.no_driver", "no_driver"]))).toEqual(["S6"]);
  expect(broken(later(scheduled))).toEqual(["L1"]);
});

test("[S1] two drivers who both heard that they won one ride are found", () => {
  const run = goodRide(RIDE, "ann", 0);
  const offerId = offerOf(RIDE, 2);
  run.records.push(
    { t: 3, who: "bob", op: "accept", type: "invoke", offerId, rideId: RIDE },
    { t: 7, who: "bob", op: "accept", type: "ok", offerId, rideId: RIDE, outcome: "won" },
  );
  expect(rulesBroken(evidence(run))).toContain("S1");
});

test("[S1] a second driver after the first gave the ride back is no violation", () => {
  const run = goodRide(RIDE, "bob", 100);
  const offerId = offerOf(RIDE, 9);
  run.records.unshift(
    { t: 50, who: "ann", op: "accept", type: "invoke", offerId, rideId: RIDE },
    { t: 52, who: "ann", op: "accept", type: "ok", offerId, rideId: RIDE, outcome: "won" },
    { t: 60, who: "ann", op: "step", type: "invoke", step: "cancel", offerId, rideId: RIDE },
  );
  expect(rulesBroken(evidence(run))).not.toContain("S1");
});

test("[S2] a driver who heard that he won two rides at a time is found, and so is one whom D1 gave two", () => {
  const run = merged(goodRide(RIDE, "ann", 0), goodRide(OTHER_RIDE, "ann", 10));
  expect(rulesBroken(evidence(run))).toEqual(["S2"]);
  expect(
    rulesBroken(evidence({ ...run, records: run.records.filter(({ op }) => op === "request" || op === "accept") })),
  ).toContain("S2");
  const onlyKept = {
    ...evidence(run),
    records: run.records.filter((record) => !(record.op === "accept" && record.type === "ok")),
  };
  expect(checkHistory(onlyKept).filter(({ rule }) => rule === "S2")).toHaveLength(1);
});

test("[S4] a win without its assignment in D1 is found", () => {
  const run = goodRide(RIDE, "ann", 0);
  const late = { t: 30, who: "bob", op: "accept", offerId: offerOf(RIDE, 7), rideId: RIDE } as const;
  run.records.push({ ...late, type: "invoke" }, { ...late, type: "ok", outcome: "won" });
  expect(rulesBroken(evidence(run))).toContain("S4");
});

test("[S4] an assignment that no driver asked for is found", () => {
  const run = goodRide(RIDE, "ann", 0);
  const records = run.records.filter(({ op }) => op !== "accept");
  expect(rulesBroken(evidence({ ...run, records }))).toEqual(["S4"]);
});

test("[S5] a driver who hears both won and lost for one offer is found", () => {
  const run = goodRide(RIDE, "ann", 0);
  const offerId = offerOf(RIDE, 1);
  run.records.push({
    t: 8,
    who: "ann",
    op: "accept",
    type: "ok",
    offerId,
    rideId: RIDE,
    outcome: "lost",
    reason: "expired",
  });
  expect(rulesBroken(evidence(run))).toEqual(["S5"]);
});

test("[S6] a missing version is found", () => {
  const run = goodRide(RIDE, "ann", 0);
  expect(rulesBroken(evidence({ ...run, events: run.events.filter(({ version }) => version !== 3) }))).toEqual(["S6"]);
});

test("[S6] a ride that leaves a terminal state is found", () => {
  const run = goodRide(RIDE, "ann", 0);
  run.events.push(
    event(RIDE, 5, "ride.redispatched", "matching", 30),
    event(RIDE, 6, "ride.cancelled", "cancelled_by_rider", 31),
  );
  expect(rulesBroken(evidence(run))).toEqual(["S6"]);
});

test("[X2] a ride that a nearer driver takes over on the way is no violation, and after the arrival it is", () => {
  const run = goodRide(RIDE, "ann", 0);
  const mine = { rideId: RIDE, offerId: offerOf(RIDE, 2) };
  const taken = [
    event(RIDE, 1, "ride.requested", "matching", 0),
    event(RIDE, 2, "ride.assigned", "assigned", 4, ["ann", 1]),
    event(RIDE, 3, "ride.exchanged", "assigned", 8, ["bob", 2]),
    event(RIDE, 4, "ride.started", "on_trip", 10, ["bob", 2]),
    event(RIDE, 5, "ride.completed", "completed", 21, ["bob", 2]),
  ];
  const records: HistoryRecord[] = [
    ...run.records.slice(0, 6),
    { t: 7, who: "bob", op: "accept", type: "invoke", ...mine },
    { t: 9, who: "bob", op: "accept", type: "ok", ...mine, outcome: "won" },
    { t: 20, who: "bob", op: "step", type: "invoke", step: "complete", ...mine },
    { t: 22, who: "bob", op: "step", type: "ok", step: "complete", ...mine, version: 5, state: "completed" },
  ];
  expect(checkHistory(evidence({ records, events: taken }))).toEqual([]);
  const late = taken.with(1, event(RIDE, 2, "ride.arrived", "arrived", 4, ["ann", 1]));
  expect(rulesBroken(evidence({ records, events: late }))).toContain("S6");
});

/** Two rides whose drivers swap at moment 8, as D1 and the clients have them. */
function swappedRun() {
  const [mine, yours] = [
    { rideId: RIDE, offerId: offerOf(RIDE, 1) },
    { rideId: OTHER_RIDE, offerId: offerOf(OTHER_RIDE, 2) },
  ];
  const engaged = (rideId: RideId, seq: number) => {
    const offerId = offerOf(rideId, seq);
    return { op: "told", type: "engaged", rideId, offerId, version: 3, state: "assigned" } as const;
  };
  const request = (who: string, rideId: RideId): HistoryRecord[] => [
    { t: 0, who, op: "request", type: "invoke", key: "k" },
    { t: 1, who, op: "request", type: "ok", key: "k", rideId, version: 1 },
  ];
  const records: HistoryRecord[] = [
    ...request(`rider-of-${RIDE}`, RIDE),
    ...request(`rider-of-${OTHER_RIDE}`, OTHER_RIDE),
    { t: 3, who: "ann", op: "accept", type: "invoke", ...mine },
    { t: 5, who: "ann", op: "accept", type: "ok", ...mine, outcome: "won" },
    { t: 3, who: "bob", op: "accept", type: "invoke", ...yours },
    { t: 5, who: "bob", op: "accept", type: "ok", ...yours, outcome: "won" },
    { t: 9, who: "ann", op: "told", type: "free", ...mine },
    { t: 9, who: "ann", ...engaged(OTHER_RIDE, 3) },
    { t: 9, who: "bob", op: "told", type: "free", ...yours },
    { t: 9, who: "bob", ...engaged(RIDE, 4) },
  ];
  const events = (rideId: RideId, first: [string, number], second: [string, number], at: number) => [
    event(rideId, 1, "ride.requested", "matching", 0),
    event(rideId, 2, "ride.assigned", "assigned", 4, first),
    event(rideId, 3, "ride.exchanged", "assigned", at, second),
    event(rideId, 4, "ride.cancelled", "cancelled_by_rider", 30),
  ];
  return {
    records,
    events: [...events(RIDE, ["ann", 1], ["bob", 4], 8), ...events(OTHER_RIDE, ["bob", 2], ["ann", 3], 8)],
  };
}

test("[X8] a swap is no violation, though nobody accepted what he got by it", () => {
  expect(checkHistory(evidence(swappedRun()))).toEqual([]);
});

test("[X8] [S4] a ride that goes to a driver who did not give his own for it, nor accepted it, is found", () => {
  const run = swappedRun();
  const later = run.events.map((one) => (one.rideId === OTHER_RIDE && one.version === 3 ? { ...one, at: 9 } : one));
  expect(rulesBroken(evidence({ ...run, events: later }))).toContain("S4");
});

test("[B1] a driver who gave a ride back hears it as looking for a driver, also when another has it, and nobody else may", () => {
  const run = goodRide(RIDE, "bob", 100);
  const given = {
    t: 112,
    op: "step",
    type: "ok",
    step: "cancel",
    rideId: RIDE,
    version: 2,
    state: "matching",
  } as const;
  const told = (who: string, seq: number) => ({
    ...run,
    records: [...run.records, { ...given, who, offerId: offerOf(RIDE, seq) }],
  });
  expect(rulesBroken(evidence(told("ann", 9)))).not.toContain("B1");
  expect(rulesBroken(evidence(told("bob", 1)))).toContain("B1");
});

test("[S7] a row that is not the ride's last event is found, and so is one whose body differs", () => {
  const judged = evidence(goodRide(RIDE, "ann", 0));
  const [row] = judged.rides;
  expect(rulesBroken({ ...judged, rides: [{ ...row!, version: 3 }] })).toEqual(["S7"]);
  expect(rulesBroken({ ...judged, rides: [{ ...row!, body: row!.body.replace("2000", "2001") }] })).toEqual(["S7"]);
  expect(rulesBroken({ ...judged, rides: [] })).toEqual(["S7"]);
});

test("[S8] one wish that became two rides is found", () => {
  const run = merged(goodRide(RIDE, "ann", 0), goodRide(OTHER_RIDE, "bob", 0));
  const judged = evidence(run);
  const sameRider = judged.rides.map((row) => ({ ...row, rider_id: `rider-of-${RIDE}` }));
  expect(rulesBroken({ ...judged, rides: sameRider })).toContain("S8");
  const told = {
    t: 2,
    who: `rider-of-${RIDE}`,
    op: "request",
    type: "ok",
    key: "k",
    rideId: OTHER_RIDE,
    version: 1,
  } as const;
  expect(rulesBroken({ ...judged, records: [...judged.records, told] })).toEqual(["S8"]);
});

test("[L1] a ride that never ended is found, unless the run was cut short", () => {
  const run = goodRide(RIDE, "ann", 0);
  const open = {
    records: run.records.filter(({ op }) => op !== "step"),
    events: run.events.filter(({ version }) => version < 4),
  };
  expect(rulesBroken(evidence(open))).toEqual(["L1"]);
  expect(rulesBroken({ ...evidence(open), complete: false })).toEqual([]);
});

test("[B1] a version that a client was told of and D1 does not hold is found", () => {
  const run = goodRide(RIDE, "ann", 0);
  run.records.push({ t: 40, who: `rider-of-${RIDE}`, op: "rate", type: "ok", rideId: RIDE, version: 5 });
  expect(rulesBroken(evidence(run))).toEqual(["B1"]);
});

test("[B1] a state that a client was told and D1 contradicts is found", () => {
  const run = goodRide(RIDE, "ann", 0);
  run.records.push({
    t: 40,
    who: "ann",
    op: "told",
    type: "ride",
    rideId: RIDE,
    version: 3,
    state: "arrived",
    driverId: "ann",
  });
  expect(rulesBroken(evidence(run))).toEqual(["B1"]);
});

test("[B1] a ride that nobody asked for, and a message that history could not read, are found", () => {
  const run = goodRide(RIDE, "ann", 0);
  expect(rulesBroken(evidence({ ...run, records: run.records.filter(({ op }) => op !== "request") }))).toEqual(["B1"]);
  expect(rulesBroken({ ...evidence(run), buried: 1 })).toEqual(["B1"]);
});
