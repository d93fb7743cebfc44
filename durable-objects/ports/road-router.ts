/**
 * Pickup times from a road network, where a deployment has a router: better than what a shard learns by itself, and
 * never waited for. Without a usable answer the times stay what the shard has learned.
 */
import { CircuitBreakers } from "../../src/calls/circuit-breakers.ts";
import type { Candidate } from "../../src/domain/driver.ts";
import type { LatLng } from "../../src/domain/place.ts";
import { parseRouteTable, routeTableUrl } from "../../src/protocol/route-table.ts";

/** How long a ranking waits. A router that stands near answers 24 ways in a few milliseconds. */
export const ROUTE_DEADLINE_MS = 40;

export type RoutingOutcome = "answered" | "late" | "failed" | "left_alone";

export interface Routed {
  readonly candidates: readonly Candidate[];
  readonly outcome: RoutingOutcome;
}

/** Of this isolate: one router serves all its shards. */
const circuits = new CircuitBreakers();

/** One call for all candidates. Never rejects. A driver whom no road leads to the pickup keeps the time he had. */
export async function timeByRoad(
  base: string,
  candidates: readonly Candidate[],
  pickup: LatLng,
  deadlineMs: number,
): Promise<Routed> {
  const saidAt = Date.now();
  if (!circuits.admits(base, saidAt)) return { candidates, outcome: "left_alone" };
  const places = candidates.map(({ position }) => position);
  try {
    const seconds = await ask(routeTableUrl(base, places, pickup), places.length, deadlineMs);
    circuits.answered(base, saidAt);
    const timed = candidates.map((candidate, index) => {
      return { ...candidate, pickupSeconds: seconds[index] ?? candidate.pickupSeconds };
    });
    return { candidates: timed, outcome: "answered" };
  } catch (error) {
    circuits.failed(base, saidAt, Date.now());
    const late = error instanceof DOMException && error.name === "TimeoutError";
    return { candidates, outcome: late ? "late" : "failed" };
  }
}

async function ask(url: string, places: number, deadlineMs: number): Promise<(number | null)[]> {
  const response = await fetch(url, { redirect: "manual", signal: AbortSignal.timeout(deadlineMs) });
  if (!response.ok) {
    await response.body?.cancel();
    throw new Error(`router: ${response.status}`);
  }
  const seconds = parseRouteTable(await response.json(), places);
  if (seconds === null) throw new Error("router: not an answer to what was asked");
  return seconds;
}
