import {
  createExecutionContext,
  createMessageBatch,
  createScheduledController,
  getQueueResult,
  runInDurableObject,
} from "cloudflare:test";
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import type { RideEvent, RideEventType } from "../../src/domain/event.ts";
import type { RideView } from "../../src/domain/notice.ts";
import { MINUTE_MS } from "../../src/domain/time.ts";
import { wakeSilentShards } from "../../src/edge/sweep.ts";
import { countHistory } from "../../src/history/queries.ts";
import { readRideEvent } from "../../src/protocol/event.ts";
import worker from "../../src/worker.ts";
import { PATIENTLY } from "../patience.ts";
import { call, DOWNTOWN, driverToken, MIDTOWN, migrateHistory, problemOf, requestRide, riderToken } from "./support.ts";

const QUEUE = "kerb-ride-events";
const T0 = 1_790_000_000_000;
const TABLES = ["rides", "ride_events", "ride_events_dead"] as const;

beforeAll(migrateHistory);
beforeEach(async () => {
  await env.HISTORY.batch(TABLES.map((table) => env.HISTORY.prepare(`DELETE FROM ${table}`)));
});

/** A ride's whole life as its shard tells it; `number` makes its id, rider and driver. */
function lifeOf(number: number): RideEvent[] {
  const id = `dr5ru.01J9Z3NDEKTSV4RRFFQ6${String(number).padStart(6, "0")}`;
  const base = {
    id,
    riderId: `rider-${number}`,
    request: {
      pickup: MIDTOWN,
      dropoff: DOWNTOWN,
      vehicleType: "economy",
      payment: "card",
      minimumRating: 0,
      seats: 1,
      accessible: false,
    },
    tripMeters: 5_000,
    fareCents: 1_500,
    redispatches: 0,
    createdAt: T0 + number,
    ratings: {},
  };
  const driver = { driverId: `driver-${number}`, offerId: `${id}#1`, assignedAt: T0 + 1_000 };
  const rides = [
    { ...base, state: "matching", deadlineAt: T0 + 120_000 },
    { ...base, ...driver, state: "assigned" },
    { ...base, ...driver, state: "arrived", arrivedAt: T0 + 60_000 },
    { ...base, ...driver, state: "on_trip", startedAt: T0 + 70_000 },
    { ...base, ...driver, state: "completed", startedAt: T0 + 70_000, endedAt: T0 + 600_000 },
    { ...base, ...driver, state: "completed", startedAt: T0 + 70_000, endedAt: T0 + 600_000, ratings: { driver: 5 } },
  ];
  const types: RideEventType[] = [
    "ride.requested",
    "ride.assigned",
    "ride.arrived",
    "ride.started",
    "ride.completed",
    "ride.rated",
  ];
  return rides.map((ride, index) => {
    const version = index + 1;
    const at = T0 + version * 1_000;
    const reading = readRideEvent({
      id: `${id}:${version}`,
      type: types[index],
      rideId: id,
      version,
      at,
      ride: { ...ride, version },
    });
    if (!reading.ok) throw new Error(reading.reason);
    return reading.event;
  });
}

/** Hands messages to the Worker as the queue does; answers what became of them. */
async function deliver(bodies: readonly unknown[], queue = QUEUE) {
  const messages = bodies.map((body, index) => ({ id: `m${index}`, timestamp: new Date(), attempts: 1, body }));
  const batch = createMessageBatch(queue, messages);
  const context = createExecutionContext();
  await worker.queue(batch, env);
  return getQueueResult(batch, context);
}

const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);

/** Everything in D1, without the numbering, in one order. */
async function contents() {
  const [rides, events] = await Promise.all([
    env.HISTORY.prepare("SELECT * FROM rides ORDER BY ride_id").all(),
    env.HISTORY.prepare("SELECT * FROM ride_events ORDER BY event_id").all(),
  ]);
  const plain = (rows: Record<string, unknown>[]) => rows.map(({ row_number: _, ...row }) => row);
  return { rides: plain(rides.results), events: plain(events.results) };
}

const countRows = async (table: (typeof TABLES)[number]) =>
  env.HISTORY.prepare(`SELECT count(*) AS n FROM ${table}`).first<number>("n");

describe("history", () => {
  test("[H8] holds each event once and each ride at its newest version", async () => {
    await deliver(lifeOf(1));
    const { rides, events } = await contents();
    expect(events.map(({ type }) => type)).toEqual(lifeOf(1).map(({ type }) => type));
    expect(rides).toMatchObject([
      { version: 6, state: "completed", rider_id: "rider-1", driver_id: "driver-1", ended_at: T0 + 600_000 },
    ]);
    expect(JSON.parse(String(rides[0]?.body))).toEqual(lifeOf(1)[5]?.ride);
  });

  test("[H8] is the same whatever the queue repeats, reorders, splits or brings late", async () => {
    const all = [1, 2, 3].flatMap(lifeOf);
    await deliver(all);
    const expected = await contents();
    const anyDelivery = fc
      .tuple(
        fc.shuffledSubarray(all, { minLength: 0 }),
        fc.shuffledSubarray(all, { minLength: all.length }),
        fc.nat(17),
      )
      .map(([some, whole, cut]) => [some, whole.slice(0, cut), whole.slice(cut), some]);
    await fc.assert(
      fc.asyncProperty(anyDelivery, async (batches) => {
        await env.HISTORY.batch(TABLES.map((table) => env.HISTORY.prepare(`DELETE FROM ${table}`)));
        for (const batch of batches) await deliver(batch);
        expect(await contents()).toEqual(expected);
        // The count that costs no scan is the count.
        expect(await countHistory(env.HISTORY)).toEqual({ rides: 3, events: all.length, dead: 0 });
      }),
      { numRuns: 25 },
    );
  });

  test("never takes a ride back to what it was", async () => {
    const life = lifeOf(1);
    await deliver([life[4]]);
    await deliver([life[0], life[1]]);
    expect((await contents()).rides).toMatchObject([{ version: 5, state: "completed" }]);
    expect(await countRows("ride_events")).toBe(3);
  });

  test("[H10] takes nothing into history that is no event, whatever it is", async () => {
    const [good] = lifeOf(1);
    const field = fc.constantFrom(...Object.keys(good ?? {}), "stranger");
    const almost = fc.tuple(field, fc.jsonValue({ maxDepth: 2 })).map(([key, value]) => ({ ...good, [key]: value }));
    const poison = fc.oneof(fc.jsonValue({ maxDepth: 3 }), almost).filter((body) => !same(body, good));
    await fc.assert(
      fc.asyncProperty(fc.array(poison, { minLength: 1, maxLength: 20 }), async (bodies) => {
        const { ackAll } = await deliver(bodies);
        expect(ackAll).toBe(true);
        expect(await contents()).toEqual({ rides: [], events: [] });
      }),
      { numRuns: 30 },
    );
  });

  test("[H10] keeps what it cannot read, with the reason, once, and lets the rest through", async () => {
    const life = lifeOf(1);
    const poison = [{ hello: 1 }, "text", null, { ...life[2], version: 99 }, { ...life[3], surprise: true }];
    for (let time = 0; time < 2; time++) {
      const result = await deliver([life[0], ...poison, life[1]]);
      expect(result.ackAll).toBe(true);
    }
    expect(await countRows("ride_events")).toBe(2);
    const { results } = await env.HISTORY.prepare(
      "SELECT reason, body FROM ride_events_dead ORDER BY message_id",
    ).all();
    expect(results).toHaveLength(poison.length);
    expect(results.at(-1)).toMatchObject({ reason: expect.stringContaining("surprise") });
    expect(JSON.parse(String(results[0]?.body))).toEqual({ hello: 1 });
  });

  test("[H8] acknowledges nothing, and writes nothing, while D1 refuses half of it", async () => {
    await env.HISTORY.prepare("ALTER TABLE rides RENAME TO rides_away").run();
    const result = await deliver(lifeOf(1));
    await env.HISTORY.prepare("ALTER TABLE rides_away RENAME TO rides").run();
    expect(result.ackAll).toBe(false);
    expect(result.retryBatch.retry).toBe(true);
    expect(await countRows("ride_events")).toBe(0);
  });

  test("[H12] gives each dead letter a last chance of its own", async () => {
    // A trigger stands for whatever makes one event unwritable for ever.
    await env.HISTORY.prepare(
      `CREATE TRIGGER refuse BEFORE INSERT ON ride_events WHEN NEW.ride_id LIKE '%000002'
       BEGIN SELECT raise(ABORT, 'unwritable'); END`,
    ).run();
    try {
      const bodies = [...lifeOf(1), ...lifeOf(2)];
      expect((await deliver(bodies)).retryBatch.retry).toBe(true);
      const result = await deliver(bodies, `${QUEUE}-dead`);
      expect(result.explicitAcks).toHaveLength(bodies.length);
      expect(await countRows("ride_events")).toBe(6);
      expect(await countRows("rides")).toBe(1);
      const { objects } = await env.MODELS.list({ prefix: "dead-letters/", include: ["customMetadata"] });
      expect(objects.map(({ key }) => key)).toEqual(lifeOf(2).map(({ id }) => `dead-letters/ride-events/${id}`));
      for (const { customMetadata } of objects) expect(customMetadata?.reason).toContain("unwritable");
    } finally {
      await env.HISTORY.prepare("DROP TRIGGER refuse").run();
    }
  });

  test("tells the shard what is safe, and only that, so that it sends no more", async () => {
    const { id } = await requestRide("archie");
    const shard = env.DISPATCH_SHARD.getByName(`cell:${id.slice(0, id.indexOf("."))}`);
    const unarchived = () =>
      runInDurableObject(shard, (_, { storage }) => [
        ...storage.sql.exec<{ n: number }>("SELECT count(*) AS n FROM events WHERE archived = 0"),
      ]);
    await vi.waitFor(async () => expect(await unarchived()).toEqual([{ n: 0 }]), PATIENTLY);
    expect(await countRows("ride_events")).toBe(1);
    expect(await (await call("/metrics")).text()).toContain("kerb_history_events_total 1\n");
  });
});

describe("while D1 does not answer", () => {
  test("rides are asked for, metrics are read, and only history says to come back later", async () => {
    await env.HISTORY.prepare("ALTER TABLE rides RENAME TO rides_away").run();
    try {
      const { id } = await requestRide("dana");
      const token = await riderToken("dana");
      expect((await call(`/v1/rides/${id}`, { token })).status).toBe(200);
      expect((await call("/metrics")).status).toBe(200);
      const response = await call("/v1/riders/me/rides", { token });
      expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
      expect((await problemOf(response, 503)).type).toBe("/problems/unavailable");
    } finally {
      await env.HISTORY.prepare("ALTER TABLE rides_away RENAME TO rides").run();
    }
  });
});

describe("a page of rides", () => {
  test("follows the page before without a gap or a repeat, newest first", async () => {
    const lives = Array.from({ length: 7 }, (_, number) =>
      // The same rider for all; the first four asked in the same millisecond.
      lifeOf(number).map((event) => {
        const ride = { ...event.ride, riderId: "regular", createdAt: T0 + Math.max(3, number) };
        return { ...event, ride };
      }),
    );
    await deliver(lives.flat());
    const token = await riderToken("regular");
    const seen: string[] = [];
    for (let query = "?limit=3"; query !== ""; ) {
      const page = await (await call(`/v1/riders/me/rides${query}`, { token })).json<{
        rides: RideView[];
        next: string | null;
      }>();
      seen.push(...page.rides.map(({ id }) => id));
      query = page.next === null ? "" : `?limit=3&cursor=${encodeURIComponent(page.next)}`;
    }
    expect(seen).toEqual(lives.map((life) => life[0]?.rideId).reverse());
  });

  test("shows a person's own rides and nobody else's", async () => {
    await deliver([...lifeOf(1), ...lifeOf(2)]);
    const ridesOf = async (path: string, token: string) =>
      (await (await call(path, { token })).json<{ rides: RideView[] }>()).rides;
    expect(await ridesOf("/v1/riders/me/rides", await riderToken("rider-1"))).toHaveLength(1);
    expect(await ridesOf("/v1/drivers/me/rides", await driverToken("driver-2"))).toHaveLength(1);
    expect(await ridesOf("/v1/drivers/me/rides", await driverToken("rider-1"))).toEqual([]);
    expect(await ridesOf("/v1/riders/me/rides", await riderToken("mallory"))).toEqual([]);
  });
});

describe("a ride that its shard has forgotten", () => {
  test("is shown from history to its people, and to nobody else", async () => {
    const events = lifeOf(1);
    await deliver(events);
    const path = `/v1/rides/${events[0]?.rideId}`;
    for (const token of [await riderToken("rider-1"), await driverToken("driver-1")]) {
      const response = await call(path, { token });
      expect(await response.json()).toMatchObject({
        state: "completed",
        currency: "USD",
        driver: { id: "driver-1" },
        ratings: { driver: 5 },
      });
    }
    await problemOf(await call(path, { token: await riderToken("rider-2") }), 404);
    await problemOf(await call(path, { token: await driverToken("rider-1") }), 404);
  });
});

describe("the minute sweep", () => {
  test("[H11] calls the shards with open rides that history has not heard of for a minute", async () => {
    await deliver([...lifeOf(1).slice(0, 2), ...lifeOf(2)]);
    const lastHeard = T0 + 2_000;
    expect(await wakeSilentShards(lastHeard + MINUTE_MS, env)).toBe(0);
    expect(await wakeSilentShards(lastHeard + MINUTE_MS + 1, env)).toBe(1);
    await deliver(lifeOf(1).slice(2));
    expect(await wakeSilentShards(lastHeard + 60 * MINUTE_MS, env)).toBe(0);
  });

  test("is what the minute's trigger runs", async () => {
    await deliver(lifeOf(1).slice(0, 1));
    await expect(worker.scheduled(createScheduledController({ cron: "* * * * *" }), env)).resolves.toBeUndefined();
  });
});
