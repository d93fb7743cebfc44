/** One driver: roams, answers offers as his temper says, drives the rides he wins. Everything he knows he was told. */
import { createDriverClient, type DriverClient, type DriverEvent } from "../../client/driver-client.ts";
import type { TokenSource } from "../../client/tokens.ts";
import type { DriverRide, Holding, OfferCard, TripStep } from "../../src/domain/notice.ts";
import type { LatLng } from "../../src/domain/place.ts";
import type { OfferId, RideId } from "../../src/domain/ride.ts";
import { localHour } from "../../src/domain/time.ts";
import { haversineMeters } from "../../src/spatial/distance.ts";
import { answerOffer, BEHAVIOUR, driverCancel } from "../behaviour.ts";
import type { FleetDriver } from "../city/fleet.ts";
import { advance, type Car, createCar } from "../city/movement.ts";
import { offerView } from "../city/offer-view.ts";
import type { CityPlan } from "../city/places.ts";
import type { CityClock } from "./city-clock.ts";
import type { Happening, HistoryLog } from "./history-log.ts";
import type { Measures } from "./measures.ts";

export interface DriverSetting {
  readonly baseUrl: string;
  readonly driver: FleetDriver;
  readonly token: TokenSource;
  readonly plan: Pick<CityPlan, "citySpeedMetersPerSecond" | "utcOffsetMinutes">;
  readonly clock: CityClock;
  readonly log: HistoryLog;
  readonly measures: Measures;
  /** Where he looks for work next, from where he is. */
  readonly roam: (from: LatLng) => LatLng;
  /** City time until the rider is in the car; null when he never comes. */
  readonly boarding: (rideId: RideId) => number | null;
  /** Of the rides he wins he gives back this share; else as drivers do. */
  readonly givesBackShare?: number | undefined;
  /** Listens in on everything he is told, and where he was then. */
  readonly onHeard?: ((driverId: string, event: DriverEvent, position: LatLng) => void) | undefined;
}

export interface LiveDriver {
  start(): void;
  /** Drives on, and sends a fix. Called at his cadence by the city's one wheel. */
  tick(): void;
  isOnline(): boolean;
  isEngaged(): boolean;
  /** Ends the trip where the car is; nothing without a rider in it. */
  dropNow(): void;
  stop(): void;
}

type Doing =
  | { readonly kind: "idle" }
  | { readonly kind: "deciding"; readonly card: OfferCard }
  | { readonly kind: "ride"; readonly ride: DriverRide; readonly returnAtMeters: number | null };

const STEP_RETRY_MS = 5_000;
const ACCURACY_METERS = 8;

export function createLiveDriver(setting: DriverSetting): LiveDriver {
  return new Driver(setting);
}

class Driver implements LiveDriver {
  readonly #setting: DriverSetting;
  readonly #client: DriverClient;
  readonly #car: Car;
  readonly #timers = new Set<NodeJS.Timeout>();
  #doing: Doing = { kind: "idle" };
  #idleSince = performance.now();
  #tickedAt = performance.now();
  #online = false;
  #stepping = false;
  /** Until then he does not repeat a step that was refused. */
  #pausedUntil = 0;
  #parked = false;

  constructor(setting: DriverSetting) {
    this.#setting = setting;
    this.#car = createCar(setting.driver.start);
    this.#client = createDriverClient({
      baseUrl: setting.baseUrl,
      token: setting.token,
      random: setting.driver.random.fork("network").next,
      position: () => this.#car.position,
      onEvent: (event) => this.#hear(event),
    });
  }

  start(): void {
    this.#sendFix();
    this.#client.start();
  }

  tick(): void {
    const { plan, driver, clock } = this.#setting;
    const now = performance.now();
    const citySeconds = ((now - this.#tickedAt) * clock.speed) / 1_000;
    this.#tickedAt = now;
    const haste = this.#doing.kind === "ride" ? clock.hurry : 1;
    const reached = advance(this.#car, plan.citySpeedMetersPerSecond * driver.speedFactor * haste, citySeconds);
    if (this.#doing.kind === "ride") this.#onTheWay(this.#doing, reached);
    else if (!this.#car.target && !this.#parked) this.#park();
    if (this.#online) this.#sendFix();
  }

  isOnline(): boolean {
    return this.#online;
  }

  isEngaged(): boolean {
    return this.#doing.kind === "ride";
  }

  dropNow(): void {
    if (this.#doing.kind === "ride" && this.#doing.ride.state === "on_trip")
      void this.#step(this.#doing.ride, "complete");
  }

  stop(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#client.stop();
  }

  #hear(event: DriverEvent): void {
    this.#setting.onHeard?.(this.#setting.driver.driverId, event, this.#car.position);
    switch (event.type) {
      case "live":
        this.#online = true;
        return this.#resume(event.welcome.holding);
      case "lost":
        if (this.#online) this.#setting.measures.counters.reconnects += 1;
        this.#online = false;
        return;
      case "ended":
        this.#online = false;
        return;
      case "told":
        return this.#told(event.notice);
    }
  }

  /** The server's word about what he holds replaces whatever he believed. */
  #resume(holding: Holding): void {
    if (holding.kind === "offer") return this.#consider(holding.offer);
    if (holding.kind === "ride") return this.#follow(holding.ride);
    if (this.#doing.kind === "ride") this.#release(this.#doing.ride);
    else this.#becomeIdle();
  }

  #told(notice: Extract<DriverEvent, { type: "told" }>["notice"]): void {
    if (notice.type === "offer") return this.#consider(notice);
    if (notice.type === "trip.changed") return this.#follow(notice.ride);
    if (notice.type !== "offer.closed") return;
    const { offerId, reason } = notice;
    this.#note({ op: "told", type: "closed", offerId, reason });
    if (this.#isDeciding(offerId)) this.#becomeIdle();
  }

  #consider(card: OfferCard): void {
    if (this.#isDeciding(card.offerId)) return;
    const { driver, measures, plan, clock } = this.#setting;
    const { offerId, rideId } = card;
    measures.counters.offers += 1;
    measures.offerSeen(rideId);
    this.#note({ op: "told", type: "offer", offerId, rideId });
    if (this.#doing.kind !== "idle") return this.#grasp(card, this.#doing);
    this.#doing = { kind: "deciding", card };
    const view = offerView(card, {
      car: this.#car,
      citySpeedMetersPerSecond: plan.citySpeedMetersPerSecond,
      idleSeconds: ((performance.now() - this.#idleSince) * clock.speed) / 1_000,
      hourLocal: localHour(Date.now(), plan.utcOffsetMinutes),
      ttlMs: card.ttlMs * clock.speed,
    });
    const answer = answerOffer(driver.temper, view, driver.random);
    if (answer.answer === "ignore") return;
    this.#after(answer.afterMs, () => {
      // A card that was taken away cannot be answered.
      if (this.#isDeciding(offerId)) void this.#reply(card, answer.answer);
    });
  }

  /** Who is shown more than he can do takes it all: keeping him from that is the server's part. */
  #grasp(card: OfferCard, doing: Exclude<Doing, { kind: "idle" }>): void {
    if (doing.kind === "deciding") void this.#reply(doing.card, "accept");
    void this.#reply(card, "accept");
  }

  async #reply({ offerId, rideId }: OfferCard, op: "accept" | "decline"): Promise<void> {
    const saidAt = performance.now();
    this.#note({ op, type: "invoke", offerId, rideId });
    try {
      const verdict = await (op === "accept" ? this.#client.accept(offerId) : this.#client.decline(offerId));
      if (op === "accept") this.#setting.measures.acceptToVerdict.add(performance.now() - saidAt);
      if (verdict.outcome === "won") {
        this.#note({ op, type: "ok", offerId, rideId, outcome: "won" });
        return this.#follow(verdict.ride);
      }
      this.#note({ op, type: "ok", offerId, rideId, outcome: "lost", reason: verdict.reason });
      if (this.#isDeciding(offerId)) this.#becomeIdle();
    } catch {
      this.#note({ op, type: "info", offerId, rideId });
    }
  }

  /** The newest word about a ride of his, from a verdict, a notice or a welcome. */
  #follow(ride: DriverRide): void {
    const known = this.#doing.kind === "ride" && this.#doing.ride.offerId === ride.offerId ? this.#doing : null;
    if (known && known.ride.version >= ride.version) return;
    if (!isUnderWay(ride)) {
      // News of a ride he has left already says nothing about the one he drives now.
      if (known || this.#isDeciding(ride.offerId)) this.#release(ride);
      if (ride.next && this.#doing.kind === "idle") this.#follow(ride.next);
      return;
    }
    const { offerId, rideId, version, state } = ride;
    this.#note({ op: "told", type: "engaged", offerId, rideId, version, state });
    this.#doing = { kind: "ride", ride, returnAtMeters: known ? known.returnAtMeters : this.#whereToGiveUp(ride) };
    this.#setOff(ride);
  }

  /** Straight metres before the pickup at which he gives the ride back; null for nearly every ride. */
  #whereToGiveUp(ride: DriverRide): number | null {
    const cancel = driverCancel(this.#setting.driver.random, this.#setting.givesBackShare);
    return cancel && haversineMeters(this.#car.position, ride.pickup) * (1 - cancel.atShareOfWay);
  }

  #setOff(ride: DriverRide): void {
    if (ride.state === "assigned") this.#car.target = ride.pickup;
    if (ride.state === "on_trip") this.#car.target = ride.dropoff;
    if (ride.state !== "arrived") return;
    this.#car.target = null;
    const waitMs = this.#setting.boarding(ride.rideId);
    // Without a rider the server ends the ride after its own patience, and says so.
    if (waitMs !== null) this.#after(waitMs / this.#setting.clock.hurry, () => void this.#step(ride, "start"));
  }

  async #step(ride: DriverRide, step: TripStep): Promise<void> {
    const { offerId, rideId } = ride;
    if (this.#stepping || this.#doing.kind !== "ride" || this.#doing.ride.offerId !== offerId) return;
    // A second alarm for the same rider finds him in the car.
    if (step === "start" && this.#doing.ride.state !== "arrived") return;
    this.#stepping = true;
    this.#note({ op: "step", type: "invoke", step, offerId, rideId });
    try {
      const verdict = await this.#client.step(offerId, step);
      this.#stepping = false;
      if (verdict.outcome === "done") {
        const { version, state } = verdict.ride;
        this.#note({ op: "step", type: "ok", step, offerId, rideId, version, state });
        return step === "cancel" ? this.#release(verdict.ride) : this.#follow(verdict.ride);
      }
      this.#note({ op: "step", type: "fail", step, offerId, rideId, reason: verdict.state ?? verdict.reason });
      if (verdict.next) return this.#follow(verdict.next);
      // Why it was refused is on its way to him, or was lost with a connection: then a welcome repeats it.
      this.#pausedUntil = performance.now() + STEP_RETRY_MS;
      this.#after(STEP_RETRY_MS * this.#setting.clock.speed, () => {
        if (this.#doing.kind === "ride" && this.#doing.ride.state === "arrived") this.#setOff(this.#doing.ride);
      });
    } catch {
      this.#stepping = false;
      this.#note({ op: "step", type: "info", step, offerId, rideId });
    }
  }

  #onTheWay({ ride, returnAtMeters }: Extract<Doing, { kind: "ride" }>, reached: boolean): void {
    // He may have got there while another word of his was still unanswered, and then says it at the next tick.
    const there = reached || (this.#car.target === null && ride.state !== "arrived");
    if (there && performance.now() >= this.#pausedUntil) {
      return void this.#step(ride, ride.state === "assigned" ? "arrive" : "complete");
    }
    if (ride.state !== "assigned" || returnAtMeters === null) return;
    if (haversineMeters(this.#car.position, ride.pickup) <= returnAtMeters) void this.#step(ride, "cancel");
  }

  #release({ offerId, rideId }: Pick<DriverRide, "offerId" | "rideId">): void {
    if (this.#doing.kind === "ride") {
      this.#note({ op: "told", type: "free", offerId, rideId });
      this.#car.target = null;
      this.#idleSince = performance.now();
    }
    this.#doing = { kind: "idle" };
  }

  #becomeIdle(): void {
    this.#doing = { kind: "idle" };
  }

  #isDeciding(offerId: OfferId): boolean {
    return this.#doing.kind === "deciding" && this.#doing.card.offerId === offerId;
  }

  #park(): void {
    this.#parked = true;
    this.#after(this.#setting.driver.random.exponential(BEHAVIOUR.parkedMeanMs), () => {
      this.#parked = false;
      if (!this.#car.target && this.#doing.kind !== "ride") this.#car.target = this.#setting.roam(this.#car.position);
    });
  }

  #sendFix(): void {
    const { position, headingDegrees, speedMetersPerSecond } = this.#car;
    this.#client.locate({ ...position, headingDegrees, speedMetersPerSecond, accuracyMeters: ACCURACY_METERS });
  }

  #after(cityMs: number, action: () => void): void {
    const timer = this.#setting.clock.after(cityMs, () => {
      this.#timers.delete(timer);
      action();
    });
    this.#timers.add(timer);
  }

  #note(happening: Happening): void {
    this.#setting.log.write(this.#setting.driver.driverId, happening);
  }
}

function isUnderWay({ state }: DriverRide): boolean {
  return state === "assigned" || state === "arrived" || state === "on_trip";
}
