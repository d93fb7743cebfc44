/** Two drivers on their way swap rides, and one of the three objects whom that concerns dies in the middle of it. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { OfferId, RideId } from "../../src/domain/ride.ts";
import { PATIENTLY } from "../patience.ts";
import type { Part } from "./crash-steps.ts";
import { type Crash, expectStruck, newCrash, stubOf, watchObjects } from "./crash-taps.ts";
import { PersistentDriver } from "./persistent-driver.ts";
import { debtsOf, dispatchAs, lockOf, newRide, rideAt, rowsOf, shardNameAt, untilConfigured } from "./shard-tools.ts";
import { driverAt, migrateHistory } from "./support.ts";
import { crossingAt, SWAPPED_AND_DRIVEN } from "./swap-scene.ts";

const AT_REST = { matching: 0, engaged: 0, asked: 0, owed: 0, unconfirmed: 0, held: [null, null] };
const ASKED_WITHIN_MS = 60_000;
const LOCKS = ["lock", "other lock"] as const;

const POINTS: readonly { readonly name: string; readonly moment: string; readonly victim: Part }[] = [
  ...(["ride's shard", ...LOCKS] as const).map((victim) => {
    return {
      name: "the swap is stored, nobody has heard of it",
      moment: "ride's shard says tell trip.changed",
      victim,
    };
  }),
  { name: "the locks are to be told", moment: "ride's shard says release", victim: "ride's shard" },
  ...LOCKS.flatMap((lock) =>
    (["ride's shard", lock] as const).flatMap((victim) => [
      { name: `the ${lock} is told`, moment: `${lock} hears release`, victim },
      { name: `the ${lock} holds for the other ride, its answer lost`, moment: `${lock} has done release`, victim },
    ]),
  ),
  { name: "one arrives at the other's rider", moment: "ride's shard hears trip arrive", victim: "ride's shard" },
];

/** One swap in a cell of its own: ada has rita's ride and bob rolf's until they swap. */
class SwapCrash {
  readonly crash: Crash;
  readonly #at: ReturnType<typeof crossingAt>;
  readonly #index: number;
  readonly #ada: PersistentDriver;
  readonly #bob: PersistentDriver;
  #rides: readonly RideId[] = [];

  constructor(point: Crash["point"], index: number) {
    this.#index = index;
    this.#at = crossingAt({ lat: -50 + index, lng: 40 });
    const [ada, bob] = [`ada-${index}`, `bob-${index}`];
    this.#ada = new PersistentDriver(ada, this.#at.ada);
    this.#bob = new PersistentDriver(bob, this.#at.bob);
    const shard = shardNameAt(this.#at.ada);
    const names = { "ride's shard": shard, "socket's shard": shard, lock: `drv:${ada}`, "other lock": `drv:${bob}` };
    this.crash = newCrash(point, names, ada, bob);
  }

  async live(): Promise<void> {
    const [ada, bob] = [this.#ada, this.#bob];
    await this.#configured();
    await ada.start();
    const hers = await this.#ride("rita");
    const had = await won(ada, hers);
    const his = await this.#ride("rolf");
    this.#rides = [hers, his];
    await bob.start();
    const offered = await bob.offered(his, ASKED_WITHIN_MS);
    ada.locate();
    this.crash.armed = true;
    await bob.accept(offered!);
    const [adas, bobs] = await Promise.all([ada.swapped(had, ASKED_WITHIN_MS), bob.swapped(offered!, ASKED_WITHIN_MS)]);
    expect([adas, bobs].map((offerId) => offerId.slice(0, offerId.indexOf("#")))).toEqual([his, hers]);
    await vi.waitFor(async () => expect(await this.#held()).toEqual([adas, bobs]), PATIENTLY);
    for (const [driver, offerId] of [
      [ada, adas],
      [bob, bobs],
    ] as const) {
      for (const step of ["arrive", "start", "complete"] as const) await driver.step(offerId, step);
    }
    await vi.waitFor(async () => expect(await this.#open()).toEqual(AT_REST), PATIENTLY);
  }

  /** Types of events of either ride as history has them, and how its offers ended. */
  async told() {
    const kept = this.#rides.map(async (rideId) => {
      const query = "SELECT type FROM ride_events WHERE ride_id = ? ORDER BY version";
      const { results } = await env.HISTORY.prepare(query).bind(rideId).all<{ type: string }>();
      const { state } = await rideAt(this.#at.ada, rideId);
      return { state, types: results.map(({ type }) => type) };
    });
    const offers = await rowsOf<{ state: string }>(this.#at.ada, "SELECT DISTINCT state FROM offers");
    return { rides: await Promise.all(kept), offers: offers.map(({ state }) => state) };
  }

  stop(): void {
    this.#ada.stop();
    this.#bob.stop();
  }

  async #configured(): Promise<void> {
    const eve = await driverAt(`eve-${this.#index}`, this.#at.ada);
    await untilConfigured(eve, this.#at.ada);
    eve.close();
  }

  #ride(rider: "rita" | "rolf"): Promise<RideId> {
    return newRide(`${rider}-${this.#index}`, this.#at[rider]);
  }

  #held(): Promise<(OfferId | null)[]> {
    return Promise.all([this.#ada, this.#bob].map(({ name }) => lockOf(name).heldOffer()));
  }

  async #open() {
    const debts = await runInDurableObject(stubOf(this.crash.names["ride's shard"]), (_, { storage }) =>
      debtsOf(storage),
    );
    return { ...debts, held: await this.#held() };
  }
}

async function won(driver: PersistentDriver, rideId: RideId): Promise<OfferId> {
  const offerId = await driver.offered(rideId, ASKED_WITHIN_MS);
  expect(await driver.accept(offerId!)).toMatchObject({ outcome: "won" });
  return offerId!;
}

const swaps = POINTS.map((point, index) => new SwapCrash(point, index));
const failures = new Map<SwapCrash, unknown>();

beforeAll(async () => {
  await migrateHistory();
  await dispatchAs("elsewhere", { kind: "batched", replanning: true, batchWindowMs: 0 });
  watchObjects();
  await Promise.all(swaps.map((swap) => swap.live().catch((error: unknown) => void failures.set(swap, error))));
});
afterAll(() => {
  for (const swap of swaps) swap.stop();
});

const cases = swaps.map((swap, at) => [POINTS[at]!.victim, POINTS[at]!.name, swap] as const);

test.each(cases)("[X7] [X8] [X9] [K8] [K9] [H6] [L2] the %s dies when %s", async (_, __, swap) => {
  swap.crash.armed = false;
  if (failures.has(swap)) throw failures.get(swap);
  await expectStruck(swap.crash);
  const ride = { state: "completed", types: SWAPPED_AND_DRIVEN };
  expect(await swap.told()).toEqual({ rides: [ride, ride], offers: ["ended"] });
});
