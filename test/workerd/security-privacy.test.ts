/** Who learns where people are, as the wires and the logs show it over one ride's life. */
import { createMessageBatch } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, expect, test, vi } from "vitest";
import type { RideView } from "../../src/domain/notice.ts";
import type { OfferId } from "../../src/domain/ride.ts";
import type { Env } from "../../src/env.ts";
import { haversineMeters } from "../../src/spatial/distance.ts";
import { cellOf } from "../../src/spatial/geohash.ts";
import worker from "../../src/worker.ts";
import { PATIENTLY } from "../patience.ts";
import { shardOf } from "./shard-tools.ts";
import {
  call,
  driverAt,
  failing,
  fixAt,
  migrateHistory,
  requestRide,
  riderToken,
  serveWith,
  type TestDriver,
  ticketFor,
  upgrade,
} from "./support.ts";

beforeAll(migrateHistory);

const PICKUP = { lat: 40.912345, lng: -73.612345 };
const DROPOFF = { lat: 40.954321, lng: -73.654321 };
const near = { lat: PICKUP.lat + 0.002, lng: PICKUP.lng };

async function drive(driver: TestDriver, offerId: OfferId, step: "arrive" | "start" | "complete"): Promise<void> {
  driver.say({ type: "trip", cid: step, offerId, step });
  expect((await driver.hear("trip.verdict")).verdict.outcome).toBe("done");
}

test("[O12] [R11] the pickup is a street corner to those who are asked, exact to the winner; he is seen while he drives", async () => {
  const [winner, loser] = [await driverAt("winner", near), await driverAt("loser", near)];
  const { id } = await requestRide("watcher", { pickup: PICKUP, dropoff: DROPOFF });
  const offers = [await winner.hear("offer"), await loser.hear("offer")];
  for (const offer of offers) {
    expect(haversineMeters(offer.pickup, PICKUP)).toBeGreaterThan(5);
    expect(haversineMeters(offer.pickup, PICKUP)).toBeLessThan(120);
    expect(offer.pickupMeters % 100).toBe(0);
    expect(JSON.stringify(offer)).not.toMatch(/40\.9123|-73\.6123|40\.9543|-73\.6543|watcher/);
  }
  const look = async () => (await call(`/v1/rides/${id}`, { token: await riderToken("watcher") })).json<RideView>();
  expect((await look()).driver).toBeUndefined();

  const { offerId } = offers[0]!;
  winner.say({ type: "offer.accept", cid: "c", offerId });
  const { verdict } = await winner.hear("offer.verdict");
  expect(verdict).toMatchObject({ outcome: "won", ride: { pickup: PICKUP, dropoff: DROPOFF } });
  expect(JSON.stringify(verdict)).not.toContain("watcher");
  expect(Object.keys(await loser.hear("offer.closed")).sort()).toEqual(["offerId", "reason", "type"]);

  for (const step of ["arrive", "start"] as const) {
    expect((await look()).driver).toMatchObject({ id: "winner", position: near });
    await drive(winner, offerId, step);
  }
  expect((await look()).driver).toMatchObject({ id: "winner", position: near });
  await drive(winner, offerId, "complete");
  winner.say({ type: "location", fixes: [fixAt(DROPOFF, 2)] });
  expect((await look()).driver).toEqual({ id: "winner" });
  const events = await call(`/v1/rides/${id}/events`, { token: await riderToken("watcher") });
  expect(await events.text()).not.toContain('"position"');
  for (const socket of [winner, loser]) socket.close();
});

test("[S10] logs and metrics name no person, no ride and no place finer than a cell, also when everything fails", async () => {
  const said: string[] = [];
  for (const level of ["error", "warn", "info", "log", "debug"] as const) {
    vi.spyOn(console, level).mockImplementation((...words) => void said.push(words.map(String).join(" ")));
  }
  const token = await riderToken("wilma");
  const { id } = await requestRide("wilma", { pickup: PICKUP, dropoff: DROPOFF });
  const driver = await driverAt("walter", near);
  driver.sayRaw(JSON.stringify({ type: "location", fixes: [{ ...fixAt(PICKUP, 2), mock: true }] }));
  await driver.hear("fault");

  const away = failing("away");
  const ill = { ...env, HISTORY: away, DISPATCH_SHARD: { getByName: () => away } } as unknown as Env;
  const wish = { pickup: PICKUP, dropoff: DROPOFF };
  const statuses = [
    await serveWith(ill, "/v1/riders/me/rides", "GET", undefined, token),
    await serveWith(ill, `/v1/rides/${id}`, "GET", undefined, token),
    await serveWith(ill, "/v1/rides", "POST", wish, token, { "idempotency-key": "k" }),
    await serveWith(ill, "/health"),
    await upgrade(await ticketFor("walter", near), { origin: "https://evil.test" }),
  ].map(({ status }) => status);
  expect(statuses).toEqual([500, 503, 503, 503, 403]);
  const events = await shardOf(PICKUP).viewRide({ rideId: id, subject: { role: "ops" } });
  const messages = [{ id: "m", timestamp: new Date(), attempts: 1, body: { ...events, surprise: PICKUP } }];
  await worker.queue(createMessageBatch("kerb-ride-events", messages), ill);
  const cell = cellOf(PICKUP.lat, PICKUP.lng, Number(env.SHARD_BITS));
  await vi.waitFor(
    async () => expect(await (await call("/metrics")).text()).toContain(`kerb_drivers_suspect{shard="cell:${cell}"}`),
    { ...PATIENTLY, interval: 500 },
  );
  const metrics = await (await call("/metrics")).text();
  vi.restoreAllMocks();

  expect(said.length).toBeGreaterThanOrEqual(4);
  const finer = cellOf(PICKUP.lat, PICKUP.lng, 30);
  for (const text of [...said, metrics]) {
    expect(text).not.toMatch(/wilma|walter|40\.91|73\.61|40\.95|73\.65/);
    expect(text).not.toContain(finer);
    expect(text).not.toContain(id.split(".")[1]);
  }
  driver.close();
});
