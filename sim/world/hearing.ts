/** What drivers are told: never of what is not saved, never both yes and no, never of a ride that is somebody else's. */
import type { DriverId } from "../../src/domain/driver.ts";
import type { DriverNotice, DriverRide, NextRide } from "../../src/domain/notice.ts";
import type { OfferId, RideState } from "../../src/domain/ride.ts";
import type { Auditor } from "./auditor.ts";
import { promise } from "./violation.ts";

export class Hearing {
  readonly #auditor: Auditor;
  readonly #won = new Set<string>();
  readonly #lost = new Set<string>();
  readonly #epochs = new Map<DriverId, number>();

  constructor(auditor: Auditor) {
    this.#auditor = auditor;
  }

  /** On its way to a driver. */
  said(driverId: DriverId, notice: DriverNotice): void {
    if (notice.type === "offer") this.#offered(driverId, notice.offerId);
    const ride = rideIn(notice);
    if (ride !== null) this.#truth(driverId, ride);
    const next = nextIn(notice);
    if (next !== undefined) this.#truth(driverId, next);
  }

  /** Arrived at a driver's app. */
  heard(driverId: DriverId, notice: DriverNotice): void {
    this.#auditor.count(`heard ${notice.type}`);
    const next = nextIn(notice);
    if (next !== undefined) {
      this.#auditor.count(`heard of a swap by ${notice.type}`);
      this.#says(driverId, next.offerId, true);
    }
    switch (notice.type) {
      case "welcome": {
        this.#auditor.count(`welcomed holding ${notice.holding.kind}`);
        const newest = this.#epochs.get(driverId) ?? 0;
        promise(notice.epoch !== newest, "S9", () => `${driverId} is welcomed twice at epoch ${newest}`);
        this.#epochs.set(driverId, Math.max(newest, notice.epoch));
        if (notice.holding.kind === "ride") this.#says(driverId, notice.holding.ride.offerId, true);
        return;
      }
      case "offer.verdict":
        if (notice.verdict.outcome === "pending") return;
        this.#auditor.count(`verdict ${notice.verdict.outcome}`);
        return this.#says(driverId, notice.offerId, notice.verdict.outcome === "won");
      case "offer.closed":
        return this.#says(driverId, notice.offerId, false);
      case "trip.verdict":
        if (notice.verdict.outcome === "done") this.#says(driverId, notice.offerId, true);
    }
  }

  /** S5: who has heard that the ride is his never hears that it was not, nor the other way round. */
  #says(driverId: DriverId, offerId: OfferId, won: boolean): void {
    const key = `${driverId}/${offerId}`;
    (won ? this.#won : this.#lost).add(key);
    promise(!(this.#won.has(key) && this.#lost.has(key)), "S5", () => `${driverId} hears WON and LOST of ${offerId}`);
  }

  /** Offer after reserve: when a card leaves, the lock has held the driver for it. */
  #offered(driverId: DriverId, offerId: OfferId): void {
    const offer = this.#auditor.offers.get(offerId);
    promise(offer?.driverId === driverId && offer.state !== "intent", "S3", () => {
      return `${driverId} is offered ${offerId}, which is ${offer?.state} for ${offer?.driverId}`;
    });
  }

  /** A ride as told is a version that was saved; one that goes on with a driver goes on with this one. */
  #truth(driverId: DriverId, told: DriverRide): void {
    const ride = this.#auditor.events.get(`${told.rideId}:${told.version}`)?.ride;
    promise(ride !== undefined, "S4", () => `${driverId} hears of ${told.rideId}:${told.version} before it is saved`);
    if ("offerId" in ride && ride.offerId !== told.offerId) {
      promise(told.state === "matching", "S5", () => {
        return `${driverId} hears that ${told.rideId} is ${told.state} under ${told.offerId}; it is ${ride.driverId}'s`;
      });
    } else promise(told.state === ride.state, "S4", () => `${told.rideId} is ${ride.state}, told as ${told.state}`);
  }

  /** A step that was refused, at the moment it is judged: a driver who is out of it is not told how others fare. */
  refused(offerId: OfferId, state: RideState | undefined): void {
    if (state !== "assigned" && state !== "arrived" && state !== "on_trip") return;
    const offer = this.#auditor.offers.get(offerId);
    promise(
      offer?.state === "won",
      "S5",
      () => `a step under ${offerId} (${offer?.state}) hears that its ride is ${state}`,
    );
  }
}

/** The ride that is his instead of the one that he hears of. */
function nextIn(notice: DriverNotice): NextRide | undefined {
  if (notice.type === "trip.verdict" && notice.verdict.outcome === "refused") return notice.verdict.next;
  return rideIn(notice)?.next;
}

function rideIn(notice: DriverNotice): DriverRide | null {
  switch (notice.type) {
    case "welcome":
      return notice.holding.kind === "ride" ? notice.holding.ride : null;
    case "offer.verdict":
      return notice.verdict.outcome === "won" ? notice.verdict.ride : null;
    case "trip.verdict":
      return notice.verdict.outcome === "done" ? notice.verdict.ride : null;
    case "trip.changed":
      return notice.ride;
    default:
      return null;
  }
}
