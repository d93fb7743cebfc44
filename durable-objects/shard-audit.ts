/** One shard under examination: its rows, the locks of its drivers, and what history has of it. Decides nothing. */
import { callOrNull } from "../src/calls/call-object.ts";
import { configOf, type Env, shardServing } from "../src/env.ts";
import type { DispatchShardApi } from "../src/protocol/peer.ts";
import { digestOf } from "../src/protocol/ride-digest.ts";
import { Audit } from "../src/shard/audit.ts";
import type { ShardRuntime } from "../src/shard/shard-runtime.ts";
import type { SqlStorage } from "./ports/sql-storage.ts";

const QUESTION = { deadlineMs: 400, attempts: 2 };

type Asked<T extends "settledRides" | "reconcile"> = Parameters<DispatchShardApi[T]>[0];
type Told<T extends "settledRides" | "reconcile"> = Awaited<ReturnType<DispatchShardApi[T]>>;

export class ShardAudit {
  readonly #runtime: ShardRuntime;
  readonly #storage: SqlStorage;
  readonly #audit: Audit;

  constructor(env: Env, runtime: ShardRuntime, storage: SqlStorage) {
    this.#runtime = runtime;
    this.#storage = storage;
    this.#audit = new Audit({
      openRides: () => storage.openRides(),
      liveOffers: () => storage.liveOffers(),
      findOffer: (offerId) => storage.findOffer(offerId),
      askLock: (driverId) =>
        callOrNull(async () => ({ holds: await env.DRIVER_LOCK.getByName(`drv:${driverId}`).heldOffer() }), QUESTION),
      askShard: async (offerId) => {
        const shard = shardServing(configOf(env), offerId);
        // An id that no shard serves is an offer that no shard remembers.
        if (shard === null) return "dead";
        return callOrNull(async () => env.DISPATCH_SHARD.getByName(shard).verdictOn(offerId), QUESTION);
      },
      now: () => Date.now(),
    });
  }

  settledRides({ range, known }: Asked<"settledRides">): Told<"settledRides"> {
    const rides = this.#storage.settledRides(range);
    const { count, hash } = digestOf(rides);
    if (count === known.count && hash === known.hash) return { count, rides: [] };
    const confirmed = rides.filter(({ archived }) => archived);
    return { count, rides: confirmed.map(({ rideId, version }) => ({ rideId, version })) };
  }

  async reconcile({ resend }: Asked<"reconcile">): Promise<Told<"reconcile">> {
    const released = this.#runtime.repeatReleases();
    const resent = this.#runtime.resend(resend);
    return { ...(await this.#audit.run()), released, resent };
  }
}
