/** Who waits at a market's zones for how long, and whom their riders wait for; seen from outside, whether or not there is a queue. */
import type { DriverId, DriverProfile } from "../../src/domain/driver.ts";
import type { RideEvent } from "../../src/domain/event.ts";
import type { Zone } from "../../src/domain/market.ts";
import type { LatLng } from "../../src/domain/place.ts";
import type { RideId } from "../../src/domain/ride.ts";
import { type EpochMs, MINUTE_MS } from "../../src/domain/time.ts";
import { destinationPoint, haversineMeters } from "../../src/spatial/distance.ts";
import type { Random } from "../random.ts";
import { gini, meanOf, quantileOf } from "./statistics.ts";

/** Of a zone's radius: cars wait inside, not at the edge. */
const PARKING_SHARE = 0.8;

interface Waiting {
  readonly zone: Zone;
  readonly since: EpochMs;
  readonly vehicleType: DriverProfile["vehicleType"];
  refused: boolean;
}

export interface ZoneFigures {
  readonly zoneWaitMinutes: number;
  readonly zoneWaitMinutesP90: number;
  readonly zoneWaitGini: number;
  readonly zoneOvertakenShare: number;
  readonly zonePickupMinutes: number;
  readonly zoneServedShare: number;
}

export class ZoneWaits {
  readonly #zones: readonly Zone[];
  /** The demand's end. */
  readonly #to: EpochMs;
  readonly #waiting = new Map<DriverId, Waiting>();
  /** Minutes from a driver's arrival at a zone to his next ride, to giving up, or to the demand's end. */
  readonly #waits: number[] = [];
  readonly #requestedAt = new Map<RideId, EpochMs>();
  readonly #pickups: number[] = [];
  #served = 0;
  /** Rides from a zone that one of its waiting drivers got, and those of them before another had his turn. */
  #given = 0;
  #overtaken = 0;

  constructor(zones: readonly Zone[], to: EpochMs) {
    this.#zones = zones;
    this.#to = to;
  }

  /** A driver who wants to wait at this zone has got so far. */
  seen(driverId: DriverId, { vehicleType }: DriverProfile, zone: Zone, position: LatLng, at: EpochMs): void {
    if (this.#waiting.has(driverId) || haversineMeters(position, zone.center) > zone.radiusMeters) return;
    this.#waiting.set(driverId, { zone, since: at, refused: false, vehicleType });
  }

  /** He has not taken a ride from where he waits: whoever has one before him from now on does not overtake him. */
  refused(driverId: DriverId, pickup: LatLng): void {
    const wait = this.#waiting.get(driverId);
    if (wait !== undefined && wait.zone === this.#zoneOf(pickup)) wait.refused = true;
  }

  left(driverId: DriverId, at: EpochMs): void {
    const wait = this.#waiting.get(driverId);
    if (wait === undefined) return;
    this.#waiting.delete(driverId);
    if (wait.since < this.#to) this.#waits.push((Math.min(at, this.#to) - wait.since) / MINUTE_MS);
  }

  changed({ type, rideId, at, ride }: RideEvent): void {
    const zone = this.#zoneOf(ride.request.pickup);
    if (type === "ride.assigned" && ride.state === "assigned") this.#assigned(ride.driverId, zone, at);
    if (zone === null) return;
    if (!this.#requestedAt.has(rideId)) this.#requestedAt.set(rideId, at);
    if (type === "ride.arrived") this.#pickups.push((at - this.#requestedAt.get(rideId)!) / MINUTE_MS);
    if (type === "ride.completed") this.#served += 1;
  }

  figures(): ZoneFigures {
    for (const driverId of [...this.#waiting.keys()]) this.left(driverId, this.#to);
    const waits = this.#waits.toSorted((a, b) => a - b);
    return {
      zoneWaitMinutes: meanOf(waits),
      zoneWaitMinutesP90: quantileOf(waits, 0.9),
      zoneWaitGini: gini(waits),
      zoneOvertakenShare: this.#overtaken / this.#given,
      zonePickupMinutes: meanOf(this.#pickups),
      zoneServedShare: this.#served / this.#requestedAt.size,
    };
  }

  #assigned(driverId: DriverId, zone: Zone | null, at: EpochMs): void {
    const his = this.#waiting.get(driverId);
    if (his !== undefined && his.zone === zone) {
      this.#given += 1;
      const isBefore = (one: Waiting) => one.zone === zone && one.since < his.since && !one.refused;
      const others = [...this.#waiting.values()].filter(isBefore);
      if (others.some(({ vehicleType }) => vehicleType === his.vehicleType)) this.#overtaken += 1;
    }
    this.left(driverId, at);
  }

  #zoneOf(place: LatLng): Zone | null {
    return this.#zones.find((zone) => haversineMeters(place, zone.center) <= zone.radiusMeters) ?? null;
  }
}

/** The nearest zone, and somewhere in it where a car may wait; null where the market has none. */
export function placeAtZone(
  zones: readonly Zone[],
  from: LatLng,
  random: Random,
): { readonly zone: Zone; readonly place: LatLng } | null {
  const byDistance = zones.toSorted((a, b) => haversineMeters(from, a.center) - haversineMeters(from, b.center));
  const zone = byDistance[0];
  if (zone === undefined) return null;
  const meters = PARKING_SHARE * zone.radiusMeters * Math.sqrt(random.next());
  return { zone, place: destinationPoint(zone.center, random.next() * 360, meters) };
}
