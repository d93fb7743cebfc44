/** A driver's car: where it is, where it is on its way to, and what it drives without a rider. */
import type { LatLng } from "../../src/domain/place.ts";
import { localHour } from "../../src/domain/time.ts";
import { haversineMeters } from "../../src/spatial/distance.ts";
import type { LabCity } from "./lab-city.ts";
import { type Leg, legOf, positionOn } from "./leg.ts";

export class LabCar {
  readonly #city: LabCity;
  /** Its driver's pace through the city relative to the median. */
  readonly #speedFactor: number;
  #place: LatLng;
  #leg: Leg | null = null;
  #occupied = false;

  constructor(city: LabCity, speedFactor: number, place: LatLng) {
    this.#city = city;
    this.#speedFactor = speedFactor;
    this.#place = place;
  }

  get position(): LatLng {
    return this.#leg === null ? this.#place : positionOn(this.#leg, this.#city.loop.now);
  }

  get target(): LatLng | null {
    return this.#leg?.to ?? null;
  }

  get headingDegrees(): number | null {
    return this.#leg?.headingDegrees ?? null;
  }

  get speedMetersPerSecond(): number {
    return this.#leg?.speedMetersPerSecond ?? 0;
  }

  /** Milliseconds until it is there. `traffic` is how much slower than usual this way is, in standard deviations. */
  driveTo(to: LatLng, { traffic = 0, occupied = false }: { traffic?: number; occupied?: boolean } = {}): number {
    const { loop, travel, plan } = this.#city;
    this.stand();
    const meters = haversineMeters(this.#place, to);
    const hour = localHour(loop.now, plan.utcOffsetMinutes);
    const seconds = travel.seconds(meters, hour, traffic) / this.#speedFactor;
    this.#leg = legOf(this.#place, to, loop.now, seconds, meters);
    this.#occupied = occupied;
    return this.#leg.endAt - this.#leg.startAt;
  }

  /** Stays where it has come to. */
  stand(): void {
    const place = this.position;
    if (this.#leg !== null && !this.#occupied) {
      this.#city.tally.droveEmpty(haversineMeters(this.#leg.from, place), this.#city.loop.now);
    }
    this.#place = place;
    this.#leg = null;
  }
}
