/** Two drivers on their way who swap their rides, over real sockets, rows, locks and history. */
import { abortAllDurableObjects, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeAll, expect, test, vi } from "vitest";
import type { OfferId, RideId } from "../../src/domain/ride.ts";
import { DriverLock } from "../../src/worker.ts";
import { PATIENTLY } from "../patience.ts";
import {
  accept,
  debtsOf,
  dispatchAs,
  fallAsleep,
  lockOf,
  newRide,
  rideAt,
  rowsOf,
  shardOf,
  step,
  untilConfigured,
  welcomed,
} from "./shard-tools.ts";
import { driverAt, fixAt, migrateHistory, type TestDriver } from "./support.ts";
import { crossingAt, SWAPPED_AND_DRIVEN } from "./swap-scene.ts";

const AT_REST = { matching: 0, engaged: 0, asked: 0, owed: 0, unconfirmed: 0 };
const AT = crossingAt({ lat: 37.55, lng: -122.1 });
const middle = AT.ada;

beforeAll(async () => {
  await migrateHistory();
  await dispatchAs("sf", { kind: "batched", replanning: true, batchWindowMs: 0 });
});

const lost = async (): Promise<void> => {
  throw new Error("lost on the way");
};
const passes = DriverLock.prototype.release;
afterEach(() => {
  DriverLock.prototype.release = passes;
});

const heldBy = (driver: string) => lockOf(driver).heldOffer();
const statesOf = async (rideId: RideId) => {
  const query = `SELECT offer_id AS id, state FROM offers WHERE ride_id = '${rideId}' ORDER BY seq`;
  return (await rowsOf<{ id: string; state: string }>(middle, query)).map(({ id, state }) => `${id} ${state}`);
};
const typesIn = async (rideId: RideId) => {
  const query = "SELECT type FROM ride_events WHERE ride_id = ? ORDER BY version";
  const { results } = await env.HISTORY.prepare(query).bind(rideId).all<{ type: string }>();
  return results.map(({ type }) => type);
};

interface Party {
  readonly name: string;
  readonly socket: TestDriver;
  readonly had: { readonly rideId: RideId; readonly offerId: OfferId };
}

/** Each has won the ride that is far from him, and the swap has not been heard of yet. */
async function crossed(name: string): Promise<[Party, Party]> {
  const [ada, bob] = [`ada-${name}`, `bob-${name}`];
  const first = await driverAt(ada, AT.ada);
  await untilConfigured(first, AT.ada);
  const hers = await newRide(`rita-${name}`, AT.rita);
  const { offerId } = await first.hear("offer");
  await accept(first, offerId);
  const his = await newRide(`rolf-${name}`, AT.rolf);
  const second = await driverAt(bob, AT.bob);
  const { offerId: other } = await second.hear("offer");
  first.say({ type: "location", fixes: [fixAt(AT.ada, 2_000)] });
  await accept(second, other);
  return [
    { name: ada, socket: first, had: { rideId: hers, offerId } },
    { name: bob, socket: second, had: { rideId: his, offerId: other } },
  ];
}

/** What one hears of the swap: the offer under which he has the other's ride. */
async function heardOf({ socket, had }: Party, other: Party): Promise<OfferId> {
  const { ride } = await socket.hear("trip.changed");
  expect(ride).toMatchObject({ ...had, state: "matching", exchanged: true });
  expect(ride.next).toMatchObject({ rideId: other.had.rideId, state: "assigned", version: 3 });
  return ride.next!.offerId;
}

async function comesToRest(parties: readonly Party[]): Promise<void> {
  await vi.waitFor(async () => {
    expect(await runInDurableObject(shardOf(middle), (_, state) => debtsOf(state.storage))).toEqual(AT_REST);
    expect(await Promise.all(parties.map(({ name }) => heldBy(name)))).toEqual([null, null]);
    for (const { had } of parties) {
      expect(await typesIn(had.rideId)).toEqual(SWAPPED_AND_DRIVEN);
    }
  }, PATIENTLY);
}

async function drive(socket: TestDriver, offerId: OfferId): Promise<void> {
  for (const name of ["arrive", "start", "complete"] as const) await step(socket, offerId, name);
}

test("[X7] [X8] [X9] [K9] [D16] [S3] [S4] is done in one commit and told; each lock holds its driver for the other ride, and both are driven", async () => {
  const [ada, bob] = await crossed("told");
  const [hers, his] = [await heardOf(ada, bob), await heardOf(bob, ada)];
  expect(await statesOf(ada.had.rideId)).toEqual([`${ada.had.offerId} ended`, `${his} won`]);
  expect(await statesOf(bob.had.rideId)).toEqual([`${bob.had.offerId} ended`, `${hers} won`]);
  expect(await rideAt(middle, ada.had.rideId)).toMatchObject({
    state: "assigned",
    version: 3,
    driver: { id: bob.name },
  });
  await vi.waitFor(async () => {
    expect(await Promise.all([heldBy(ada.name), heldBy(bob.name)])).toEqual([hers, his]);
  }, PATIENTLY);
  await fallAsleep(shardOf(middle));
  // Her thumb was quicker than the word.
  ada.socket.say({ type: "trip", cid: "old", offerId: ada.had.offerId, step: "arrive" });
  expect((await ada.socket.hear("trip.verdict")).verdict).toMatchObject({
    outcome: "refused",
    reason: "wrong_state",
    state: "matching",
    next: { offerId: hers },
  });
  await drive(ada.socket, hers);
  await drive(bob.socket, his);
  await comesToRest([ada, bob]);
  for (const { socket } of [ada, bob]) socket.close();
});

test("[X8] [X9] [K8] [K9] [H6] survives that no lock hears of it and every object dies: who comes back is shown the other ride", async () => {
  const told: string[] = [];
  DriverLock.prototype.release = async (call) => {
    told.push(call.driverId);
    await lost();
  };
  const [ada, bob] = await crossed("lost");
  const [hers, his] = [await heardOf(ada, bob), await heardOf(bob, ada)];
  await vi.waitFor(() => expect(new Set(told)).toEqual(new Set([ada.name, bob.name])), PATIENTLY);
  // The locks have yet to hear of it: no word of it is an answer to their question but that it holds.
  expect(await Promise.all([heldBy(ada.name), heldBy(bob.name)])).toEqual([ada.had.offerId, bob.had.offerId]);
  expect(await shardOf(middle).verdictOn(ada.had.offerId)).toBe("hold");
  await abortAllDurableObjects();
  const again = await driverAt(ada.name, AT.ada);
  expect(await shardOf(middle).verdictOn(ada.had.offerId)).toBe("hold");
  expect((await shardOf(middle).reconcile({ resend: [] })).violations).toEqual([]);
  DriverLock.prototype.release = passes;
  await vi.waitFor(async () => {
    expect(await Promise.all([heldBy(ada.name), heldBy(bob.name)])).toEqual([hers, his]);
  }, PATIENTLY);
  const back = await driverAt(bob.name, AT.bob);
  await drive(again, hers);
  await drive(back, his);
  await comesToRest([ada, bob]);
  for (const socket of [ada.socket, bob.socket, again, back]) socket.close();
});

test("[X9] [A8] shows a driver who has not heard of it his ride at his next socket, whatever his lock knows", async () => {
  DriverLock.prototype.release = lost;
  const [ada, bob] = await crossed("back");
  const [hers, his] = [await heardOf(ada, bob), await heardOf(bob, ada)];
  const { socket, welcome } = await welcomed(ada.name, AT.ada);
  expect(welcome).toMatchObject({
    status: { state: "engaged" },
    holding: { kind: "ride", ride: { offerId: hers, rideId: bob.had.rideId, state: "assigned" } },
  });
  DriverLock.prototype.release = passes;
  await drive(socket, hers);
  await drive(bob.socket, his);
  await comesToRest([ada, bob]);
  for (const one of [ada.socket, bob.socket, socket]) one.close();
});

test("[K9] [L2] comes to rest where the answers to releases are lost, and the end of the other ride overtakes them", async () => {
  let late: (() => Promise<void>)[] = [];
  // What names another ride waits until that one is over; what else there is to say is said twice.
  DriverLock.prototype.release = async function (this: DriverLock, call) {
    if (call.next !== undefined && late.length < 2) {
      late.push(() => passes.call(this, call));
      throw new Error("late");
    }
    await passes.call(this, call);
    if (call.next === undefined) await passes.call(this, call);
  };
  const [ada, bob] = await crossed("late");
  const [hers, his] = [await heardOf(ada, bob), await heardOf(bob, ada)];
  await drive(ada.socket, hers);
  await drive(bob.socket, his);
  await comesToRest([ada, bob]);
  DriverLock.prototype.release = passes;
  for (const say of late) await say();
  late = [];
  expect(await Promise.all([heldBy(ada.name), heldBy(bob.name)])).toEqual([null, null]);
  for (const { socket } of [ada, bob]) socket.close();
});
