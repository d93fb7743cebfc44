/**
 * The one door into the core. Synchronous and pure but for the state it is given: time comes in as `now`, and whatever
 * takes time or may fail leaves as an effect, whose answer comes back as a command and is judged by what it then finds.
 */
import { assertNever } from "../domain/assert.ts";
import { notBeforePickup, type OfferVerdict, type Ride } from "../domain/ride.ts";
import type { EpochMs } from "../domain/time.ts";
import { abandonOffer, acceptOffer, declineOffer, viewOffer } from "./assignment.ts";
import { closeWindow } from "./batch-window.ts";
import type { Command, CommandOf, Effect } from "./commands.ts";
import {
  candidatesRanked,
  makeOffers,
  neighboursFound,
  pursue,
  searchTimerFired,
  wakeNearestRide,
} from "./dispatch.ts";
import { seekNearer } from "./exchange.ts";
import {
  askLock,
  intentTimedOut,
  offerExpired,
  release,
  releaseAcknowledged,
  reserveAnswered,
  unreachable,
} from "./offer.ts";
import { nextOverload } from "./overload.ts";
import { bringPlace, forgetPlace, resumePlaces, tellStandings } from "./queue-places.ts";
import { draftQuote } from "./quote.ts";
import { cancelRide, deadlinePassed, rateRide, requestRide } from "./request.ts";
import { awaitSearch, dispatchScheduled } from "./scheduled.ts";
import {
  attachDriver,
  detachDriver,
  forgetHeld,
  giveUpOnReturn,
  hearDriver,
  hearTrackAnswer,
  hearTripVerdict,
  hearVerdict,
  locateDriver,
  setAvailable,
  supersedeDriver,
  sweep,
  tellDriver,
  wakeDriver,
} from "./sessions.ts";
import { type ShardState, Turn } from "./shard-state.ts";
import { planSwaps } from "./swap.ts";
import type { TimerKind } from "./timers.ts";
import { trackFromElsewhere } from "./tracking.ts";
import { pickupWatched, riderDidNotShow, stepTrip, tripAbandoned } from "./trip.ts";

/** Judges one command. The caller commits the writes among the effects before it says any of the messages. */
export function apply(shard: ShardState, now: EpochMs, command: Command): Effect[] {
  const turn = new Turn(shard, now);
  shard.liveAt(now);
  judge(turn, command);
  for (const session of turn.freed) if (!wakeNearestRide(turn, session)) seekNearer(turn, session);
  for (const rideId of turn.touched) {
    makeOffers(turn, rideId);
    if (shard.isSettled(rideId)) shard.forget(rideId);
  }
  return turn.effects;
}

function judge(turn: Turn, command: Command): void {
  switch (command.type) {
    case "shard.started":
      return resume(turn);
    case "clock.ticked":
      return tick(turn);
    case "load.measured":
      return measureLoad(turn, command);
    case "market.configured":
      return configureMarket(turn, command);
    case "ride.requested":
      return requestRide(turn, command);
    case "quote.asked":
      return draftQuote(turn, command);
    case "ride.cancelled":
      return cancelRide(turn, command);
    case "ride.rated":
      return rateRide(turn, command);
    case "offer.accepted":
      return acceptOffer(turn, command);
    case "offer.declined":
      return declineOffer(turn, command);
    case "offer.abandoned":
      return abandonOffer(turn, command);
    case "offer.viewed":
      return viewOffer(turn, command);
    case "trip.stepped":
      return stepTrip(turn, command);
    case "driver.tracked":
      return trackFromElsewhere(turn, command);
    case "neighbours.found":
      return neighboursFound(turn, command);
    case "candidates.ranked":
      return candidatesRanked(turn, command);
    case "reserve.answered":
      return reserveAnswered(turn, command);
    case "push.answered":
      return command.outcome === "no_socket" ? unreachable(turn, command.offerId) : undefined;
    case "release.acknowledged":
      return releaseAcknowledged(turn, command.offerId);
    case "track.answered":
      return hearTrackAnswer(turn, command);
    case "lock.asked":
      return turn.answer({ type: "lock", verdict: verdictOn(turn, command.offerId) });
    case "releases.repeated":
      for (const offerId of [...turn.shard.releaseAttempts.keys()]) release(turn, offerId);
      return;
    case "events.archived":
      return archive(turn, command.eventIds);
    case "driver.attached":
      return attachDriver(turn, command);
    case "driver.woken":
      return wakeDriver(turn, command);
    case "driver.located":
      return locateDriver(turn, command);
    case "driver.heard":
      return hearDriver(turn, command);
    case "driver.available":
      return setAvailable(turn, command);
    case "driver.detached":
      return detachDriver(turn, command);
    case "driver.superseded":
      return supersedeDriver(turn, command);
    case "driver.told": {
      const sent = tellDriver(turn, command.driverId, command.epoch, command.notice);
      return turn.answer({ type: "pushed", outcome: sent ? "sent" : "no_socket" });
    }
    case "place.brought":
      return bringPlace(turn, command);
    case "offer.judged":
      return hearVerdict(turn, command);
    case "trip.judged":
      return hearTripVerdict(turn, command);
    default:
      return assertNever(command);
  }
}

/** After a start the rows are all there is: every lock that may be held is asked or released, every watch set anew. */
function resume(turn: Turn): void {
  const { shard } = turn;
  for (const offer of shard.offers.values()) {
    if (offer.state === "intent") askLock(turn, offer.id);
    else if (offer.state === "offered") shard.timers.set("offer.expiry", offer.id, offer.expiresAt);
    else release(turn, offer.id);
  }
  for (const ride of shard.rides.values()) watchAgain(turn, ride);
  resumePlaces(turn);
}

function watchAgain(turn: Turn, ride: Ride): void {
  const { shard, now } = turn;
  const { noShowMs, pickupWatchMs, tripWatchMs } = shard.setting.market.dispatch;
  if (ride.state === "scheduled") awaitSearch(turn, ride);
  else if (ride.state === "matching") pursue(turn, ride);
  else if (ride.state === "assigned") shard.timers.set("ride.pickup_watch", ride.id, now + pickupWatchMs);
  else if (ride.state === "arrived")
    shard.timers.set("ride.no_show", ride.id, notBeforePickup(ride.request, ride.arrivedAt) + noShowMs);
  else if (ride.state === "on_trip") shard.timers.set("ride.trip_watch", ride.id, ride.startedAt + tripWatchMs);
}

/** Presumed abort: an offer that nobody here remembers is dead. */
function verdictOn({ shard }: Turn, offerId: Parameters<ShardState["offers"]["get"]>[0]): OfferVerdict {
  const offer = shard.offers.get(offerId);
  // A lock that has not heard that its driver has another ride instead holds him rightly; the release says which.
  if (offer?.state === "ended" && offer.exchanged) return shard.heirOf(offer) === null ? "exchanged" : "hold";
  const state = offer?.state;
  return state === "intent" || state === "offered" || state === "won" ? "hold" : "dead";
}

function measureLoad(turn: Turn, { lagMs, framesPerSecond, inferenceMs }: CommandOf<"load.measured">): void {
  const { shard, now } = turn;
  const { level } = shard.overload;
  shard.overload = nextOverload(shard.overload, { lagMs, framesPerSecond, inferenceMs }, now);
  if (shard.overload.level !== level) turn.count("overload", `level-${shard.overload.level}`);
}

/** From the next decision on. Whoever was promised something by an older version keeps it: fares and deadlines are rows. */
function configureMarket(turn: Turn, { configured }: CommandOf<"market.configured">): void {
  const { shard, now } = turn;
  if (configured.version <= shard.configured.version) return;
  shard.configure(configured, now);
  turn.effects.push({ type: "save.market", configured });
}

function archive(turn: Turn, eventIds: readonly string[]): void {
  const { shard } = turn;
  turn.effects.push({ type: "mark.archived", eventIds });
  for (const eventId of eventIds) {
    const rideId = eventId.slice(0, eventId.lastIndexOf(":")) as Ride["id"];
    const waiting = shard.unarchived.get(rideId);
    waiting?.delete(eventId);
    if (waiting?.size === 0) shard.unarchived.delete(rideId);
    if (shard.rides.has(rideId)) turn.touched.add(rideId);
  }
}

function tick(turn: Turn): void {
  for (;;) {
    const timer = turn.shard.timers.take(turn.now);
    if (timer === null) return;
    fire(turn, timer.kind, timer.key);
  }
}

function fire(turn: Turn, kind: TimerKind, key: string): void {
  const rideId = key as Ride["id"];
  const offerId = key as Parameters<typeof offerExpired>[1];
  const driverId = key as Parameters<typeof giveUpOnReturn>[1];
  switch (kind) {
    case "ride.dispatch":
      return dispatchScheduled(turn, rideId);
    case "ride.deadline":
      return deadlinePassed(turn, rideId);
    case "ride.search":
      return searchTimerFired(turn, rideId);
    case "ride.silence":
      turn.touched.add(rideId);
      return;
    case "batch.window":
      return closeWindow(turn);
    case "swap":
      return planSwaps(turn);
    case "ride.pickup_watch":
      return pickupWatched(turn, rideId);
    case "ride.no_show":
      return riderDidNotShow(turn, rideId);
    case "ride.trip_watch":
      return tripAbandoned(turn, rideId);
    case "offer.intent":
      return intentTimedOut(turn, offerId);
    case "offer.expiry":
      return offerExpired(turn, offerId);
    case "offer.release":
      return release(turn, offerId);
    case "driver.return":
      return giveUpOnReturn(turn, driverId);
    case "driver.held":
      return forgetHeld(turn, driverId);
    case "queue.place":
      return forgetPlace(turn, driverId);
    case "queue.tell":
      return tellStandings(turn);
    case "sweep":
      return sweep(turn);
    default:
      return assertNever(kind);
  }
}
