import type { LatLng, ShardName } from "./place.ts";
import type { EpochMs } from "./time.ts";

declare const brand: unique symbol;
export type DriverId = string & { readonly [brand]: "DriverId" };

export const VEHICLE_TYPES = ["economy", "comfort", "xl", "premium"] as const;
export type VehicleType = (typeof VEHICLE_TYPES)[number];

export const PAYMENT_METHODS = ["card", "cash", "wallet"] as const;
export type PaymentMethod = (typeof PAYMENT_METHODS)[number];

/** What a ride may ask of a driver. It comes from the signed token, never from the driver's own frames. */
export interface DriverProfile {
  readonly vehicleType: VehicleType;
  /** Passenger seats, 1 to 8. */
  readonly seats: number;
  readonly accessible: boolean;
  /** Mean stars, 1 to 5. */
  readonly rating: number;
  readonly payments: readonly PaymentMethod[];
}

/** One position report. `seq` rises within a session; `at` is the server's receive time, corrected by the fix's age. */
export interface Fix {
  readonly seq: number;
  readonly position: LatLng;
  /** Clockwise from north, [0, 360); null when the device does not know. */
  readonly headingDegrees: number | null;
  readonly speedMetersPerSecond: number | null;
  readonly accuracyMeters: number;
  readonly at: EpochMs;
}

/** What the driver's lock remembers of past answers; it travels with `attach`. */
export interface DriverStats {
  readonly offersSeen: number;
  /** Exponentially weighted share of offers accepted, weight 0.1 per offer; starts at 0.7. */
  readonly acceptRate: number;
  /** Declined or let expire since the last accept. */
  readonly declinesInRow: number;
}

export const NEW_DRIVER_STATS: DriverStats = { offersSeen: 0, acceptRate: 0.7, declinesInRow: 0 };

/** A driver being considered for a ride, as the shard that holds the socket saw him. */
export interface Candidate {
  readonly driverId: DriverId;
  /** The shard that holds his socket. */
  readonly shard: ShardName;
  readonly position: LatLng;
  readonly headingDegrees: number | null;
  readonly speedMetersPerSecond: number | null;
  /** Great-circle distance to the pickup. */
  readonly pickupMeters: number;
  /** What that shard has learned such a way to take, a turn round included. */
  readonly pickupSeconds: number;
  /** What it has learned that he may be paid for where he is (look-ahead.ts); missing where it has not, or does not ask. */
  readonly aheadSeconds?: number;
  readonly fixAgeMs: number;
  /** Since his last ride ended, or since he came on duty here. */
  readonly idleMs: number;
  /** In the queue of the ride's zone; missing where no queue decides. */
  readonly queuedMs?: number;
  readonly rating: number;
  readonly stats: DriverStats;
}

/** Why a driver is or is not taking rides, as the server sees it. */
export type DriverStatus =
  | { readonly state: "available" }
  | { readonly state: "paused"; readonly reason: "driver" }
  | { readonly state: "unlocated"; readonly reason: "no-fix" | "stale-fix" | "held-fix" }
  | { readonly state: "offered" }
  | { readonly state: "engaged" };
