import { abortAllDurableObjects, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import type { DriverId } from "../../src/domain/driver.ts";
import type { LatLng } from "../../src/domain/place.ts";
import type { OfferId, RideId, RiderId } from "../../src/domain/ride.ts";
import type { LockState } from "../../src/matching/driver-lock.ts";
import { CLOSE } from "../../src/protocol/driver.ts";
import { subjectHeader } from "../../src/protocol/internal-headers.ts";
import { PATIENTLY } from "../patience.ts";
import {
  acrossBorder,
  alarmOf,
  broadcastElsewhere,
  fallAsleep,
  lockOf,
  newRide,
  rideAt,
  rowsOf,
  shardNameAt,
  shardOf,
  untilConfigured,
  welcomed,
} from "./shard-tools.ts";
import { driverAt, fixAt, migrateHistory, openSocket, type TestDriver } from "./support.ts";

beforeAll(migrateHistory);
afterEach(() => {
  vi.useRealTimers();
});

let places = 0;
/** A border of its own for every test, far from all the others. */
const border = () => acrossBorder({ lat: 30 + places++ * 0.5, lng: 100 });

async function take(driver: TestDriver, offerId: OfferId) {
  driver.say({ type: "offer.accept", cid: "take", offerId });
  return (await driver.hear("offer.verdict")).verdict;
}

async function step(driver: TestDriver, offerId: OfferId, name: "arrive" | "start" | "complete") {
  driver.say({ type: "trip", cid: name, offerId, step: name });
  return (await driver.hear("trip.verdict")).verdict;
}

/** The shard's clock moves on and its alarm rings until nothing more is due by then. */
async function ringAfter(place: LatLng, ms: number): Promise<void> {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + ms });
  for (let due = await alarmOf(place); due !== null && due <= Date.now(); due = await alarmOf(place)) {
    await runDurableObjectAlarm(shardOf(place));
  }
}

describe("a ride whose driver is beyond the border", () => {
  test("[O18] goes from offer to the end over one hop, and the driver is free for his own shard after it", async () => {
    const { here, beyond } = border();
    const driver = await driverAt("ada", beyond);
    const rideId = await newRide("rita", here);
    const offer = await driver.hear("offer");
    expect(offer.rideId).toBe(rideId);
    expect((await driver.hear("status")).status).toEqual({ state: "offered" });
    expect(await take(driver, offer.offerId)).toMatchObject({
      outcome: "won",
      ride: { state: "assigned", pickup: here },
    });
    driver.say({ type: "location", fixes: [fixAt({ ...beyond, lng: beyond.lng - 0.001 }, 2)] });
    await vi.waitFor(async () => {
      expect((await rideAt(here, rideId)).driver).toMatchObject({ id: "ada", position: { stale: false } });
    }, PATIENTLY);
    for (const name of ["arrive", "start", "complete"] as const) {
      expect((await step(driver, offer.offerId, name)).outcome).toBe("done");
    }
    expect((await driver.hear("status")).status).toEqual({ state: "available" });
    await newRide("rolf", beyond);
    await driver.hear("offer");
    driver.close();
  });

  test("[S4] [S7] [L3] is in history once for every event and once as it ended", async () => {
    const { here, beyond } = border();
    const driver = await driverAt("abe", beyond);
    const rideId = await newRide("rosa", here);
    const { offerId } = await driver.hear("offer");
    await Promise.all([take(driver, offerId)]);
    // The answer was lost, or so the driver thinks: he says it again, twice.
    expect([await take(driver, offerId), await take(driver, offerId)]).toMatchObject([
      { outcome: "won" },
      { outcome: "won" },
    ]);
    for (const name of ["start", "complete"] as const) await step(driver, offerId, name);
    const last = await rideAt(here, rideId);
    await vi.waitFor(async () => {
      const ride = await env.HISTORY.prepare("SELECT version, state FROM rides WHERE ride_id = ?").bind(rideId).all();
      expect(ride.results).toEqual([{ version: last.version, state: "completed" }]);
    }, PATIENTLY);
    const events = await env.HISTORY.prepare("SELECT type FROM ride_events WHERE ride_id = ? ORDER BY version")
      .bind(rideId)
      .all();
    expect(events.results.map(({ type }) => type)).toEqual([
      "ride.requested",
      "ride.assigned",
      "ride.started",
      "ride.completed",
    ]);
    await vi.waitFor(async () => {
      expect(await rowsOf(here, "SELECT count(*) AS n FROM events WHERE archived = 0")).toEqual([{ n: 0 }]);
    }, PATIENTLY);
    driver.close();
  });

  test("[A8] goes on when the driver crosses in the middle of the offer: he finds it with the time that is left", async () => {
    const { here, beyond } = border();
    const driver = await driverAt("amy", here);
    const rideId = await newRide("ruth", here);
    const { offerId, ttlMs } = await driver.hear("offer");
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 5_000 });
    const { socket, welcome } = await welcomed("amy", beyond);
    expect(welcome).toMatchObject({ epoch: 2, holding: { kind: "offer", offer: { offerId, rideId } } });
    const left = welcome.holding.kind === "offer" ? welcome.holding.offer.ttlMs : 0;
    expect(left).toBeLessThanOrEqual(ttlMs - 5_000);
    expect(left).toBeGreaterThan(0);
    expect((await driver.closed()).code).toBe(CLOSE.superseded);
    expect((await take(socket, offerId)).outcome).toBe("won");
    socket.close();
  });
});

describe("a shard that sleeps", () => {
  beforeAll(broadcastElsewhere);

  test("[D16] keeps its drivers' sockets: an offer made before can be accepted, and a new one made", async () => {
    const { here } = border();
    // Three, so that the wave is full: a shard that still looks for somebody does not sleep.
    const [driver, other] = [await driverAt("ben", here), await driverAt("bea", here)];
    const third = await driverAt("bud", here);
    await untilConfigured(driver, here);
    await newRide("remy", here);
    const { offerId } = await driver.hear("offer");
    for (const asked of [other, third]) await asked.hear("offer");
    await fallAsleep(shardOf(here));
    expect((await take(driver, offerId)).outcome).toBe("won");
    expect((await other.hear("offer.closed")).reason).toBe("superseded");
    await fallAsleep(shardOf(here));
    await newRide("rex", here);
    await other.hear("offer");
    for (const socket of [driver, other, third]) socket.close();
  });
});

describe("a shard that dies", () => {
  test("[H6] [S3] keeps what it has acknowledged: the ride, its driver, his lock, and the alarm", async () => {
    const { here, beyond } = border();
    const driver = await driverAt("cal", here);
    const rideId = await newRide("roy", here);
    const { offerId } = await driver.hear("offer");
    expect((await take(driver, offerId)).outcome).toBe("won");
    await abortAllDurableObjects();
    expect(await rideAt(here, rideId)).toMatchObject({ state: "assigned", driver: { id: "cal" } });
    expect(await alarmOf(here)).not.toBeNull();
    const shard = shardNameAt(beyond);
    const rival = { driverId: "cal", offerId: `${shard.slice(5)}.${"0".repeat(26)}#1`, seq: 1, shard } as const;
    expect(await lockOf("cal").reserve(rival as Parameters<ReturnType<typeof lockOf>["reserve"]>[0])).toEqual({
      outcome: "busy",
    });
    const { socket, welcome } = await welcomed("cal", here);
    expect(welcome.holding).toMatchObject({ kind: "ride", ride: { rideId, offerId, state: "assigned" } });
    expect((await take(socket, offerId)).outcome).toBe("won");
    expect((await step(socket, offerId, "start")).outcome).toBe("done");
    socket.close();
  });

  test("[H6] [L1] sets its alarm again by being called at all, and a ride's deadline comes in spite of it", async () => {
    const { here } = border();
    const rideId = await newRide("rob", here);
    await abortAllDurableObjects();
    await shardOf(here).wake();
    expect(await alarmOf(here)).not.toBeNull();
    await ringAfter(here, 121_000);
    expect(await rideAt(here, rideId)).toMatchObject({ state: "no_driver", reason: "deadline" });
  });
});

describe("a driver who leaves in the middle of an offer", () => {
  test("[D5] and does not come back in eight seconds loses it to the next", async () => {
    const { here } = border();
    const driver = await driverAt("dan", here);
    await newRide("rhea", here);
    await driver.hear("offer");
    driver.close();
    // His shard has seen him go, and has said so to his lock.
    await vi.waitFor(async () => {
      const lock = await runInDurableObject(lockOf("dan"), (_, { storage }) => storage.kv.get<LockState>("lock"));
      expect(lock?.session).toBeNull();
    }, PATIENTLY);
    const next = await welcomed("dot", here);
    await ringAfter(here, 8_001);
    await vi.waitFor(async () => {
      const [offer] = await rowsOf<{ r: string }>(
        here,
        "SELECT json_extract(body, '$.reason') AS r FROM offers WHERE seq = 1",
      );
      expect(offer?.r).toBe("unreachable");
    }, PATIENTLY);
    // A clock that stands still would never come to the next search.
    vi.useRealTimers();
    next.socket.say({ type: "location", fixes: [fixAt(here, 1)] });
    await next.socket.hear("offer");
    next.socket.close();
  });
});

describe("the cell's border", () => {
  test("[D12] a free driver who has crossed it gets a ticket for the next shard, and his old socket closes after", async () => {
    const { here, beyond } = border();
    const driver = await driverAt("eve", here);
    for (let i = 1; i <= 2; i++) {
      driver.say({ type: "location", fixes: [fixAt({ ...here, lng: here.lng + i * 0.0025 }, i + 1)] });
    }
    const { ticket } = await driver.hear("rehome");
    const socket = await openSocket(ticket);
    socket.say({ type: "hello", protocol: 1, available: true });
    expect((await socket.hear("welcome")).epoch).toBe(2);
    expect((await driver.closed()).code).toBe(CLOSE.superseded);
    socket.say({ type: "location", fixes: [fixAt(beyond, 1)] });
    await vi.waitFor(async () => {
      const found = await Promise.all([here, beyond].map((place) => shardOf(place).nearby(nearbyOf(here))));
      expect(found.map((candidates) => candidates.map(({ driverId }) => driverId))).toEqual([[], ["eve"]]);
    }, PATIENTLY);
    socket.close();
  });
});

describe("a rider's stream", () => {
  test("[H9] goes on from the event its reader has, live, and ends with the ride", async () => {
    const { here } = border();
    const rideId = await newRide("rio", here);
    const driver = await driverAt("fay", here);
    const { offerId } = await driver.hear("offer");
    expect((await take(driver, offerId)).outcome).toBe("won");
    const response = await watch(here, rideId, { role: "rider", riderId: "rio" as RiderId }, "1");
    for (const name of ["start", "complete"] as const) await step(driver, offerId, name);
    const text = await response.text();
    const ids = [...text.matchAll(/^id: (\d+)\nevent: (\S+)$/gm)].map(([, id, event]) => `${id} ${event}`);
    expect(ids).toEqual(["2 ride.assigned", "3 ride.started", "4 ride.completed"]);
    driver.close();
  });

  test("[R9] is for the ride's people only, and five of them at a time", async () => {
    const { here } = border();
    const rideId = await newRide("ria", here);
    expect((await watch(here, rideId, { role: "rider", riderId: "mallory" as RiderId })).status).toBe(404);
    expect((await watch(here, rideId, { role: "driver", driverId: "mallory" as DriverId })).status).toBe(404);
    const streams = await Promise.all(Array.from({ length: 5 }, () => watch(here, rideId, { role: "ops" })));
    expect(streams.map(({ status }) => status)).toEqual(Array(5).fill(200));
    expect((await watch(here, rideId, { role: "ops" })).status).toBe(429);
    await shardOf(here).cancelRide({ rideId, riderId: "ria" as RiderId });
    for (const stream of streams) expect(await stream.text()).toContain("event: ride.cancelled");
  });
});

function watch(
  place: LatLng,
  rideId: RideId,
  subject: Parameters<typeof subjectHeader>[0],
  lastEventId?: string,
): Promise<Response> {
  return shardOf(place).fetch(`https://shard/events?ride=${encodeURIComponent(rideId)}`, {
    headers: {
      ...subjectHeader(subject),
      ...(lastEventId !== undefined && { "last-event-id": lastEventId }),
    },
  });
}

function nearbyOf(pickup: LatLng) {
  const wish = { vehicleType: "economy", payment: "card", minimumRating: 0, seats: 1, accessible: false } as const;
  const request = { ...wish, dropoff: pickup };
  return { pickup, request, radiusMeters: 3_000, limit: 10, exclude: [] };
}
