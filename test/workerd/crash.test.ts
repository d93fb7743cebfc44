import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { PATIENTLY } from "../patience.ts";
import { CrashRide } from "./crash-ride.ts";
import { CRASH_POINTS, type CrashPoint } from "./crash-steps.ts";
import { expectStruck, watchObjects } from "./crash-taps.ts";
import { migrateHistory } from "./support.ts";

const AT_A_TIME = 14;
const REST = { matching: 0, engaged: 0, asked: 0, owed: 0, unconfirmed: 0, held: [] };
/** Releases are retried after 1, 2, 4 s, and a shard that comes back sends its events at once. */
const REST_WITHIN = { ...PATIENTLY, interval: 300 };

const failures = new Map<CrashPoint, unknown>();
const rides = CRASH_POINTS.map((point, index) => new CrashRide(point, index));

/** Every ride lives while others do; what goes wrong is said by the test of its crash point. */
beforeAll(async () => {
  await migrateHistory();
  watchObjects();
  const left = rides.values();
  const lane = async () => {
    for (const ride of left) {
      try {
        await ride.live();
        await vi.waitFor(async () => expect(await ride.owed()).toEqual(REST), REST_WITHIN);
      } catch (error) {
        failures.set(ride.point, error);
      }
      ride.ada.stop();
      ride.bob.stop();
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, lane));
});

afterAll(() => {
  for (const { ada, bob } of rides) {
    ada.stop();
    bob.stop();
  }
});

const cases = rides.map((ride) => [ride.point.victim, `${ride.point.life}: ${ride.point.name}`, ride] as const);

test.each(cases)("[S1] [S4] [S5] [S7] [H6] [L2] [L3] [K6] the %s dies when, %s", async (_, __, ride) => {
  const { crash, point } = ride;
  crash.armed = false;
  if (failures.has(point)) throw failures.get(point);
  await expectStruck(crash);
  const { rides: rows, events, ...told } = await ride.told();
  expect(rows).toHaveLength(1);
  expect(rows[0]).toMatchObject({ state: point.life.startsWith("cancelled") ? "cancelled_by_rider" : "completed" });
  expect(events.map(({ version }) => version)).toEqual(events.map((___, index) => index + 1));
  expect({ keptRides: told.keptRides, keptEvents: told.keptEvents }).toEqual({ keptRides: rows, keptEvents: events });
  expect(told.verdictsAgain).toEqual(told.verdicts);
  const won = told.verdicts.filter((verdict) => verdict.endsWith(" won"));
  const assigned = events
    .filter(({ type }) => type === "ride.assigned")
    .map(({ ride: r }) => `${"offerId" in r ? r.offerId : ""} won`);
  expect(won).toEqual(assigned.sort());
});
