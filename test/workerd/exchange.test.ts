/** A ride that goes from the driver on his way to a nearer one, over real sockets, rows, locks and history. */
import { abortAllDurableObjects, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, expect, test, vi } from "vitest";
import type { RideId } from "../../src/domain/ride.ts";
import { PATIENTLY } from "../patience.ts";
import {
  accept,
  acrossBorder,
  debtsOf,
  dispatchAs,
  lockOf,
  newRide,
  rideAt,
  rowsOf,
  shardNameAt,
  shardOf,
  step,
  untilConfigured,
} from "./shard-tools.ts";
import { driverAt, fixAt, migrateHistory } from "./support.ts";

const AT_REST = { matching: 0, engaged: 0, asked: 0, owed: 0, unconfirmed: 0 };
const WHERE = { lat: 37.6, lng: -122.2 };
/** `far` is in the neighbouring cell, 1.4 km from the pickup; `near` is 70 m from it. */
const { here: pickup } = acrossBorder(WHERE);
const far = { ...pickup, lng: pickup.lng + 0.016 };
const near = { ...pickup, lat: pickup.lat + 0.0006 };

beforeAll(async () => {
  await migrateHistory();
  await dispatchAs("sf", { kind: "batched", replanning: true, batchWindowMs: 0 });
});

const typesIn = async (rideId: RideId) => {
  const query = "SELECT type, version FROM ride_events WHERE ride_id = ? ORDER BY version";
  const { results } = await env.HISTORY.prepare(query).bind(rideId).all<{ type: string; version: number }>();
  return results.map(({ type, version }) => `${version} ${type}`);
};

/** A ride that `ada` has, from the cell beyond the border, and `bob` is asked for. */
async function askedNearer(name: string) {
  const [ada, bob] = [`ada-${name}`, `bob-${name}`];
  const warm = await driverAt(`warm-${name}`, near);
  await untilConfigured(warm, near);
  warm.say({ type: "status", available: false });
  while ((await warm.hear("status")).status.state !== "paused");
  warm.close();
  const first = await driverAt(ada, far);
  const rideId = await newRide(`rita-${name}`, pickup);
  const { offerId: his } = await first.hear("offer");
  await accept(first, his);
  first.say({ type: "location", fixes: [fixAt(far, 2)] });
  // The ride's shard has heard where he is.
  await vi.waitFor(async () => {
    expect((await rideAt(pickup, rideId)).driver?.position).toBeDefined();
  }, PATIENTLY);
  const second = await driverAt(bob, near);
  const { offerId: hers } = await second.hear("offer");
  return { rideId, ada, bob, first, second, his, hers };
}

const heldBy = (driver: string) => lockOf(driver).heldOffer();

async function comesToRest(rideId: RideId, drivers: readonly string[]): Promise<void> {
  await vi.waitFor(async () => {
    expect(await runInDurableObject(shardOf(pickup), (_, state) => debtsOf(state.storage))).toEqual(AT_REST);
    expect(await Promise.all(drivers.map(heldBy))).toEqual([null, null]);
    expect(await typesIn(rideId)).toHaveLength((await rideAt(pickup, rideId)).version);
  }, PATIENTLY);
}

test("[X1] [X2] [X5] [S3] [S4] goes over in one commit; both drivers and history hear it, and the first is free for the next", async () => {
  const { rideId, ada, bob, first, second, his, hers } = await askedNearer("once");
  expect(await Promise.all([ada, bob].map(heldBy))).toEqual([his, hers]);
  expect(await rideAt(pickup, rideId)).toMatchObject({ state: "assigned", version: 2, driver: { id: ada } });
  await accept(second, hers);
  expect(await first.hear("trip.changed")).toMatchObject({
    ride: { offerId: his, state: "matching", exchanged: true },
  });
  expect(await rideAt(pickup, rideId)).toMatchObject({ state: "assigned", version: 3, driver: { id: bob } });
  await vi.waitFor(async () => expect(await heldBy(ada)).toBeNull(), PATIENTLY);
  expect(await heldBy(bob)).toBe(hers);
  const next = await newRide("rolf", far);
  const { offerId, rideId: offered } = await first.hear("offer");
  expect(offered).toBe(next);
  // His lock has counted, and says so to whoever reserves him.
  const [row] = await rowsOf<{ body: string }>(far, `SELECT body FROM offers WHERE offer_id = '${offerId}'`);
  expect(JSON.parse(row!.body)).toMatchObject({ exchangesOfDriver: 1 });
  first.say({ type: "offer.decline", cid: "no", offerId });
  await shardOf(far).cancelRide({ rideId: next, riderId: "rolf" as never });
  for (const name of ["arrive", "start", "complete"] as const) await step(second, hers, name);
  await comesToRest(rideId, [ada, bob]);
  expect(await typesIn(rideId)).toEqual([
    "1 ride.requested",
    "2 ride.assigned",
    "3 ride.exchanged",
    "4 ride.arrived",
    "5 ride.started",
    "6 ride.completed",
  ]);
  for (const driver of [first, second]) driver.close();
});

test("[X3] [A2] is refused after the first has arrived, who then drives", async () => {
  const { rideId, ada, bob, first, second, his, hers } = await askedNearer("late");
  await step(first, his, "arrive");
  expect(await second.hear("offer.closed")).toMatchObject({ offerId: hers, reason: "superseded" });
  second.say({ type: "offer.accept", cid: "late", offerId: hers });
  expect(await second.hear("offer.verdict")).toMatchObject({ verdict: { outcome: "lost", reason: "superseded" } });
  for (const name of ["start", "complete"] as const) await step(first, his, name);
  await comesToRest(rideId, [ada, bob]);
  expect(await typesIn(rideId)).not.toContain("3 ride.exchanged");
  for (const driver of [first, second]) driver.close();
});

test("[X2] [X3] [H6] [K8] goes on when every object dies while the second is asked, once it is known where the first is", async () => {
  const { rideId, ada, bob, first, second, his, hers } = await askedNearer("asked");
  await abortAllDurableObjects();
  expect(await Promise.all([ada, bob].map(heldBy))).toEqual([his, hers]);
  expect(await rideAt(pickup, rideId)).toMatchObject({ state: "assigned", version: 2, driver: { id: ada } });
  const [firstAgain, secondAgain] = [await driverAt(ada, far), await driverAt(bob, near)];
  await vi.waitFor(async () => {
    expect((await rideAt(pickup, rideId)).driver?.position).toBeDefined();
  }, PATIENTLY);
  await accept(secondAgain, hers);
  expect(await firstAgain.hear("trip.changed")).toMatchObject({ ride: { offerId: his, exchanged: true } });
  for (const name of ["arrive", "start", "complete"] as const) await step(secondAgain, hers, name);
  await comesToRest(rideId, [ada, bob]);
  for (const driver of [first, second, firstAgain, secondAgain]) driver.close();
});

test("[X2] [H6] [K8] [L2] is whole when every object dies right after it: the second has the ride, and the first is free", async () => {
  const { rideId, ada, bob, first, second, his, hers } = await askedNearer("dead");
  const answer = await shardOf(pickup).acceptOffer({
    offerId: hers,
    driverId: bob as never,
    from: { shard: shardNameAt(near), epoch: 1 },
  });
  expect(answer).toMatchObject({ verdict: { outcome: "won", ride: { version: 3 } } });
  await abortAllDurableObjects();
  expect(await rideAt(pickup, rideId)).toMatchObject({ state: "assigned", version: 3, driver: { id: bob } });
  await vi.waitFor(async () => expect(await heldBy(ada)).toBeNull(), PATIENTLY);
  expect(await heldBy(bob)).toBe(hers);
  const rows = await rowsOf<{ offer_id: string; state: string }>(
    pickup,
    `SELECT offer_id, state FROM offers WHERE ride_id = '${rideId}' ORDER BY seq`,
  );
  expect(rows).toEqual([
    { offer_id: his, state: "ended" },
    { offer_id: hers, state: "won" },
  ]);
  const again = await driverAt(bob, near);
  for (const name of ["arrive", "start", "complete"] as const) await step(again, hers, name);
  await comesToRest(rideId, [ada, bob]);
  for (const driver of [first, second, again]) driver.close();
});
