/**
 * What drivers are worth where they are, for the plan of a window: whom this shard could ask, and whom its neighbours have
 * offered to the plan, weighed against the rides of late (driver-worth.ts). Who else is free beyond the cell's edge the
 * shard does not know. It takes it that somebody stands right there: counted on nobody, the last drivers near an edge
 * would seem to be worth minutes, and riders waited longer for it.
 */
import type { Candidate, DriverId, VehicleType } from "../domain/driver.ts";
import type { LatLng } from "../domain/place.ts";
import { type EpochMs, SECOND_MS } from "../domain/time.ts";
import { metersToCellEdge } from "../spatial/distance.ts";
import { unservedCostSeconds } from "./batch.ts";
import { driverWorthSeconds } from "./driver-worth.ts";
import { waitedShare } from "./fairness.ts";
import { planeOf } from "./recent-rides.ts";
import type { ShardSetting, ShardState } from "./shard-state.ts";
import { statusOf } from "./supply.ts";

/** Of drivers who are worth anything, the seconds. */
export type Worth = ReadonlyMap<DriverId, number>;

export const NOBODY_IS_MISSED: Worth = new Map();

/** Drivers of one kind of car whom a plan may choose between. */
export interface Choice {
  readonly vehicleType: VehicleType;
  readonly candidates: readonly Candidate[];
  /** To a pickup; the plan may set them free. */
  readonly onTheirWay: readonly Pick<Candidate, "driverId" | "position">[];
}

/** Nothing where there is nothing to choose, or where what places are worth is in the costs already (N3). */
export function worthOf(shard: ShardState, now: EpochMs, { vehicleType, candidates, onTheirWay }: Choice): Worth {
  const { setting, recentRides } = shard;
  const { dispatch } = setting.market;
  const among = new Map(candidates.map((candidate) => [candidate.driverId, candidate]));
  if (dispatch.lookAheadSeconds > 0 || among.size + onTheirWay.length < 2) return NOBODY_IS_MISSED;
  const free = freeDrivers(shard, now, vehicleType);
  for (const { driverId, shard: his, position } of among.values()) {
    if (his !== setting.name) free.set(driverId, position);
  }
  const places = [...free.values(), ...onTheirWay.map(({ position }) => position)];
  const seconds = driverWorthSeconds(recentRides.of(vehicleType), places, free.size, {
    plane: planeOf(setting),
    now,
    clockSpeed: setting.clockSpeed,
    unservedSeconds: unservedSecondsIn(setting),
    horizonSeconds: searchSecondsIn(setting),
    othersSecondsFrom: (place) => metersToCellEdge(place, setting.cell) / setting.market.citySpeedMetersPerSecond,
  });
  const driverIds = [...free.keys(), ...onTheirWay.map(({ driverId }) => driverId)];
  return new Map(
    driverIds.map((driverId, at) => {
      // Who has waited long has his turn, however much he is missed where he is (F1).
      const left = 1 - waitedShare(dispatch, among.get(driverId)?.idleMs ?? 0);
      return [driverId, seconds[at]! * left];
    }),
  );
}

/** What a ride costs that gets no driver in the plan. */
export function unservedSecondsIn(setting: ShardSetting): number {
  const { citySpeedMetersPerSecond, dispatch } = setting.market;
  return unservedCostSeconds(dispatch.maximumRadiusMeters / citySpeedMetersPerSecond, searchSecondsIn(setting));
}

/** Of the city, as all that is weighed against it; a deadline is the clock's. */
function searchSecondsIn({ market, clockSpeed }: ShardSetting): number {
  return (market.dispatch.matchDeadlineMs / SECOND_MS) * clockSpeed;
}

/** Who is bound for somewhere takes few of those who ask: nobody counts on him, and he is not missed. */
function freeDrivers(shard: ShardState, now: EpochMs, vehicleType: VehicleType): Map<DriverId, LatLng> {
  const { destinationShare } = shard.setting.market.dispatch;
  const free = new Map<DriverId, LatLng>();
  for (const session of shard.supply.sessions.values()) {
    const { driverId, profile, fix, destination } = session;
    if (profile.vehicleType !== vehicleType || shard.liveOfferOf.has(driverId)) continue;
    if (destinationShare > 0 && destination !== undefined) continue;
    if (fix !== null && statusOf(session, now).state === "available") free.set(driverId, fix.position);
  }
  return free;
}
