/** One driver: roams, answers offers as his temper says, drives the rides he wins. Everything he knows he was told. */
import { createDriverClient, type DriverClient, type DriverEvent } from "../../client/driver-client.ts";
import type { TokenSource } from "../../client/tokens.ts";
import type { DriverNotice, DriverRide, OfferCard, TripStep } from "../../src/domain/notice.ts";
import type { LatLng } from "../../src/domain/place.ts";
import type { RideId } from "../../src/domain/ride.ts";
import { localHour } from "../../src/ranking/feature-view.ts";
import { bearingDegrees, haversineMeters } from "../../src/spatial/distance.ts";
import { answerOffer, driverCancel } from "../behaviour.ts";
import type { FleetDriver } from "../city/fleet.ts";
import { advance, type Car, createCar } from "../city/movement.ts";
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
  /** Where he looks for work next. */
  readonly roam: () => LatLng;
  /** City time until the rider is in the car; null when he never comes. */
  readonly boarding: (rideId: RideId) => number | null;
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

const PARKED_MEAN_MS = 120_000;
const STEP_RETRY_MS = 5_000;
const ACCURACY_METERS = 8;

export function createLiveDriver(setting: DriverSetting): LiveDriver {
  const { driver, plan, clock, log, measures } = setting;
  const { random, temper } = driver;
  const car: Car = createCar(driver.start);
  const timers = new Set<NodeJS.Timeout>();
  let doing: Doing = { kind: "idle" };
  let idleSince = performance.now();
  let tickedAt = performance.now();
  let online = false;
  let stepping = false;
  let parked = false;

  const client: DriverClient = createDriverClient({
    baseUrl: setting.baseUrl,
    token: setting.token,
    random: random.next,
    position: () => car.position,
    onEvent: hear,
  });

  const note = (happening: Happening): void => log.write(driver.driverId, happening);

  function after(cityMs: number, action: () => void): void {
    const timer = clock.after(cityMs, () => {
      timers.delete(timer);
      action();
    });
    timers.add(timer);
  }

  function hear(event: DriverEvent): void {
    switch (event.type) {
      case "live":
        online = true;
        return resume(event.welcome);
      case "lost":
        if (online) measures.counters.reconnects += 1;
        online = false;
        return;
      case "ended":
        online = false;
        return;
      case "told":
        return told(event.notice);
    }
  }

  /** The server's word about what he holds replaces whatever he believed. */
  function resume({ holding }: Extract<DriverNotice, { type: "welcome" }>): void {
    if (holding.kind === "offer") return consider(holding.offer);
    if (holding.kind === "ride") return follow(holding.ride);
    if (doing.kind === "ride") release(doing.ride);
    else if (doing.kind === "deciding") becomeIdle();
  }

  function told(notice: Extract<DriverEvent, { type: "told" }>["notice"]): void {
    if (notice.type === "offer") return consider(notice);
    if (notice.type === "trip.changed") return follow(notice.ride);
    if (notice.type === "offer.closed") {
      note({ op: "told", type: "closed", offerId: notice.offerId, reason: notice.reason });
      if (doing.kind === "deciding" && doing.card.offerId === notice.offerId) becomeIdle();
    }
  }

  function consider(card: OfferCard): void {
    if (doing.kind === "ride" || (doing.kind === "deciding" && doing.card.offerId === card.offerId)) return;
    measures.counters.offers += 1;
    measures.offerSeen(card.rideId);
    note({ op: "told", type: "offer", offerId: card.offerId, rideId: card.rideId });
    doing = { kind: "deciding", card };
    const answer = answerOffer(temper, viewOf(card), random);
    if (answer.answer === "ignore") return;
    after(answer.afterMs, () => {
      // A card that was taken away cannot be answered.
      if (doing.kind === "deciding" && doing.card.offerId === card.offerId) void reply(card, answer.answer);
    });
  }

  function viewOf(card: OfferCard) {
    const moving = car.target !== null && car.headingDegrees !== null;
    const turn = moving ? Math.abs(bearingDegrees(car.position, card.pickup) - (car.headingDegrees ?? 0)) : null;
    return {
      pickupMeters: card.pickupMeters,
      pickupSeconds: card.pickupMeters / plan.citySpeedMetersPerSecond,
      tripMeters: card.tripMeters,
      fareCents: card.fareCents,
      headingOffDegrees: turn === null ? null : Math.min(turn, 360 - turn),
      idleSeconds: ((performance.now() - idleSince) * clock.speed) / 1_000,
      hourLocal: localHour(Date.now(), plan.utcOffsetMinutes),
      ttlMs: card.ttlMs * clock.speed,
    };
  }

  async function reply({ offerId, rideId }: OfferCard, op: "accept" | "decline"): Promise<void> {
    const saidAt = performance.now();
    note({ op, type: "invoke", offerId, rideId });
    try {
      const verdict = await (op === "accept" ? client.accept(offerId) : client.decline(offerId));
      if (op === "accept") measures.acceptToVerdict.add(performance.now() - saidAt);
      if (verdict.outcome === "won") {
        note({ op, type: "ok", offerId, rideId, outcome: "won" });
        return follow(verdict.ride);
      }
      note({ op, type: "ok", offerId, rideId, outcome: "lost", reason: verdict.reason });
      if (doing.kind === "deciding" && doing.card.offerId === offerId) becomeIdle();
    } catch {
      note({ op, type: "info", offerId, rideId });
    }
  }

  function follow(ride: DriverRide): void {
    const known = doing.kind === "ride" && doing.ride.offerId === ride.offerId ? doing : null;
    if (known && known.ride.version >= ride.version) return;
    if (ride.state !== "assigned" && ride.state !== "arrived" && ride.state !== "on_trip") {
      // News of a ride he has left already says nothing about the one he drives now.
      return known || doing.kind === "deciding" ? release(ride) : undefined;
    }
    const { offerId, rideId, version, state } = ride;
    note({ op: "told", type: "engaged", offerId, rideId, version, state });
    const wayMeters = haversineMeters(car.position, ride.pickup);
    const returned = known ? null : driverCancel(random);
    const returnAtMeters = known?.returnAtMeters ?? (returned ? wayMeters * (1 - returned.atShareOfWay) : null);
    doing = { kind: "ride", ride, returnAtMeters };
    if (state === "assigned") car.target = ride.pickup;
    if (state === "arrived") board(ride);
    if (state === "on_trip") car.target = ride.dropoff;
  }

  function board(ride: DriverRide): void {
    car.target = null;
    const waitMs = setting.boarding(ride.rideId);
    // Without a rider the server ends the ride after its own patience, and says so.
    if (waitMs !== null) after(waitMs / clock.hurry, () => void step(ride, "start"));
  }

  async function step(ride: DriverRide, step: TripStep): Promise<void> {
    if (stepping || doing.kind !== "ride" || doing.ride.offerId !== ride.offerId) return;
    stepping = true;
    const { offerId, rideId } = ride;
    note({ op: "step", type: "invoke", step, offerId, rideId });
    try {
      const verdict = await client.step(offerId, step);
      stepping = false;
      if (verdict.outcome === "done") {
        const { version, state } = verdict.ride;
        note({ op: "step", type: "ok", step, offerId, rideId, version, state });
        return step === "cancel" ? release(verdict.ride) : follow(verdict.ride);
      }
      note({ op: "step", type: "fail", step, offerId, rideId, reason: verdict.state ?? verdict.reason });
      // What he was told about the ride is on its way, or was lost with a connection: then a welcome repeats it.
      after(STEP_RETRY_MS * clock.speed, () => car.target === null && resumeDriving());
    } catch {
      stepping = false;
      note({ op: "step", type: "info", step, offerId, rideId });
    }
  }

  /** A refused step left the car standing: look at the ride again and go on from there. */
  function resumeDriving(): void {
    if (doing.kind !== "ride") return;
    const { ride } = doing;
    if (ride.state === "assigned") car.target = ride.pickup;
    if (ride.state === "arrived") board(ride);
    if (ride.state === "on_trip") car.target = ride.dropoff;
  }

  function release({ offerId, rideId }: Pick<DriverRide, "offerId" | "rideId">): void {
    if (doing.kind === "ride") note({ op: "told", type: "free", offerId, rideId });
    becomeIdle();
  }

  function becomeIdle(): void {
    if (doing.kind === "ride") idleSince = performance.now();
    if (doing.kind !== "deciding") car.target = null;
    doing = { kind: "idle" };
  }

  function tick(): void {
    const now = performance.now();
    const citySeconds = ((now - tickedAt) * clock.speed) / 1_000;
    tickedAt = now;
    const speed = plan.citySpeedMetersPerSecond * driver.speedFactor * (doing.kind === "ride" ? clock.hurry : 1);
    const reached = advance(car, speed, citySeconds);
    if (doing.kind === "ride") onTheWay(doing, reached);
    else if (!car.target && !parked) park();
    if (online) sendFix();
  }

  function onTheWay({ ride, returnAtMeters }: Extract<Doing, { kind: "ride" }>, reached: boolean): void {
    if (reached) return void step(ride, ride.state === "assigned" ? "arrive" : "complete");
    const returns = ride.state === "assigned" && returnAtMeters !== null;
    if (returns && haversineMeters(car.position, ride.pickup) <= returnAtMeters) void step(ride, "cancel");
  }

  function park(): void {
    parked = true;
    after(random.exponential(PARKED_MEAN_MS), () => {
      parked = false;
      if (!car.target && doing.kind !== "ride") car.target = setting.roam();
    });
  }

  function sendFix(): void {
    client.locate({
      lat: car.position.lat,
      lng: car.position.lng,
      headingDegrees: car.headingDegrees,
      speedMetersPerSecond: car.speedMetersPerSecond,
      accuracyMeters: ACCURACY_METERS,
    });
  }

  return {
    start() {
      client.locate({
        ...car.position,
        headingDegrees: null,
        speedMetersPerSecond: 0,
        accuracyMeters: ACCURACY_METERS,
      });
      client.start();
    },
    tick,
    isOnline: () => online,
    isEngaged: () => doing.kind === "ride",
    dropNow() {
      if (doing.kind === "ride" && doing.ride.state === "on_trip") void step(doing.ride, "complete");
    },
    stop() {
      for (const timer of timers) clearTimeout(timer);
      client.stop();
    },
  };
}
