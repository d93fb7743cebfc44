import type { Ride, RideId } from "./ride.ts";
import type { EpochMs } from "./time.ts";

/** What is kept. One event per ride version, never changed, delivered at least once. */
export interface RideEvent {
  /** `{ride id}:{version}`; the key by which every receiver recognises a repeat. */
  readonly id: string;
  readonly type: RideEventType;
  readonly rideId: RideId;
  readonly version: number;
  readonly at: EpochMs;
  /** The ride as this version left it: a reader needs no other event to know the state. */
  readonly ride: Ride;
}

export type RideEventType =
  | "ride.requested"
  | "ride.scheduled"
  /** The search for a scheduled ride's driver begins. */
  | "ride.dispatched"
  | "ride.assigned"
  /** Another driver has it, who had accepted it while the one before was on his way. */
  | "ride.exchanged"
  | "ride.arrived"
  | "ride.started"
  | "ride.completed"
  | "ride.redispatched"
  | "ride.cancelled"
  | "ride.no_show"
  | "ride.no_driver"
  | "ride.abandoned"
  | "ride.rated";
