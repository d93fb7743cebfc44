/** One small test for each bug that a world found, so that its reason is written down where no seed can lose it. */
import { describe, expect, test } from "vitest";
import { applyToLock, type LockState, NEW_LOCK } from "../../src/matching/driver-lock.ts";
import { LIMITS } from "../../src/matching/limits.ts";
import {
  answerIn,
  at,
  DISPATCH,
  driverId,
  ELSEWHERE,
  HERE,
  ofType,
  rideIdOf,
  riderId,
  ShardKit,
  START,
  toldTo,
} from "../node/matching/shard-kit.ts";

describe("the simulation found that", () => {
  test("[S5] a driver who says no to what he has won is told that it is his, not that it is lost", () => {
    const kit = new ShardKit();
    kit.assigned("ann");
    const declined = kit.say({ type: "offer.declined", ...kit.from("ann") });
    expect(answerIn(declined, "verdict").verdict).toMatchObject({ outcome: "won", ride: { state: "assigned" } });
    kit.step("ann", "start");
    kit.step("ann", "complete");
    const late = kit.say({ type: "offer.declined", ...kit.from("ann") });
    expect(answerIn(late, "verdict").verdict).toMatchObject({ outcome: "won", ride: { state: "completed" } });
  });

  test("[S5] a shard that only holds the socket cannot say that an offer of another shard is lost", () => {
    const kit = new ShardKit();
    kit.driver("ann", 100);
    const offerId = `${ELSEWHERE.slice(5)}.00000000000000000000000001#1` as ReturnType<typeof kit.offerTo>["id"];
    const rideId = offerId.slice(0, -2) as ReturnType<typeof kit.ride>["id"];
    const card = {
      offerId,
      rideId,
      pickup: at(0),
      dropoff: at(900),
      pickupMeters: 100,
      pickupSeconds: 30,
      tripMeters: 900,
      fareCents: 700,
      currency: "USD",
      vehicleType: "economy",
      ttlMs: 10_000,
    } as const;
    kit.say({ type: "driver.told", driverId: driverId("ann"), epoch: 1, notice: { type: "offer", ...card } });
    const effects = kit.wait(card.ttlMs + LIMITS.heldGraceMs);
    expect(toldTo(effects, "ann").map(({ type }) => type)).not.toContain("offer.closed");
    expect(kit.shard.supply.sessions.get(driverId("ann"))?.held).toBeNull();
  });

  test("[S5] a step under a dead offer does not hear how the ride fares with somebody else", () => {
    const kit = new ShardKit({ waveSize: 2 });
    kit.driver("ann", 100);
    kit.driver("bob", 200);
    kit.request("rita");
    kit.accept("bob");
    const stepped = kit.say({ type: "trip.stepped", ...kit.from("ann"), step: "arrive" });
    expect(kit.ride().state).toBe("assigned");
    expect(answerIn(stepped, "trip").verdict).toEqual({
      outcome: "refused",
      reason: "wrong_state",
      state: "matching",
    });
  });

  test("[S5] an offer that arrives again after its accept leaves the driver engaged", () => {
    const kit = new ShardKit();
    kit.assigned("ann");
    const offered = toldTo(kit.effects, "ann").find((notice) => notice.type === "offer")!;
    const again = kit.say({ type: "driver.told", driverId: driverId("ann"), epoch: 1, notice: offered });
    expect(answerIn(again, "pushed").outcome).toBe("sent");
    expect(toldTo(again, "ann")).toEqual([]);
    kit.wait(DISPATCH.offerTtlMs + LIMITS.heldGraceMs);
    expect(kit.shard.supply.sessions.get(driverId("ann"))?.held?.kind).toBe("engaged");
  });

  test("[O16] a driver whose ride ended unheard is told so before he is asked about another", () => {
    const kit = new ShardKit();
    kit.assigned("ann");
    const offerId = `${ELSEWHERE.slice(5)}.00000000000000000000000001#1` as ReturnType<typeof kit.offerTo>["id"];
    const rideId = offerId.slice(0, -2) as ReturnType<typeof kit.ride>["id"];
    const card = { ...toldTo(kit.effects, "ann").find((notice) => notice.type === "offer")!, offerId, rideId };
    const asked = kit.say({ type: "driver.told", driverId: driverId("ann"), epoch: 1, notice: card });
    expect(answerIn(asked, "pushed").outcome).toBe("no_socket");
    expect(toldTo(asked, "ann")).toEqual([]);
    expect(kit.shard.supply.sessions.get(driverId("ann"))?.held?.kind).toBe("engaged");
  });

  test("[T8] a step's verdict that the end of the ride has overtaken does not give a driver his ride back for good", () => {
    const kit = new ShardKit();
    kit.assigned("ann");
    const step = "arrive";
    const { verdict } = answerIn(kit.say({ type: "trip.stepped", ...kit.from("ann"), step }), "trip");
    kit.say({ type: "ride.cancelled", rideId: rideIdOf(0), riderId: riderId("rita") });
    const late = { driverId: driverId("ann"), epoch: 1, cid: "c1", offerId: kit.offerTo("ann").id } as const;
    kit.say({ type: "trip.judged", ...late, step, verdict });
    const [asked] = ofType(kit.locate("ann", at(100)), "track");
    const { engaged, ride } = answerIn(kit.say({ ...asked!, type: "driver.tracked" }), "tracked");
    const told = kit.say({ type: "track.answered", driverId: late.driverId, offerId: late.offerId, engaged, ride });
    expect(toldTo(told, "ann")).toContainEqual(
      expect.objectContaining({ ride: expect.objectContaining({ state: "cancelled_by_rider" }) }),
    );
    expect(kit.shard.supply.sessions.get(driverId("ann"))?.held).toBeNull();
  });

  test("[L5] an attach that was lost on the way does not take the place of the one that came after it", () => {
    const attach = (ticketId: string, ticketExpiresAt: number) =>
      ({ type: "attach", shard: HERE, ticketId, ticketExpiresAt }) as const;
    const newest = applyToLock(NEW_LOCK, START, attach("second", START + 30_000)).state;
    const late = applyToLock(newest, START + 2_000, attach("first", START + 27_000));
    expect(late).toEqual({ state: newest, answer: { type: "replayed" } });
    const expired = applyToLock(newest, START + 90_000, attach("first", START + 27_000));
    expect(expired.answer).toEqual({ type: "replayed" });
  });

  test("[L5] a ticket from a clock that runs far ahead does not lock its driver out", () => {
    const ahead: LockState = { ...NEW_LOCK, tickets: { odd: START + 3_600_000 } };
    const attach = { type: "attach", shard: HERE, ticketId: "good", ticketExpiresAt: START + 30_000 } as const;
    expect(applyToLock(ahead, START, attach).answer.type).toBe("attached");
  });
});
