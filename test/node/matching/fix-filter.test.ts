import { describe, expect, test } from "vitest";
import type { Fix } from "../../../src/domain/driver.ts";
import { isSuspect, type JumpRecord, judgeFix, NO_JUMPS } from "../../../src/matching/fix-filter.ts";
import { LIMITS } from "../../../src/matching/limits.ts";
import { at, START } from "./shard-kit.ts";

const TOP_SPEED = 70;
const fixAt = (seq: number, meters: number, seconds: number, change: Partial<Fix> = {}): Fix => ({
  seq,
  position: at(meters),
  headingDegrees: null,
  speedMetersPerSecond: null,
  accuracyMeters: 10,
  at: START + seconds * 1_000,
  ...change,
});

/** Feeds fixes as a session does; returns what became of each and what is believed in the end. */
function feed(fixes: readonly Fix[], start: Fix | null = fixAt(1, 0, 0)) {
  let last = start;
  let jumps: JumpRecord = NO_JUMPS;
  const outcomes = fixes.map((fix) => {
    const judged = judgeFix(last, jumps, fix, fix.at, TOP_SPEED);
    if (judged.outcome === "refused") return judged.reason;
    jumps = judged.jumps;
    if (judged.outcome === "accepted") last = fix;
    return judged.outcome;
  });
  return { outcomes, last, jumps };
}

describe("a fix", () => {
  test("[D7] [S9] that is repeated or out of order is dropped, within a batch and after it", () => {
    const { outcomes, last } = feed([fixAt(5, 10, 1), fixAt(5, 20, 2), fixAt(4, 30, 3), fixAt(6, 40, 4)]);
    expect(outcomes).toEqual(["accepted", "repeated", "repeated", "accepted"]);
    expect(last?.seq).toBe(6);
  });

  test.each([
    [200, "accepted"],
    [200.1, "inaccurate"],
    [9_999, "inaccurate"],
  ])("[D7] accurate to %d m is %s", (accuracyMeters, outcome) => {
    expect(feed([fixAt(2, 10, 1, { accuracyMeters })]).outcomes).toEqual([outcome]);
  });

  test.each([
    [60_000, "accepted"],
    [60_001, "refused"],
  ])("[D7] %d ms old on arrival is %s", (ageMs, outcome) => {
    const fix = fixAt(2, 10, 0);
    expect(judgeFix(null, NO_JUMPS, fix, fix.at + ageMs, TOP_SPEED).outcome).toBe(outcome);
  });

  test("[D7] is the first a session has: believed wherever it is", () => {
    expect(feed([fixAt(0, 50_000, 0)], null).outcomes).toEqual(["accepted"]);
  });
});

describe("a jump", () => {
  test.each([
    ["300 m in no time", 300, 0, "accepted"],
    ["301 m in no time", 301.5, 0, "held"],
    ["20 km at motorway speed", 20_000, 600, "accepted"],
    ["just below top speed", 69 * 60, 60, "accepted"],
    ["just above top speed", 71 * 60, 60, "held"],
  ])("[D8] of %s is judged by distance and speed", (_, meters, seconds, outcome) => {
    expect(feed([fixAt(2, meters, seconds)]).outcomes).toEqual([outcome]);
  });

  test("[D8] is believed at the third fix in a row that agrees with it, not before", () => {
    const { outcomes, last } = feed([fixAt(2, 9_000, 1), fixAt(3, 9_010, 2), fixAt(4, 9_020, 3), fixAt(5, 9_030, 4)]);
    expect(outcomes).toEqual(["held", "held", "accepted", "accepted"]);
    expect(last?.position).toEqual(at(9_030));
  });

  test("[D8] is forgotten when the next fix is where the driver was", () => {
    const { outcomes } = feed([
      fixAt(2, 9_000, 1),
      fixAt(3, 9_010, 2),
      fixAt(4, 20, 3),
      fixAt(5, 9_000, 4),
      fixAt(6, 9_000, 5),
    ]);
    expect(outcomes).toEqual(["held", "held", "accepted", "held", "held"]);
  });

  test("[D8] to ever new places is never confirmed", () => {
    const wild = Array.from({ length: 9 }, (_, i) => fixAt(i + 2, 5_000 * (i + 1), i));
    expect(feed(wild).outcomes).toEqual(Array(9).fill("held"));
  });

  test("[D8] held back does not let an older fix in", () => {
    expect(feed([fixAt(8, 9_000, 1), fixAt(7, 10, 2)]).outcomes).toEqual(["held", "repeated"]);
  });
});

describe("suspicion", () => {
  const jumpsAt = (...seconds: number[]) => feed(seconds.map((s, i) => fixAt(i + 2, 8_000 * (i + 1), s))).jumps;

  test("[D9] comes with three held jumps in ten minutes, and goes when the first of them is older", () => {
    const two = jumpsAt(1, 2);
    expect(isSuspect(two, START + 3_000)).toBe(false);
    const three = jumpsAt(1, 2, 3);
    expect(isSuspect(three, START + 3_000)).toBe(true);
    expect(isSuspect(three, START + 1_000 + LIMITS.suspectWindowMs)).toBe(true);
    expect(isSuspect(three, START + 1_001 + LIMITS.suspectWindowMs)).toBe(false);
  });

  test("[D9] does not come of one place that is being confirmed", () => {
    const places = [9_000, 9_000, 9_000, 0, 0, 0];
    const { jumps, outcomes } = feed(places.map((meters, i) => fixAt(i + 2, meters, i)));
    expect(outcomes).toEqual(["held", "held", "accepted", "held", "held", "accepted"]);
    expect(isSuspect(jumps, START + 6_000)).toBe(false);
  });
});
