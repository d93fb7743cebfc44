/**
 * Counts races as they are seen, and guesses none. A word (accept, step, cancel, reserve ...) is on its way from when it
 * was last said until it is judged. It has raced when meanwhile somebody else's word, or the clock, changed the ride, the
 * offer or the lock that it is about. One word races once at most, against the latest such change.
 */
import type { DriverId } from "../../src/domain/driver.ts";
import type { RideEvent, RideEventType } from "../../src/domain/event.ts";
import type { ShardName } from "../../src/domain/place.ts";
import { isEngaged, type Offer, type Ride } from "../../src/domain/ride.ts";
import type { EpochMs } from "../../src/domain/time.ts";
import type { Command, FromDriver } from "../../src/matching/commands.ts";
import type { LockCommand } from "../../src/matching/driver-lock.ts";
import { rideOfOffer } from "../../src/routing/shard-map.ts";

interface Word {
  /** The ride, or the driver whose lock it is for. */
  readonly about: string;
  readonly by: string;
  readonly kind: string;
  readonly offerId?: string;
}

interface Change {
  readonly by: string;
  readonly kind: string;
  readonly at: EpochMs;
}

/** Who changes a ride by what; null for the clock. A rating changes nothing that anybody contends for. */
const CHANGES: Readonly<
  Record<RideEventType, readonly [kind: string, by: "rider" | "driver" | "new driver" | null] | null>
> = {
  "ride.requested": null,
  "ride.scheduled": null,
  "ride.dispatched": null,
  "ride.assigned": ["accept", "driver"],
  "ride.exchanged": ["take over", "new driver"],
  "ride.arrived": ["arrive", "driver"],
  "ride.started": ["start", "driver"],
  "ride.completed": ["complete", "driver"],
  "ride.redispatched": ["give back", "driver"],
  "ride.cancelled": ["cancel", "rider"],
  "ride.no_show": ["deadline", null],
  "ride.no_driver": ["deadline", null],
  "ride.abandoned": ["deadline", null],
  "ride.rated": null,
};

/** Counted beside the race itself: its two sides spoke through different shards. */
export const ACROSS_SHARDS = "race (of all) across two shards";

export class Races {
  readonly #now: () => EpochMs;
  readonly #count: (name: string) => void;
  readonly #saidAt = new Map<string, EpochMs>();
  /** Newest moment at which any word about this was said that has been judged. */
  readonly #newestSaid = new Map<string, EpochMs>();
  readonly #changes = new Map<string, Change[]>();

  constructor(now: () => EpochMs, count: (name: string) => void) {
    this.#now = now;
    this.#count = count;
  }

  /** Also again: the flight that counts is the last. */
  said(word: Word): void {
    this.#saidAt.set(nameOf(word), this.#now());
  }

  rideChanged({ type, rideId, ride }: RideEvent, before: Ride | undefined): void {
    const change = CHANGES[type];
    if (change === null) return;
    const [kind, who] = change;
    const engaged = before !== undefined && isEngaged(before) && who !== "new driver" ? before : ride;
    const driverId = "driverId" in engaged ? engaged.driverId : "clock";
    this.#changed(rideId, kind, who === "rider" ? ride.riderId : who === null ? "clock" : driverId);
  }

  offerSaved(offer: Offer): void {
    if (offer.state !== "dead") return;
    if (offer.reason === "expired" || offer.reason === "unreachable") this.#changed(offer.id, offer.reason, "clock");
  }

  /** By a ride's shard. */
  answered(command: Command): void {
    const word = wordOf(command);
    if (word === null) return;
    const rival = this.#judged(word, [word.about, word.offerId ?? ""]);
    const elsewhere = "from" in command && !isOfShard(word.about, command.from.shard);
    if (rival !== null && elsewhere) this.#count(ACROSS_SHARDS);
  }

  /** By a driver's lock, which has changed by it or not. */
  lockAnswered(driverId: DriverId, command: LockCommand, changed: boolean): void {
    if (command.type === "detach" || command.type === "asked") return;
    const { type: kind } = command;
    const word =
      kind === "attach" ? { kind, by: command.ticketId } : { kind, by: command.shard, offerId: command.offerId };
    const rival = this.#judged({ about: driverId, ...word }, [driverId]);
    if (kind !== "attach" && rival !== null && rival.kind !== "attach") this.#count(ACROSS_SHARDS);
    if (changed) this.#changed(driverId, kind, word.by);
  }

  #changed(about: string, kind: string, by: string): void {
    const change = { kind, by, at: this.#now() };
    const known = this.#changes.get(about);
    if (known) known.push(change);
    else this.#changes.set(about, [change]);
  }

  /** Whose change it has raced with; null when with nobody's. */
  #judged(word: Word, about: readonly string[]): Change | null {
    const saidAt = this.#saidAt.get(nameOf(word));
    // A copy of what was judged already, or a word that nobody in this world said.
    if (saidAt === undefined) return null;
    this.#saidAt.delete(nameOf(word));
    const newest = this.#newestSaid.get(word.about) ?? 0;
    if (saidAt < newest) this.#count("message overtaken");
    else this.#newestSaid.set(word.about, saidAt);
    const rivals = about.flatMap((thing) => this.#changes.get(thing) ?? []);
    const rival =
      rivals.findLast(({ by, at, kind }) => by !== word.by && at >= saidAt && contend(kind, word.kind)) ?? null;
    if (rival !== null) this.#count(`race ${rival.kind}, then ${word.kind}`);
    return rival;
  }
}

/** What a driver says of an offer, as one word about its ride. */
export function wordOfDriver({ offerId, driverId }: Pick<FromDriver, "offerId" | "driverId">, kind: string): Word {
  return { about: rideOfOffer(offerId), by: driverId, kind, offerId };
}

function isOfShard(rideId: string, shard: ShardName): boolean {
  return shard.endsWith(`:${rideId.slice(0, rideId.indexOf("."))}`);
}

/** At a lock a reserve meets everything, and one attach another; whom a release frees is nothing to an attach. */
function contend(a: string, b: string): boolean {
  const besideReserve = (kind: string) => kind === "release" || kind === "attach";
  return !(besideReserve(a) && besideReserve(b)) || (a === "attach" && b === "attach");
}

function nameOf({ about, by, kind, offerId }: Word): string {
  return `${about} ${by} ${kind} ${offerId}`;
}

/** What a command says about a ride that others may be changing; null for all other commands. */
export function wordOf(command: Command): Word | null {
  switch (command.type) {
    case "ride.cancelled":
      return { about: command.rideId, by: command.riderId, kind: "cancel" };
    case "offer.accepted":
      return wordOfDriver(command, "accept");
    case "offer.declined":
      return wordOfDriver(command, "decline");
    case "trip.stepped":
      return wordOfDriver(command, command.step);
    default:
      return null;
  }
}
