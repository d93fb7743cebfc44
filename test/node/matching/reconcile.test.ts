import { describe, expect, test } from "vitest";
import type { Offer, OfferId, Ride, WonOffer } from "../../../src/domain/ride.ts";
import { HOUR_MS } from "../../../src/domain/time.ts";
import { rowViolations, winnerViolations } from "../../../src/matching/reconcile.ts";
import { driverId, ShardKit } from "./shard-kit.ts";

/** The rows of a shard in which Ann has won a ride, as the core left them. */
function assigned() {
  const kit = new ShardKit();
  kit.driver("bob", 200);
  kit.assigned("ann");
  const offers = () => [...kit.rows.offers.values()];
  const winner = offers().find((offer) => offer.state === "won")!;
  const ride = [...kit.rows.rides.values()][0]!;
  return { kit, ride, winner, offers };
}
const live = (offers: readonly Offer[]) => offers.filter(({ state }) => state !== "dead" && state !== "ended");
const names = (violations: readonly { name: string }[]) => violations.map(({ name }) => name);

describe("the rows of a shard", () => {
  test("are in order after everything that the core does", () => {
    const { kit, ride, offers } = assigned();
    expect(rowViolations([ride], live(offers()), kit.now)).toEqual([]);
  });

  test("[W3] break S1 with two winners, with none, and with another than the ride names", () => {
    const { kit, ride, winner } = assigned();
    const second: Offer = { ...winner, id: `${ride.id}#99` as OfferId, driverId: driverId("bob") };
    const judge = (offers: readonly Offer[]) => rowViolations([ride], offers, kit.now);
    expect(judge([winner, second])).toEqual([{ name: "S1", rideId: ride.id, offerId: second.id }]);
    expect(judge([])).toEqual([{ name: "S1", rideId: ride.id, offerId: winner.id }]);
    expect(judge([second])).toEqual([{ name: "S1", rideId: ride.id, offerId: second.id }]);
    // The ride is over, or was never here, and an offer of it is won.
    expect(names(rowViolations([], [winner], kit.now))).toEqual(["S1"]);
  });

  test("[W3] break S2 with two live offers of one driver", () => {
    const { kit, ride, winner } = assigned();
    const { wonAt: _, ...base } = winner;
    const other: Offer = {
      ...base,
      id: "dr5ru.other#7" as OfferId,
      rideId: "dr5ru.other" as Ride["id"],
      state: "intent",
    };
    expect(rowViolations([ride], [winner, other], kit.now)).toEqual([
      { name: "S2", rideId: other.rideId, offerId: other.id },
    ]);
  });

  test("[W3] break L1 where an offer or a search is two hours past its end, and not a moment before", () => {
    const { kit, winner } = assigned();
    const { wonAt: _, ...base } = winner;
    const intent: Offer = { ...base, state: "intent" };
    const offered: Offer = { ...base, state: "offered", expiresAt: kit.now };
    const matching = { id: winner.rideId, state: "matching", deadlineAt: kit.now } as Ride;
    const later = (rides: readonly Ride[], offers: readonly Offer[], ms: number) =>
      names(rowViolations(rides, offers, kit.now + ms));
    expect(later([], [offered], 2 * HOUR_MS)).toEqual([]);
    expect(later([], [offered], 2 * HOUR_MS + 1)).toEqual(["L1"]);
    expect(later([], [intent], 2 * HOUR_MS)).toEqual([]);
    expect(later([], [intent], 2 * HOUR_MS + 5_001)).toEqual(["L1"]);
    expect(later([matching], [], 2 * HOUR_MS)).toEqual([]);
    expect(later([matching], [], 2 * HOUR_MS + 1)).toEqual(["L1"]);
  });
});

describe("a won offer and its driver's lock", () => {
  const { winner } = assigned();
  const ended: Offer = { ...winner, state: "ended", endedAt: 1, released: false, exchanged: false };
  const other = "dr5ru.other#7" as OfferId;
  const judge = (holds: OfferId | null, otherAlive: boolean, after: Offer | null = winner) =>
    names(winnerViolations(winner as WonOffer, { holds, otherAlive }, after));

  test("[W2] agree when it holds exactly that", () => {
    expect(judge(winner.id, false)).toEqual([]);
  });

  test("[W2] break S3 when it holds nobody or a dead offer, and S2 as well when the other is alive", () => {
    expect(judge(null, false)).toEqual(["S3"]);
    expect(judge(other, false)).toEqual(["S3"]);
    expect(judge(other, true)).toEqual(["S3", "S2"]);
  });

  test("[W2] break nothing when the offer was over by the time the lock had answered", () => {
    expect(judge(null, false, ended)).toEqual([]);
    expect(judge(other, true, ended)).toEqual([]);
    expect(judge(other, true, null)).toEqual([]);
  });
});
