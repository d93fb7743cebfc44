/**
 * Where rides were asked for of late and where trips ended, each kind of car by itself: by that a shard expects drivers who
 * are not free yet, and riders who have not asked yet. An exchange frees a driver too, but that is the plan's own doing.
 * It keeps places and nobody, and says them to nobody; what drivers are told of riders is another memory
 * (recent-wishes.ts). Soft state: a shard that starts knows of none, and expects nobody.
 */
import type { VehicleType } from "../domain/driver.ts";
import type { Ride, RideRequest } from "../domain/ride.ts";
import type { EpochMs } from "../domain/time.ts";
import { centerOf } from "../spatial/geohash.ts";
import { Plane } from "../spatial/plane.ts";
import { LIMITS } from "./limits.ts";
import { RecentPlaces } from "./recent-places.ts";
import type { ShardSetting, ShardState } from "./shard-state.ts";
import { turnoverAt } from "./turnover.ts";

/** Of one kind of car. */
export class RecentRides {
  /** Where a search began, once for each ride. */
  readonly asked = new RecentPlaces(LIMITS.recentMs, LIMITS.recentRoom);
  /** Where a trip did. */
  readonly ended = new RecentPlaces(LIMITS.recentMs, LIMITS.recentRoom);
}

export class RecentRidesByType {
  readonly #ridesOf = new Map<VehicleType, RecentRides>();

  of(vehicleType: VehicleType): RecentRides {
    const known = this.#ridesOf.get(vehicleType) ?? new RecentRides();
    this.#ridesOf.set(vehicleType, known);
    return known;
  }

  /** Called for every change of a ride. Times never run backwards. */
  note({ state, request }: Ride, before: Ride | undefined, now: EpochMs): void {
    const { pickup, dropoff, vehicleType } = request;
    // A ride that is given back was asked for when it was; one for later is when its search begins.
    const isNew = before === undefined || before.state === "scheduled";
    if (state === "matching" && isNew) this.of(vehicleType).asked.note(pickup, now);
    if (state === "completed" && before?.state === "on_trip") this.of(vehicleType).ended.note(dropoff, now);
  }
}

/** The shard's city, for asking about many pairs of places. */
export function planeOf({ cell, market }: ShardSetting): Plane {
  return new Plane(centerOf(cell), market.citySpeedMetersPerSecond);
}

/** `turnoverSeconds` of each of these rides, whatever cars they ask for. */
export function turnoverOf(
  { setting, recentRides }: ShardState,
  now: EpochMs,
  requests: readonly Pick<RideRequest, "pickup" | "vehicleType">[],
): readonly number[] {
  const plane = planeOf(setting);
  const seconds: number[] = [];
  for (const [vehicleType, alike] of Map.groupBy(requests.keys(), (at) => requests[at]!.vehicleType)) {
    const pickups = plane.pointsAt(alike.map((at) => requests[at]!.pickup));
    const { places, seconds: observed } = recentRides.of(vehicleType).ended.since(now);
    const found = turnoverAt(pickups, plane.pointsAt(places), observed * setting.clockSpeed);
    for (const [index, at] of alike.entries()) seconds[at] = found[index]!;
  }
  return seconds;
}
