/**
 * Watches the world and believes nobody. It sees what was saved (rows of shards, states of locks) and what was said (to
 * drivers, to riders, between objects), keeps its own books of both, and throws at the first broken promise. The names
 * are those of the protocol's invariants. What people hear is judged in hearing.ts, the end of a run in settlement.ts.
 */
import type { DriverId } from "../../src/domain/driver.ts";
import type { RideEvent, RideEventType } from "../../src/domain/event.ts";
import type { ShardName } from "../../src/domain/place.ts";
import { isEngaged, isTerminal, type Offer, type OfferId, type Ride, type RideId } from "../../src/domain/ride.ts";
import type { EpochMs } from "../../src/domain/time.ts";
import type { Answer, Command, Message, Write } from "../../src/matching/commands.ts";
import type { Decision } from "../../src/matching/decision.ts";
import type { LockCommand, LockState } from "../../src/matching/driver-lock.ts";
import { LIMITS } from "../../src/matching/limits.ts";
import { Exchanges } from "./exchanges.ts";
import { Hearing } from "./hearing.ts";
import { Races } from "./races.ts";
import { promise } from "./violation.ts";

/** From which states a ride may come to this event's state; a rating changes no state. */
const COMES_FROM: Readonly<Record<RideEventType, readonly (Ride["state"] | null)[]>> = {
  "ride.requested": [null],
  "ride.scheduled": [null],
  "ride.dispatched": ["scheduled"],
  "ride.assigned": ["matching"],
  "ride.exchanged": ["assigned"],
  "ride.arrived": ["assigned"],
  "ride.started": ["assigned", "arrived"],
  "ride.completed": ["on_trip"],
  "ride.redispatched": ["assigned", "arrived"],
  "ride.cancelled": ["scheduled", "matching", "assigned", "arrived"],
  "ride.no_show": ["arrived"],
  "ride.no_driver": ["matching", "assigned", "arrived"],
  "ride.abandoned": ["on_trip"],
  "ride.rated": ["completed"],
};

const OFFER_COMES_FROM: Readonly<Record<Offer["state"], readonly (Offer["state"] | null)[]>> = {
  intent: [null],
  offered: ["intent"],
  // Nobody is asked where two swap.
  won: ["offered", null],
  ended: ["won", "ended"],
  dead: ["intent", "offered", "dead"],
};

type LockMessage = Extract<Message, { type: "reserve" | "release" }>;

/** As src/protocol/market.ts has it. */
const LONGEST_HOLD_MS = 120_000;

const NAMES_SOMEBODY = /\b(?:driver|rider)-\d|\.r\d/;

export class Auditor {
  readonly rides = new Map<RideId, Ride>();
  readonly offers = new Map<OfferId, Offer>();
  readonly events = new Map<string, RideEvent>();
  readonly locks = new Map<DriverId, LockState>();
  /** When an offer became dead or ended, by the world's clock. */
  readonly overAt = new Map<OfferId, EpochMs>();
  readonly counts = new Map<string, number>();
  readonly hearing: Hearing;
  readonly races: Races;
  readonly #exchanges = new Exchanges(this.offers, (name) => this.count(name));
  readonly #now: () => EpochMs;
  /** Offered or won, over all shards. An intent holds nobody: two shards may want the same driver. */
  readonly #holdingOf = new Map<DriverId, OfferId>();
  /** Intended or offered. */
  readonly #openOffers = new Set<OfferId>();
  readonly #winnerOf = new Map<RideId, OfferId>();
  readonly #assignedBy = new Map<OfferId, number>();
  readonly #rideUnder = new Map<string, RideId>();
  /** Tickets are minted in the order in which a driver opens sockets. */
  readonly #newestTicket = new Map<DriverId, EpochMs>();
  readonly #newestFix = new Map<string, number>();

  constructor(now: () => EpochMs) {
    this.#now = now;
    this.hearing = new Hearing(this);
    this.races = new Races(now, (name) => this.count(name));
  }

  *openOffers(): Generator<Offer> {
    for (const id of this.#openOffers) yield this.offers.get(id)!;
  }

  count(name: string, by = 1): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + by);
  }

  shardCommitted(shard: ShardName, writes: readonly Write[]): void {
    for (const write of writes) {
      switch (write.type) {
        case "save.ride":
          this.#rideSaved(write.ride);
          break;
        case "save.offer":
          this.#offerSaved(shard, write.offer);
          break;
        case "append.event":
          this.#eventAppended(write.event);
          break;
        case "save.decision":
          this.#decided(write.decision);
          break;
        case "save.reply":
          this.#keyUsed(`${write.riderId}/${write.key}`, write.reply.rideId);
          break;
        case "mark.archived":
          this.count("event archived", write.eventIds.length);
      }
    }
    for (const write of writes) {
      if (write.type === "save.ride") this.#rideStands(write.ride);
      if (write.type === "save.offer") this.#exchanges.stands(write.offer);
    }
  }

  lockCommitted(driverId: DriverId, before: LockState, after: LockState, command: LockCommand): void {
    this.locks.set(driverId, after);
    const epochs = after.epoch - before.epoch;
    promise(
      epochs === 0 || epochs === 1,
      "S9",
      () => `${driverId}'s epoch goes from ${before.epoch} to ${after.epoch}`,
    );
    if (command.type === "release" && command.next && after.holder?.offerId === command.next.offerId)
      this.count("lock handed over");
    if (command.type === "detach" && before.session !== after.session) {
      promise(before.session?.epoch === command.epoch, "S9", () => {
        return `${driverId}'s socket at epoch ${before.session?.epoch} is detached by that of epoch ${command.epoch}`;
      });
    }
    if (command.type === "attach") {
      const newest = this.#newestTicket.get(driverId) ?? 0;
      promise(
        command.ticketExpiresAt > newest,
        "S9",
        () => `${driverId} is at the socket of ${command.ticketId} again`,
      );
      this.#newestTicket.set(driverId, command.ticketExpiresAt);
    }
    const offerId = this.#holdingOf.get(driverId);
    if (offerId !== undefined) this.#held(driverId, offerId);
  }

  answered(command: Command, answer: Answer): void {
    this.count(`answer ${answer.type}`);
    this.races.answered(command);
    this.#exchanges.answered(command, answer);
    if (answer.type === "verdict" && answer.verdict.outcome === "won" && command.type === "offer.accepted") {
      this.#wonAnswered(command.offerId);
    }
    if (answer.type === "trip" && answer.verdict.outcome === "refused" && command.type === "trip.stepped") {
      this.hearing.refused(command.offerId, answer.verdict.state);
    }
    if (command.type === "ride.requested" && answer.type === "ride") {
      this.#keyUsed(`${command.riderId}/${command.key}`, answer.view.id);
    }
  }

  /** Durable before visible: whatever is said must already have been saved. */
  said(shard: ShardName, message: Message): void {
    switch (message.type) {
      case "tell":
      case "push":
        return this.hearing.said(message.driverId, message.notice);
      case "publish.ride": {
        const saved = this.events.get(message.event.id);
        promise(saved === message.event, "S4", () => `${shard} speaks of ${message.event.id} before it is saved`);
        return;
      }
      case "reserve":
        this.#saidToLock(shard, message);
        promise(this.offers.get(message.offerId)?.state === "intent", "S3", () => {
          return `${shard} reserves for ${message.offerId}, which is ${this.offers.get(message.offerId)?.state}`;
        });
        return;
      case "release": {
        this.#saidToLock(shard, message);
        const state = this.offers.get(message.offerId)?.state;
        promise(state === "dead" || state === "ended", "S3", () => `${shard} releases ${message.offerId} (${state})`);
        return;
      }
      case "remember": {
        const { epoch, fix } = message.memory;
        if (fix === null) return;
        const session = `${message.driverId}@${epoch}`;
        const newest = this.#newestFix.get(session) ?? -1;
        promise(fix.seq >= newest, "S9", () => `${session}: fix ${fix.seq} after ${newest}`);
        this.#newestFix.set(session, fix.seq);
        return;
      }
      case "count":
        promise(
          !NAMES_SOMEBODY.test(message.label ?? ""),
          "S10",
          () => `${message.name} is counted by ${message.label}`,
        );
        if (message.name === "offer_event") this.count(`offer ${message.label}`);
        if (message.name === "search") this.count(`search ${message.label}`);
    }
  }

  #saidToLock(by: ShardName, { type: kind, driverId: about, offerId }: LockMessage): void {
    this.races.said({ about, by, kind, offerId });
  }

  #rideSaved(ride: Ride): void {
    const before = this.rides.get(ride.id);
    const version = before?.version ?? 0;
    promise(ride.version === version + 1, "S6", () => `${ride.id} goes from version ${version} to ${ride.version}`);
    if (before !== undefined && isTerminal(before)) {
      promise(ride.state === before.state, "S6", () => `${ride.id} was ${before.state} and is ${ride.state}`);
    }
    this.rides.set(ride.id, ride);
  }

  #eventAppended(event: RideEvent): void {
    const { id, rideId, type, version, ride } = event;
    promise(!this.events.has(id), "S6", () => `${id} happens twice`);
    promise(this.rides.get(rideId) === ride && ride.version === version, "S6", () => `${id} is not what was saved`);
    const before = this.events.get(`${rideId}:${version - 1}`)?.ride.state ?? null;
    promise(COMES_FROM[type].includes(before), "S6", () => `${id}: ${type} of a ride that was ${before}`);
    this.races.rideChanged(event, this.events.get(`${rideId}:${version - 1}`)?.ride);
    this.events.set(id, event);
    this.count(type);
    if (type === "ride.dispatched") this.#dispatched(event);
    if (type === "ride.exchanged") this.#exchanges.happened(event, this.events.get(`${rideId}:${version - 1}`)!.ride);
    // A trip that nobody has ended was driven too (T6).
    if (before === "on_trip" && isTerminal(ride) && "driverId" in ride) this.#exchanges.drove(ride.driverId);
    if ((type === "ride.assigned" || type === "ride.exchanged") && isEngaged(ride)) {
      const times = (this.#assignedBy.get(ride.offerId) ?? 0) + 1;
      this.#assignedBy.set(ride.offerId, times);
      promise(times === 1, "S4", () => `${ride.offerId} is assigned ${times} times`);
    }
  }

  /** P2: not before its time. That it is not forgotten is judged at the end, in settlement.ts. */
  #dispatched({ id, at, ride }: RideEvent): void {
    const soonestAt = ride.request.pickupAt! - LIMITS.leadMostMs;
    promise(at >= soonestAt, "P2", () => `${id} is ${soonestAt - at} ms too early`);
  }

  /** O22: held before anybody is asked, and not for longer than any market may say. */
  #decided({ rideId, offersBefore, at, hold }: Decision): void {
    if (hold === null) return;
    const heldMs = hold.until - this.rides.get(rideId)!.createdAt;
    promise(heldMs <= LONGEST_HOLD_MS, "O22", () => `${rideId} is held for ${heldMs} ms`);
    promise(hold.ended !== null || offersBefore === 0, "O22", () => `${rideId} is held after it was offered, at ${at}`);
  }

  #offerSaved(shard: ShardName, offer: Offer): void {
    const { id, driverId, rideId, state } = offer;
    const before = this.offers.get(id);
    promise(
      OFFER_COMES_FROM[state].includes(before?.state ?? null),
      "S6",
      () => `${id} was ${before?.state}, is ${state}`,
    );
    this.offers.set(id, offer);
    this.races.offerSaved(offer);
    if (state === "intent" || state === "offered") this.#openOffers.add(id);
    else this.#openOffers.delete(id);
    if (state === "won") {
      if (before === undefined) this.#exchanges.swapped(offer);
      else promise(before.state === "offered" && offer.wonAt < before.expiresAt, "S6", () => `${id} is won late`);
      const winner = this.#winnerOf.get(rideId);
      promise(winner === undefined, "S1", () => `${rideId} is won by ${winner} and ${id}`);
      this.#winnerOf.set(rideId, id);
    } else if (this.#winnerOf.get(rideId) === id) this.#winnerOf.delete(rideId);
    if (state === "offered" || state === "won") {
      const other = this.#holdingOf.get(driverId);
      promise(other === undefined || other === id, "S2", () => `${driverId} has ${other} and ${id}, of ${shard}`);
      this.#holdingOf.set(driverId, id);
      this.#held(driverId, id);
    } else if (this.#holdingOf.get(driverId) === id) this.#holdingOf.delete(driverId);
    if ((state === "dead" || state === "ended") && !this.overAt.has(id)) this.overAt.set(id, this.#now());
  }

  /** Judged when all of a commit is in the books: the ride and its winner change together or not at all. */
  #rideStands(ride: Ride): void {
    const winner = this.#winnerOf.get(ride.id);
    const named = isEngaged(ride) ? ride.offerId : undefined;
    promise(winner === named, "S1", () => `${ride.id} is ${ride.state} with ${named}, its winner is ${winner}`);
  }

  /** S3, and more: the lock holds from the offer on, not only from the assignment. */
  #held(driverId: DriverId, offerId: OfferId): void {
    const holder = this.locks.get(driverId)?.holder?.offerId;
    const state = this.offers.get(offerId)?.state;
    // Of a ride that he has swapped: then the lock has yet to hear which other it holds him for.
    if (holder !== undefined && holder === this.#exchanges.swappedFor(offerId)) return;
    promise(holder === offerId, "S3", () => `${offerId} is ${state}, but ${driverId}'s lock holds ${holder}`);
  }

  #wonAnswered(offerId: OfferId): void {
    const state = this.offers.get(offerId)?.state;
    promise(state === "won" || state === "ended", "S4", () => `${offerId} is answered WON and saved as ${state}`);
    promise(this.#assignedBy.get(offerId) === 1, "S4", () => `${offerId} is WON without its assignment`);
  }

  #keyUsed(key: string, rideId: RideId): void {
    const known = this.#rideUnder.get(key) ?? rideId;
    promise(known === rideId, "S8", () => `${key} made ${known} and ${rideId}`);
    this.#rideUnder.set(key, rideId);
  }
}
