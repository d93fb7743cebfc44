import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { serialize } from "node:v8";
import { expect, onTestFinished, test } from "vitest";
import { compareWithHistory, listObjects, readLeftOpen } from "../../../sim/chaos/objects.ts";
import { type BugName, PLANTED_BUGS, plantBug } from "../../../sim/chaos/planted-bugs.ts";
import { interrupted } from "../../../sim/chaos/report.ts";
import { Returns } from "../../../sim/chaos/returns.ts";
import type { Evidence, RideRow } from "../../../sim/live/check-history.ts";
import type { RideEvent } from "../../../src/domain/event.ts";
import type { OfferId, RideId } from "../../../src/domain/ride.ts";

const RIDE = { id: "dr5ru.1", state: "completed", version: 2 };

/** A state folder with one shard and one lock, as workerd lays it out. */
function stateWith(shardSql: string, holder: object | null): string {
  const folder = mkdtempSync(join(tmpdir(), "kerb-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const open = (className: string): DatabaseSync => {
    mkdirSync(join(folder, "do", `kerb-${className}`), { recursive: true });
    return new DatabaseSync(join(folder, "do", `kerb-${className}`, "abc.sqlite"));
  };
  const shard = open("DispatchShard");
  shard.exec(`CREATE TABLE rides (ended_at INTEGER, body TEXT); CREATE TABLE offers (released INTEGER);
    CREATE TABLE events (ride_id TEXT, version INTEGER, archived INTEGER); ${shardSql}`);
  shard.close();
  const lock = open("DriverLock");
  lock.exec("CREATE TABLE _cf_KV (key TEXT, value BLOB)");
  lock.prepare("INSERT INTO _cf_KV VALUES ('lock', ?)").run(serialize({ holder }));
  lock.close();
  return folder;
}

const SETTLED = `INSERT INTO rides VALUES (1, '${JSON.stringify(RIDE)}'); INSERT INTO offers VALUES (1);
  INSERT INTO events VALUES ('dr5ru.1', 1, 1), ('dr5ru.1', 2, 1);`;

function history(version: number, ...eventIds: string[]): Evidence {
  const rides = [{ ride_id: RIDE.id, version, state: RIDE.state } as RideRow];
  const events = eventIds.map((id) => ({ id }) as RideEvent);
  return { records: [], rides, events, buried: 0, complete: true };
}

test("objects at rest have nothing open, and what is open or owed is counted", () => {
  expect(readLeftOpen(stateWith(SETTLED, null))).toEqual({ openRides: 0, unreleased: 0, heldLocks: 0, unarchived: 0 });
  const open = `${SETTLED} INSERT INTO rides VALUES (NULL, '{}'); INSERT INTO offers VALUES (0), (0);
    INSERT INTO events VALUES ('dr5ru.2', 1, 0);`;
  const state = stateWith(open, { offerId: "dr5ru.2#1" });
  expect(readLeftOpen(state)).toEqual({ openRides: 1, unreleased: 2, heldLocks: 1, unarchived: 1 });
  expect(listObjects(state, "DispatchShard")).toEqual(["abc"]);
});

test("[S7] a ride whose row is older than its shard's, and events that only one side has, are found", () => {
  const state = stateWith(SETTLED, null);
  const rules = (evidence: Evidence): string[] => compareWithHistory(state, evidence).map(({ rule }) => rule);
  expect(rules(history(2, "dr5ru.1:1", "dr5ru.1:2"))).toEqual([]);
  expect(rules(history(1, "dr5ru.1:1", "dr5ru.1:2"))).toEqual(["S7"]);
  expect(rules(history(2, "dr5ru.1:1"))).toEqual(["L3"]);
  expect(rules(history(2, "dr5ru.1:1", "dr5ru.1:2", "dr5ru.9:1"))).toEqual(["B1"]);
  const { rides, ...nothing } = history(2, "dr5ru.1:1", "dr5ru.1:2");
  expect(rules({ ...nothing, rides: [...rides, { ...rides[0]!, ride_id: "dr5ru.9" }] })).toEqual(["B1"]);
});

test.each(Object.keys(PLANTED_BUGS) as BugName[])("the bug %s changes one place of the sources", (name) => {
  const folder = mkdtempSync(join(tmpdir(), "kerb-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  plantBug(name, folder);
  const { file } = PLANTED_BUGS[name];
  const [clean, planted] = [file, join(folder, file)].map((path) => readFileSync(path, "utf8"));
  expect(planted).not.toBe(clean);
});

test("drivers are back when all but one in a hundred are in the index, and not before", () => {
  const returns = new Returns(2);
  const status = (who: string, state: "available" | "paused") =>
    returns.hear(who, {
      type: "told",
      notice: { type: "status", status: state === "paused" ? { state, reason: "driver" } : { state } },
    });
  returns.killed();
  status("anna", "available");
  status("bert", "paused");
  expect(returns.areBack()).toBe(false);
  expect(returns.missing()).toEqual(['bert {"state":"paused","reason":"driver"}']);
  status("bert", "available");
  expect(returns.areBack()).toBe(true);
  expect(returns.soFar()).toMatchObject({ times: [expect.any(Number)], cutShort: 0 });
  returns.killed();
  returns.killed();
  returns.hear("bert", { type: "lost", code: 1006, retryInMs: 5 });
  expect(returns.areBack()).toBe(false);
  expect(returns.soFar().cutShort).toBe(2);
});

test("what was said before a kill and answered after it was under way", () => {
  const about = { offerId: "dr5ru.1#1" as OfferId, rideId: "dr5ru.1" as RideId, who: "anna", op: "accept" } as const;
  const kill = { kind: "kill", size: 1 } as const;
  const records = [
    { t: 10, ...about, type: "invoke" },
    { t: 30, ...about, type: "ok", outcome: "won" },
  ] as const;
  const none = { requests: 0, accepts: 0, steps: 0, cancels: 0, answered: 0 };
  expect(interrupted(records, [{ ...kill, at: 20 }])).toEqual({ ...none, accepts: 1, answered: 1 });
  expect(interrupted(records, [{ ...kill, at: 40 }])).toEqual(none);
  expect(interrupted(records, [{ ...kill, kind: "cut", at: 20 }])).toEqual(none);
});
