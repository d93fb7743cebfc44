/**
 * Where trips ended of late, each kind of car by itself: by that a shard expects drivers who are not free yet. An exchange
 * frees a driver too, but that is the plan's own doing. Soft state: a shard that starts knows of none, and expects nobody.
 */
import type { VehicleType } from "../domain/driver.ts";
import type { Ride, RideRequest } from "../domain/ride.ts";
import type { EpochMs } from "../domain/time.ts";
import { centerOf } from "../spatial/geohash.ts";
import { Plane } from "../spatial/plane.ts";
import { LIMITS } from "./limits.ts";
import { RecentPlaces } from "./recent-places.ts";
import type { ShardState } from "./shard-state.ts";
import { turnoverAt } from "./turnover.ts";

export class TripEnds {
  readonly #endsOf = new Map<VehicleType, RecentPlaces>();

  of(vehicleType: VehicleType): RecentPlaces {
    const known = this.#endsOf.get(vehicleType) ?? new RecentPlaces(LIMITS.recentMs, LIMITS.recentRoom);
    this.#endsOf.set(vehicleType, known);
    return known;
  }

  /** Called for every change of a ride. Times never run backwards. */
  note({ state, request }: Ride, before: Ride | undefined, now: EpochMs): void {
    if (state === "completed" && before?.state === "on_trip") this.of(request.vehicleType).note(request.dropoff, now);
  }
}

/** `turnoverSeconds` of each of these rides, whatever cars they ask for. */
export function turnoverOf(
  { setting, tripEnds }: ShardState,
  now: EpochMs,
  requests: readonly Pick<RideRequest, "pickup" | "vehicleType">[],
): readonly number[] {
  const { cell, market, clockSpeed } = setting;
  const plane = new Plane(centerOf(cell), market.citySpeedMetersPerSecond);
  const seconds: number[] = [];
  for (const [vehicleType, alike] of Map.groupBy(requests.keys(), (at) => requests[at]!.vehicleType)) {
    const pickups = plane.pointsAt(alike.map((at) => requests[at]!.pickup));
    const { places, seconds: observed } = tripEnds.of(vehicleType).since(now);
    const found = turnoverAt(pickups, plane.pointsAt(places), observed * clockSpeed);
    for (const [index, at] of alike.entries()) seconds[at] = found[index]!;
  }
  return seconds;
}
