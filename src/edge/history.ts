/** One's own past rides, newest first. */
import { createRoute } from "@hono/zod-openapi";
import type { RideId } from "../domain/ride.ts";
import type { Config } from "../env.ts";
import { type ListedBy, listRides, type PageEnd, type RideRow } from "../history/queries.ts";
import { readRide } from "../protocol/event.ts";
import { RidePageBody, RidePageQuery } from "../protocol/rider.ts";
import { callerAs, requires } from "./auth.ts";
import { BEARER, jsonOf, newRoutes, refusals } from "./context.ts";
import { recordView } from "./ride-record.ts";

export function historyRoutes(config: Config) {
  const riders = createRoute({
    method: "get",
    path: "/v1/riders/me/rides",
    summary: "The rider's rides",
    security: BEARER,
    middleware: requires(config, "rider"),
    request: { query: RidePageQuery },
    responses: { 200: jsonOf("A page of rides", RidePageBody), ...refusals(401, 403, 422) },
  });
  const drivers = createRoute({
    method: "get",
    path: "/v1/drivers/me/rides",
    summary: "The driver's rides",
    security: BEARER,
    middleware: requires(config, "driver"),
    request: { query: RidePageQuery },
    responses: { 200: jsonOf("A page of rides", RidePageBody), ...refusals(401, 403, 422) },
  });

  const pageOf = async (
    db: D1Database,
    by: ListedBy,
    { limit, cursor }: { limit: number; cursor?: string | undefined },
  ) => {
    // One more than asked tells whether there is a next page.
    const rows = await listRides(db, by, limit + 1, cursor === undefined ? null : endOf(cursor));
    const shown = rows.slice(0, limit);
    const rides = shown.flatMap((row) => {
      const ride = readRide(row.body);
      return ride === null ? [] : [recordView(config, ride)];
    });
    const last = shown.at(-1);
    return { rides, next: rows.length > limit && last !== undefined ? cursorAt(last) : null };
  };

  return newRoutes()
    .openapi(riders, async (c) => {
      const { riderId } = callerAs(c.var.caller, "rider");
      return c.json(await pageOf(c.env.HISTORY, { column: "rider_id", id: riderId }, c.req.valid("query")), 200);
    })
    .openapi(drivers, async (c) => {
      const { driverId } = callerAs(c.var.caller, "driver");
      return c.json(await pageOf(c.env.HISTORY, { column: "driver_id", id: driverId }, c.req.valid("query")), 200);
    });
}

function cursorAt(row: RideRow): string {
  return `${row.created_at}_${row.ride_id}`;
}

/** The schema has checked the cursor's form. */
function endOf(cursor: string): PageEnd {
  const split = cursor.indexOf("_");
  return { createdAt: Number(cursor.slice(0, split)), rideId: cursor.slice(split + 1) as RideId };
}
