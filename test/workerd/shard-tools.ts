/** Straight to the objects: what the tests of shards and locks say to them without HTTP, and what they look at inside. */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { ulid } from "ulidx";
import { expect, vi } from "vitest";
import type { MarketSettings } from "../../src/domain/market-hours.ts";
import type { LatLng } from "../../src/domain/place.ts";
import type { OfferId, RideId, RiderId } from "../../src/domain/ride.ts";
import { newRideId, shardAt } from "../../src/routing/shard-map.ts";
import { boundsOf, cellOf } from "../../src/spatial/geohash.ts";
import { PATIENTLY } from "../patience.ts";
import { driverToken, fixAt, openSocket, type TestDriver, ticketFor } from "./support.ts";

const BITS = Number(env.SHARD_BITS);

export const shardNameAt = (place: LatLng) => shardAt(place, BITS);
/** A new stub each time: one that saw its object die stays broken. */
export const shardOf = (place: LatLng) => env.DISPATCH_SHARD.getByName(shardNameAt(place));
export const lockOf = (driver: string) => env.DRIVER_LOCK.getByName(`drv:${driver}`);

/** Two places 400 m apart in two cells: on this side of the eastern border of the cell at `near`, and beyond it. */
export function acrossBorder(near: LatLng): { readonly here: LatLng; readonly beyond: LatLng } {
  const { east, south, north } = boundsOf(cellOf(near.lat, near.lng, BITS));
  const lat = (south + north) / 2;
  return { here: { lat, lng: east - 0.0025 }, beyond: { lat, lng: east + 0.0025 } };
}

/** A ride by RPC; fails where the shard refuses it. */
export async function newRide(riderId: string, pickup: LatLng): Promise<RideId> {
  const answer = await shardOf(pickup).requestRide({
    rideId: newRideId(pickup, BITS, ulid()),
    riderId: riderId as RiderId,
    request: {
      pickup,
      dropoff: { ...pickup, lat: pickup.lat + 0.03 },
      vehicleType: "economy",
      payment: "card",
      minimumRating: 0,
      seats: 1,
      accessible: false,
    },
    key: crypto.randomUUID(),
    bodyHash: "-",
    quoted: null,
  });
  if (answer.type !== "ride") throw new Error(`refused: ${JSON.stringify(answer)}`);
  return answer.view.id;
}

export async function rideAt(place: LatLng, rideId: RideId) {
  const answer = await shardOf(place).viewRide({ rideId, subject: { role: "ops" } });
  if (answer.type !== "ride") throw new Error(`no ride: ${JSON.stringify(answer)}`);
  return answer.view;
}

/** Rows of a shard's own database. */
export function rowsOf<T extends Record<string, SqlStorageValue>>(place: LatLng, query: string): Promise<T[]> {
  return runInDurableObject(shardOf(place), (_, state) => state.storage.sql.exec<T>(query).toArray());
}

/** Everything that hostile words might change: what each socket remembers, who can be found, and every row. */
export async function insideOf(place: LatLng) {
  const wish = { vehicleType: "economy", payment: "card", minimumRating: 0, seats: 1, accessible: false } as const;
  const request = { ...wish, dropoff: place };
  const found = await shardOf(place).nearby({ pickup: place, request, radiusMeters: 5_000, limit: 20, exclude: [] });
  const candidates = found.map(({ driverId, position }) => ({ driverId, position }));
  const memories = await runInDurableObject(shardOf(place), (_, state) =>
    state.getWebSockets().map((socket) => JSON.stringify(socket.deserializeAttachment())),
  );
  // Not whether history has confirmed an event: that goes on by itself.
  const queries = ["rides", "offers", "replies"].map((table) => `SELECT * FROM ${table}`);
  const rows = await Promise.all(
    [...queries, "SELECT ride_id, version, body FROM events"].map((query) => rowsOf(place, query)),
  );
  return { candidates, memories: memories.sort(), rows };
}

/** The platform evicts nobody who has a timer in memory, as a shard that has just heard a hello does. */
export function fallAsleep(stub: DurableObjectStub, webSockets: "hibernate" | "close" = "hibernate"): Promise<void> {
  return vi.waitFor(() => evictDurableObject(stub, { webSockets }), { ...PATIENTLY, interval: 500 });
}

export function alarmOf(place: LatLng): Promise<number | null> {
  return runInDurableObject(shardOf(place), (_, state) => state.storage.getAlarm());
}

/** A driver who has said hello and heard welcome, and has not sent a position. */
export async function welcomed(driver: string, place: LatLng, available = true) {
  await driverToken(driver);
  const socket = await openSocket(await ticketFor(driver, place));
  socket.say({ type: "hello", protocol: 1, available });
  return { socket, welcome: await socket.hear("welcome") };
}

/** What a shard has open, by its rows: zeros when all is at rest. */
export function debtsOf({ sql }: DurableObjectStorage) {
  return sql
    .exec<{ matching: number; engaged: number; asked: number; owed: number; unconfirmed: number }>(
      `SELECT (SELECT count(*) FROM rides WHERE state = 'matching') AS matching,
         (SELECT count(*) FROM rides WHERE state IN ('assigned', 'arrived', 'on_trip')) AS engaged,
         (SELECT count(*) FROM offers WHERE state IN ('intent', 'offered')) AS asked,
         (SELECT count(*) FROM offers WHERE released = 0 AND state IN ('dead', 'ended')) AS owed,
         (SELECT count(*) FROM events WHERE archived = 0) AS unconfirmed`,
    )
    .one();
}

/** Says where he is until the shard has heard of another version of its market. */
export async function untilConfigured(driver: TestDriver, place: LatLng): Promise<void> {
  let seq = 1_000;
  await vi.waitFor(async () => {
    driver.say({ type: "location", fixes: [fixAt(place, ++seq)] });
    expect(await rowsOf(place, "SELECT body FROM market")).toHaveLength(1);
  }, PATIENTLY);
}

/** A market dispatches so, and else as it was deployed, once its shards have heard of it. */
export async function dispatchAs(market: "sf" | "elsewhere", dispatch: MarketSettings["dispatch"]): Promise<void> {
  const control = env.MARKET_CONTROL.getByName(market);
  const { version: seen } = await control.current();
  const configuration = { settings: { dispatch }, hours: [] };
  const { outcome } = await control.change({ seen, configuration, by: "olga", why: "a test" });
  expect(outcome).toBe("changed");
}

/** Several drivers are asked at once in the market of all places that no other has. */
export function broadcastElsewhere(): Promise<void> {
  return dispatchAs("elsewhere", { kind: "broadcast" });
}

export async function accept(driver: TestDriver, offerId: OfferId): Promise<void> {
  driver.say({ type: "offer.accept", cid: "accept", offerId });
  expect(await driver.hear("offer.verdict")).toMatchObject({ offerId, verdict: { outcome: "won" } });
}

export async function step(driver: TestDriver, offerId: OfferId, name: "arrive" | "start" | "complete"): Promise<void> {
  driver.say({ type: "trip", cid: name, offerId, step: name });
  expect(await driver.hear("trip.verdict")).toMatchObject({ offerId, step: name, verdict: { outcome: "done" } });
}
