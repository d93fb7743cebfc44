/** A hint on its way to a real socket: the market's setting, the shard's sweep, the wire, the metrics. */
import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeAll, expect, test, vi } from "vitest";
import { cellOf, centerOf } from "../../src/spatial/geohash.ts";
import { PATIENTLY } from "../patience.ts";
import { dispatchAs, newRide, rowsOf, shardOf } from "./shard-tools.ts";
import { driverAt, fixAt, migrateHistory } from "./support.ts";

beforeAll(migrateHistory);
afterEach(() => void vi.useRealTimers());

test("[D20] [D22] a driver who waits hears at the sweep in which cell three riders found nobody", async () => {
  const middle = centerOf(cellOf(37.77, -122.44, Number(env.SHARD_BITS)));
  const [quiet, busy] = [0.01, -0.01].map((north) => ({ ...middle, lat: middle.lat + north })) as [
    typeof middle,
    typeof middle,
  ];
  await dispatchAs("sf", { hintEveryMs: 1_000, startRadiusMeters: 500, maximumRadiusMeters: 500 });
  const ann = await driverAt("ann", quiet);
  let seq = 1;
  await vi.waitFor(async () => {
    ann.say({ type: "location", fixes: [fixAt(quiet, ++seq)] });
    expect(await rowsOf(quiet, "SELECT body FROM market")).toHaveLength(1);
  }, PATIENTLY);
  for (const rider of ["rita", "rolf", "rose"]) await newRide(rider, busy);
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 16_000 });
  ann.say({ type: "location", fixes: [fixAt(quiet, ++seq)] });
  await runDurableObjectAlarm(shardOf(quiet));
  const hint = await ann.hear("hint");
  expect(hint.to).toEqual(centerOf(cellOf(busy.lat, busy.lng, 30)));
  expect(hint).toMatchObject({ surge: 1, ttlMs: 900_000 });
  expect(hint.meters).toBeGreaterThan(1_500);
  vi.useRealTimers();
  await vi.waitFor(async () => {
    const text = await env.OPS_FEED.getByName("fleet").metricsText();
    expect(text).toContain('kerb_hint_total{kind="sent"} 1');
  }, PATIENTLY);
  ann.close();
});
