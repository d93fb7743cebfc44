import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeAll, expect, test, vi } from "vitest";
import { PATIENTLY } from "../patience.ts";
import { feelLoad } from "./calm.ts";
import { acrossBorder, shardOf } from "./shard-tools.ts";
import { call, driverAt, fixAt, migrateHistory, problemOf, requestRide, riderToken, rideWish } from "./support.ts";

beforeAll(() => {
  feelLoad();
  return migrateHistory();
});
afterEach(() => void vi.restoreAllMocks());

const { here } = acrossBorder({ lat: 47.4, lng: 8.5 });
const place = { pickup: here, dropoff: { ...here, lat: here.lat + 0.03 } };

/** Keeps the shard's thread for so long, as too much work would. */
const block = (ms: number) =>
  runInDurableObject(shardOf(here), () => {
    const until = Date.now() + ms;
    while (Date.now() < until);
  });

async function ask(rider: string): Promise<Response> {
  const headers = { "idempotency-key": crypto.randomUUID() };
  return call("/v1/rides", { token: await riderToken(rider), headers, body: rideWish(place) });
}

test("[V1] [V2] [V4] [V5] a shard that is late says so in metrics and log and refuses new rides alone", async () => {
  const log = vi.spyOn(console, "log");
  const logged = () => log.mock.calls.map(([line]) => String(line)).filter((line) => line.includes('"overload"'));
  const driver = await driverAt("olav", here);
  await driver.hear("status");
  const ride = await requestRide("ruth", place);
  let seq = 2;
  // Frames keep the beat going, and each beat finds the thread taken.
  await vi.waitFor(
    async () => {
      driver.say({ type: "location", fixes: [fixAt(here, seq++)] });
      await block(2_200);
      expect(logged().at(-1)).toMatch(/"to":3/);
    },
    { ...PATIENTLY, interval: 1 },
  );
  const problem = await problemOf(await ask("rolf"), 503);
  expect(problem.type).toBe("/problems/overloaded");
  expect(problem.retryAfterMs).toBeGreaterThanOrEqual(1_000);
  driver.say({ type: "location", fixes: [fixAt(here, seq++)] });
  expect(await driver.hear("config")).toEqual({ type: "config", fixEveryMs: 8_000 });
  const token = await riderToken("ruth");
  expect((await call(`/v1/rides/${ride.id}/cancel`, { method: "POST", token })).status).toBe(200);
  await vi.waitFor(
    async () =>
      expect(await env.OPS_FEED.getByName("fleet").metricsText()).toMatch(/kerb_overload_level\{[^}]*\} [123]/),
    PATIENTLY,
  );
  driver.close();
});
