/**
 * The window of `batched` dispatch: rides whose candidates are ranked wait here for a moment and are decided together.
 * What the plan says becomes the first offer of each; what is left of its ranking is its reserve, so that a refusal is
 * answered at once and not in the next window. How rides and drivers are put together is in batch.ts.
 */
import type { DriverId } from "../domain/driver.ts";
import type { RideId } from "../domain/ride.ts";
import { SECOND_MS } from "../domain/time.ts";
import type { RankedCandidate } from "../ranking/ranked.ts";
import { BatchPlanner, unservedCostSeconds } from "./batch.ts";
import { isLive, type Pursuit, type ShardState, type Turn } from "./shard-state.ts";

/** With so many free candidates for each ride that waits, nobody takes the best driver of another. */
const PLENTY = 8;

/** Nobody on his way is re-planned here, and when a ride has waited long enough is decided below. */
const WAITING = { driver: null, waitedSeconds: 0, exchanges: 0, turnoverSeconds: Number.POSITIVE_INFINITY };

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

/** Decides all that wait, as one. */
export function closeWindow(turn: Turn): void {
  const { shard } = turn;
  shard.timers.clear("batch.window", "");
  const waiting = [...shard.pursuits].filter(([, { phase }]) => phase === "waiting");
  const reserves = waiting.map(([, { reserve }]) =>
    reserve.filter(({ candidate }) => !shard.liveOfferOf.has(candidate.driverId)),
  );
  const first = firstOffers(shard, reserves);
  const taken = new Set(first.values());
  for (const [at, [rideId, pursuit]] of waiting.entries()) {
    const chosen = first.get(at);
    // A ride that was left without one must not take the driver of another, who is asked only after this.
    const rest = reserves[at]!.filter((ranked) => !taken.has(ranked.candidate.driverId));
    const best = reserves[at]!.find((ranked) => ranked.candidate.driverId === chosen);
    pursuit.reserve = best === undefined ? rest : [best, ...rest];
    pursuit.phase = "open";
    turn.touched.add(rideId);
  }
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

/** Whom each ride, by its place in the list, asks first. Rides for which nobody is left are not in it. */
function firstOffers(
  { setting }: ShardState,
  reserves: readonly (readonly RankedCandidate[])[],
): ReadonlyMap<number, DriverId> {
  const { citySpeedMetersPerSecond, dispatch } = setting.market;
  const indexOf = new Map<DriverId, number>();
  const scoresOf = reserves.map(() => new Map<number, number>());
  for (const [ride, reserve] of reserves.entries()) {
    for (const { candidate, score } of reserve) {
      const driver = indexOf.get(candidate.driverId) ?? indexOf.size;
      indexOf.set(candidate.driverId, driver);
      scoresOf[ride]!.set(driver, score);
    }
  }
  const driverIds = [...indexOf.keys()];
  const longestPickupSeconds = dispatch.maximumRadiusMeters / citySpeedMetersPerSecond;
  const { choices } = planner.plan({
    rides: scoresOf.map((scores) => ({ ...WAITING, candidates: [...scores.keys()] })),
    drivers: driverIds.map(() => ({ exchanges: 0, worthSeconds: 0 })),
    unservedSeconds: unservedCostSeconds(longestPickupSeconds, dispatch.matchDeadlineMs / SECOND_MS),
    // A score is in seconds, and what refusals cost is in it already.
    estimate: (ride, driver) => ({ pickupSeconds: scoresOf[ride]!.get(driver)! }),
  });
  return new Map(choices.map(({ ride, driver }) => [ride, driverIds[driver]!]));
}
