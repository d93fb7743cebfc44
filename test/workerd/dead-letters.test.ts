import { createExecutionContext, createMessageBatch, createScheduledController, getQueueResult } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import type { RideEvent } from "../../src/domain/event.ts";
import { HOUR_MS } from "../../src/domain/time.ts";
import worker from "../../src/worker.ts";
import { PATIENTLY } from "../patience.ts";
import { newRide, rowsOf, shardOf } from "./shard-tools.ts";
import { call, migrateHistory, opsToken } from "./support.ts";

const DEAD = "kerb-ride-events-dead";
const READABLE = "dead-letters/ride-events/";
const UNREADABLE = "dead-letters/unreadable/";

beforeAll(migrateHistory);
beforeEach(async () => {
  const { objects } = await env.MODELS.list({ prefix: "dead-letters/" });
  await env.MODELS.delete(objects.map(({ key }) => key));
});
afterEach(async () => {
  await env.HISTORY.prepare("DROP TRIGGER IF EXISTS refuse").run();
});

/** As the dead-letter queue hands its messages over after ten attempts. */
async function deliverDead(bodies: readonly unknown[]) {
  const messages = bodies.map((body, index) => ({ id: `m${index}`, timestamp: new Date(), attempts: 1, body }));
  const batch = createMessageBatch(DEAD, messages);
  const context = createExecutionContext();
  await worker.queue(batch, env);
  return getQueueResult(batch, context);
}

/** A trigger stands for whatever history refuses until somebody has mended it. */
const refuseAll = () =>
  env.HISTORY.prepare(
    "CREATE TRIGGER refuse BEFORE INSERT ON ride_events BEGIN SELECT raise(ABORT, 'refused for now'); END",
  ).run();

/** The events of a ride that was asked for and cancelled in a real shard. */
async function eventsOf(rider: string, lng: number): Promise<RideEvent[]> {
  const at = { lat: 10, lng };
  const rideId = await newRide(rider, at);
  await shardOf(at).cancelRide({ rideId, riderId: rider as never });
  const rows = await rowsOf<{ body: string }>(at, "SELECT body FROM events ORDER BY version");
  return rows.map(({ body }) => JSON.parse(body) as RideEvent);
}

async function redrive() {
  const response = await call("/admin/redrive", { method: "POST", token: await opsToken() });
  expect(response.status).toBe(200);
  return response.json();
}

const keysUnder = async (prefix: string) => (await env.MODELS.list({ prefix })).objects.map(({ key }) => key);
const countEvents = (rideId: string) =>
  env.HISTORY.prepare("SELECT count(*) AS n FROM ride_events WHERE ride_id = ?1").bind(rideId).first<number>("n");

describe("a message that fails its retries", () => {
  test("[H12] is kept once per event, shown in metrics, and in history after it was sent again", async () => {
    await refuseAll();
    const events = await eventsOf("rita", 20);
    const rideId = events[0]!.rideId;
    for (let time = 0; time < 2; time++) {
      expect((await deliverDead(events)).explicitAcks).toHaveLength(2);
    }
    expect(await keysUnder(READABLE)).toEqual(events.map(({ id }) => `${READABLE}${id}`));
    expect(await countEvents(rideId)).toBe(0);
    expect(await (await call("/metrics")).text()).toContain('\nkerb_dead_letters{kind="event"} 2\n');
    await env.HISTORY.prepare("DROP TRIGGER refuse").run();
    expect(await redrive()).toEqual({ sent: 2, more: false, unreadable: 0 });
    expect(await keysUnder("dead-letters/")).toEqual([]);
    await vi.waitFor(async () => expect(await countEvents(rideId)).toBe(2), PATIENTLY);
    expect(await redrive()).toEqual({ sent: 0, more: false, unreadable: 0 });
  });

  test("[H12] sent again although history has it by now changes nothing", async () => {
    await refuseAll();
    const events = await eventsOf("remy", 21);
    await deliverDead(events);
    await env.HISTORY.prepare("DROP TRIGGER refuse").run();
    await deliverDead(events);
    const before = await env.HISTORY.prepare("SELECT * FROM ride_events ORDER BY event_id").all();
    await redrive();
    const batch = createMessageBatch(
      "kerb-ride-events",
      events.map((body, index) => ({ id: `r${index}`, timestamp: new Date(), attempts: 1, body })),
    );
    await worker.queue(batch, env);
    expect((await env.HISTORY.prepare("SELECT * FROM ride_events ORDER BY event_id").all()).results).toEqual(
      before.results,
    );
  });

  test("[H12] and cannot be read stays apart with the reason, and is never sent", async () => {
    const poison = { ...(await eventsOf("rolf", 22))[0], surprise: true };
    await deliverDead([poison, "text"]);
    const { objects } = await env.MODELS.list({ prefix: UNREADABLE, include: ["customMetadata"] });
    expect(objects.map(({ customMetadata }) => customMetadata?.reason)).toEqual([
      expect.stringContaining("surprise"),
      expect.stringContaining("expected object"),
    ]);
    expect(await redrive()).toEqual({ sent: 0, more: false, unreadable: 2 });
    const kept = await (await env.MODELS.get(objects[0]!.key))?.json<{ message: unknown; reason: string }>();
    expect(kept).toEqual({ message: poison, reason: expect.stringContaining("surprise") });
    expect(await (await call("/metrics")).text()).toContain('\nkerb_dead_letters{kind="unreadable"} 2\n');
  });

  test("[H12] and was readable when it was kept, but is no longer, is set apart then", async () => {
    await env.MODELS.put(`${READABLE}old:1`, JSON.stringify({ reason: "D1", message: { id: "old:1" } }));
    await env.MODELS.put(`${READABLE}torn:1`, '{"reason":');
    expect(await redrive()).toEqual({ sent: 0, more: false, unreadable: 2 });
    expect(await keysUnder("dead-letters/")).toEqual([`${UNREADABLE}old:1`, `${UNREADABLE}torn:1`]);
  });

  test("[H12] that another redrive has just sent is left to it", async () => {
    await env.MODELS.put(`${READABLE}gone:1`, JSON.stringify({ reason: "D1", message: { id: "gone:1" } }));
    const get = vi.spyOn(env.MODELS, "get").mockImplementationOnce(async (key) => {
      await env.MODELS.delete(key);
      return null;
    });
    expect(await redrive()).toEqual({ sent: 0, more: false, unreadable: 0 });
    get.mockRestore();
    expect(await keysUnder("dead-letters/")).toEqual([]);
  });

  test("[H12] stays in its queue while the store is away", async () => {
    await refuseAll();
    const put = vi.spyOn(env.MODELS, "put").mockRejectedValue(new Error("store away"));
    const result = await deliverDead([{ hello: 1 }]);
    put.mockRestore();
    expect(result.explicitAcks).toEqual([]);
    expect(result.retryMessages).toMatchObject([{ msgId: "m0" }]);
  });

  test("[H12] goes in pages where there are many, and says that some are left", async () => {
    const event = (await eventsOf("rosa", 23))[0]!;
    const letters = Array.from({ length: 520 }, (_, n) => {
      const version = n + 1;
      const id = `${event.rideId}:${version}`;
      const message = { ...event, id, version, ride: { ...event.ride, version } };
      return env.MODELS.put(`${READABLE}${id}`, JSON.stringify({ reason: "D1", message }));
    });
    await Promise.all(letters);
    expect(await redrive()).toEqual({ sent: 500, more: true, unreadable: 0 });
    expect(await redrive()).toEqual({ sent: 20, more: false, unreadable: 0 });
    await vi.waitFor(async () => expect(await countEvents(event.rideId)).toBe(520), PATIENTLY);
  });
});

test("[H13] dead letters are gone ninety days later, within the hour, and not before, however many", async () => {
  const many = Array.from({ length: 1_010 }, (_, n) => `dead-letters/unreadable/${n}`);
  await Promise.all(many.map((key) => env.MODELS.put(key, "{}")));
  const hour = Math.ceil(Date.now() / HOUR_MS) * HOUR_MS;
  const sweepAt = (scheduledTime: number) =>
    worker.scheduled(createScheduledController({ cron: "* * * * *", scheduledTime: new Date(scheduledTime) }), env);
  await sweepAt(hour + 89 * 24 * HOUR_MS);
  expect((await env.MODELS.list({ prefix: "dead-letters/" })).truncated).toBe(true);
  await sweepAt(hour + 90 * 24 * HOUR_MS);
  expect(await keysUnder("dead-letters/")).toEqual([]);
});
