/**
 * The window of `batched` dispatch: rides whose candidates are ranked wait here for a moment and are decided together.
 * What the plan says becomes the first offer of each; what is left of its ranking is its reserve, so that a refusal is
 * answered at once and not in the next window. How rides and drivers are put together is in batch.ts.
 */
import type { DriverId } from "../domain/driver.ts";
import type { AssignedRide, MatchingRide, RideId } from "../domain/ride.ts";
import type { RankedCandidate } from "../ranking/ranked.ts";
import { BatchPlanner } from "./batch.ts";
import { saveDecision } from "./decision.ts";
import { type Approach, approachOf, offerInstead } from "./exchange.ts";
import { turnoverOf } from "./recent-rides.ts";
import { isLive, type Pursuit, type ShardState, type Turn } from "./shard-state.ts";
import { unservedSecondsIn, type Worth, worthOf } from "./window-worth.ts";

/** With so many free candidates for each ride that waits, nobody takes the best driver of another. */
const PLENTY = 8;

/**
 * A ride that waits. When it has waited long enough is decided below; and who comes free next is not asked: to count on a
 * later exchange before anybody has said yes left riders without a driver longer.
 */
const HERE_AND_NOW = { waitedSeconds: 0, turnoverSeconds: Number.POSITIVE_INFINITY };

/** A ride of the plan: whom it may ask, best first, and whom it has already. */
interface Wish {
  readonly ride: MatchingRide | AssignedRide;
  readonly pursuit: Pursuit;
  readonly reserve: readonly RankedCandidate[];
  readonly present: Approach | null;
}

const planner = new BatchPlanner();

/** The ride is ranked: it waits until the window closes, which is at once where there are drivers enough. */
export function joinWindow(turn: Turn, rideId: RideId, pursuit: Pursuit): void {
  const { shard, now } = turn;
  pursuit.phase = "waiting";
  shard.timers.clear("ride.search", rideId);
  const openMs = windowMs(shard);
  if (openMs === 0) closeWindow(turn);
  else if (!shard.timers.has("batch.window", "")) shard.timers.set("batch.window", "", now + openMs);
}

/** Decides all that wait, as one, and those whose driver is on his way and for whom a nearer one was found. */
export function closeWindow(turn: Turn): void {
  const { shard } = turn;
  shard.timers.clear("batch.window", "");
  const wishes = [...wishesOfWaiting(shard), ...wishesOfDriven(turn)];
  const worth = worthIn(turn, wishes);
  const first = firstOffers(turn, wishes, worth);
  const taken = new Set(first.values());
  for (const [at, { ride, pursuit, present }] of wishes.entries()) {
    saveDecision(turn, ride, pursuit, worth);
    const best = pursuit.reserve.find(({ candidate }) => candidate.driverId === first.get(at));
    if (present !== null) {
      if (best !== undefined) offerInstead(turn, ride.id, pursuit, best);
      continue;
    }
    // A ride that was left without one must not take the driver of another, who is asked only after this.
    const rest = pursuit.reserve.filter(({ candidate }) => !taken.has(candidate.driverId));
    pursuit.reserve = best === undefined ? rest : [best, ...rest];
    pursuit.phase = "open";
    turn.touched.add(ride.id);
  }
}

function wishesOfWaiting(shard: ShardState): Wish[] {
  return [...shard.pursuits].flatMap(([rideId, pursuit]) => {
    if (pursuit.phase !== "waiting") return [];
    const ride = shard.rides.get(rideId) as MatchingRide;
    return [{ ride, pursuit, reserve: freeOf(shard, pursuit), present: null }];
  });
}

/** Of those ranked, who has not been asked by another ride meanwhile. */
function freeOf(shard: ShardState, { reserve }: Pursuit): RankedCandidate[] {
  return reserve.filter(({ candidate }) => !shard.liveOfferOf.has(candidate.driverId));
}

/** Asked once: who is not exchanged now waits for the next driver who comes free. */
function wishesOfDriven({ shard, now }: Turn): Wish[] {
  return [...shard.nearer].flatMap(([rideId, pursuit]) => {
    if (pursuit.phase !== "waiting") return [];
    shard.nearer.delete(rideId);
    const ride = shard.rides.get(rideId) as AssignedRide;
    const present = approachOf(shard, ride, now);
    if (present === null) return [];
    // However much the first may be missed where he is, no rider loses him to one who is farther.
    const isNearer = ({ candidate }: RankedCandidate) => candidate.pickupSeconds < present.seconds;
    return [{ ride, pursuit, reserve: freeOf(shard, pursuit).filter(isNearer), present }];
  });
}

/** Nobody takes a ride for another kind of car, so each kind is weighed by itself. */
function worthIn({ shard, now }: Turn, wishes: readonly Wish[]): Worth {
  const kinds = Map.groupBy(wishes, ({ ride }) => ride.request.vehicleType);
  const worths = [...kinds].flatMap(([vehicleType, alike]) => {
    const candidates = alike.flatMap(({ reserve }) => reserve.map(({ candidate }) => candidate));
    const onTheirWay = alike.flatMap(({ present }) => {
      return present === null ? [] : [{ driverId: present.offer.driverId, position: present.position }];
    });
    return [...worthOf(shard, now, { vehicleType, candidates, onTheirWay })];
  });
  return new Map(worths);
}

/**
 * Nothing where there are drivers enough, or nothing to choose between: a single free driver is the nearest ride's at
 * once. Else the longer the scarcer drivers are. Waiting costs every rider its length, and gains only where one would
 * have taken another's driver.
 */
function windowMs(shard: ShardState): number {
  let rides = 0;
  const free = new Set<DriverId>();
  for (const [rideId, { reserve }] of shard.pursuits) {
    if (shard.offersFor(rideId).some(isLive)) continue;
    rides++;
    for (const { candidate } of reserve) if (!shard.liveOfferOf.has(candidate.driverId)) free.add(candidate.driverId);
  }
  if (rides < 2 || free.size < 2) return 0;
  const shortage = 1 - Math.min(1, free.size / (PLENTY * rides));
  return Math.round(shortage * shard.setting.market.dispatch.batchWindowMs);
}

/** Whom each ride, by its place in the list, asks first. Rides that ask nobody are not in it. */
function firstOffers({ shard, now }: Turn, wishes: readonly Wish[], worth: Worth): ReadonlyMap<number, DriverId> {
  const indexOf = new Map<DriverId, number>();
  const exchanges: number[] = [];
  const enter = (driverId: DriverId, times: number) => {
    const driver = indexOf.get(driverId) ?? indexOf.size;
    indexOf.set(driverId, driver);
    exchanges[driver] ??= times;
    return driver;
  };
  // A score is in seconds, and what refusals cost and places are worth is in it; who is on his way has accepted.
  const secondsOf = wishes.map(({ reserve }) => {
    return new Map(reserve.map(({ candidate, score }) => [enter(candidate.driverId, 0), score]));
  });
  const driven = wishes.flatMap(({ ride, present }) => (present === null ? [] : [ride.request]));
  const turnover = turnoverOf(shard, now, driven).values();
  const rides = wishes.map(({ present }, ride) => {
    const candidates = [...secondsOf[ride]!.keys()];
    if (present === null) return { ...HERE_AND_NOW, candidates, driver: null, exchanges: 0 };
    const driver = enter(present.offer.driverId, present.offer.exchangesOfDriver);
    secondsOf[ride]!.set(driver, present.seconds);
    const turnoverSeconds = turnover.next().value!;
    return { waitedSeconds: 0, turnoverSeconds, candidates, driver, exchanges: present.exchanges };
  });
  const driverIds = [...indexOf.keys()];
  const { choices } = planner.plan({
    rides,
    drivers: driverIds.map((driverId, driver) => {
      return { exchanges: exchanges[driver]!, worthSeconds: worth.get(driverId) ?? 0 };
    }),
    unservedSeconds: unservedSecondsIn(shard.setting),
    estimate: (ride, driver) => ({ pickupSeconds: secondsOf[ride]!.get(driver)! }),
  });
  return new Map(choices.map(({ ride, driver }) => [ride, driverIds[driver]!]));
}
