/**
 * One driver: roams, answers offers as his temper says, drives the rides he wins, and goes home when his shift is over.
 * Everything he knows he was told by a shard. What he makes of a ride is drawn from a stream of his own for that ride, so
 * the same driver asked for the same ride in the same situation answers alike under every policy.
 */
import { assert } from "../../src/domain/assert.ts";
import type { Zone } from "../../src/domain/market.ts";
import type { DriverNotice, DriverRide, Holding, OfferCard, TripStep } from "../../src/domain/notice.ts";
import type { LatLng, ShardName } from "../../src/domain/place.ts";
import type { OfferId } from "../../src/domain/ride.ts";
import { localHour, MINUTE_MS } from "../../src/domain/time.ts";
import { shardAt, shardOfRide } from "../../src/routing/shard-map.ts";
import { haversineMeters } from "../../src/spatial/distance.ts";
import { answerOffer, BEHAVIOUR, driverCancel } from "../behaviour.ts";
import { busyPlaceNear } from "../city/demand.ts";
import type { FleetDriver } from "../city/fleet.ts";
import { offerView } from "../city/offer-view.ts";
import { LabCar } from "./lab-car.ts";
import type { LabCity } from "./lab-city.ts";
import { leavePrevious, takeNewest } from "./lab-socket.ts";
import { placeAtZone } from "./zone-waits.ts";

type Doing =
  | { readonly kind: "home" }
  | { readonly kind: "idle" }
  | { readonly kind: "deciding"; readonly offerId: OfferId }
  | { readonly kind: "ride"; readonly ride: DriverRide };

const ACCURACY_METERS = 8;
/** So long before his shift ends he begins to think of home; whether rides bring him there is for the market to say. */
const HOMEWARD_MS = 30 * MINUTE_MS;

export class LabDriver {
  readonly driver: FleetDriver;
  readonly #city: LabCity;
  /** Roaming, parking and shifts: nothing of it depends on how often he is asked. */
  readonly #errands: FleetDriver["random"];
  #doing: Doing = { kind: "home" };
  #car: LabCar;
  #shard: ShardName | null = null;
  #epoch = 0;
  #fixes = 0;
  #tickets = 0;
  #idleSince = 0;
  #shiftEndsAt = 0;
  #hints = 0;
  #homeward: LatLng | undefined = undefined;
  readonly #likesZones: boolean;
  #zone: Zone | null = null;
  /** Rises with whatever makes an earlier intention void. */
  #plan = 0;

  constructor(city: LabCity, driver: FleetDriver) {
    this.#city = city;
    this.driver = driver;
    this.#car = new LabCar(city, driver.speedFactor, driver.start);
    this.#errands = driver.random.fork("errands");
    this.#likesZones = driver.random.fork("zones").next() < city.zoneShare;
  }

  /** He begins to work where he lives. */
  start(): void {
    const { loop, tally } = this.#city;
    this.#car = new LabCar(this.#city, this.driver.speedFactor, this.driver.start);
    this.#shiftEndsAt = loop.now + this.#errands.exponential(BEHAVIOUR.shiftMeanMs);
    tally.online(this.driver.driverId, loop.now);
    this.#becomeIdle();
    this.#attach(shardAt(this.driver.start, this.#city.shardBits));
  }

  /** His turn to say where he is. */
  tick(): void {
    if (this.#doing.kind === "home") return;
    const { loop } = this.#city;
    if (this.#doing.kind === "idle" && loop.now >= this.#shiftEndsAt) return this.#goHome();
    const { driverId, profile } = this.driver;
    this.#turnHomeward();
    this.#city.counts.movements += 1;
    this.#fixes += 1;
    const { position, headingDegrees, speedMetersPerSecond } = this.#car;
    if (this.#zone !== null) this.#city.tally.zones.seen(driverId, profile, this.#zone, position, loop.now);
    const fix = { seq: this.#fixes, position, headingDegrees, speedMetersPerSecond, accuracyMeters: ACCURACY_METERS };
    this.#city
      .shard(this.#shard!)
      .submit({ type: "driver.located", driverId, epoch: this.#epoch, fixes: [{ ...fix, at: loop.now }] });
  }

  hear(notice: DriverNotice, epoch: number): void {
    if (epoch !== this.#epoch || this.#doing.kind === "home") return;
    switch (notice.type) {
      case "welcome":
        return this.#resume(notice.holding);
      case "offer":
        return this.#consider(notice);
      case "offer.closed":
        return this.#forget(notice.offerId);
      case "offer.verdict":
        if (notice.verdict.outcome === "won") return this.#follow(notice.verdict.ride);
        return this.#forget(notice.offerId);
      case "trip.verdict":
        if (notice.verdict.outcome !== "done") return;
        return notice.step === "cancel" ? this.#release(notice.offerId) : this.#follow(notice.verdict.ride);
      case "trip.changed":
        return this.#follow(notice.ride);
      case "hint":
        return this.#takeAdvice(notice);
    }
  }

  /** He has left the cell and is asked to speak to the next shard from now on. */
  moveTo(position: LatLng, epoch: number): void {
    this.#city.soon(() => {
      if (epoch === this.#epoch && this.#doing.kind !== "home") this.#attach(shardAt(position, this.#city.shardBits));
    });
  }

  #attach(shard: ShardName): void {
    const { driverId, profile } = this.driver;
    const opened = takeNewest(this.#city, driverId, shard, ++this.#tickets);
    const { epoch, stats, holding } = opened;
    this.#shard = shard;
    this.#epoch = epoch;
    const endsAt = Number.POSITIVE_INFINITY;
    const session = { driverId, epoch, profile, stats, available: true, destination: this.#homeward, endsAt };
    this.#city.shard(shard).submit({ type: "driver.attached", ...session, holding });
    leavePrevious(this.#city, driverId, shard, opened);
    this.tick();
  }

  #resume(holding: Holding): void {
    if (holding.kind === "offer") this.#consider(holding.offer);
    else if (holding.kind === "ride") this.#follow(holding.ride);
  }

  #turnHomeward(): void {
    if (this.#homeward !== undefined || this.#city.loop.now < this.#shiftEndsAt - HOMEWARD_MS) return;
    this.#homeward = this.driver.start;
    const { driverId } = this.driver;
    const status = { available: true, destination: this.#homeward };
    this.#city.shard(this.#shard!).submit({ type: "driver.available", driverId, epoch: this.#epoch, ...status });
  }

  #goHome(): void {
    const { loop, tally } = this.#city;
    const { driverId } = this.driver;
    const shard = this.#city.shard(this.#shard!);
    tally.offline(driverId, loop.now);
    this.#car.stand();
    tally.wentHome(haversineMeters(this.#car.position, this.driver.start));
    this.#homeward = undefined;
    this.#doing = { kind: "home" };
    this.#replan();
    shard.submit({ type: "driver.detached", driverId, epoch: this.#epoch });
    loop.after(this.#errands.exponential(BEHAVIOUR.restMeanMs), () => this.start());
  }

  #consider(card: OfferCard): void {
    if (this.#doing.kind === "deciding" && this.#doing.offerId === card.offerId) return;
    // The promise that the whole protocol is for; a comparison in which it does not hold would be worth nothing.
    assert(this.#doing.kind === "idle", `S2: ${this.driver.driverId} is ${this.#doing.kind} and is shown an offer`);
    const { offerId, rideId } = card;
    const { loop, plan, tally } = this.#city;
    this.#doing = { kind: "deciding", offerId };
    tally.counts.offers += 1;
    const view = offerView(card, {
      car: this.#car,
      citySpeedMetersPerSecond: plan.citySpeedMetersPerSecond,
      idleSeconds: (loop.now - this.#idleSince) / 1_000,
      hourLocal: localHour(loop.now, plan.utcOffsetMinutes),
      ttlMs: card.ttlMs,
    });
    const answer = answerOffer(this.driver.temper, view, this.driver.random.fork(`answer ${rideId}`));
    if (answer.answer !== "accept") tally.zones.refused(this.driver.driverId, card.pickup);
    if (answer.answer === "ignore") return;
    loop.after(answer.afterMs, () => {
      // A card that was taken away cannot be answered.
      if (this.#doing.kind === "deciding" && this.#doing.offerId === offerId) this.#reply(offerId, answer.answer);
    });
  }

  #reply(offerId: OfferId, said: "accept" | "decline"): void {
    const { driverId } = this.driver;
    const from = { shard: this.#shard!, epoch: this.#epoch };
    this.#city.tally.counts[said === "accept" ? "accepts" : "declines"] += 1;
    const type = said === "accept" ? "offer.accepted" : "offer.declined";
    const answer = this.#city
      .shard(shardOfRide(offerId, this.#city.shardBits)!)
      .submit({ type, offerId, driverId, from });
    assert(answer?.type === "verdict", `${said} of ${offerId} was not judged`);
    const { verdict } = answer;
    this.#city
      .shard(from.shard)
      .submit({ type: "offer.judged", driverId, epoch: from.epoch, cid: "1", offerId, verdict });
  }

  #step(offerId: OfferId, step: TripStep): void {
    const { driverId } = this.driver;
    const from = { shard: this.#shard!, epoch: this.#epoch };
    const shard = this.#city.shard(shardOfRide(offerId, this.#city.shardBits)!);
    // He presses the button where he stands, and an engaged driver's place is believed no older than that.
    this.tick();
    const answer = shard.submit({ type: "trip.stepped", offerId, driverId, from, step });
    assert(answer?.type === "trip", `${step} of ${offerId} was not judged`);
    const { verdict } = answer;
    this.#city
      .shard(from.shard)
      .submit({ type: "trip.judged", driverId, epoch: from.epoch, cid: "1", offerId, step, verdict });
  }

  /** The newest word about a ride of his. */
  #follow(ride: DriverRide): void {
    const { state, offerId } = ride;
    if (ride.next) return this.#follow(ride.next);
    if (state !== "assigned" && state !== "arrived" && state !== "on_trip") return this.#release(offerId);
    const known = this.#doing.kind === "ride" && this.#doing.ride.offerId === offerId ? this.#doing.ride : null;
    if (known !== null && known.version >= ride.version) return;
    this.#doing = { kind: "ride", ride };
    this.#replan();
    if (state === "assigned") this.#driveToPickup(ride);
    else if (state === "on_trip") this.#driveToDropoff(ride);
    else {
      this.#car.stand();
      const { boardingMs } = this.#city.rider(ride.rideId);
      // Nobody comes before the time that he has asked for.
      const earlyMs = Math.max(0, (ride.pickupAt ?? 0) - this.#city.loop.now);
      // Without a rider the shard ends the ride after its own patience, and says so.
      if (boardingMs !== null) this.#intend(earlyMs + boardingMs, () => this.#step(offerId, "start"));
    }
  }

  #driveToPickup({ rideId, offerId, pickup }: DriverRide): void {
    const own = this.driver.random.fork(`way ${rideId}`);
    const lastsMs = this.#car.driveTo(pickup, { traffic: own.normal() });
    const givesBack = driverCancel(own);
    if (givesBack) this.#intend(lastsMs * givesBack.atShareOfWay, () => this.#step(offerId, "cancel"));
    else this.#intend(lastsMs, () => this.#step(offerId, "arrive"));
  }

  #driveToDropoff({ rideId, offerId, dropoff }: DriverRide): void {
    const { traffic } = this.#city.rider(rideId);
    const lastsMs = this.#car.driveTo(dropoff, { traffic, occupied: true });
    this.#intend(lastsMs, () => this.#step(offerId, "complete"));
  }

  #forget(offerId: OfferId): void {
    if (this.#doing.kind === "deciding" && this.#doing.offerId === offerId) this.#doing = { kind: "idle" };
  }

  /** The ride is not his any more. He has become free, and goes on from where he is. */
  #release(offerId: OfferId): void {
    if (this.#doing.kind !== "ride" || this.#doing.ride.offerId !== offerId) return this.#forget(offerId);
    this.#car.stand();
    this.#becomeIdle();
  }

  #becomeIdle(): void {
    this.#doing = { kind: "idle" };
    this.#idleSince = this.#city.loop.now;
    this.#replan();
    this.#lookForWork();
  }

  /** Who likes airports drives to the nearest and waits there as long as he has patience; the others wait where they are. */
  #lookForWork(): void {
    const { zones, loop, tally } = this.#city;
    const { driverId } = this.driver;
    const waiting = this.#likesZones ? placeAtZone(zones, this.#car.position, this.#errands) : null;
    if (waiting === null) return this.#park();
    this.#zone = waiting.zone;
    this.#intend(this.#car.driveTo(waiting.place), () => {
      this.#car.stand();
      this.#intend(this.#errands.exponential(BEHAVIOUR.zonePatienceMeanMs), () => {
        this.#zone = null;
        tally.zones.left(driverId, loop.now);
        this.#park();
      });
    });
  }

  /** He waits a while, then looks for work where people are, and waits there. An offer meanwhile changes nothing of it. */
  #park(): void {
    this.#intend(this.#errands.exponential(BEHAVIOUR.parkedMeanMs), () => {
      const place = busyPlaceNear(this.#city.demand, this.#car.position, this.#errands);
      this.#intend(this.#car.driveTo(place), () => {
        this.#car.stand();
        this.#park();
      });
    });
  }

  /** Where he was told that riders are short of drivers he waits for as long as that was to hold. */
  #takeAdvice({ to, ttlMs }: DriverNotice & { type: "hint" }): void {
    const { loop, tally } = this.#city;
    tally.counts.hints += 1;
    this.#hints += 1;
    const follows = this.driver.random.fork(`hint ${this.#hints}`).next() < BEHAVIOUR.hintFollowedShare;
    if (!follows || this.#doing.kind !== "idle") return;
    this.#replan();
    const until = loop.now + ttlMs;
    this.#intend(this.#car.driveTo(to), () => {
      this.#car.stand();
      this.#intend(Math.max(0, until - loop.now), () => this.#park());
    });
  }

  #replan(): void {
    this.#plan += 1;
    this.#zone = null;
    this.#city.tally.zones.left(this.driver.driverId, this.#city.loop.now);
  }

  /** What he means to do then, unless something else has come up. */
  #intend(afterMs: number, action: () => void): void {
    const plan = this.#plan;
    this.#city.loop.after(afterMs, () => {
      if (this.#plan === plan) action();
    });
  }
}
