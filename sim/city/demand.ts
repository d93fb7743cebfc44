/** What a source of ride requests is, whether generated or read from a file of real ones. */
import type { LatLng } from "../../src/domain/place.ts";
import type { RideRequest } from "../../src/domain/ride.ts";
import { haversineMeters } from "../../src/spatial/distance.ts";
import type { Random } from "../random.ts";

/** One wish for a ride; `atMs` counts city time from the start of the run. */
export interface Trip {
  readonly atMs: number;
  readonly request: RideRequest;
}

export interface Demand {
  /** The trip after the one before; null when there will be no more. Trips come in order of time. */
  next(): Trip | null;
  /** A place where trips begin: drivers start and roam where riders are. */
  place(random: Random): LatLng;
}

const PLACES_COMPARED = 2;

/** Where a driver without a ride goes. Nobody crosses the whole city for nothing: of a few busy places the nearest. */
export function busyPlaceNear(demand: Pick<Demand, "place">, from: LatLng, random: Random): LatLng {
  const places = Array.from({ length: PLACES_COMPARED }, () => demand.place(random));
  return places.reduce((a, b) => (haversineMeters(from, a) < haversineMeters(from, b) ? a : b));
}

/** Most riders take any car; the rest are what filters are for. */
export function rideRequest(pickup: LatLng, dropoff: LatLng, random: Random): RideRequest {
  const [kind, pay, strict, party, access] = [
    random.next(),
    random.next(),
    random.next(),
    random.next(),
    random.next(),
  ];
  return {
    pickup,
    dropoff,
    vehicleType: kind < 0.92 ? "economy" : kind < 0.97 ? "comfort" : "xl",
    payment: pay < 0.75 ? "card" : pay < 0.9 ? "wallet" : "cash",
    minimumRating: strict < 0.05 ? 4.5 : 0,
    seats: party < 0.8 ? 1 : party < 0.95 ? 2 : 4,
    accessible: access < 0.005,
  };
}
