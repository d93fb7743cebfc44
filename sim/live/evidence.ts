/** Gathers what the history checker judges: the clients' log and everything that D1 holds. */
import type { RideEvent } from "../../src/domain/event.ts";
import type { Evidence, RideRow } from "./check-history.ts";
import { type HistoryRecord, readHistoryLog } from "./history-log.ts";
import type { ServerProcess } from "./server-process.ts";

/** Events lost with the queue of a killed server are sent again after a minute; then they need a moment. */
const ARRIVAL_MS = 75_000;
const LOOK_EVERY_MS = 500;
const PAGE = 2_000;
const SNAPSHOT_TRIES = 5;

export interface HistoryRows {
  readonly rides: number;
  readonly events: number;
}

/** Counted by the numbering of the rows, without a scan. */
export async function countRows(server: ServerProcess): Promise<HistoryRows> {
  const [row] = await server.query<HistoryRows>(
    `SELECT coalesce((SELECT max(row_number) FROM rides), 0) AS rides,
            coalesce((SELECT max(row_number) FROM ride_events), 0) AS events`,
  );
  return row ?? { rides: 0, events: 0 };
}

/** Waits until D1 holds every version that a client was told of and no ride is open, or until it is too late. */
export async function waitForHistory(server: ServerProcess, logFile: string): Promise<void> {
  const told = newestTold(readHistoryLog(logFile));
  const giveUpAt = performance.now() + ARRIVAL_MS;
  while (performance.now() < giveUpAt) {
    const rows = await readPages<RideRow>(server, "SELECT row_number, ride_id, version, ended_at FROM rides");
    const kept = new Map(rows.map(({ ride_id, version }) => [ride_id, version]));
    const open = rows.some((row) => (row as { ended_at?: number | null }).ended_at === null);
    const events = (await countRows(server)).events;
    const versions = rows.reduce((sum, { version }) => sum + version, 0);
    const arrived = [...told].every(([rideId, version]) => (kept.get(rideId) ?? 0) >= version);
    if (arrived && !open && events >= versions) return;
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

/** Rows and events of one moment: while more arrive between two reads, it reads again. */
export async function gatherEvidence(server: ServerProcess, logFile: string, complete: boolean): Promise<Evidence> {
  for (let attempt = 1; ; attempt++) {
    const before = await newestRow(server);
    const rides = await readPages<RideRow>(
      server,
      "SELECT row_number, ride_id, version, state, rider_id, driver_id, body FROM rides",
    );
    const bodies = await readPages<{ body: string }>(server, "SELECT row_number, body FROM ride_events");
    const [dead] = await server.query<{ count: number }>("SELECT count(*) AS count FROM ride_events_dead");
    if (before !== (await newestRow(server)) && attempt < SNAPSHOT_TRIES) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
      continue;
    }
    const events = bodies.map(({ body }) => JSON.parse(body) as RideEvent);
    return { records: readHistoryLog(logFile), rides, events, buried: dead?.count ?? 0, complete };
  }
}

/** Every write to history adds an event, so an unchanged count is an unchanged history. */
async function newestRow(server: ServerProcess): Promise<number> {
  return (await countRows(server)).events;
}

function newestTold(records: readonly HistoryRecord[]): Map<string, number> {
  const newest = new Map<string, number>();
  for (const record of records) {
    if (!("version" in record)) continue;
    newest.set(record.rideId, Math.max(record.version, newest.get(record.rideId) ?? 0));
  }
  return newest;
}

/** `select` names `row_number` among its columns and has no WHERE of its own. */
async function readPages<Row>(server: ServerProcess, select: string): Promise<Row[]> {
  const rows: (Row & { row_number: number })[] = [];
  for (;;) {
    const after = rows.at(-1)?.row_number ?? 0;
    const page = await server.query<Row & { row_number: number }>(
      `${select} WHERE row_number > ?1 ORDER BY row_number LIMIT ${PAGE}`,
      after,
    );
    rows.push(...page);
    if (page.length < PAGE) return rows;
  }
}
