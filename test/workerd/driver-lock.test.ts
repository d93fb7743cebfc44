import { listDurableObjectIds, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import type { DriverId } from "../../src/domain/driver.ts";
import type { OfferId } from "../../src/domain/ride.ts";
import { acrossBorder, fallAsleep, lockOf, newRide, rideAt, shardNameAt } from "./shard-tools.ts";
import { driverAt, migrateHistory } from "./support.ts";

beforeAll(migrateHistory);
afterEach(() => {
  vi.useRealTimers();
});

const { here, beyond } = acrossBorder({ lat: 51.5, lng: -0.1 });
const HERE = shardNameAt(here);
const THERE = shardNameAt(beyond);
const madeUp = (shard: string, seq: number) => `${shard.slice("cell:".length)}.${"0".repeat(26)}#${seq}` as OfferId;

let tickets = 0;
/** Every ticket is a little newer than the one before. */
const attach = (driver: string, ticketId = crypto.randomUUID(), shard = HERE) => {
  const ticketExpiresAt = Date.now() + 30_000 + ++tickets;
  return lockOf(driver).attach({ driverId: driver as DriverId, shard, ticketId, ticketExpiresAt });
};
const reserve = (driver: string, seq: number, shard = HERE) =>
  lockOf(driver).reserve({ driverId: driver as DriverId, offerId: madeUp(shard, seq), seq, shard });
const release = (driver: string, seq: number, shard = HERE) =>
  lockOf(driver).release({ driverId: driver as DriverId, offerId: madeUp(shard, seq), seq, shard, outcome: "none" });
const alarmAt = (driver: string) => runInDurableObject(lockOf(driver), (_, state) => state.storage.getAlarm());

/** The lock's clock moves on; its alarm rings. */
async function ringAfter(driver: string, ms: number): Promise<void> {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + ms });
  expect(await runDurableObjectAlarm(lockOf(driver))).toBe(true);
}

describe("a driver's lock", () => {
  test("[K8] is what it was after its object was evicted: holder, epoch, burnt tickets, fences", async () => {
    await attach("kim", "ticket-1");
    await reserve("kim", 3);
    await fallAsleep(lockOf("kim"));
    expect(await attach("kim", "ticket-1")).toEqual({ outcome: "replayed" });
    expect(await attach("kim", "ticket-2", THERE)).toMatchObject({
      outcome: "attached",
      epoch: 2,
      holder: { offerId: madeUp(HERE, 3), shard: HERE },
      previous: { shard: HERE, epoch: 1 },
    });
    expect(await reserve("kim", 1, THERE)).toEqual({ outcome: "busy" });
    await release("kim", 3);
    await fallAsleep(lockOf("kim"));
    expect(await reserve("kim", 3)).toEqual({ outcome: "stale" });
    expect(await reserve("kim", 4)).toEqual({ outcome: "reserved", exchanges: 0, session: { shard: THERE, epoch: 2 } });
  });

  test("[K1] [S2] lets one of twenty shards have the driver, whatever the order", async () => {
    await attach("kay");
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => reserve("kay", 1, `cell:gcp${"bcdefghjkmnpqrstuvwx"[i]}v` as typeof HERE)),
    );
    expect(answers.map(({ outcome }) => outcome).sort()).toEqual([...Array(19).fill("busy"), "reserved"]);
  });

  test("[K6] asks by its alarm after half a minute, and is freed by a shard that knows nothing of the offer", async () => {
    await attach("kit");
    const before = Date.now();
    await reserve("kit", 1);
    expect(await alarmAt("kit")).toBeGreaterThanOrEqual(before + 30_000);
    await fallAsleep(lockOf("kit"));
    await ringAfter("kit", 30_001);
    expect((await attach("kit")).outcome === "attached" && (await reserve("kit", 1))).toEqual({ outcome: "stale" });
    expect(await reserve("kit", 2)).toMatchObject({ outcome: "reserved" });
  });

  test("[K6] is freed of an offer whose id names no shard, and wakes none to find that out", async () => {
    await attach("koa");
    const offerId = `gcp.${"0".repeat(26)}#1` as OfferId;
    await lockOf("koa").reserve({ driverId: "koa" as DriverId, offerId, seq: 1, shard: HERE });
    const before = await listDurableObjectIds(env.DISPATCH_SHARD);
    await ringAfter("koa", 30_001);
    expect((await listDurableObjectIds(env.DISPATCH_SHARD)).length).toBe(before.length);
    expect(await reserve("koa", 2)).toMatchObject({ outcome: "reserved" });
  });

  test("[K6] [S3] asks and goes on holding while the ride is the driver's, and asks again later", async () => {
    const socket = await driverAt("kat", here);
    const rideId = await newRide("rider-of-kat", here);
    const { offerId } = await socket.hear("offer");
    socket.say({ type: "offer.accept", cid: "c", offerId });
    expect((await socket.hear("offer.verdict")).verdict.outcome).toBe("won");
    const before = Date.now();
    await ringAfter("kat", 30_001);
    expect(await reserve("kat", 9, THERE)).toEqual({ outcome: "busy" });
    expect(await alarmAt("kat")).toBeGreaterThanOrEqual(before + 10_000);
    expect((await rideAt(here, rideId)).state).toBe("assigned");
    // The longer it holds, the rarer it asks; the next offer's shard is asked as soon as any.
    for (const pauseMs of [10_001, 20_001, 40_001]) await ringAfter("kat", pauseMs);
    const next = Date.now() + 30_000;
    expect(await alarmAt("kat")).toBeGreaterThan(next);
    const seq = Number(offerId.split("#")[1]);
    await lockOf("kat").release({ driverId: "kat" as DriverId, offerId, seq, shard: HERE, outcome: "driven" });
    expect(await reserve("kat", 10, THERE)).toMatchObject({ outcome: "reserved" });
    expect(await alarmAt("kat")).toBe(next);
    socket.close();
  });

  test("[K6] has no question when it holds nobody", async () => {
    await attach("ken");
    await reserve("ken", 1);
    await release("ken", 1);
    await ringAfter("ken", 30_001);
    expect(await alarmAt("ken")).toBeNull();
    expect(await reserve("ken", 2)).toMatchObject({ outcome: "reserved" });
  });
});
