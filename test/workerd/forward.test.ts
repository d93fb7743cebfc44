/** A ride that waits for a driver about to end his trip, over real sockets, rows, locks and alarms. */
import { env } from "cloudflare:workers";
import { beforeAll, expect, test, vi } from "vitest";
import type { LatLng } from "../../src/domain/place.ts";
import type { RideId } from "../../src/domain/ride.ts";
import { RideExplanationBody } from "../../src/protocol/ops.ts";
import { boundsOf, cellOf } from "../../src/spatial/geohash.ts";
import { PATIENTLY } from "../patience.ts";
import { accept, dispatchAs, lockOf, newRide, rowsOf, shardOf, step, untilConfigured } from "./shard-tools.ts";
import { call, driverAt, migrateHistory, opsToken } from "./support.ts";

/** All in one cell: rides go from here to 3.3 km in the north. */
const { south, west, east } = boundsOf(cellOf(37.6, -122.2, Number(env.SHARD_BITS)));
const place = (lat: number, lng = 0): LatLng => ({ lat: south + lat, lng: (west + east) / 2 + lng });
const pickup = place(0.005);
const dropoff = place(0.035);
/** 30 m before the end of a trip, 60 m beyond it, and 1 km to its west. */
const nearlyThere = { ...dropoff, lat: dropoff.lat - 0.00027 };
const next = { ...dropoff, lat: dropoff.lat + 0.0005 };
const far = { ...dropoff, lng: dropoff.lng - 0.012 };

beforeAll(async () => {
  await migrateHistory();
  await dispatchAs("sf", { kind: "sequential", forwardSeconds: 15 });
});

async function holdsOf(rideId: RideId) {
  const response = await call(`/v1/ops/rides/${rideId}/decision`, { token: await opsToken() });
  const { decisions } = RideExplanationBody.parse(await response.json());
  return decisions.map(({ hold }) => hold);
}

const offersOf = (rideId: RideId) => rowsOf(pickup, `SELECT 1 FROM offers WHERE ride_id = '${rideId}'`);

/** Ann is 6 s from the end of her trip, bob is free 220 s away, and rolf's ride is held. */
async function held(name: string) {
  const ann = await driverAt(`ann-${name}`, nearlyThere);
  await untilConfigured(ann, nearlyThere);
  await newRide(`rita-${name}`, pickup);
  const { offerId } = await ann.hear("offer");
  await accept(ann, offerId);
  await step(ann, offerId, "start");
  const bob = await driverAt(`bob-${name}`, far);
  const rideId = await newRide(`rolf-${name}`, next);
  await vi.waitFor(async () => {
    expect(await holdsOf(rideId)).toMatchObject([{ driverId: `ann-${name}`, ended: null }]);
  }, PATIENTLY);
  return { ann, bob, offerId, rideId };
}

test("[O21] [O22] [S2] a ride asks a driver about to end his trip when he has, and not the one who was free all the time", async () => {
  const { ann, bob, offerId, rideId } = await held("came");
  expect([await offersOf(rideId), await lockOf("ann-came").heldOffer()]).toEqual([[], offerId]);
  await step(ann, offerId, "complete");
  const offer = await ann.hear("offer");
  expect(offer.rideId).toBe(rideId);
  await accept(ann, offer.offerId);
  expect(await offersOf(rideId)).toHaveLength(1);
  const [hold] = await holdsOf(rideId);
  expect(hold).toMatchObject({ driverId: "ann-came", ended: { why: "came" } });
  for (const name of ["arrive", "start", "complete"] as const) await step(ann, offer.offerId, name);
  for (const driver of [ann, bob]) driver.close();
});

test("[O22] [L1] when his trip does not end, the alarm sends the ride to the one who is free", {
  timeout: 60_000,
}, async () => {
  const { ann, bob, offerId, rideId } = await held("late");
  const offer = await bob.hear("offer");
  expect(offer.rideId).toBe(rideId);
  expect(await holdsOf(rideId)).toMatchObject([{ driverId: "ann-late", ended: { why: "late" } }]);
  bob.say({ type: "offer.decline", cid: "no", offerId: offer.offerId });
  await shardOf(next).cancelRide({ rideId, riderId: "rolf-late" as never });
  await step(ann, offerId, "complete");
  for (const driver of [ann, bob]) driver.close();
});
