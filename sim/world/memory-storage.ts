/** A shard's rows in memory, with the constraints of the schema in durable-objects/ports/sql-storage.ts. */
import type { DriverId } from "../../src/domain/driver.ts";
import type { RideEvent } from "../../src/domain/event.ts";
import type { ConfiguredMarket } from "../../src/domain/market-hours.ts";
import { isTerminal, type Offer, type OfferId, type Ride, type RideId, type RiderId } from "../../src/domain/ride.ts";
import type { EpochMs } from "../../src/domain/time.ts";
import type { PriorReply, StoredReply, Write } from "../../src/matching/commands.ts";
import type { Decision } from "../../src/matching/decision.ts";
import type { QueuePlace } from "../../src/matching/queue-zones.ts";
import type { Learned, RecalledRide, RestoredShard, ShardStorage } from "../../src/shard/ports.ts";

interface EventRow {
  readonly event: RideEvent;
  archived: boolean;
}

export class MemoryStorage implements ShardStorage {
  readonly rides = new Map<RideId, Ride>();
  readonly offers = new Map<OfferId, Offer>();
  readonly #offersOf = new Map<RideId, OfferId[]>();
  readonly #events = new Map<RideId, EventRow[]>();
  /** By how many offers the ride had before. */
  readonly #decisions = new Map<RideId, ReadonlyMap<number, Decision>>();
  readonly #replies = new Map<string, StoredReply>();
  readonly #requestedAt = new Map<RiderId, EpochMs[]>();
  /** Rides and offers that a start must read: found here as the platform's partial indexes find them. */
  readonly #open = new Set<RideId>();
  readonly #unreleased = new Set<OfferId>();
  readonly #unarchived = new Map<string, EventRow>();
  readonly #winnerOf = new Map<RideId, OfferId>();
  readonly #liveOf = new Map<DriverId, OfferId>();
  readonly #openOf = new Map<RiderId, RideId>();
  readonly #places = new Map<DriverId, QueuePlace>();
  #highestSeq = 0;
  #learned: Learned | null = null;
  #market: ConfiguredMarket | null = null;

  restore(): RestoredShard {
    const needed = new Set(this.#open);
    for (const id of this.#unreleased) needed.add(this.offers.get(id)!.rideId);
    for (const { event } of this.#unarchived.values()) needed.add(event.rideId);
    const recalled = [...needed].sort().map((rideId) => this.recall(rideId)!);
    const unarchived = [...this.#unarchived.values()].map(({ event }) => event);
    return {
      rides: recalled.map(({ ride }) => ride),
      offers: recalled.flatMap(({ offers }) => offers),
      highestSeq: this.#highestSeq,
      unarchived: unarchived.sort((a, b) => (a.id < b.id ? -1 : 1)),
      places: [...this.#places].map(([driverId, place]) => ({ driverId, place })),
      learned: this.#learned,
      market: this.#market,
    };
  }

  keepLearned(learned: Learned): void {
    this.#learned = learned;
  }

  /** All or nothing: a write that the schema refuses, or a death half-way, takes the ones before it back. */
  commit(writes: Iterable<Write>): void {
    const undo: (() => void)[] = [];
    try {
      for (const write of writes) this.#write(write, undo);
    } catch (error) {
      for (const back of undo.reverse()) back();
      throw error;
    }
  }

  recall(rideId: RideId): RecalledRide | null {
    const ride = this.rides.get(rideId);
    if (ride === undefined) return null;
    return { ride, offers: (this.#offersOf.get(rideId) ?? []).map((id) => this.offers.get(id)!) };
  }

  readDecisions(rideId: RideId): Decision[] {
    const decisions = [...(this.#decisions.get(rideId)?.values() ?? [])];
    return decisions.sort((a, b) => a.offersBefore - b.offersBefore);
  }

  findReply(riderId: RiderId, key: string): PriorReply | null {
    const reply = this.#replies.get(`${riderId}/${key}`);
    const first = reply && this.#events.get(reply.rideId)?.[0];
    return reply && first ? { ...reply, ride: first.event.ride } : null;
  }

  requestsSince(riderId: RiderId, since: EpochMs): EpochMs[] {
    return (this.#requestedAt.get(riderId) ?? []).filter((at) => at > since);
  }

  readEvents(rideId: RideId, afterVersion: number): RideEvent[] {
    const rows = this.#events.get(rideId) ?? [];
    return rows.filter(({ event }) => event.version > afterVersion).map(({ event }) => event);
  }

  prune(before: EpochMs): boolean {
    for (const ride of [...this.rides.values()]) {
      if (!isTerminal(ride) || ride.endedAt >= before) continue;
      const offers = this.#offersOf.get(ride.id) ?? [];
      const events = this.#events.get(ride.id) ?? [];
      if (offers.some((id) => this.#unreleased.has(id)) || events.some(({ archived }) => !archived)) continue;
      for (const id of offers) this.offers.delete(id);
      for (const [key, reply] of this.#replies) if (reply.rideId === ride.id) this.#replies.delete(key);
      this.#offersOf.delete(ride.id);
      this.#decisions.delete(ride.id);
      this.#events.delete(ride.id);
      this.rides.delete(ride.id);
    }
    return [...this.rides.values()].some(isTerminal);
  }

  *unarchived(): Generator<RideEvent> {
    for (const { event } of this.#unarchived.values()) yield event;
  }

  /** Live offers, and those that are over and whose release is not acknowledged. */
  unreleased(): Iterable<OfferId> {
    return this.#unreleased;
  }

  #write(write: Write, undo: (() => void)[]): void {
    switch (write.type) {
      case "save.ride":
        return this.#saveRide(write.ride, undo);
      case "save.offer":
        return this.#saveOffer(write.offer, undo);
      case "save.decision": {
        const { decision } = write;
        const decisions = new Map(this.#decisions.get(decision.rideId));
        return put(this.#decisions, decision.rideId, decisions.set(decision.offersBefore, decision), undo);
      }
      case "append.event":
        return this.#appendEvent(write.event, undo);
      case "save.place": {
        const { driverId, place } = write;
        if (place !== null) return put(this.#places, driverId, place, undo);
        if (this.#places.has(driverId)) take(this.#places, driverId, undo);
        return;
      }
      case "save.market": {
        const before = this.#market;
        this.#market = write.configured;
        undo.push(() => {
          this.#market = before;
        });
        return;
      }
      case "save.reply": {
        const key = `${write.riderId}/${write.key}`;
        refuse(this.#replies.has(key), `a second reply under ${key}`);
        this.#replies.set(key, write.reply);
        const requestedAt = this.#requestedAt.get(write.riderId) ?? [];
        this.#requestedAt.set(write.riderId, [...requestedAt, write.at]);
        undo.push(() => {
          this.#replies.delete(key);
          this.#requestedAt.set(write.riderId, requestedAt);
        });
        return;
      }
      case "mark.archived":
        for (const id of write.eventIds) {
          const row = this.#unarchived.get(id);
          if (row === undefined) continue;
          row.archived = true;
          this.#unarchived.delete(id);
          undo.push(() => {
            row.archived = false;
            this.#unarchived.set(id, row);
          });
        }
    }
  }

  #saveRide(ride: Ride, undo: (() => void)[]): void {
    const open = !isTerminal(ride);
    const only = open && ride.request.pickupAt === undefined;
    const other = this.#openOf.get(ride.riderId);
    refuse(only && other !== undefined && other !== ride.id, `${ride.riderId} has ${other} and ${ride.id} open`);
    put(this.rides, ride.id, ride, undo);
    if (only) put(this.#openOf, ride.riderId, ride.id, undo);
    else if (other === ride.id) take(this.#openOf, ride.riderId, undo);
    mark(this.#open, ride.id, open, undo);
  }

  #saveOffer(offer: Offer, undo: (() => void)[]): void {
    const { id, rideId, driverId, seq } = offer;
    const winner = this.#winnerOf.get(rideId);
    refuse(
      offer.state === "won" && winner !== undefined && winner !== id,
      `S1: one_winner: ${rideId} has ${winner}, ${id}`,
    );
    const live = offer.state === "intent" || offer.state === "offered" || offer.state === "won";
    const other = this.#liveOf.get(driverId);
    refuse(live && other !== undefined && other !== id, `S2: one_live_per_driver: ${driverId} has ${other}, ${id}`);
    if (!this.offers.has(id)) {
      refuse(seq <= this.#highestSeq, `seq ${seq} of ${id} was given before`);
      const highest = this.#highestSeq;
      this.#highestSeq = seq;
      put(this.#offersOf, rideId, [...(this.#offersOf.get(rideId) ?? []), id], undo);
      undo.push(() => {
        this.#highestSeq = highest;
      });
    }
    put(this.offers, id, offer, undo);
    if (offer.state === "won") put(this.#winnerOf, rideId, id, undo);
    else if (winner === id) take(this.#winnerOf, rideId, undo);
    if (live) put(this.#liveOf, driverId, id, undo);
    else if (other === id) take(this.#liveOf, driverId, undo);
    const over = offer.state === "dead" || offer.state === "ended";
    mark(this.#unreleased, id, !(over && offer.released), undo);
  }

  #appendEvent(event: RideEvent, undo: (() => void)[]): void {
    const rows = this.#events.get(event.rideId) ?? [];
    refuse(
      rows.some((row) => row.event.version === event.version),
      `event ${event.id} exists`,
    );
    const row = { event, archived: false };
    put(this.#events, event.rideId, [...rows, row], undo);
    put(this.#unarchived, event.id, row, undo);
  }
}

function refuse(broken: boolean, message: string): void {
  if (broken) throw new Error(`schema refused: ${message}`);
}

function put<K, V>(map: Map<K, V>, key: K, value: V, undo: (() => void)[]): void {
  const old = map.get(key);
  map.set(key, value);
  undo.push(() => (old === undefined ? map.delete(key) : map.set(key, old)));
}

function take<K, V>(map: Map<K, V>, key: K, undo: (() => void)[]): void {
  const old = map.get(key)!;
  map.delete(key);
  undo.push(() => map.set(key, old));
}

function mark<T>(set: Set<T>, item: T, present: boolean, undo: (() => void)[]): void {
  if (set.has(item) === present) return;
  if (present) set.add(item);
  else set.delete(item);
  undo.push(() => (present ? set.delete(item) : set.add(item)));
}
