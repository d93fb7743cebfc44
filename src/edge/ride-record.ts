/** A ride that its shard has forgotten, as its people see it: from history, under the same rules. */
import type { RideView } from "../domain/notice.ts";
import type { Ride, RideId } from "../domain/ride.ts";
import type { Config, Env } from "../env.ts";
import { findRide } from "../history/queries.ts";
import { readRide } from "../protocol/event.ts";
import type { Subject } from "../protocol/peer.ts";
import { marketOfRide } from "./shards.ts";

/** Null when history has no such ride, or when the caller has no part in it: one cannot be told from the other. */
export async function findRecord(env: Env, config: Config, rideId: RideId, subject: Subject): Promise<RideView | null> {
  const row = await findRide(env.HISTORY, rideId);
  const ride = row === null ? null : readRide(row.body);
  return ride !== null && takesPart(ride, subject) ? recordView(config, ride) : null;
}

/** The same fields as the shard shows, without a position: history has none. */
export function recordView(config: Config, ride: Ride): RideView {
  return {
    id: ride.id,
    state: ride.state,
    version: ride.version,
    pickup: ride.request.pickup,
    dropoff: ride.request.dropoff,
    vehicleType: ride.request.vehicleType,
    tripMeters: Math.round(ride.tripMeters),
    fareCents: ride.fareCents,
    currency: marketOfRide(config, ride.id)?.tariff.currency ?? "",
    redispatches: ride.redispatches,
    createdAt: ride.createdAt,
    ...(ride.request.pickupAt !== undefined && { pickupAt: ride.request.pickupAt }),
    ...("driverId" in ride && { driver: { id: ride.driverId } }),
    ...("endedAt" in ride && { endedAt: ride.endedAt }),
    ...("reason" in ride && { reason: ride.reason }),
    ratings: ride.ratings,
  };
}

function takesPart(ride: Ride, subject: Subject): boolean {
  switch (subject.role) {
    case "rider":
      return ride.riderId === subject.riderId;
    case "driver":
      return "driverId" in ride && ride.driverId === subject.driverId;
    case "ops":
      return true;
  }
}
