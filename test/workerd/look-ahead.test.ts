/** What a shard has learned of places, in a real object's rows, from real sockets. */
import { abortAllDurableObjects, runDurableObjectAlarm } from "cloudflare:test";
import { afterEach, beforeAll, expect, test, vi } from "vitest";
import type { LatLng } from "../../src/domain/place.ts";
import { MINUTE_MS } from "../../src/domain/time.ts";
import { boundsOf, cellOf } from "../../src/spatial/geohash.ts";
import { PATIENTLY } from "../patience.ts";
import { dispatchAs, rowsOf, shardOf } from "./shard-tools.ts";
import { driverAt, fixAt, migrateHistory } from "./support.ts";

const OFTEN = { ...PATIENTLY, interval: 5 };
/** 180 m apart in the middle of a cell, where two squares meet. */
const { west, east, south, north } = boundsOf(cellOf(37.6, -122.2, 25));
const middle = { lat: south + 0.3 * (north - south), lng: (west + east) / 2 };
const [left, right] = [-0.001, 0.001].map((lng) => ({ ...middle, lng: middle.lng + lng })) as [LatLng, LatLng];

beforeAll(async () => {
  await migrateHistory();
  await dispatchAs("sf", { lookAheadSeconds: 60 });
});
afterEach(() => void vi.useRealTimers());

/** What is known of where the driver is who is free here. */
async function aheadOf(place: LatLng): Promise<number | undefined> {
  const wish = { vehicleType: "economy", payment: "card", minimumRating: 0, seats: 1, accessible: false } as const;
  const request = { ...wish, dropoff: left };
  const query = { pickup: place, request, radiusMeters: 1_000, limit: 1, exclude: [] };
  const [found] = await shardOf(place).nearby(query);
  expect(found).toBeDefined();
  return found?.aheadSeconds;
}

test("[Q3] [N1] [N2] what was learned of a place outlives the object", async () => {
  const ann = await driverAt("ann", left);
  let seq = 1;
  await vi.waitFor(async () => {
    seq++;
    ann.say({ type: "location", fixes: [fixAt(seq % 2 === 0 ? right : left, seq)] });
    expect(await aheadOf(left)).toBeTypeOf("number");
  }, OFTEN);
  expect(await rowsOf(left, "SELECT body FROM learned")).toEqual([]);
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 11 * MINUTE_MS });
  await runDurableObjectAlarm(shardOf(left));
  expect(await rowsOf(left, "SELECT body FROM learned")).toHaveLength(1);
  await abortAllDurableObjects();
  const bob = await driverAt("bob", left);
  await vi.waitFor(async () => expect(await aheadOf(left)).toBeTypeOf("number"), OFTEN);
  ann.close();
  bob.close();
});
