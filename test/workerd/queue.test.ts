/** A queue at an airport over real sockets: its order outlives the object, asleep and dead, and goes beyond a cell's border. */
import { abortAllDurableObjects, evictDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, expect, test, vi } from "vitest";
import type { LatLng } from "../../src/domain/place.ts";
import { configOf, type Env } from "../../src/env.ts";
import { haversineMeters } from "../../src/spatial/distance.ts";
import { acrossBorder, dispatchAs, newRide, rowsOf, shardOf } from "./shard-tools.ts";
import { driverAt, fixAt, migrateHistory, type TestDriver } from "./support.ts";

const SOON = { timeout: 20_000, interval: 200 };
/** Longer than a shard waits for a hello: the platform evicts nobody who has a timer in memory. */
const TIMERS_MS = 6_000;
const { zones } = configOf(env).markets.find(({ market }) => market.name === "sf")!.market;
const SFO = zones.find(({ name }) => name === "SFO")!;
/** A cell's border runs near its middle. */
const OAKLAND = zones.find(({ name }) => name === "Oakland Airport")!;

beforeAll(async () => {
  await migrateHistory();
  await dispatchAs("sf", { kind: "sequential", queueZones: true });
});

let seqs = 1_000;

/** Says where he is until the shard has heard that the market has queues, and he of his place. */
async function queued(driver: TestDriver, place: LatLng, standing: { place: number; of: number }): Promise<void> {
  let heard = driver.hear("queue");
  await vi.waitFor(async () => {
    driver.say({ type: "location", fixes: [fixAt(place, ++seqs)] });
    const told = await Promise.race([heard, new Promise<null>((resolve) => setTimeout(resolve, SOON.interval, null))]);
    const isIt = told?.standing?.place === standing.place && told.standing.of === standing.of;
    if (told !== null && !isIt) heard = driver.hear("queue");
    expect(told).toMatchObject({ standing });
  }, SOON);
}

async function leavesFor(name: string, place: LatLng): Promise<void> {
  await vi.waitFor(async () => {
    const rows = await rowsOf<{ body: string }>(place, `SELECT body FROM places WHERE driver_id = '${name}'`);
    expect(rows.map(({ body }) => JSON.parse(body).endsAt)).toEqual([expect.any(Number)]);
  }, SOON);
}

test("[Z2] [Z3] [Z4] [Z6] [D16] keeps its order while its object sleeps and after its death, whoever is back first", async () => {
  const here = SFO.center;
  const ann = await driverAt("ann-queue", here);
  await queued(ann, here, { place: 1, of: 1 });
  const bob = await driverAt("bob-queue", here);
  await queued(bob, here, { place: 2, of: 2 });
  try {
    await evictDurableObject(shardOf(here), { webSockets: "hibernate" });
  } catch {
    await new Promise((resolve) => setTimeout(resolve, TIMERS_MS));
    await evictDurableObject(shardOf(here), { webSockets: "hibernate" });
  }
  await queued(bob, here, { place: 2, of: 2 });
  await abortAllDurableObjects();
  const bobAgain = await driverAt("bob-queue", here);
  await queued(bobAgain, here, { place: 2, of: 2 });
  const annAgain = await driverAt("ann-queue", here);
  await queued(annAgain, here, { place: 1, of: 2 });

  await newRide("rita-queue", here);
  const { offerId, zone } = await annAgain.hear("offer");
  expect(zone).toBe("SFO");
  annAgain.say({ type: "offer.decline", cid: "no", offerId });
  expect(await annAgain.hear("queue")).toMatchObject({ standing: { place: 2, of: 2 } });
  const { offerId: his } = await bobAgain.hear("offer");
  bobAgain.say({ type: "offer.accept", cid: "yes", offerId: his });
  expect(await bobAgain.hear("queue")).toEqual({ type: "queue", standing: null });
  expect(await annAgain.hear("queue")).toMatchObject({ standing: { place: 1, of: 1 } });
  for (const driver of [ann, bob, annAgain, bobAgain]) driver.close();
});

test("[Z2] [Z3] asks the shard beyond the border, and a place goes over it with its driver", async () => {
  const { lat } = OAKLAND.center;
  const [here, beyond] = [
    { ...acrossBorder(OAKLAND.center).here, lat },
    { ...acrossBorder(OAKLAND.center).beyond, lat },
  ];
  for (const place of [here, beyond]) expect(haversineMeters(place, OAKLAND.center)).toBeLessThan(OAKLAND.radiusMeters);
  const cat = await driverAt("cat-queue", here);
  await queued(cat, here, { place: 1, of: 1 });
  const dan = await driverAt("dan-queue", beyond);
  await queued(dan, beyond, { place: 1, of: 1 });
  const eve = await driverAt("eve-queue", here);
  await queued(eve, here, { place: 2, of: 2 });

  const moved = await driverAt("cat-queue", beyond);
  await queued(moved, beyond, { place: 1, of: 2 });
  await leavesFor("cat-queue", here);
  await newRide("rolf-queue", here);
  const { offerId } = await moved.hear("offer");
  moved.say({ type: "offer.decline", cid: "no", offerId });
  await dan.hear("offer");
  for (const driver of [cat, dan, eve, moved]) driver.close();
});

test("[Z1] a configuration with zones over each other does not start, and says which", () => {
  const [first] = JSON.parse(env.MARKETS) as { zones: object[] }[];
  const twice = [{ ...first, zones: [first!.zones[0], { ...first!.zones[0], name: "again" }] }];
  const config = { ...env, MARKETS: JSON.stringify(twice) } as Env;
  expect(() => configOf(config)).toThrow("MARKETS.0.zones: zone again overlaps JFK");
});
