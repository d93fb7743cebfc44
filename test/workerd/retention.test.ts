import { createMessageBatch, createScheduledController } from "cloudflare:test";
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { RideEvent } from "../../src/domain/event.ts";
import type { LatLng } from "../../src/domain/place.ts";
import type { Ride } from "../../src/domain/ride.ts";
import { EXACT_PLACES_MS, forgetExactPlaces } from "../../src/history/retention.ts";
import { readRide, readRideEvent } from "../../src/protocol/event.ts";
import { cellOf, centerOf } from "../../src/spatial/geohash.ts";
import worker from "../../src/worker.ts";
import { DOWNTOWN, MIDTOWN, migrateHistory } from "./support.ts";

const NOW = 1_790_000_000_000;
const DAY_MS = 86_400_000;
const TABLES = ["rides", "ride_events", "ride_events_dead"] as const;

beforeAll(migrateHistory);
beforeEach(async () => {
  await env.HISTORY.batch(TABLES.map((table) => env.HISTORY.prepare(`DELETE FROM ${table}`)));
});

/** A ride asked for at this moment and cancelled a minute later, as its shard tells it. */
function cancelledRide(number: number, createdAt: number, pickup: LatLng = MIDTOWN, dropoff: LatLng = DOWNTOWN) {
  const id = `dr5ru.01J9Z3NDEKTSV4RRFFQ6${String(number).padStart(6, "0")}`;
  const base = {
    id,
    riderId: `rider-${number}`,
    request: {
      pickup,
      dropoff,
      vehicleType: "economy",
      payment: "card",
      minimumRating: 0,
      seats: 1,
      accessible: false,
    },
    tripMeters: 5_000,
    fareCents: 1_500,
    redispatches: 0,
    createdAt,
    ratings: {},
  };
  const endedAt = createdAt + 60_000;
  return [
    ["ride.requested", createdAt, { ...base, version: 1, state: "matching", deadlineAt: createdAt + 120_000 }],
    ["ride.cancelled", endedAt, { ...base, version: 2, state: "cancelled_by_rider", endedAt, late: false }],
  ].map(([type, at, ride], index) => {
    const reading = readRideEvent({ id: `${id}:${index + 1}`, type, rideId: id, version: index + 1, at, ride });
    if (!reading.ok) throw new Error(reading.reason);
    return reading.event;
  });
}

async function deliver(bodies: readonly unknown[]): Promise<void> {
  const messages = bodies.map((body, index) => ({ id: `m${index}`, timestamp: new Date(), attempts: 1, body }));
  await worker.queue(createMessageBatch("kerb-ride-events", messages), env);
}

/** Every ride that history tells, from both tables, with the moment that its age counts from. */
async function told(): Promise<{ at: number; ride: Ride }[]> {
  const [rides, events] = await Promise.all([
    env.HISTORY.prepare("SELECT body FROM rides ORDER BY ride_id").all<{ body: string }>(),
    env.HISTORY.prepare("SELECT body FROM ride_events ORDER BY event_id").all<{ body: string }>(),
  ]);
  return [
    ...rides.results.map(({ body }) => ({ at: (JSON.parse(body) as Ride).createdAt, ride: readRide(body)! })),
    ...events.results.map(({ body }) => {
      const { at, ride } = JSON.parse(body) as RideEvent;
      return { at, ride: readRide(JSON.stringify(ride))! };
    }),
  ];
}

const centreOf = ({ lat, lng }: LatLng): LatLng => centerOf(cellOf(lat, lng, 30));
const sweep = (scheduledTime: number) =>
  worker.scheduled(createScheduledController({ cron: "* * * * *", scheduledTime: new Date(scheduledTime) }), env);

describe("history after ninety days", () => {
  test("[H13] knows no place of an older ride exactly, in any row, and every younger one", async () => {
    const ages = [0, 1, 89, 90, 91, 200, 4_000];
    await deliver(ages.flatMap((days, number) => cancelledRide(number, NOW - days * DAY_MS - 1)));
    await sweep(NOW);
    const rows = await told();
    expect(rows).toHaveLength(3 * ages.length);
    for (const { at, ride } of rows) {
      const { pickup, dropoff } = ride.request;
      const old = at < NOW - EXACT_PLACES_MS;
      expect({ at, pickup, dropoff }).toEqual({
        at,
        pickup: old ? centreOf(MIDTOWN) : MIDTOWN,
        dropoff: old ? centreOf(DOWNTOWN) : DOWNTOWN,
      });
    }
    expect(rows.filter(({ at }) => at < NOW - EXACT_PLACES_MS).length).toBeGreaterThanOrEqual(9);
  });

  test("[H13] has the centre of the very cell, wherever on earth, and the same when it forgets once more", async () => {
    const degrees = (most: number) =>
      fc.oneof(
        fc.constantFrom(-most, 0, most),
        fc.integer({ min: -most * 1e7, max: most * 1e7 }).map((n) => n / 1e7),
      );
    const anywhere = fc.record({ lat: degrees(90), lng: degrees(180) });
    const places = fc.sample(anywhere, { numRuns: 200, seed: 7 });
    await deliver(places.flatMap((place, number) => cancelledRide(number, NOW - 100 * DAY_MS, place, MIDTOWN)));
    for (let time = 0; time < 2; time++) {
      await forgetExactPlaces(env.HISTORY, NOW - EXACT_PLACES_MS, 1_000);
      const rides = (await told()).slice(0, places.length);
      rides.forEach(({ ride }, index) => {
        const { lat, lng } = ride.request.pickup;
        const centre = centreOf(places[index]!);
        expect([lat, lng].map((degrees) => degrees.toFixed(9))).toEqual(
          [centre.lat, centre.lng].map((degrees) => degrees.toFixed(9)),
        );
      });
      await env.HISTORY.batch(TABLES.slice(0, 2).map((name) => env.HISTORY.prepare(`UPDATE ${name} SET exact = 1`)));
    }
  });

  test("[H13] forgets in batches, the oldest first, until nothing is left to forget", async () => {
    await deliver([1, 2, 3].flatMap((number) => cancelledRide(number, NOW - (100 + number) * DAY_MS)));
    const exact = async () =>
      (await told()).filter(({ ride }) => ride.request.pickup.lat === MIDTOWN.lat).map(({ ride }) => ride.riderId);
    const changed = [await forgetExactPlaces(env.HISTORY, NOW, 2)];
    expect(new Set(await exact())).toEqual(new Set(["rider-1", "rider-2"]));
    for (let round = 0; round < 4; round++) changed.push(await forgetExactPlaces(env.HISTORY, NOW, 2));
    expect(changed).toEqual([4, 3, 2, 0, 0]);
    expect(await exact()).toEqual([]);
  });

  test("[H13] is exact again for no longer than a minute when a newer event of an old ride comes late", async () => {
    const [requested, cancelled] = cancelledRide(1, NOW - 100 * DAY_MS);
    await deliver([requested]);
    await sweep(NOW);
    await deliver([cancelled]);
    await sweep(NOW);
    for (const { ride } of await told()) expect(ride.request.pickup).toEqual(centreOf(MIDTOWN));
  });

  test("[H13] forgets what it could not read", async () => {
    await deliver([{ somewhere: MIDTOWN }]);
    const dead = () => env.HISTORY.prepare("SELECT count(*) AS n FROM ride_events_dead").first("n");
    await forgetExactPlaces(env.HISTORY, Date.now() - 60_000, 10);
    expect(await dead()).toBe(1);
    await forgetExactPlaces(env.HISTORY, Date.now() + 60_000, 10);
    expect(await dead()).toBe(0);
  });
});
