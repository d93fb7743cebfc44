/** Rides for later, over HTTP, through eviction and death, in the shard's own database, in history and its minute's sweep. */
import { abortAllDurableObjects, evictDurableObject, runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import type { RideView } from "../../src/domain/notice.ts";
import type { LatLng } from "../../src/domain/place.ts";
import type { RideId } from "../../src/domain/ride.ts";
import { MINUTE_MS, SECOND_MS } from "../../src/domain/time.ts";
import { cellsWithOpenRides, cellsWithSilentRides } from "../../src/history/queries.ts";
import { PATIENTLY } from "../patience.ts";
import { alarmOf, dispatchAs, rideAt, rowsOf, shardNameAt, shardOf } from "./shard-tools.ts";
import {
  call,
  driverAt,
  MIDTOWN,
  migrateHistory,
  problemOf,
  requestRide,
  riderToken,
  rideWish,
  type TestDriver,
} from "./support.ts";

const HOUR_MS = 60 * MINUTE_MS;
/** A cell of its own for every test. */
let places = 0;
const place = (): LatLng => ({ lat: -33.9 + places++ * 0.3, lng: 151.05 });
const tripFrom = (pickup: LatLng) => rideWish({ pickup, dropoff: { ...pickup, lat: pickup.lat + 0.03 } });

beforeAll(async () => {
  await migrateHistory();
  await dispatchAs("elsewhere", { scheduledRides: true });
});
afterEach(() => {
  vi.useRealTimers();
});

async function ask(rider: string, body: object, key: string = crypto.randomUUID()): Promise<Response> {
  return call("/v1/rides", { token: await riderToken(rider), headers: { "idempotency-key": key }, body });
}

/** A scheduled ride, as soon as the shard has heard that its market takes such. */
async function schedule(rider: string, pickup: LatLng, pickupAt: number): Promise<RideView> {
  let ride: RideView | null = null;
  await vi.waitFor(async () => {
    const response = await ask(rider, { ...tripFrom(pickup), pickupAt });
    expect(response.status).toBe(201);
    ride = await response.json<RideView>();
  }, PATIENTLY);
  return ride!;
}

/** It is so much later, and whatever alarm is due by then has rung. */
async function later(at: LatLng, ms: number): Promise<void> {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + ms });
  for (let due = await alarmOf(at); due !== null && due <= Date.now(); due = await alarmOf(at)) {
    await runDurableObjectAlarm(shardOf(at));
  }
}

async function keptEvents(rideId: RideId): Promise<string[]> {
  const query = "SELECT type, version FROM ride_events WHERE ride_id = ? ORDER BY version";
  const { results } = await env.HISTORY.prepare(query).bind(rideId).all<{ type: string; version: number }>();
  return results.map(({ type, version }) => `${version} ${type}`);
}

async function drive(driver: TestDriver, pickupAt: number): Promise<void> {
  const offer = await driver.hear("offer");
  expect(offer.pickupAt).toBe(pickupAt);
  const { offerId } = offer;
  driver.say({ type: "offer.accept", cid: "a", offerId });
  expect((await driver.hear("offer.verdict")).verdict).toMatchObject({ outcome: "won", ride: { pickupAt } });
  for (const step of ["arrive", "start", "complete"] as const) {
    driver.say({ type: "trip", cid: step, offerId, step });
    expect((await driver.hear("trip.verdict")).verdict).toMatchObject({ outcome: "done" });
  }
}

describe("a ride for later", () => {
  test("[P1] [E3] is refused by the field's name where the market takes none, and nothing is kept of it", async () => {
    const key = crypto.randomUUID();
    const refused = await problemOf(await ask("rita", { ...rideWish(), pickupAt: Date.now() + HOUR_MS }, key), 422);
    expect(refused.errors).toEqual([{ field: "pickupAt", message: "rides at a later time are not taken here" }]);
    expect((await requestRide("rita", {}, key)).state).toBe("matching");
    expect(await rowsOf(MIDTOWN, "SELECT count(*) AS n FROM rides WHERE rider_id = 'rita'")).toEqual([{ n: 1 }]);
  });

  test("[P1] [P4] is shown, waits beside a ride of now, is limited in number and time, and cancelled", async () => {
    const at = place();
    const pickupAt = Date.now() + HOUR_MS;
    const ride = await schedule("remy", at, pickupAt);
    expect(ride).toMatchObject({ state: "scheduled", version: 1, pickupAt });
    expect((await ask("remy", tripFrom(at))).status).toBe(201);
    for (const [ms, words] of [
      [4 * MINUTE_MS, "less than five minutes"],
      [8 * 24 * HOUR_MS, "more than seven days"],
    ] as const) {
      const { errors } = await problemOf(await ask("remy", { ...tripFrom(at), pickupAt: Date.now() + ms }), 422);
      expect(errors).toMatchObject([{ field: "pickupAt", message: expect.stringContaining(words) }]);
    }
    const { errors } = await problemOf(await ask("remy", { ...tripFrom(at), pickupAt: "tomorrow" }), 422);
    expect(errors?.map(({ field }) => field)).toEqual(["pickupAt"]);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + MINUTE_MS });
    for (let n = 1; n < 5; n++) expect((await ask("remy", { ...tripFrom(at), pickupAt })).status).toBe(201);
    const sixth = await problemOf(await ask("remy", { ...tripFrom(at), pickupAt }), 409);
    expect(sixth.type).toBe("/problems/too-many-scheduled");
    const token = await riderToken("remy");
    const cancelled = await call(`/v1/rides/${ride.id}/cancel`, { method: "POST", token });
    expect(await cancelled.json()).toMatchObject({ state: "cancelled_by_rider", version: 2, pickupAt });
  });

  test.each(["evicted", "aborted"])(
    "[P2] [P5] [H6] is driven in its time by a shard that was %s meanwhile",
    async (how) => {
      const at = place();
      const pickupAt = Date.now() + 6 * 24 * HOUR_MS;
      const { id } = await schedule(`ross-${how}`, at, pickupAt);
      const unconfirmed = () => rowsOf(at, "SELECT version FROM events WHERE archived = 0");
      await vi.waitFor(async () => expect(await unconfirmed()).toEqual([]), PATIENTLY);
      if (how === "evicted") await evictDurableObject(shardOf(at));
      else await abortAllDurableObjects();
      await shardOf(at).wake();
      // Death may have taken the confirmation back.
      await vi.waitFor(async () => expect(await unconfirmed()).toEqual([]), PATIENTLY);
      await later(at, 2 * HOUR_MS);
      // Nothing is left to do before it may be time.
      expect(await alarmOf(at)).toBe(pickupAt - 20 * MINUTE_MS);
      if (how === "evicted") await evictDurableObject(shardOf(at));
      else await abortAllDurableObjects();
      await later(at, pickupAt - 20 * MINUTE_MS - 10 * SECOND_MS - Date.now());
      expect(await rideAt(at, id)).toMatchObject({ state: "scheduled" });
      // Here before the search begins: a clock that stands still lets no search be repeated.
      const driver = await driverAt(`dora-${how}`, at);
      while ((await driver.hear("status")).status.state !== "available");
      await later(at, 10 * SECOND_MS);
      expect(await rideAt(at, id)).toMatchObject({ state: "matching", version: 2, pickupAt });
      await drive(driver, pickupAt);
      expect(await rideAt(at, id)).toMatchObject({ state: "completed", version: 6, pickupAt });
      const kinds = ["scheduled", "dispatched", "assigned", "arrived", "started", "completed"];
      const expected = kinds.map((kind, index) => `${index + 1} ride.${kind}`);
      await vi.waitFor(async () => expect(await keptEvents(id)).toEqual(expected), PATIENTLY);
      const row = await env.HISTORY.prepare("SELECT body FROM rides WHERE ride_id = ?").bind(id).first<string>("body");
      expect(JSON.parse(row!)).toMatchObject({ state: "completed", request: { pickupAt } });
      driver.close();
    },
  );

  test("[P4] begins beside its rider's open ride, in the same database", async () => {
    const at = place();
    const { id } = await schedule("rhea", at, Date.now() + 6 * MINUTE_MS);
    await vi.waitFor(async () => expect(await rideAt(at, id)).toMatchObject({ state: "matching" }), PATIENTLY);
    const driver = await driverAt("dina", at);
    const { offerId } = await driver.hear("offer");
    driver.say({ type: "offer.accept", cid: "a", offerId });
    await driver.hear("offer.verdict");
    // The other way round: one that is asked for now has to wait until this one is over, and one for later has not.
    const busy = await problemOf(await ask("rhea", tripFrom(at)), 409);
    expect(busy).toMatchObject({ type: "/problems/rider-busy", rideId: id });
    expect((await ask("rolf", tripFrom(at))).status).toBe(201);
    const { id: other } = await schedule("rolf", at, Date.now() + 6 * MINUTE_MS);
    await vi.waitFor(async () => expect(await rideAt(at, other)).toMatchObject({ state: "matching" }), PATIENTLY);
    const open = await rowsOf(at, "SELECT state FROM rides WHERE rider_id = 'rolf' AND ended_at IS NULL");
    expect(open).toEqual([{ state: "matching" }, { state: "matching" }]);
    driver.close();
  });
});

describe("a stream of a ride for later", () => {
  const read = async (rider: string, id: RideId, lastEventId?: string) =>
    call(`/v1/rides/${id}/events`, {
      token: await riderToken(rider),
      headers: { ...(lastEventId !== undefined && { "last-event-id": lastEventId }) },
    });

  test("[P6] [H9] tells what there is, ends, and says when to come back; what happened meanwhile is told then", async () => {
    const at = place();
    const { id } = await schedule("rosa", at, Date.now() + HOUR_MS);
    const first = await (await read("rosa", id)).text();
    expect(first).toMatch(/^retry: 900000\n\nid: 1\nevent: ride.scheduled\ndata: .*\n\n$/);
    expect(await (await read("rosa", id, "1")).text()).toBe("retry: 900000\n\n");
    await later(at, 41 * MINUTE_MS);
    const live = await read("rosa", id, "1");
    await call(`/v1/rides/${id}/cancel`, { method: "POST", token: await riderToken("rosa") });
    const text = await live.text();
    expect([...text.matchAll(/^event: (\S+)$/gm)].map(([, type]) => type)).toEqual([
      "ride.dispatched",
      "ride.cancelled",
    ]);
    expect(text).toMatch(/^retry: 1000\n/);
  });
});

describe("history's minute", () => {
  test("[P5] [H11] lets a shard sleep whose ride is for later, and calls it when the search must have begun", async () => {
    const at = place();
    const pickupAt = Date.now() + 24 * HOUR_MS;
    const { id } = await schedule("ruth", at, pickupAt);
    await vi.waitFor(async () => expect(await keptEvents(id)).toEqual(["1 ride.scheduled"]), PATIENTLY);
    const mustHaveBegun = pickupAt - 5 * MINUTE_MS;
    const cell = shardNameAt(at).slice("cell:".length);
    const silent = async (since: number) => (await cellsWithSilentRides(env.HISTORY, since, 99)).includes(cell);
    const open = async (now: number) => (await cellsWithOpenRides(env.HISTORY, now, 99)).includes(cell);
    expect([await silent(mustHaveBegun), await silent(mustHaveBegun + 1)]).toEqual([false, true]);
    expect([await open(mustHaveBegun - 1), await open(mustHaveBegun)]).toEqual([false, true]);
    // An alarm that was lost is found by that call; from the beginning of the search on the ride is as any other.
    const begun = mustHaveBegun - 10 * MINUTE_MS;
    await later(at, begun - Date.now());
    await vi.waitFor(async () => expect(await keptEvents(id)).toHaveLength(2), PATIENTLY);
    expect([await silent(begun), await silent(begun + 1)]).toEqual([false, true]);
  });
});
