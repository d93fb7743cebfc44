/** Who drives: cars, ratings and tempers. */
import type { DriverId, DriverProfile, PaymentMethod } from "../../src/domain/driver.ts";
import type { LatLng } from "../../src/domain/place.ts";
import { createDriverTemper, type DriverTemper } from "../behaviour.ts";
import type { Random } from "../random.ts";

export interface FleetDriver {
  readonly driverId: DriverId;
  readonly profile: DriverProfile;
  readonly temper: DriverTemper;
  readonly start: LatLng;
  /** His speed through the city relative to the median. */
  readonly speedFactor: number;
  /** All his later draws, independent of the other drivers'. */
  readonly random: Random;
}

/** The n-th driver is the same whatever the size of the fleet. */
export function createFleet(size: number, place: (random: Random) => LatLng, random: Random): FleetDriver[] {
  return Array.from({ length: size }, (_, index) => {
    const own = random.fork(index);
    return {
      driverId: `driver-${String(index + 1).padStart(4, "0")}` as DriverId,
      profile: createProfile(own),
      temper: createDriverTemper(own),
      start: place(own),
      speedFactor: Math.exp(own.normal() * 0.12),
      random: own.fork("later"),
    };
  });
}

function createProfile(random: Random): DriverProfile {
  const [kind, cash, wallet, access] = [random.next(), random.next(), random.next(), random.next()];
  const payments: PaymentMethod[] = ["card"];
  if (cash < 0.8) payments.push("cash");
  if (wallet < 0.9) payments.push("wallet");
  const vehicleType = kind < 0.78 ? "economy" : kind < 0.9 ? "comfort" : "xl";
  const rating = Math.min(5, Math.max(3.5, 4.75 + random.normal() * 0.2));
  return {
    vehicleType,
    seats: vehicleType === "xl" ? 6 : 4,
    accessible: access < 0.1,
    rating: Math.round(rating * 100) / 100,
    payments,
  };
}
