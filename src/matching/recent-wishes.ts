/**
 * Who asked this shard for a ride of late, from which cell, and whether anybody came. A rider is in it once, by his newest
 * request: nobody seems to be many, however often he asks. Places are not kept, only cells: what drivers are told of it
 * must not lead to a door. Soft state: a shard that starts knows of nobody.
 */
import type { VehicleType } from "../domain/driver.ts";
import type { CellPrefix } from "../domain/place.ts";
import type { Ride, RideId, RiderId } from "../domain/ride.ts";
import { type EpochMs, SECOND_MS } from "../domain/time.ts";
import { cellOf } from "../spatial/geohash.ts";
import { LIMITS } from "./limits.ts";

/** Geohash-6, about 0.9 km by 0.6 km at New York: what history keeps of a place when it may no longer know the door. */
export const WISH_CELL_BITS = 30;

export interface Wish {
  readonly rideId: RideId;
  readonly cell: CellPrefix;
  readonly vehicleType: VehicleType;
  readonly at: EpochMs;
  /** Nobody took it, or he cancelled before anybody had. */
  readonly missed: boolean;
}

export class RecentWishes {
  /** In the order in which they were asked. */
  readonly #wishes = new Map<RiderId, Wish>();
  /** The newest that was dropped for want of room. */
  #droppedAt: EpochMs = Number.NEGATIVE_INFINITY;

  /** Called for every change of a ride. Times never run backwards. */
  note(ride: Ride, before: Ride | undefined, now: EpochMs): void {
    const { id, riderId, request, state } = ride;
    // A ride for later is wanted when its search begins.
    if (state === "scheduled") return;
    if (before === undefined || (before.state === "scheduled" && state === "matching")) {
      const { lat, lng } = request.pickup;
      const cell = cellOf(lat, lng, WISH_CELL_BITS);
      this.#wishes.delete(riderId);
      this.#wishes.set(riderId, { rideId: id, cell, vehicleType: request.vehicleType, at: now, missed: false });
      if (this.#wishes.size > LIMITS.recentRoom) this.#droppedAt = this.#dropOldest();
      return;
    }
    const missed = state === "no_driver" || (state === "cancelled_by_rider" && before.state === "matching");
    const wish = this.#wishes.get(riderId);
    if (missed && wish?.rideId === id) this.#wishes.set(riderId, { ...wish, missed });
  }

  /** Everybody who is remembered, and for how many seconds back nobody was forgotten. */
  since(now: EpochMs): { readonly wishes: readonly Wish[]; readonly observedSeconds: number } {
    const from = Math.max(now - LIMITS.recentMs, this.#droppedAt);
    for (const { at } of this.#wishes.values()) {
      if (at > from) break;
      this.#dropOldest();
    }
    return { wishes: [...this.#wishes.values()], observedSeconds: (now - from) / SECOND_MS };
  }

  #dropOldest(): EpochMs {
    const [riderId, { at }] = this.#wishes.entries().next().value!;
    this.#wishes.delete(riderId);
    return at;
  }
}
