import { createScheduledController, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import type { DriverId } from "../../src/domain/driver.ts";
import type { LatLng } from "../../src/domain/place.ts";
import type { OfferId, RideId } from "../../src/domain/ride.ts";
import { turnOf } from "../../src/edge/sweep.ts";
import type { LockState } from "../../src/matching/driver-lock.ts";
import type { ReconcileReport } from "../../src/protocol/ops.ts";
import worker from "../../src/worker.ts";
import { PATIENTLY } from "../patience.ts";
import { acrossBorder, fallAsleep, lockOf, newRide, rideAt, rowsOf, shardNameAt, shardOf } from "./shard-tools.ts";
import { call, driverAt, migrateHistory, opsToken, problemOf, type TestDriver } from "./support.ts";

beforeAll(migrateHistory);
beforeEach(async () => {
  await env.HISTORY.prepare("DELETE FROM invariant_violations").run();
});

let places = 0;
/** A place of its own for every test, far from all the others. */
const place = (): LatLng => acrossBorder({ lat: 20 + places++ * 0.5, lng: 60 }).here;

async function reconcile(at: LatLng): Promise<ReconcileReport> {
  const path = `/admin/reconcile?shard=${encodeURIComponent(shardNameAt(at))}`;
  const response = await call(path, { method: "POST", token: await opsToken() });
  expect(response.status).toBe(200);
  return response.json();
}

/** A ride that this driver has won. */
async function wonBy(name: string, at: LatLng): Promise<{ driver: TestDriver; rideId: RideId; offerId: OfferId }> {
  const driver = await driverAt(name, at);
  const rideId = await newRide(`rider-of-${name}`, at);
  const { offerId } = await driver.hear("offer");
  driver.say({ type: "offer.accept", cid: "c", offerId });
  expect((await driver.hear("offer.verdict")).verdict.outcome).toBe("won");
  return { driver, rideId, offerId };
}

/** As if the lock had been overwritten: its memory is what it answers from. */
async function breakLock(name: string, change: (state: LockState) => LockState): Promise<void> {
  await runInDurableObject(lockOf(name), (_, { storage }) => {
    storage.kv.put("lock", change(storage.kv.get<LockState>("lock")!));
  });
  await fallAsleep(lockOf(name));
}

/** A settled ride whose events history has confirmed. */
async function cancelledAt(rider: string, at: LatLng): Promise<RideId> {
  const rideId = await newRide(rider, at);
  await shardOf(at).cancelRide({ rideId, riderId: rider as never });
  await confirmed(at);
  return rideId;
}

async function confirmed(at: LatLng): Promise<void> {
  await vi.waitFor(
    async () => expect(await rowsOf(at, "SELECT count(*) AS n FROM events WHERE archived = 0")).toEqual([{ n: 0 }]),
    PATIENTLY,
  );
}

const metric = async (name: string) =>
  (await (await call("/metrics")).text()).split("\n").find((line) => line.startsWith(`${name} `));

describe("a shard reconciled with its drivers' locks", () => {
  test("finds nothing wrong with a ride under way", async () => {
    const at = place();
    const { driver } = await wonBy("ada", at);
    expect(await reconcile(at)).toEqual({
      shard: shardNameAt(at),
      checked: 1,
      engaged: 1,
      unanswered: 0,
      released: 0,
      violations: [],
      history: { shardCount: 0, historyCount: 0, missing: 0, resent: 0 },
    });
    driver.close();
  });

  test("[W2] [W5] finds a driver whose lock is free, counts that once, and shows it in metrics and in health", async () => {
    const at = place();
    const { driver, rideId, offerId } = await wonBy("bea", at);
    expect(await metric('kerb_invariant_violation_total{name="S3"}')).toMatch(/ 0$/);
    await breakLock("bea", (state) => ({ ...state, holder: null, ask: null }));
    const errors = vi.spyOn(console, "error").mockImplementation(() => {});
    expect((await reconcile(at)).violations).toEqual([{ name: "S3", rideId, offerId }]);
    await reconcile(at);
    const said = errors.mock.calls.map(([line]) => String(line)).filter((line) => line.includes("invariant violated"));
    errors.mockRestore();
    expect(said).toHaveLength(2);
    expect(said[0]).toContain(shardNameAt(at));
    for (const line of said) expect(line).not.toMatch(new RegExp(`${rideId}|bea`));
    expect(await metric('kerb_invariant_violation_total{name="S3"}')).toMatch(/ 1$/);
    const health = await call("/health");
    expect(health.status).toBe(503);
    expect(await health.json()).toMatchObject({ components: { invariants: { ok: false, detail: "S3: 1" } } });
    driver.close();
  });

  test("[W2] finds a driver whom another ride has too", async () => {
    const [at, elsewhere] = [place(), place()];
    const { driver, rideId, offerId } = await wonBy("cal", at);
    const second = await wonBy("cas", elsewhere);
    const holder = { offerId: second.offerId, seq: 1, shard: shardNameAt(elsewhere), since: Date.now() };
    await breakLock("cal", (state) => ({ ...state, holder }));
    expect((await reconcile(at)).violations).toEqual([
      { name: "S3", rideId, offerId },
      { name: "S2", rideId, offerId },
    ]);
    driver.close();
    second.driver.close();
  });

  test("[W1] says again the releases that no lock has acknowledged", async () => {
    const at = place();
    const { driver, rideId, offerId } = await wonBy("dee", at);
    await shardOf(at).cancelRide({ rideId, riderId: "rider-of-dee" as never });
    await vi.waitFor(async () => {
      expect(await rowsOf(at, "SELECT count(*) AS n FROM offers WHERE released = 0")).toEqual([{ n: 0 }]);
    }, PATIENTLY);
    // As if the release had never arrived: the row owes it, and the lock still holds him.
    const holder = { offerId, seq: 1, shard: shardNameAt(at), since: Date.now() };
    await breakLock("dee", (state) => ({ ...state, holder }));
    await runInDurableObject(shardOf(at), (_, { storage }) => {
      storage.sql.exec("UPDATE offers SET released = 0, body = json_set(body, '$.released', json('false'))");
    });
    await fallAsleep(shardOf(at));
    expect((await shardOf(at).reconcile({ resend: [] })).released).toBe(1);
    await vi.waitFor(async () => {
      expect(await lockOf("dee").heldOffer()).toBeNull();
      expect(await rowsOf(at, "SELECT count(*) AS n FROM offers WHERE released = 0")).toEqual([{ n: 0 }]);
    }, PATIENTLY);
    expect((await reconcile(at)).released).toBe(0);
    driver.close();
  });
});

describe("a shard reconciled with history", () => {
  test("[W4] has as many rides there, at the same versions", async () => {
    const at = place();
    await cancelledAt("rita", at);
    await cancelledAt("remy", at);
    expect((await reconcile(at)).history).toEqual({ shardCount: 2, historyCount: 2, missing: 0, resent: 0 });
  });

  test.each([
    ["lost", "DELETE FROM rides WHERE ride_id = ?1"],
    ["has at an older version", "UPDATE rides SET version = 1 WHERE ride_id = ?1"],
  ])("[W4] sends again what history %s, until it is there", async (_, harm) => {
    const at = place();
    await cancelledAt("kept", at);
    const rideId = await cancelledAt("lost", at);
    await env.HISTORY.prepare(harm).bind(rideId).run();
    await env.HISTORY.prepare("DELETE FROM ride_events WHERE ride_id = ?1").bind(rideId).run();
    const { violations, history } = await reconcile(at);
    expect(violations).toEqual([{ name: "S7", rideId, offerId: null }]);
    expect(history).toMatchObject({ shardCount: 2, missing: 1, resent: 2 });
    await vi.waitFor(async () => {
      const events = env.HISTORY.prepare("SELECT count(*) AS n FROM ride_events WHERE ride_id = ?1").bind(rideId);
      expect(await events.first("n")).toBe(2);
    }, PATIENTLY);
    await confirmed(at);
    expect(await reconcile(at)).toMatchObject({ violations: [], history: { historyCount: 2, missing: 0, resent: 0 } });
  });

  test("[W4] does not take for lost what history has not confirmed yet", async () => {
    const at = place();
    const rideId = await cancelledAt("late", at);
    await runInDurableObject(shardOf(at), (_, { storage }) => {
      storage.sql.exec("UPDATE events SET archived = 0 WHERE version = 2");
    });
    await env.HISTORY.prepare("UPDATE rides SET version = 1, ended_at = NULL WHERE ride_id = ?1").bind(rideId).run();
    expect(await reconcile(at)).toMatchObject({
      violations: [],
      history: { shardCount: 1, historyCount: 0, missing: 0, resent: 0 },
    });
  });
});

describe("the minute's turns", () => {
  test("[W6] give each of many shards one turn in every round, 60 in a minute", () => {
    const list = Array.from({ length: 150 }, (_, n) => n);
    const round = [7, 8, 9].flatMap((minute) => turnOf(list, minute));
    expect(round.toSorted((a, b) => a - b)).toEqual(list);
    expect(turnOf(list, 7)).toHaveLength(60);
    expect(turnOf(list.slice(0, 60), 7)).toHaveLength(60);
    expect(turnOf([], 7)).toEqual([]);
  });

  test("[W2] find what is wrong without being asked", async () => {
    const at = place();
    const { driver, rideId, offerId } = await wonBy("eva", at);
    await vi.waitFor(async () => {
      const row = env.HISTORY.prepare("SELECT state FROM rides WHERE ride_id = ?1").bind(rideId);
      expect(await row.first("state")).toBe("assigned");
    }, PATIENTLY);
    await breakLock("eva", (state) => ({ ...state, holder: null, ask: null }));
    await worker.scheduled(createScheduledController({ cron: "* * * * *" }), env);
    const found = await env.HISTORY.prepare("SELECT name, subject, shard FROM invariant_violations").all();
    expect(found.results).toContainEqual({ name: "S3", subject: offerId, shard: shardNameAt(at) });
    expect((await rideAt(at, rideId)).driver?.id).toBe("eva" as DriverId);
    driver.close();
  });
});

describe("a shard that is none", () => {
  test.each(["cell:dr5", "cell:dr5r~0", "cell:dr5ruv"])("[E7] %s is not there to be reconciled", async (shard) => {
    const response = await call(`/admin/reconcile?shard=${encodeURIComponent(shard)}`, {
      method: "POST",
      token: await opsToken(),
    });
    await problemOf(response, 404);
  });

  test.each(["", "shard=", "shard=drv:ann", "shard=cell:dr5ru&more=1"])("%j is refused by its field", async (query) => {
    const response = await call(`/admin/reconcile?${query}`, { method: "POST", token: await opsToken() });
    expect((await problemOf(response, 422)).type).toBe("/problems/validation");
  });
});
