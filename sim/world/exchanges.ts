/** The auditor's books of exchanges: who has lost a ride to whom, and which offers were won without being asked. */
import type { DriverId } from "../../src/domain/driver.ts";
import type { RideEvent } from "../../src/domain/event.ts";
import { isEngaged, type Offer, type OfferId, type Ride, type RideId, type WonOffer } from "../../src/domain/ride.ts";
import type { Answer, Command } from "../../src/matching/commands.ts";
import { promise } from "./violation.ts";

export class Exchanges {
  readonly #offers: ReadonlyMap<OfferId, Offer>;
  readonly #count: (name: string) => void;
  /** Of rides, and of drivers since their last trip. */
  readonly #timesOf = new Map<RideId | DriverId, number>();
  /** The offer of the ride that its driver gave for this one. */
  readonly #before = new Map<OfferId, OfferId>();

  constructor(offers: ReadonlyMap<OfferId, Offer>, count: (name: string) => void) {
    this.#offers = offers;
    this.#count = count;
  }

  /** X2 and X4: from the driver for whom it was offered to the one who has it now, once for the ride and for its driver. */
  happened({ id, rideId, ride }: RideEvent, before: Ride): void {
    const [from, to] = [before, ride].map((one) => (isEngaged(one) ? this.#offers.get(one.offerId) : undefined));
    promise(from?.state === "ended" && from.exchanged, "X2", () => `${id}: ${from?.id} is ${from?.state}`);
    promise(to?.state === "won" && to.instead === from.id, "X2", () => `${id}: ${to?.id} was not made for ${from.id}`);
    for (const about of [rideId, from.driverId]) {
      const times = (this.#timesOf.get(about) ?? 0) + 1;
      this.#timesOf.set(about, times);
      promise(times === 1, "X4", () => `${about} is exchanged ${times} times`);
    }
  }

  /** A trip to its end: this driver may lose a ride again. */
  drove(driverId: DriverId): void {
    this.#timesOf.delete(driverId);
  }

  /** X8: won without an offer, for one of the same driver that has ended in the same commit and names this one. */
  swapped({ id, seq, driverId, wonAt }: WonOffer): void {
    for (const left of this.#offers.values()) {
      if (left.state !== "ended" || left.next?.offerId !== id) continue;
      const fair = left.exchanged && left.driverId === driverId && left.next.seq === seq && left.seq < seq;
      promise(fair && left.endedAt === wonAt, "X8", () => `${id} is won for ${left.id}, which was not swapped for it`);
      this.#before.set(id, left.id);
    }
    promise(this.#before.has(id), "X8", () => `${id} is won, and was not offered`);
    this.#count("ride swapped");
  }

  /** Judged when all of a commit is in the books: nobody is left with a promise. */
  stands(offer: Offer): void {
    if (offer.state !== "ended" || offer.next === undefined) return;
    const { offerId } = offer.next;
    promise(
      this.#before.get(offerId) === offer.id,
      "X8",
      () => `${offer.id} has ended for ${offerId}, which is not won`,
    );
  }

  /** X9: whatever a driver says of a ride that he has swapped, he is told of the one that he has for it. */
  answered(command: Command, answer: Answer): void {
    const left = "from" in command ? this.#offers.get(command.offerId) : undefined;
    if (left?.state !== "ended" || left.next === undefined || !("driverId" in command)) return;
    const { offerId } = left.next;
    if (left.driverId !== command.driverId || this.#offers.get(offerId)?.state !== "won") return;
    this.#count(`answered with the other ride: ${command.type}`);
    promise(JSON.stringify(answer).includes(`"${offerId}"`), "X9", () => `${left.id} is answered without ${offerId}`);
  }

  /** The offer for which a lock holds this one's driver until it has heard of the swap. */
  swappedFor(offerId: OfferId): OfferId | undefined {
    return this.#before.get(offerId);
  }
}
