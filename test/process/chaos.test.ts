import { expect, test } from "vitest";
import type { ChaosOptions } from "../../sim/chaos/options.ts";
import { type ChaosReport, chaosLines, doubts } from "../../sim/chaos/report.ts";
import { runChaos } from "../../sim/chaos/run-chaos.ts";
import { temporaryFolder } from "./support.ts";

const KILLS = 10;

function attack(plan: Pick<ChaosOptions, "forMs" | "kills" | "killEveryMs" | "bug">): Promise<ChaosReport> {
  const people = { seed: 7, drivers: 30, riders: 12, killsOnly: false };
  const files = { stateDir: temporaryFolder(), reportFile: null };
  return runChaos({ ...plan, ...people, ...files }, { signal: new AbortController().signal });
}

test("[S1] [S2] [L1] [L2] [L3] ten kills in a row leave nothing broken, lost, open or owed", async () => {
  const report = await attack({ forMs: 400_000, kills: KILLS, killEveryMs: [1_500, 3_000], bug: null });
  const words = chaosLines(report).join("\n");
  expect(report.violations, words).toEqual([]);
  expect(doubts(report), words).toEqual([]);
  // It is only worth something if something happened.
  const { faults, happened, interrupted } = report;
  expect(faults.kills).toBe(KILLS);
  for (const count of [
    faults.wholeKills,
    faults.connectionsCut,
    faults.evicted,
    faults.eventsRepeated,
    happened.won,
    happened.byState.completed,
  ]) {
    expect(count, words).toBeGreaterThan(0);
  }
  expect(happened.shards, words).toBe(4);
  expect(happened.offersAcrossBorders, words).toBeGreaterThan(0);
  expect(interrupted.requests + interrupted.accepts + interrupted.steps + interrupted.cancels, words).toBeGreaterThan(
    0,
  );
});

test("[S1] a Worker that lets two drivers win one ride is convicted by two judges", async () => {
  // Long enough between kills that drivers come to accept the same ride, a few hundred milliseconds apart, again and again.
  const report = await attack({ forMs: 400_000, kills: 4, killEveryMs: [5_000, 7_000], bug: "two-winners" });
  const found = report.violations.map(({ rule, sentence }) => `[${rule}] ${sentence}`);
  expect(found).toContainEqual(expect.stringMatching(/^\[S1\] ride .* had two drivers/));
  expect(found).toContainEqual(expect.stringMatching(/^\[S1\] no order of what was heard explains ride/));
});
