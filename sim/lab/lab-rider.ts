/** One rider: asks once, now or ahead, waits as long as he has patience, and is at the kerb or not. */
import type { RideEvent } from "../../src/domain/event.ts";
import { notBeforePickup, type RideId, type RiderId } from "../../src/domain/ride.ts";
import type { EpochMs } from "../../src/domain/time.ts";
import { newRideId, shardOfRide } from "../../src/routing/shard-map.ts";
import { BEHAVIOUR, createRiderPatience, plansAhead, type RiderPatience, riderNoShow } from "../behaviour.ts";
import type { Trip } from "../city/demand.ts";
import type { Random } from "../random.ts";
import type { LabCity } from "./lab-city.ts";

export class LabRider {
  readonly rideId: RideId;
  /** City time from the driver's arrival until he sits in the car; null for one who never comes. */
  readonly boardingMs: number | null;
  /** He knew before when he would want to go. */
  readonly planned: boolean;
  /** How much slower or faster than usual the way of his trip is, in standard deviations; the same whoever drives. */
  readonly traffic: number;
  readonly #city: LabCity;
  readonly #riderId: RiderId;
  readonly #patience: RiderPatience;

  /** `number` counts the riders of this run; the same rider is as patient under every policy. */
  constructor(city: LabCity, number: number, trip: Trip, random: Random) {
    this.#city = city;
    this.#riderId = `rider-${number}` as RiderId;
    this.#patience = createRiderPatience(random);
    this.boardingMs = riderNoShow(random) ? null : Math.round(random.exponential(BEHAVIOUR.boardingMeanMs));
    this.traffic = random.normal();
    this.planned = plansAhead(random.fork("plans"));
    this.rideId = newRideId(trip.request.pickup, city.shardBits, String(number).padStart(10, "0"));
  }

  /** Asks for it now, or for that moment. False when the shard refused him. */
  ask({ request }: Trip, pickupAt: EpochMs | null): boolean {
    const answer = this.#city.shard(shardOfRide(this.rideId, this.#city.shardBits)!).submit({
      type: "ride.requested",
      rideId: this.rideId,
      riderId: this.#riderId,
      request: { ...request, ...(pickupAt !== null && { pickupAt }) },
      key: "wish",
      bodyHash: "",
      prior: null,
      recent: [],
      quoted: null,
    });
    return answer?.type === "ride";
  }

  hear({ type, version, at, ride }: RideEvent): void {
    const { matchMs, pickupMs } = this.#patience;
    const scheduledInMs = notBeforePickup(ride.request, at) - at;
    if (type === "ride.requested" || type === "ride.dispatched" || type === "ride.redispatched")
      this.#loseInterest(scheduledInMs + matchMs, version);
    else if (type === "ride.assigned" || type === "ride.exchanged")
      this.#loseInterest(scheduledInMs + pickupMs, version);
  }

  /** Cancels when nothing has changed by then. */
  #loseInterest(afterMs: number, version: number): void {
    const { loop } = this.#city;
    loop.after(afterMs, () => {
      if (this.#city.versionOf(this.rideId) !== version) return;
      const shard = this.#city.shard(shardOfRide(this.rideId, this.#city.shardBits)!);
      shard.submit({ type: "ride.cancelled", rideId: this.rideId, riderId: this.#riderId });
    });
  }
}
