/** What must hold of a shard's state at every moment, whatever was said to it. */
import { assert } from "../domain/assert.ts";
import type { DriverId } from "../domain/driver.ts";
import { isEngaged, isTerminal, type RiderId } from "../domain/ride.ts";
import { isLive, type ShardState } from "./shard-state.ts";

/** Throws where the state contradicts itself. For simulations and tests: it looks at everything. */
export function checkState(shard: ShardState): void {
  let [open, scheduled] = [0, 0];
  const askedNow = new Set<RiderId>();
  for (const ride of shard.rides.values()) {
    const offers = shard.offersFor(ride.id);
    const won = offers.filter((offer) => offer.state === "won");
    assert(won.length <= 1, `S1: ${ride.id} has ${won.length} winners`);
    assert(isEngaged(ride) === (won.length === 1), `S1: ${ride.id} is ${ride.state} with ${won.length} winners`);
    if (isEngaged(ride)) assert(won[0]!.id === ride.offerId, `S1: ${ride.id} names an offer that did not win`);
    const others = isEngaged(ride) ? offers.filter((offer) => isLive(offer) && offer.state !== "won") : [];
    const theirs = others.every(({ instead }) => ride.state === "assigned" && instead === ride.offerId);
    assert(theirs, `X3: ${ride.id} is ${ride.state} and is offered to others`);
    if (!isTerminal(ride)) {
      if (ride.state === "scheduled") scheduled++;
      else open++;
      assert(shard.openRidesOf.get(ride.riderId)?.has(ride.id) === true, `${ride.id} is open and not listed`);
      if (ride.request.pickupAt !== undefined) continue;
      assert(!askedNow.has(ride.riderId), `one open ride, but for scheduled ones: ${ride.riderId}`);
      askedNow.add(ride.riderId);
      continue;
    }
    assert(
      offers.every((offer) => !isLive(offer)),
      `S6: ${ride.id} is over with a live offer`,
    );
  }
  assert(open === shard.openRides && scheduled === shard.scheduledRides, "open rides are counted");
  const awaited = new Set<DriverId>();
  for (const [rideId, { phase, hold }] of shard.pursuits) {
    if (phase !== "held") continue;
    assert(hold?.ended === null && shard.timers.has("ride.search", rideId), `O22: ${rideId} is held for ever`);
    assert(!awaited.has(hold.driverId), `O21: two rides are held for ${hold.driverId}`);
    awaited.add(hold.driverId);
  }
  const holders = new Set<DriverId>();
  for (const offer of shard.offers.values()) {
    if (!isLive(offer)) continue;
    assert(!holders.has(offer.driverId), `S2: ${offer.driverId} has two live offers`);
    holders.add(offer.driverId);
    assert(shard.liveOfferOf.get(offer.driverId) === offer.id, `S2: ${offer.id} is live and not listed`);
  }
  assert(holders.size === shard.liveOfferOf.size, "S2: only live offers are listed");
}
