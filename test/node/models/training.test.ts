import { beforeAll, describe, expect, test } from "vitest";
import { type Decision, generateDecisions, labelledRows } from "../../../models/accept/generate.ts";
import { splitByTime, type TrainedManifest, trainArtefact } from "../../../models/accept/train.ts";
import { FEATURE_COUNT, FEATURES } from "../../../src/ranking/feature-view.ts";

const HOURS = 5;
let decisions: Decision[];
beforeAll(() => {
  decisions = generateDecisions(3, HOURS);
});

describe("labelled offers", () => {
  test("the same seed gives the same decisions, another seed others", () => {
    expect(generateDecisions(3, HOURS)).toEqual(decisions);
    expect(generateDecisions(4, HOURS)).not.toEqual(decisions);
  });

  test("come from several candidates, each offer with the chance at which it was drawn", () => {
    for (const { count, rows, offers, chances } of decisions) {
      expect(count).toBeGreaterThanOrEqual(5);
      expect(rows).toHaveLength(count * FEATURE_COUNT);
      expect(chances).toHaveLength(count);
      expect(new Set(offers.map((offer) => offer.row)).size).toBe(offers.length);
      for (const { propensity } of offers) expect(propensity).toBeGreaterThan(0);
      for (const { propensity } of offers) expect(propensity).toBeLessThanOrEqual(1);
    }
  });

  test("at most one driver of a ride accepts, and the ride ends there", () => {
    const byRequest = Map.groupBy(decisions, (decision) => decision.requestId);
    for (const waves of byRequest.values()) {
      const accepted = waves.map(({ offers }) => offers.filter((offer) => offer.label === 1).length);
      expect(accepted.slice(0, -1).every((count) => count === 0)).toBe(true);
      expect(accepted.at(-1)).toBeLessThanOrEqual(1);
    }
  });

  test("overtaken offers have no label and are not trained on", () => {
    const offers = decisions.flatMap((decision) => decision.offers);
    const unknown = offers.filter((offer) => offer.label === null).length;
    expect(unknown).toBeGreaterThan(0);
    expect(labelledRows(decisions).labels).toHaveLength(offers.length - unknown);
  });

  test("labels agree with the chances they were drawn from", () => {
    const single = decisions.filter((decision) => decision.offers.length === 1);
    const known = single.flatMap(({ offers, chances }) =>
      offers.flatMap(({ row, label }) => (label === null ? [] : [{ label, chance: chances[row]! }])),
    );
    const gap = known.reduce((sum, { label, chance }) => sum + label - chance, 0);
    const deviation = Math.sqrt(known.reduce((sum, { chance }) => sum + chance * (1 - chance), 0));
    expect(Math.abs(gap)).toBeLessThan(4 * deviation);
  });

  test("have no column that gives the label away", () => {
    const { rows, labels } = labelledRows(decisions);
    for (let column = 0; column < FEATURE_COUNT; column++) {
      const own = Array.from(labels, (label, row) => ({ label, x: rows[row * FEATURE_COUNT + column]! }));
      const byValue = own.filter(({ x }) => !Number.isNaN(x)).sort((a, b) => a.x - b.x);
      const mistakes = byValue.filter(({ label }, at) => label !== byValue[Math.max(0, at - 1)]!.label).length;
      expect(mistakes / byValue.length, FEATURES[column]!.name).toBeGreaterThan(0.1);
    }
  });

  test("are split by time with whole requests: nothing judged began before anything trained on", () => {
    const wave = (requestId: number, at: number) => ({ ...decisions[0]!, requestId, at });
    // The second wave of request 3 is later than the first request that is judged.
    const byHand = [wave(1, 10), wave(2, 20), wave(3, 30), wave(4, 40), wave(3, 50), wave(4, 60)];
    expect(splitByTime(byHand).map((side) => side.map((d) => d.at))).toEqual([
      [10, 20, 30, 50],
      [40, 60],
    ]);

    const [earlier, later] = splitByTime(decisions);
    expect(earlier.length + later.length).toBe(decisions.length);
    const ids = new Set(earlier.map((decision) => decision.requestId));
    expect(later.some((decision) => ids.has(decision.requestId))).toBe(false);
    const began = (some: readonly Decision[]) =>
      [...Map.groupBy(some, (d) => d.requestId).values()].map((waves) => Math.min(...waves.map((d) => d.at)));
    expect(Math.max(...began(earlier))).toBeLessThanOrEqual(Math.min(...began(later)));
  });
});

describe("the training command", () => {
  test("writes the same bytes twice from one seed, and beats nearest-first even when small", () => {
    const options = { seed: 5, hours: 12, trees: 20 };
    const first = trainArtefact(options);
    expect(trainArtefact(options)).toEqual(first);
    const manifest = JSON.parse(String(first.get("manifest.json"))) as TrainedManifest;
    expect(manifest.metrics.modelMinusNearest.auc.low).toBeGreaterThan(0);
    expect(String(first.get("card.md"))).toContain(manifest.featureSetHash);
  });
});
