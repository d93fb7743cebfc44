/** Objects that the platform puts to sleep where a ride is at rest, with their sockets hibernating or closed. */
import { runInDurableObject } from "cloudflare:test";
import { beforeAll, expect, test, vi } from "vitest";
import { PATIENTLY } from "../patience.ts";
import { CrashRide, type Rest } from "./crash-ride.ts";
import type { Life, Part } from "./crash-steps.ts";
import { stubOf } from "./crash-taps.ts";
import { fallAsleep } from "./shard-tools.ts";
import { migrateHistory } from "./support.ts";

beforeAll(migrateHistory);

const DONE = { matching: 0, engaged: 0, asked: 0, owed: 0, unconfirmed: 0, held: [] };
const DONE_WITHIN = { ...PATIENTLY, interval: 300 };
const RESTS: readonly Rest[] = ["offered", "assigned", "arrive", "start", "complete"];
type Sockets = "close" | "hibernate";
type Row = readonly [Part, Sockets, Life];

const BOTH: readonly Sockets[] = ["hibernate", "close"];
const rows: readonly Row[] = BOTH.flatMap((sockets): Row[] => [
  ["ride's shard", sockets, "driven"],
  ["socket's shard", sockets, "driven"],
  ["lock", sockets, "driven"],
  ["ride's shard", sockets, "driven in one cell"],
  ["lock", sockets, "driven in one cell"],
]);
/** A shard that still looks for drivers has timers and does not sleep. */
const restsOf = (victim: Part) => RESTS.filter((rest) => victim !== "ride's shard" || rest !== "offered");

/** Answers whether another incarnation has taken its place. */
async function sleepAndWake(name: string, webSockets: Sockets): Promise<boolean> {
  const before = await runInDurableObject(stubOf(name), (instance) => instance);
  await fallAsleep(stubOf(name), webSockets);
  return (await runInDurableObject(stubOf(name), (instance) => instance)) !== before;
}

test.concurrent.each(rows.map((row, index) => [...row, index] as const))(
  "[D16] [K8] [S4] [S7] [L2] [L3] the %s sleeps at every rest of a ride, sockets: %s, %s",
  async (victim, sockets, life, index) => {
    const ride = new CrashRide({ life, victim, name: "", moment: "" }, index);
    const slept: Rest[] = [];
    try {
      await ride.live(async (after) => {
        if (restsOf(victim).includes(after) && (await sleepAndWake(ride.crash.names[victim], sockets)))
          slept.push(after);
      });
      expect(slept).toEqual(restsOf(victim));
      await vi.waitFor(async () => expect(await ride.owed()).toEqual(DONE), DONE_WITHIN);
      const { rides, keptRides, events, keptEvents } = await ride.told();
      expect(rides).toMatchObject([{ state: "completed" }]);
      expect({ keptRides, keptEvents }).toEqual({ keptRides: rides, keptEvents: events });
      expect(events.map(({ version }) => version)).toEqual([1, 2, 3, 4, 5]);
    } finally {
      ride.ada.stop();
      ride.bob.stop();
    }
  },
);
