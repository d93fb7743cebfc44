/** When the simulation calls a lock late: the judge itself, in a world in which nobody has done anything yet. */
import { describe, expect, test } from "vitest";
import { CALM } from "../../sim/world/faults.ts";
import { Settlement } from "../../sim/world/settlement.ts";
import { World } from "../../sim/world/world.ts";
import type { DriverId } from "../../src/domain/driver.ts";
import type { ShardName } from "../../src/domain/place.ts";
import type { Offer, OfferId, Ride, RideId } from "../../src/domain/ride.ts";
import { SECOND_MS } from "../../src/domain/time.ts";
import { NEW_LOCK } from "../../src/matching/driver-lock.ts";
import { LIMITS } from "../../src/matching/limits.ts";

const SHARD = "cell:dr72j" as ShardName;
const DRIVER = "driver-99" as DriverId;
const RIDE = "dr72j.r1" as RideId;
const OFFER = `${RIDE}#1` as OfferId;
/** From when both a lock and its shard hear each other again: the longest pause between two tries, and a little. */
const WITHIN_MS = LIMITS.releaseRetryMaximumMs + 16 * SECOND_MS;

class Kit {
  readonly world = new World(1, true);
  readonly healedAt = this.world.loop.now;
  readonly settlement = new Settlement(this.world, this.healedAt);

  /** The faults stop right after it died; answers when it is back. */
  lockDies(): number {
    const lock = this.world.lock(DRIVER);
    this.world.faults = { ...CALM, lockCrashed: 1, downMs: 1e9 };
    const attach = { type: "attach", shard: SHARD, ticketId: "t1", ticketExpiresAt: this.healedAt + 1 } as const;
    lock.call(attach)(
      () => {},
      () => {},
    );
    this.world.faults = CALM;
    expect(lock.downUntil).toBeGreaterThan(this.healedAt + 15 * SECOND_MS);
    return lock.downUntil;
  }

  offerIsOver(): void {
    this.world.auditor.offers.set(OFFER, { id: OFFER, driverId: DRIVER, state: "dead" } as Offer);
    this.world.auditor.overAt.set(OFFER, this.healedAt - 1);
  }

  releaseIsOwed(): void {
    this.offerIsOver();
    const { storage } = this.world.shard(SHARD);
    const offer = { id: OFFER, seq: 1, rideId: RIDE, driverId: DRIVER, state: "dead", released: false } as Offer;
    storage.commit([
      { type: "save.ride", ride: { id: RIDE, state: "no_driver" } as Ride },
      { type: "save.offer", offer },
    ]);
  }

  lockHolds(): void {
    this.offerIsOver();
    const holder = { offerId: OFFER, seq: 1, shard: SHARD, since: this.healedAt - 2 };
    this.world.auditor.locks.set(DRIVER, { ...NEW_LOCK, holder });
  }

  judgedAt(at: number): () => void {
    this.world.loop.now = at;
    return () => this.settlement.reached();
  }
}

describe.each([
  ["a release that is still owed", "releaseIsOwed"],
  ["a lock that still holds what is over", "lockHolds"],
] as const)("%s", (_, isSo) => {
  test("[L2] is late a minute and some seconds after the faults stopped", () => {
    const kit = new Kit();
    kit[isSo]();
    expect(kit.judgedAt(kit.healedAt + LIMITS.releaseRetryMaximumMs)).not.toThrow();
    expect(kit.judgedAt(kit.healedAt + WITHIN_MS)).toThrow(/^L2: /);
  });

  test("[L2] is late as long after its lock is back, which hears nothing before", () => {
    const kit = new Kit();
    const backAt = kit.lockDies();
    kit[isSo]();
    expect(kit.judgedAt(kit.healedAt + WITHIN_MS)).not.toThrow();
    expect(kit.judgedAt(backAt + LIMITS.releaseRetryMaximumMs)).not.toThrow();
    expect(kit.judgedAt(backAt + WITHIN_MS)).toThrow(/^L2: /);
  });
});
