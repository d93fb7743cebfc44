/** All that one shard knows. Rides and offers mirror the rows; supply, pursuits and tracks are soft and may be lost. */
import { assert } from "../domain/assert.ts";
import type { Candidate, DriverId, Fix } from "../domain/driver.ts";
import type { RideEvent, RideEventType } from "../domain/event.ts";
import type { Market } from "../domain/market.ts";
import { AS_DEPLOYED, type ConfiguredMarket, hourOfWeek, marketInHour } from "../domain/market-hours.ts";
import type { CellPrefix, ShardName } from "../domain/place.ts";
import {
  isTerminal,
  type Offer,
  type OfferId,
  type Ride,
  type RideId,
  type RiderId,
  type WonOffer,
} from "../domain/ride.ts";
import type { EpochMs } from "../domain/time.ts";
import type { Ranked, RankedCandidate } from "../ranking/ranked.ts";
import type { Answer, CounterName, Effect, FromDriver, SessionAddress } from "./commands.ts";
import type { Sifted } from "./decision.ts";
import type { Hold } from "./forward.ts";
import { LookAhead } from "./look-ahead.ts";
import { AT_EASE, type Overload } from "./overload.ts";
import type { QueuePlace } from "./queue-zones.ts";
import { QuoteRate } from "./quote-rate.ts";
import { RecentRidesByType } from "./recent-rides.ts";
import { RecentWishes } from "./recent-wishes.ts";
import { type Session, Supply } from "./supply.ts";
import { NO_SURGE, type Surge } from "./tariff.ts";
import { Timers } from "./timers.ts";
import { TravelTimes } from "./travel-times.ts";
import { rideView } from "./views.ts";

/** What does not change while the object lives, but for the market's settings. */
export interface ShardSetting {
  readonly name: ShardName;
  readonly cell: CellPrefix;
  /** As it was deployed; in a shard's state, as it is configured for the present hour. */
  readonly market: Market;
  readonly topSpeedMetersPerSecond: number;
  readonly fixEveryMs: number;
  /** Seconds that cars live through in one of the clock's; 1 but in a simulated city that is in a hurry. */
  readonly clockSpeed: number;
}

/** How the search for a driver of one waiting ride stands. */
export interface Pursuit {
  /** Searches so far, this one included. */
  wave: number;
  /** Answers that carry another number belong to a search that is over. */
  searchId: number;
  radiusMeters: number;
  /** Whose queue was asked; null where those who are near were. */
  zone: string | null;
  searchedAt: EpochMs;
  phase: "searching" | "ranking" | "held" | "waiting" | "open";
  /** Found here, while the neighbours are asked. */
  local: readonly Candidate[];
  /** Who was found and is not among those who are ranked. */
  sifted: Sifted;
  /** What `reserve` comes of; null until it is ranked. */
  ranked: Ranked | null;
  /** Ranked and not asked yet, best first. */
  reserve: RankedCandidate[];
  /** For whom the ride is held back, or was: it is once. */
  hold: Hold | null;
}

/** Where an assigned driver was last, and how near he has come. */
export interface Track {
  fix: Fix;
  nearestMeters: number;
  /** When he was last seen to do what he should: come nearer, or wait at the pickup. */
  progressAt: EpochMs;
}

export class ShardState {
  readonly rides = new Map<RideId, Ride>();
  readonly offers = new Map<OfferId, Offer>();
  readonly offersOfRide = new Map<RideId, OfferId[]>();
  /** Offers of this shard that hold, or are about to hold, a driver. */
  readonly liveOfferOf = new Map<DriverId, OfferId>();
  /** Of each rider who has any: the rides that are not over, scheduled ones too. */
  readonly openRidesOf = new Map<RiderId, ReadonlySet<RideId>>();
  /** Events of a ride that the history has not confirmed. */
  readonly unarchived = new Map<RideId, Set<string>>();
  readonly pursuits = new Map<RideId, Pursuit>();
  /** Where a driver is on his way and a nearer one is looked for. */
  readonly nearer = new Map<RideId, Pursuit>();
  readonly tracks = new Map<RideId, Track>();
  /** Where the driver of an offer was last known to have his socket. */
  readonly addressOf = new Map<OfferId, SessionAddress>();
  /** Drivers whose socket closed in the middle of an offer, until they are back or it is too late. */
  readonly departed = new Map<DriverId, FromDriver>();
  /** In the queues of zones; rows, as rides and offers are. */
  readonly places = new Map<DriverId, QueuePlace>();
  readonly releaseAttempts = new Map<OfferId, number>();
  readonly timers = new Timers();
  readonly supply = new Supply();
  /** For hints; nobody is noted where there are none. */
  readonly wishes = new RecentWishes();
  readonly recentRides = new RecentRidesByType();
  readonly travelTimes: TravelTimes;
  readonly lookAhead: LookAhead;
  readonly quoteRate = new QuoteRate();
  overload: Overload = AT_EASE;
  surge: Surge = NO_SURGE;
  /** Without those that are only scheduled. */
  openRides = 0;
  scheduledRides = 0;
  highestSeq = 0;

  readonly #deployed: Market;
  #setting: ShardSetting;
  #configured: ConfiguredMarket = AS_DEPLOYED;
  /** Of the local week, for which `#setting` holds. */
  #hour: number | null = null;

  constructor(setting: ShardSetting) {
    this.#deployed = setting.market;
    this.#setting = setting;
    this.travelTimes = new TravelTimes(setting.market);
    this.lookAhead = new LookAhead(setting.market);
  }

  get setting(): ShardSetting {
    return this.#setting;
  }

  get configured(): ConfiguredMarket {
    return this.#configured;
  }

  configure(configured: ConfiguredMarket, now: EpochMs): void {
    this.#configured = configured;
    this.#hour = null;
    this.liveAt(now);
  }

  /** Puts in force what the market's configuration says for this hour. */
  liveAt(now: EpochMs): void {
    const hour = hourOfWeek(now, this.#deployed.utcOffsetMinutes);
    if (hour === this.#hour) return;
    this.#hour = hour;
    const market = marketInHour(this.#deployed, this.#configured.configuration, hour);
    this.#setting = { ...this.#setting, market };
  }

  /** Takes in rows: at start everything that is open, later a settled ride that somebody asks about. */
  admit(ride: Ride, offers: readonly Offer[]): void {
    if (this.rides.has(ride.id)) return;
    this.place(ride);
    for (const offer of offers) this.admitOffer(offer);
  }

  /** In place of what it was before: whoever counts rides, or looks for those of a rider, finds it as it is now. */
  place(ride: Ride): void {
    const before = this.rides.get(ride.id);
    if (before !== undefined) this.#count(before, -1);
    this.rides.set(ride.id, ride);
    this.#count(ride, 1);
  }

  #count(ride: Ride, by: 1 | -1): void {
    if (isTerminal(ride)) return;
    if (ride.state === "scheduled") this.scheduledRides += by;
    else this.openRides += by;
    const others = [...(this.openRidesOf.get(ride.riderId) ?? [])].filter((rideId) => rideId !== ride.id);
    const open = by === 1 ? [...others, ride.id] : others;
    if (open.length > 0) this.openRidesOf.set(ride.riderId, new Set(open));
    else this.openRidesOf.delete(ride.riderId);
  }

  admitOffer(offer: Offer): void {
    const known = this.offersOfRide.get(offer.rideId);
    if (known) known.push(offer.id);
    else this.offersOfRide.set(offer.rideId, [offer.id]);
    this.offers.set(offer.id, offer);
    if (isLive(offer)) this.liveOfferOf.set(offer.driverId, offer.id);
    this.highestSeq = Math.max(this.highestSeq, offer.seq);
  }

  /** An event that the history has yet to confirm. */
  admitEvent({ rideId, id }: RideEvent): void {
    const waiting = this.unarchived.get(rideId);
    if (waiting) waiting.add(id);
    else this.unarchived.set(rideId, new Set([id]));
  }

  offersFor(rideId: RideId): Offer[] {
    return (this.offersOfRide.get(rideId) ?? []).map((id) => this.offers.get(id)!);
  }

  /** Those of this rider that are not over, scheduled ones too. */
  openRidesFor(riderId: RiderId): Ride[] {
    return Array.from(this.openRidesOf.get(riderId) ?? [], (rideId) => this.rides.get(rideId)!);
  }

  /** An offer, if it was made to this driver; null tells a stranger no more than a wrong guess would. */
  offerFor(offerId: OfferId, driverId: DriverId): Offer | null {
    const offer = this.offers.get(offerId);
    return offer?.driverId === driverId ? offer : null;
  }

  /** What the driver of this offer has for it since he swapped rides; null where he did not, or has left that one too. */
  heirOf(offer: Offer): WonOffer | null {
    const heir = offer.state === "ended" && offer.next && this.offers.get(offer.next.offerId);
    return heir && heir.state === "won" ? heir : null;
  }

  /** Nothing of it is still to be done: the rows answer whoever asks later. */
  isSettled(rideId: RideId): boolean {
    const ride = this.rides.get(rideId);
    if (ride === undefined || !isTerminal(ride) || this.unarchived.has(rideId)) return false;
    return this.offersFor(rideId).every(
      (offer) => (offer.state === "dead" || offer.state === "ended") && offer.released,
    );
  }

  forget(rideId: RideId): void {
    for (const offerId of this.offersOfRide.get(rideId) ?? []) {
      this.offers.delete(offerId);
      this.addressOf.delete(offerId);
      this.releaseAttempts.delete(offerId);
    }
    this.offersOfRide.delete(rideId);
    this.rides.delete(rideId);
    this.tracks.delete(rideId);
    this.pursuits.delete(rideId);
    this.nearer.delete(rideId);
  }
}

export function isLive(offer: Offer): boolean {
  return offer.state === "intent" || offer.state === "offered" || offer.state === "won";
}

/** One command being judged: the state it finds, the moment it is, and what comes of it. */
export class Turn {
  readonly effects: Effect[] = [];
  /** Rides that this command has changed, or whose offers it has. */
  readonly touched = new Set<RideId>();
  /** Drivers who have just become candidates. */
  readonly freed: Session[] = [];
  readonly shard: ShardState;
  readonly now: EpochMs;

  constructor(shard: ShardState, now: EpochMs) {
    this.shard = shard;
    this.now = now;
  }

  answer(answer: Answer): void {
    this.effects.push({ type: "answer", answer });
  }

  count(name: CounterName, label: string): void {
    this.effects.push({ type: "count", name, label });
  }

  saveOffer(offer: Offer): void {
    const { shard } = this;
    shard.offers.set(offer.id, offer);
    if (isLive(offer)) shard.liveOfferOf.set(offer.driverId, offer.id);
    else if (shard.liveOfferOf.get(offer.driverId) === offer.id) shard.liveOfferOf.delete(offer.driverId);
    this.touched.add(offer.rideId);
    this.effects.push({ type: "save.offer", offer });
  }

  /** The only way a ride changes: one version up, one event in the outbox, the rider told (S4, S6). */
  changeRide(next: Ride, type: RideEventType): void {
    const { shard, now } = this;
    const before = shard.rides.get(next.id);
    assert(
      next.version === (before?.version ?? 0) + 1,
      `S6: ${next.id} goes from ${before?.version} to ${next.version}`,
    );
    assert(before === undefined || !isTerminal(before) || type === "ride.rated", `S6: ${next.id} is over`);
    shard.place(next);
    if (shard.setting.market.dispatch.hintEveryMs > 0) shard.wishes.note(next, before, now);
    shard.recentRides.note(next, before, now);
    this.touched.add(next.id);
    const event: RideEvent = {
      id: `${next.id}:${next.version}`,
      type,
      rideId: next.id,
      version: next.version,
      at: now,
      ride: next,
    };
    shard.admitEvent(event);
    this.effects.push(
      { type: "save.ride", ride: next },
      { type: "append.event", event },
      { type: "publish.ride", rideId: next.id, event, view: rideView(shard, next, now) },
    );
    this.count("ride_event", type);
  }
}
