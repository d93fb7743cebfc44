/**
 * Runs the core: judge, commit, then speak. That order lives here and nowhere else, for the platform and the simulator
 * alike. Not here: what is decided (`src/matching`), and how rows, calls and sockets are done (the two ports).
 */
import type { Candidate, DriverId } from "../domain/driver.ts";
import type { RideEvent } from "../domain/event.ts";
import type { RideView } from "../domain/notice.ts";
import type { Quote } from "../domain/quote.ts";
import { isTerminal, type Ride, type RideId, type RiderId } from "../domain/ride.ts";
import { type EpochMs, HOUR_MS, MINUTE_MS } from "../domain/time.ts";
import { apply } from "../matching/apply.ts";
import { checkState } from "../matching/check-state.ts";
import type { Answer, Command, Effect, NearbyQuery, QuoteDraft, Write } from "../matching/commands.ts";
import { LIMITS } from "../matching/limits.ts";
import type { LoadSample } from "../matching/overload.ts";
import { candidatesFor } from "../matching/queue-places.ts";
import { finishQuote } from "../matching/quote.ts";
import { quietMs } from "../matching/scheduled.ts";
import { type ShardSetting, ShardState } from "../matching/shard-state.ts";
import { rideView } from "../matching/views.ts";
import { Outbox } from "../outbox/outbox.ts";
import { explainRide } from "./explain.ts";
import type { ShardOutside, ShardStorage } from "./ports.ts";

const PRUNE_EVERY_MS = HOUR_MS;
/** What was learned is written this seldom, and only where an alarm has rung for something else. */
const KEEP_EVERY_MS = 10 * MINUTE_MS;

/** Who asks to see a ride. */
export type Viewer =
  | { readonly role: "rider"; readonly riderId: RiderId }
  | { readonly role: "driver"; readonly driverId: DriverId }
  | { readonly role: "ops" };

export class ShardRuntime {
  readonly #state: ShardState;
  readonly #outbox = new Outbox();
  readonly #storage: ShardStorage;
  readonly #outside: ShardOutside;
  readonly #now: () => EpochMs;
  #alarmAt: EpochMs | null = null;
  #pruneAt: EpochMs | null = null;
  #kept: { readonly learned: number; readonly at: EpochMs } = { learned: 0, at: 0 };

  constructor(setting: ShardSetting, storage: ShardStorage, outside: ShardOutside, now: () => EpochMs) {
    this.#state = new ShardState(setting);
    this.#storage = storage;
    this.#outside = outside;
    this.#now = now;
  }

  /** Takes up where the rows left off. Once, before anything else. */
  start(): void {
    const { rides, offers, highestSeq, unarchived, places, learned, market } = this.#storage.restore();
    const state = this.#state;
    if (market !== null) state.configure(market, this.#now());
    for (const ride of rides) state.admit(ride, []);
    for (const offer of offers) state.admitOffer(offer);
    for (const event of unarchived) {
      state.admitEvent(event);
      this.#outbox.add(event, this.#now());
    }
    for (const { driverId, place } of places) state.places.set(driverId, place);
    if (learned?.travelTimes !== undefined) state.travelTimes.recall(learned.travelTimes);
    if (learned?.lookAhead !== undefined) state.lookAhead.recall(learned.lookAhead);
    this.#kept = { learned: 0, at: this.#now() };
    state.highestSeq = Math.max(state.highestSeq, highestSeq);
    if (highestSeq > 0 || rides.length > 0) this.#pruneAt = this.#now() + PRUNE_EVERY_MS;
    this.submit({ type: "shard.started" });
  }

  /** One command, to its end. Throws when the core or a commit does: memory is then wrong and the object must die. */
  submit(command: Command): Answer | null {
    const now = this.#now();
    const recalled = this.#recall(command);
    const effects = apply(this.#state, now, this.#informed(command, now));
    const writes = effects.filter(isWrite);
    if (writes.length > 0) this.#commit(writes, now);
    let answer: Answer | null = null;
    for (const effect of effects) {
      if (effect.type === "answer") answer = effect.answer;
      else if (!isWrite(effect)) this.#outside.perform(effect, this.#resubmit);
    }
    if (recalled !== null && this.#state.isSettled(recalled)) this.#state.forget(recalled);
    this.#pump(now);
    this.#arm();
    return answer;
  }

  /** The alarm rang. */
  tick(): void {
    const now = this.#now();
    this.#alarmAt = null;
    if (this.#pruneAt !== null && this.#pruneAt <= now) {
      this.#pruneAt = this.#storage.prune(now - LIMITS.retentionMs) ? now + PRUNE_EVERY_MS : null;
    }
    this.#keepLearned(now);
    this.submit({ type: "clock.ticked" });
  }

  /** One beat of the load meter; answers with the level of overload. */
  measure(sample: LoadSample): number {
    this.submit({ type: "load.measured", ...sample });
    return this.#state.overload.level;
  }

  /** A ride as one of its people may see it; null for everybody else, as for a ride that never was. */
  view(rideId: RideId, viewer: Viewer): RideView | null {
    const ride = this.#state.rides.get(rideId) ?? this.#storage.recall(rideId)?.ride;
    return ride !== undefined && maySee(ride, viewer) ? rideView(this.#state, ride, this.#now()) : null;
  }

  /** Why its drivers were asked, also when the ride is over; null for one that has no rows here. */
  explain(rideId: RideId) {
    const found = this.#storage.recall(rideId);
    return found && explainRide(found, this.#storage.readDecisions(rideId));
  }

  /** What happened to a ride since a version, as its rider saw it; null where he may not see it. */
  history(rideId: RideId, viewer: Viewer, afterVersion: number): RideHistory | null {
    const ride = this.#state.rides.get(rideId) ?? this.#storage.recall(rideId)?.ride;
    if (ride === undefined || !maySee(ride, viewer)) return null;
    const events = this.#storage.readEvents(rideId, afterVersion);
    const now = this.#now();
    return {
      over: isTerminal(ride),
      quietMs: quietMs(ride, now),
      events: events.map((event) => ({ event, view: rideView(this.#state, event.ride, now) })),
    };
  }

  /** Says every release again that no lock has acknowledged; answers how many there are. */
  repeatReleases(): number {
    const owed = this.#state.releaseAttempts.size;
    if (owed > 0) this.submit({ type: "releases.repeated" });
    return owed;
  }

  /** Sends all events of these rides again, though history has confirmed them; answers how many. */
  resend(rideIds: readonly RideId[]): number {
    const now = this.#now();
    const events = rideIds.flatMap((rideId) => this.#storage.readEvents(rideId, 0));
    for (const event of events) this.#outbox.add(event, now);
    this.#pump(now);
    this.#arm();
    return events.length;
  }

  nearby(query: NearbyQuery): Candidate[] {
    return [...candidatesFor(this.#state, query, this.#now())];
  }

  /** A draft of this shard with what its neighbours have found. */
  quote(draft: QuoteDraft, strangers: readonly Candidate[]): Quote {
    return finishQuote(draft, strangers);
  }

  /** Drivers who will be taken for dead at the next sweep, unless somebody knows better. */
  *quietDrivers(): Generator<{ readonly driverId: DriverId; readonly epoch: number }> {
    const quietSince = this.#now() - LIMITS.silenceMs + 2 * LIMITS.sweepEveryMs;
    for (const session of this.#state.supply.sessions.values()) if (session.heardAt <= quietSince) yield session;
  }

  get hasRoomForDrivers(): boolean {
    return this.#state.supply.sessions.size < LIMITS.sessions;
  }

  gauges(): Record<string, number> {
    const { supply, openRides, scheduledRides, liveOfferOf, timers, overload } = this.#state;
    return {
      drivers_connected: supply.sessions.size,
      drivers_available: supply.indexed,
      drivers_suspect: supply.suspectsAt(this.#now()),
      rides_open: openRides,
      rides_scheduled: scheduledRides,
      offers_live: liveOfferOf.size,
      timers: timers.size,
      overload_level: overload.level,
      loop_lag_seconds: overload.sample.lagMs / 1_000,
      frames_per_second: overload.sample.framesPerSecond,
      inference_seconds: overload.sample.inferenceMs / 1_000,
      outbox_pending: this.#outbox.size,
      outbox_oldest_seconds: this.#outbox.oldestMs(this.#now()) / 1_000,
    };
  }

  /** For simulations and tests: throws where memory contradicts itself. */
  check(): void {
    checkState(this.#state);
  }

  readonly #resubmit = (command: Command): void => {
    this.submit(command);
  };

  /** Durable before visible. */
  #commit(writes: readonly Write[], now: EpochMs): void {
    this.#storage.commit(writes);
    this.#pruneAt ??= now + PRUNE_EVERY_MS;
    for (const write of writes) {
      if (write.type === "append.event") this.#outbox.add(write.event, now);
      else if (write.type === "mark.archived") this.#outbox.archived(write.eventIds);
    }
  }

  /** A settled ride has left memory; a late question about it is judged on its rows. Returns what must leave again. */
  #recall(command: Command): RideId | null {
    const rideId = rideOf(command);
    if (rideId === null || this.#state.rides.has(rideId)) return null;
    const found = this.#storage.recall(rideId);
    if (found === null) return null;
    this.#state.admit(found.ride, found.offers);
    return rideId;
  }

  #informed(command: Command, now: EpochMs): Command {
    if (command.type !== "ride.requested") return command;
    const { riderId, key } = command;
    const prior = this.#storage.findReply(riderId, key);
    return { ...command, prior, recent: this.#storage.requestsSince(riderId, now - LIMITS.rideRateMs) };
  }

  #keepLearned(now: EpochMs): void {
    const { travelTimes, lookAhead } = this.#state;
    const learned = travelTimes.learned + lookAhead.learned;
    if (learned === this.#kept.learned || now - this.#kept.at < KEEP_EVERY_MS) return;
    this.#storage.keepLearned({ travelTimes: travelTimes.memory(), lookAhead: lookAhead.memory() });
    this.#kept = { learned, at: now };
  }

  #pump(now: EpochMs): void {
    const batch = this.#outbox.take(now);
    if (batch.length === 0) return;
    this.#outside.sendEvents(batch, (sent) => {
      this.#outbox.settled(batch, sent, this.#now());
      this.#pump(this.#now());
      this.#arm();
    });
  }

  /** One alarm for everything that waits. One that rings too early does no harm, so it only ever moves forward. */
  #arm(): void {
    const dues = [this.#state.timers.nextDueAt(), this.#outbox.nextDueAt(), this.#pruneAt].filter((at) => at !== null);
    if (dues.length === 0) return;
    const next = Math.min(...dues);
    if (this.#alarmAt !== null && this.#alarmAt <= next) return;
    this.#alarmAt = next;
    this.#outside.setAlarm(next);
  }
}

export interface RideHistory {
  /** The ride is over: these events are the last. */
  readonly over: boolean;
  /** Nothing is to be heard for so long; null where something may happen at any moment. */
  readonly quietMs: number | null;
  readonly events: readonly { readonly event: RideEvent; readonly view: RideView }[];
}

function isWrite(effect: Effect): effect is Write {
  switch (effect.type) {
    case "save.ride":
    case "save.offer":
    case "save.decision":
    case "append.event":
    case "save.market":
    case "save.place":
    case "save.reply":
    case "mark.archived":
      return true;
    default:
      return false;
  }
}

function rideOf(command: Command): RideId | null {
  switch (command.type) {
    case "ride.cancelled":
    case "ride.rated":
      return command.rideId;
    case "offer.accepted":
    case "offer.declined":
    case "offer.abandoned":
    case "offer.viewed":
    case "trip.stepped":
    case "driver.tracked":
    case "lock.asked":
    case "release.acknowledged":
      return command.offerId.slice(0, command.offerId.lastIndexOf("#")) as RideId;
    default:
      return null;
  }
}

function maySee(ride: Ride, viewer: Viewer): boolean {
  if (viewer.role === "ops") return true;
  if (viewer.role === "rider") return ride.riderId === viewer.riderId;
  return "driverId" in ride && ride.driverId === viewer.driverId;
}
