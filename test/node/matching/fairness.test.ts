import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Candidate } from "../../../src/domain/driver.ts";
import { MINUTE_MS } from "../../../src/domain/time.ts";
import { bonusSeconds, fairly } from "../../../src/matching/fairness.ts";
import type { RankedCandidate } from "../../../src/ranking/ranked.ts";
import { explainRide } from "../../../src/shard/explain.ts";
import { at, driverId, ofType, ShardKit } from "./shard-kit.ts";

const FAIR = { fairnessSeconds: 60, fairnessAfterMs: 10 * MINUTE_MS };

describe("a fair order", () => {
  test("[F1] takes nothing off before the time, all at twice the time, and in between the more the longer", () => {
    const minutes = [0, 9, 10, 15, 20, 600].map((minute) => bonusSeconds(FAIR, minute * MINUTE_MS));
    expect(minutes).toEqual([0, 0, 0, 30, 60, 60]);
  });

  test("[F1] never puts a driver first who costs more than the best and the whole bonus", () => {
    const Driver = fc.record({
      score: fc.integer({ min: 0, max: 900 }),
      idleMs: fc.integer({ min: 0, max: 3_600_000 }),
    });
    fc.assert(
      fc.property(fc.array(Driver, { minLength: 1 }), (drivers) => {
        const sorted = drivers.toSorted((a, b) => a.score - b.score);
        const order = sorted.map(({ score, idleMs }, row): RankedCandidate => {
          return { candidate: { idleMs } as Candidate, score, acceptProbability: null, row };
        });
        const fair = fairly(order, FAIR);
        expect(fair.map(({ row }) => row).sort((a, b) => a - b)).toEqual(order.map(({ row }) => row));
        expect(order[fair[0]!.row]!.score).toBeLessThanOrEqual(order[0]!.score + 60);
        for (const { row, score, candidate } of fair) {
          expect(score).toBe(order[row]!.score - bonusSeconds(FAIR, candidate.idleMs));
        }
        expect(fairly(order, { ...FAIR, fairnessSeconds: 0 })).toEqual(order);
      }),
    );
  });
});

describe("a shard that is fair", () => {
  /** Ann has waited for twenty minutes; bob, who has just come, is 40 s nearer. */
  function annHasWaited(fairnessSeconds: number): ShardKit {
    const kit = new ShardKit({ ...FAIR, kind: "sequential", fairnessSeconds });
    kit.driver("ann", 400);
    for (let minute = 0; minute < 60; minute++) {
      kit.wait(20_000);
      kit.locate("ann", at(400));
    }
    kit.driver("bob", 240);
    return kit;
  }

  test("[F1] asks who has waited long before who is little nearer, and says in the decision what that was worth", () => {
    const kit = annHasWaited(60);
    kit.request("rita");
    expect(kit.offersOf().map((offer) => offer.driverId)).toEqual(["ann"]);
    const [decision] = kit.rows.decisions.values();
    const [ann, bob] = decision!.candidates;
    expect([ann!.driverId, ann!.fairnessSeconds, bob!.fairnessSeconds]).toEqual(["ann", 60, 0]);
    expect(ann!.score).toBeCloseTo(ann!.pickupSeconds - 60, 9);
    const { decisions } = explainRide({ ride: kit.ride(), offers: kit.offersOf() }, [decision!]);
    expect(decisions[0]!.candidates[0]).toMatchObject({ fairnessSeconds: 60, refusalSeconds: expect.closeTo(0, 9) });
  });

  test.each([0, 30])("[F1] asks the nearer one where waiting is worth %i s", (fairnessSeconds) => {
    const kit = annHasWaited(fairnessSeconds);
    kit.request("rita");
    expect(kit.offersOf().map((offer) => offer.driverId)).toEqual(["bob"]);
  });
});

describe("how long a driver has waited", () => {
  const idleOf = (kit: ShardKit, name: string) => kit.now - kit.shard.supply.sessions.get(driverId(name))!.idleSince;

  test("[D18] counts on through offers that came to nothing, and anew from the end of a ride", () => {
    const kit = new ShardKit({ waveSize: 2 });
    kit.driver("ann", 100);
    kit.driver("bob", 200);
    kit.wait(5_000);
    kit.request("rita");
    expect(ofType(kit.effects, "reserve")).toHaveLength(2);
    kit.wait(1_000);
    kit.accept("ann");
    expect(idleOf(kit, "bob")).toBe(6_000);
    kit.wait(1_000);
    kit.step("ann", "arrive");
    kit.step("ann", "start");
    kit.step("ann", "complete");
    kit.wait(2_000);
    expect(idleOf(kit, "ann")).toBe(2_000);
    expect(idleOf(kit, "bob")).toBe(9_000);
  });
});
