/**
 * What the Worker's objects hold in their own databases, read from the files beside the running server: the only look
 * behind the Worker's doors, and only to see whether anything is left that should not be.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { deserialize } from "node:v8";
import type { RideState } from "../../src/domain/ride.ts";
import type { Evidence, Violation } from "../live/check-history.ts";

type ObjectClass = "DispatchShard" | "DriverLock";

/** What is still open or owed, over all objects. */
export interface LeftOpen {
  readonly openRides: number;
  /** Offers that hold a driver or whose release no lock has acknowledged. */
  readonly unreleased: number;
  readonly heldLocks: number;
  /** Events that history has not confirmed. */
  readonly unarchived: number;
}

interface KeptRide {
  readonly id: string;
  readonly state: RideState;
  readonly version: number;
}

/** Ids of the objects of a class that have ever kept anything. */
export function listObjects(stateDir: string, className: ObjectClass): string[] {
  return filesOf(stateDir, className).map((file) => file.slice(file.lastIndexOf("/") + 1, -".sqlite".length));
}

function folderOf(stateDir: string, className: ObjectClass): string {
  return join(stateDir, "do", `kerb-${className}`);
}

function filesOf(stateDir: string, className: ObjectClass): string[] {
  const folder = folderOf(stateDir, className);
  try {
    const names = readdirSync(folder).filter((name) => name.endsWith(".sqlite") && name !== "metadata.sqlite");
    return names.map((name) => `${folder}/${name}`);
  } catch {
    return [];
  }
}

/** Events of one shard that history has confirmed; none while its database is just being written. */
export function readArchived(stateDir: string, objectId: string): object[] {
  try {
    const rows = rowsOf<{ body: string }>(
      join(folderOf(stateDir, "DispatchShard"), `${objectId}.sqlite`),
      "SELECT body FROM events WHERE archived = 1",
    );
    return rows.map(({ body }) => JSON.parse(body) as object);
  } catch {
    return [];
  }
}

/** Throws when a database is just being written in a way that a reader must not see. */
export function readLeftOpen(stateDir: string): LeftOpen {
  const sum = { openRides: 0, unreleased: 0, heldLocks: 0, unarchived: 0 };
  for (const file of filesOf(stateDir, "DispatchShard")) {
    const [row] = rowsOf<LeftOpen>(
      file,
      `SELECT (SELECT count(*) FROM rides WHERE ended_at IS NULL) AS openRides,
              (SELECT count(*) FROM offers WHERE released = 0) AS unreleased,
              (SELECT count(*) FROM events WHERE archived = 0) AS unarchived`,
    );
    sum.openRides += row?.openRides ?? 0;
    sum.unreleased += row?.unreleased ?? 0;
    sum.unarchived += row?.unarchived ?? 0;
  }
  for (const file of filesOf(stateDir, "DriverLock")) {
    const [row] = rowsOf<{ value: Uint8Array }>(file, "SELECT value FROM _cf_KV WHERE key = 'lock'");
    // The object's own store keeps values in the serialization that Node shares with it.
    const lock = row && (deserialize(row.value) as { readonly holder: object | null });
    if (lock?.holder) sum.heldLocks += 1;
  }
  return sum;
}

/** Shards and history against each other, ride by ride and event by event. Only true once everything is at rest. */
export function compareWithHistory(stateDir: string, { rides, events }: Evidence): Violation[] {
  const rowOf = new Map(rides.map((row) => [row.ride_id, row]));
  const eventIds = new Set(events.map(({ id }) => id));
  const found: Violation[] = [];
  const known = new Set<string>();
  for (const file of filesOf(stateDir, "DispatchShard")) {
    for (const { body } of rowsOf<{ body: string }>(file, "SELECT body FROM rides")) {
      const ride = JSON.parse(body) as KeptRide;
      known.add(ride.id);
      const row = rowOf.get(ride.id);
      if (row?.version === ride.version && row.state === ride.state) continue;
      const trace = [JSON.stringify(ride), JSON.stringify(row ?? "no row")];
      found.push({ rule: "S7", sentence: `ride ${ride.id} is not in D1 as its shard has it`, trace });
    }
    for (const { id } of rowsOf<{ id: string }>(file, "SELECT ride_id || ':' || version AS id FROM events")) {
      if (!eventIds.has(id)) found.push({ rule: "L3", sentence: `event ${id} never reached D1`, trace: [] });
      eventIds.delete(id);
    }
  }
  for (const id of eventIds) found.push({ rule: "B1", sentence: `event ${id} is in D1 and in no shard`, trace: [] });
  for (const { ride_id: id } of rides) {
    if (!known.has(id)) found.push({ rule: "B1", sentence: `ride ${id} is in D1 and in no shard`, trace: [] });
  }
  return found;
}

function rowsOf<Row>(file: string, sql: string): Row[] {
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    const hasTables = database.prepare("SELECT count(*) AS tables FROM sqlite_master").get() as { tables: number };
    return hasTables.tables === 0 ? [] : (database.prepare(sql).all() as Row[]);
  } finally {
    database.close();
  }
}
