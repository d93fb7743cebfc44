import { expect, test } from "vitest";
import { findOrder, type Operation, type SequentialObject } from "../../../sim/chaos/find-order.ts";
import { checkLinearizability } from "../../../sim/chaos/linearizability.ts";
import type { HistoryRecord } from "../../../sim/live/history-log.ts";
import type { RideEvent, RideEventType } from "../../../src/domain/event.ts";
import type { TripStep } from "../../../src/domain/notice.ts";
import type { OfferId, RideId, RideState } from "../../../src/domain/ride.ts";

const RIDE = "dr5ru.01ARZ3NDEKTSV4RRFFQ69G5FAV" as RideId;
const OTHER = "dr5rv.01ARZ3NDEKTSV4RRFFQ69G5FAW" as RideId;
const RIDER = "rider";

type Times = readonly [from: number, to: number | null];

function offer(seq: number, rideId = RIDE): OfferId {
  return `${rideId}#${seq}` as OfferId;
}

/** Null for `to`: nobody heard the outcome. */
function accept(who: string, offerId: OfferId, [from, to]: Times, lost?: string): HistoryRecord[] {
  const rideId = offerId.slice(0, offerId.lastIndexOf("#")) as RideId;
  const said: HistoryRecord = { t: from, who, op: "accept", type: "invoke", offerId, rideId };
  if (to === null) return [said, { t: from + 1_000, who, op: "accept", type: "info", offerId, rideId }];
  const heard = lost === undefined ? { outcome: "won" as const } : { outcome: "lost" as const, reason: lost };
  return [said, { t: to, who, op: "accept", type: "ok", offerId, rideId, ...heard }];
}

function step(who: string, name: TripStep, offerId: OfferId, [from, to]: Times, refused = false): HistoryRecord[] {
  const rideId = offerId.slice(0, offerId.lastIndexOf("#")) as RideId;
  const common = { who, op: "step", step: name, offerId, rideId } as const;
  if (to === null) return [{ t: from, ...common, type: "invoke" }];
  const heard: HistoryRecord = refused
    ? { t: to, ...common, type: "fail", reason: "wrong_state" }
    : { t: to, ...common, type: "ok", version: 3, state: "on_trip" };
  return [{ t: from, ...common, type: "invoke" }, heard];
}

function cancel([from, to]: Times, refused = false, rideId = RIDE): HistoryRecord[] {
  const common = { who: `${RIDER} of ${rideId}`, op: "cancel", rideId } as const;
  if (to === null) return [{ t: from, ...common, type: "invoke" }];
  const heard: HistoryRecord = refused
    ? { t: to, ...common, type: "fail", reason: "409 wrong state" }
    : { t: to, ...common, type: "ok", version: 3, state: "cancelled_by_rider" };
  return [{ t: from, ...common, type: "invoke" }, heard];
}

/** What D1 holds of a ride, as far as the checker reads it. */
function events(...versions: (readonly [RideEventType, RideState, number, number?])[]): RideEvent[] {
  return versions.map(([type, state, at, seq], index) => {
    const held = seq === undefined ? {} : { offerId: offer(seq), driverId: `driver-${seq}` };
    const ride = { id: RIDE, state, ...held } as unknown as RideEvent["ride"];
    return { id: `${RIDE}:${index + 1}`, type, rideId: RIDE, version: index + 1, at, ride };
  });
}

function judge(records: readonly HistoryRecord[], kept: readonly RideEvent[] = []) {
  return checkLinearizability({ records: [...records].sort((a, b) => a.t - b.t), events: kept });
}

const anna = (times: Times, lost?: string) => accept("anna", offer(1), times, lost);
const bert = (times: Times, lost?: string) => accept("bert", offer(2), times, lost);
const takenAway = events(
  ["ride.requested", "matching", 0],
  ["ride.assigned", "assigned", 10, 1],
  ["ride.redispatched", "matching", 1_000],
);
const nobodyCame = events(
  ["ride.requested", "matching", 0],
  ["ride.assigned", "assigned", 10, 1],
  ["ride.arrived", "arrived", 200, 1],
  ["ride.no_show", "cancelled_no_show", 1_000, 1],
);
const exchanged = events(
  ["ride.requested", "matching", 0],
  ["ride.assigned", "assigned", 10, 1],
  ["ride.exchanged", "assigned", 50, 2],
);
/** Anna and Bert give each other their rides at moment 50. */
const swapped = [
  { rideId: RIDE, had: ["anna", 1], has: ["bert", 4] },
  { rideId: OTHER, had: ["bert", 2], has: ["anna", 3] },
].flatMap(({ rideId, had, has }) => {
  const version = (type: RideEventType, at: number, [driverId, seq]: (string | number)[]) => {
    return { type, rideId, at, ride: { id: rideId, state: "assigned", driverId, offerId: `${rideId}#${seq}` } };
  };
  return [version("ride.assigned", 10, had), version("ride.exchanged", 50, has)].map((event, index) => {
    return { ...event, id: `${rideId}:${index + 1}`, version: index + 1 } as unknown as RideEvent;
  });
});
const bothWon = [...anna([0, 10]), ...accept("bert", offer(2, OTHER), [0, 10])];
const unserved = events(["ride.requested", "matching", 0], ["ride.no_driver", "no_driver", 1_000]);

/** What happened, what clients heard, what D1 holds. */
type Case = readonly [string, readonly HistoryRecord[], (readonly RideEvent[])?];

const GOOD: readonly Case[] = [
  [
    "a nearer driver takes the ride over, and the first one's arrival comes too late; he takes another",
    [
      ...anna([0, 10]),
      ...bert([40, 60]),
      ...step("anna", "arrive", offer(1), [55, 70], true),
      ...step("anna", "cancel", offer(1), [75, 78]),
      ...step("bert", "arrive", offer(2), [80, 90]),
      ...accept("anna", offer(1, OTHER), [80, 90]),
    ],
    exchanged,
  ],
  [
    "two drivers swap rides, and each drives the other's to its end and takes another",
    [
      ...bothWon,
      ...step("anna", "arrive", offer(1), [55, 60], true),
      ...step("anna", "start", offer(3, OTHER), [70, 80]),
      ...step("anna", "complete", offer(3, OTHER), [90, 100]),
      ...step("bert", "cancel", offer(4), [70, 80]),
      ...accept("anna", offer(8), [110, 120]),
    ],
    swapped,
  ],
  [
    "two drivers swap rides, and the rider of one cancels",
    [...bothWon, ...cancel([60, 70]), ...accept("bert", offer(9, OTHER.replace("FAW", "FAX") as RideId), [80, 90])],
    swapped,
  ],
  [
    "a nearer driver comes after the arrival of the first, and his accept is refused",
    [...anna([0, 10]), ...step("anna", "arrive", offer(1), [20, 30]), ...bert([25, 60], "superseded")],
  ],
  [
    "one driver wins, drives and completes",
    [
      ...anna([0, 10]),
      ...step("anna", "arrive", offer(1), [20, 30]),
      ...step("anna", "start", offer(1), [40, 50]),
      ...step("anna", "complete", offer(1), [60, 70]),
      ...cancel([80, 90], true),
    ],
  ],
  ["two accepts at once, and one of them wins", [...anna([0, 10]), ...bert([0, 10], "superseded")]],
  ["the answer of the winner comes long after the loser's", [...anna([0, 100]), ...bert([5, 10], "superseded")]],
  ["an accept and a cancel at once: the accept came first", [...anna([0, 10]), ...cancel([0, 10])]],
  ["an accept and a cancel at once: the cancel came first", [...anna([0, 10], "cancelled"), ...cancel([0, 10])]],
  [
    "an accept that nobody heard of took effect: the ride is superseded for another",
    [...anna([0, null]), ...bert([50, 60], "superseded"), ...step("anna", "start", offer(1), [70, 80])],
  ],
  ["an accept that nobody heard of never took effect", [...anna([0, null]), ...bert([50, 60])]],
  [
    "a cancel that nobody heard of took effect later than it was said",
    [
      ...cancel([0, null]),
      ...anna([50, 60]),
      ...step("anna", "arrive", offer(1), [70, 80]),
      ...step("anna", "start", offer(1), [90, 100], true),
    ],
  ],
  [
    "a ride that is given back is won by another",
    [...anna([0, 10]), ...step("anna", "cancel", offer(1), [20, 30]), ...bert([25, 40])],
  ],
  [
    "an arrival is said again after the rider did not come",
    [
      ...anna([0, 10]),
      ...step("anna", "arrive", offer(1), [100, 210]),
      ...step("anna", "arrive", offer(1), [1_100, 1_200]),
    ],
    nobodyCame,
  ],
  ["a ride that the shard took away is won by another", [...anna([0, 10]), ...bert([1_010, 1_020])], takenAway],
  [
    "an accept and a step said again hear the same",
    [
      ...anna([0, 10]),
      ...anna([20, 30]),
      ...step("anna", "start", offer(1), [40, 50]),
      ...step("anna", "start", offer(1), [60, 70]),
    ],
  ],
  [
    "a driver goes from ride to ride",
    [
      ...anna([0, 10]),
      ...step("anna", "start", offer(1), [20, 25]),
      ...step("anna", "complete", offer(1), [30, 40]),
      ...accept("anna", offer(9, OTHER), [35, 50]),
    ],
  ],
  ["nobody served the ride", [...anna([0, 10], "expired"), ...bert([990, 1_100], "cancelled")], unserved],
];

const BAD: readonly Case[] = [
  [
    "two drivers swap rides, and one arrives at the rider whom he had all the same",
    [...bothWon, ...step("anna", "arrive", offer(1), [60, 70])],
    swapped,
  ],
  [
    "two drivers swap rides, and one who has heard that he is at the pickup",
    [...bothWon, ...step("anna", "arrive", offer(1), [20, 30]), ...step("bert", "start", offer(4), [70, 80])],
    swapped,
  ],
  [
    "a driver has swapped rides, and wins a third beside the one he got",
    [
      ...bothWon,
      ...accept("anna", offer(9, OTHER.replace("FAW", "FAX") as RideId), [60, 70]),
      ...step("anna", "complete", offer(3, OTHER), [90, 100]),
      ...step("anna", "start", offer(3, OTHER), [80, 85]),
    ],
    swapped,
  ],
  [
    "a ride is taken over from a driver who has heard that he is at the pickup",
    [...anna([0, 10]), ...step("anna", "arrive", offer(1), [20, 30]), ...bert([40, 60])],
    exchanged,
  ],
  [
    "a ride is taken over, and the driver who lost it drives it all the same",
    [...anna([0, 10]), ...bert([40, 60]), ...step("anna", "start", offer(1), [80, 90])],
    exchanged,
  ],
  ["two drivers win one ride", [...anna([0, 10]), ...bert([5, 15])]],
  [
    "a second driver wins before the first has said that he gives back",
    [...anna([0, 10]), ...bert([20, 30]), ...step("anna", "cancel", offer(1), [40, 50])],
  ],
  ["a second driver wins before the shard took the ride away", [...anna([0, 10]), ...bert([20, 30])], takenAway],
  ["a ride is won after its rider heard that it is cancelled", [...cancel([0, 10]), ...anna([20, 30])]],
  [
    "a ride is won after it was completed",
    [
      ...anna([0, 10]),
      ...step("anna", "start", offer(1), [20, 30]),
      ...step("anna", "complete", offer(1), [40, 50]),
      ...bert([60, 70]),
    ],
  ],
  ["a driver hears lost and later won", [...anna([0, 10], "expired"), ...anna([20, 30])]],
  ["a driver hears won and later lost", [...anna([0, 10]), ...anna([20, 30], "superseded")]],
  ["an accept is superseded, and nobody ever won", [...anna([0, 10], "superseded")]],
  ["an accept is lost to a cancel that nobody had said yet", [...anna([0, 10], "cancelled"), ...cancel([20, 30])]],
  [
    "a cancel is granted during the trip",
    [...anna([0, 10]), ...step("anna", "start", offer(1), [20, 30]), ...cancel([40, 50])],
  ],
  ["a cancel is refused while the ride is open", [...cancel([0, 10], true), ...anna([20, 30])]],
  ["a trip starts that nobody accepted", step("anna", "start", offer(1), [0, 10])],
  [
    "a trip starts after the rider cancelled",
    [...anna([0, 10]), ...cancel([20, 30]), ...step("anna", "start", offer(1), [40, 50])],
  ],
  [
    "a trip is completed by whom the ride has left",
    [...anna([0, 10]), ...step("anna", "cancel", offer(1), [20, 30]), ...step("anna", "complete", offer(1), [40, 50])],
  ],
  [
    "a step is refused to whom the ride belongs",
    [...anna([0, 10]), ...step("anna", "start", offer(1), [20, 30], true)],
  ],
  [
    "an arrival is refused after which the rider did not come",
    [...anna([0, 10]), ...step("anna", "arrive", offer(1), [100, 1_200], true)],
    nobodyCame,
  ],
  [
    "an accept without answer explains only one of two that follow from it",
    [...anna([0, null]), ...bert([50, 60], "superseded"), ...accept("carl", offer(3), [70, 80])],
  ],
  [
    "a cancel without answer is no excuse for what was won before it was said",
    [...anna([0, 10]), ...bert([20, 30]), ...cancel([40, null])],
  ],
  ["a ride is won after nobody served it", [...bert([990, 1_100], "cancelled"), ...anna([1_200, 1_300])], unserved],
  ["a driver wins two rides at once", [...anna([0, 10]), ...accept("anna", offer(9, OTHER), [20, 30])]],
  [
    "a driver wins a ride while one is his whose verdict he never heard",
    [
      ...anna([0, null]),
      ...step("anna", "start", offer(1), [20, 30]),
      ...accept("anna", offer(9, OTHER), [40, 50]),
      ...step("anna", "complete", offer(1), [60, 70]),
    ],
  ],
];

for (const [what, records, kept] of GOOD) {
  test(`[S1] [S2] an order is found when ${what}`, () => {
    const report = judge(records, kept);
    expect(report.violations).toEqual([]);
    expect(report.undecided).toEqual([]);
  });
}

for (const [what, records, kept] of BAD) {
  test(`[S1] [S2] no order is found when ${what}`, () => {
    const { violations } = judge(records, kept);
    expect(violations.length).toBeGreaterThan(0);
    expect(violations[0]!.trace.length).toBeGreaterThan(0);
  });
}

test("[S2] two rides of one driver at once are his rides' own business: each ride alone is in order", () => {
  const { violations } = judge([...anna([0, 10]), ...accept("anna", offer(9, OTHER), [20, 30])]);
  expect(violations.map(({ rule }) => rule)).toEqual(["S2"]);
});

test("what nobody answered is counted, and so is every object that was looked at", () => {
  const report = judge([...anna([0, null]), ...bert([50, 60]), ...cancel([70, 80], true, OTHER)]);
  expect(report).toMatchObject({ rides: 2, drivers: 2, operations: 3, unknown: 1 });
});

test("a search that gives up says so, and does not say that all is well", () => {
  const counter: SequentialObject<number, number> = {
    initial: 0,
    apply: (sum, call) => (call < 0 ? null : sum + call),
  };
  const calls = [1, 2, 4, 8, 16, 32, 64, -1].map(
    (call): Operation<number> => ({ call, invokedAt: 0, returnedAt: 1, required: true, label: String(call) }),
  );
  expect(findOrder(calls, counter, 50).kind).toBe("undecided");
  expect(findOrder(calls, counter).kind).toBe("impossible");
});
