import { evictDurableObject, runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, test, vi } from "vitest";
import manifest from "../../models/accept/v1/manifest.json";
import { versionName } from "../../src/ranking/artefact.ts";
import { PATIENTLY } from "../patience.ts";
import { call, driverAt, migrateHistory, opsToken, problemOf, requestRide } from "./support.ts";

beforeAll(migrateHistory);

/** Each test has its own object, so that one's promotions are not another's. */
const rolloutOf = (name: string) => env.ROLLOUT_CONTROL.getByName(name);
const promotion = (epoch: number, change: object = {}) => ({
  digest: "heuristic",
  version: "v",
  epoch,
  by: "olga",
  ...change,
});

describe("the rollout", () => {
  test("begins with the repository's own model", async () => {
    const rollout = rolloutOf("fresh");
    expect(await rollout.champion()).toEqual({ digest: "builtin", version: versionName(manifest), epoch: 0 });
    expect(await rollout.audit()).toEqual([]);
  });

  test("[M6] changes only for somebody who has seen the champion he replaces", async () => {
    const rollout = rolloutOf("compare");
    expect(await rollout.promote(promotion(0))).toMatchObject({ outcome: "promoted", champion: { epoch: 1 } });
    expect(await rollout.promote(promotion(0, { version: "late" }))).toEqual({
      outcome: "conflict",
      champion: { digest: "heuristic", version: "v", epoch: 1 },
    });
    expect(await rollout.champion()).toMatchObject({ version: "v", epoch: 1 });
  });

  test("lets one of twenty through who all saw the same champion", async () => {
    const rollout = rolloutOf("race");
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, number) => rollout.promote(promotion(0, { version: `v${number}` }))),
    );
    const winners = answers.filter(({ outcome }) => outcome === "promoted");
    expect(winners).toHaveLength(1);
    expect(await rollout.champion()).toEqual(winners[0]?.outcome === "promoted" ? winners[0].champion : null);
    expect(await rollout.audit()).toHaveLength(1);
  });

  test("[M6] is still what it was after the object was evicted, also when an alarm woke it first", async () => {
    const rollout = rolloutOf("evicted");
    await rollout.promote(promotion(0, { version: "kept" }));
    await evictDurableObject(rollout);
    await runDurableObjectAlarm(rollout);
    expect(await rollout.champion()).toEqual({ digest: "heuristic", version: "kept", epoch: 1 });
    await evictDurableObject(rollout);
    expect(await rollout.promote(promotion(1, { version: "next" }))).toMatchObject({ outcome: "promoted" });
    await evictDurableObject(rollout);
    expect((await rollout.audit()).map(({ champion }) => champion.version)).toEqual(["next", "kept"]);
  });

  test("remembers the last hundred changes and who made them", async () => {
    const rollout = rolloutOf("audited");
    for (let epoch = 0; epoch < 103; epoch++) await rollout.promote(promotion(epoch, { by: `by-${epoch}` }));
    const audit = await rollout.audit();
    expect(audit).toHaveLength(100);
    expect(audit[0]).toMatchObject({ by: "by-102", champion: { epoch: 103 } });
    expect(audit.at(-1)).toMatchObject({ by: "by-3" });
  });

  test.each(["", "latest", "../../etc", "G".repeat(64), "a".repeat(63), "builtin "])(
    "refuses %j for a digest, whoever calls",
    async (digest) => {
      expect(await rolloutOf("digests").promote(promotion(0, { digest }))).toMatchObject({ outcome: "refused" });
      expect(await rolloutOf("digests").champion()).toMatchObject({ epoch: 0 });
    },
  );

  test("refuses a model that the store does not have, and takes it once it is there", async () => {
    const digest = "ab".repeat(32);
    const rollout = rolloutOf("stored");
    expect(await rollout.promote(promotion(0, { digest }))).toEqual({
      outcome: "refused",
      reason: "no such model in the store",
    });
    await env.MODELS.put(`models/accept/sha256/${digest}/model.onnx`, "bytes");
    expect(await rollout.promote(promotion(0, { digest }))).toMatchObject({ outcome: "promoted" });
  });
});

describe("the rollout over HTTP", () => {
  const promote = async (body: object) => call("/v1/ops/rollout", { token: await opsToken(), body });

  test("is shown, promoted by compare-and-set and shown again", async () => {
    const shown = await call("/v1/ops/rollout", { token: await opsToken() });
    expect(await shown.json()).toMatchObject({ champion: { digest: "builtin", epoch: 0 }, audit: [] });
    const promoted = await promote({ digest: "heuristic", version: "none@1", epoch: 0 });
    expect(await promoted.json()).toMatchObject({
      champion: { digest: "heuristic", version: "none@1", epoch: 1 },
      audit: [{ by: "olga" }],
    });
    const conflict = await problemOf(await promote({ digest: "builtin", version: "v", epoch: 0 }), 409);
    expect(conflict).toMatchObject({ type: "/problems/rollout-conflict", detail: expect.stringContaining("1") });
    const unknown = await problemOf(await promote({ digest: "0".repeat(64), version: "v", epoch: 1 }), 422);
    expect(unknown.type).toBe("/problems/model-refused");
  });
});

describe("health", () => {
  test("names every part that answers", async () => {
    const response = await call("/health");
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      status: "ok",
      components: { worker: { ok: true }, history: { ok: true }, rollout: { ok: true }, invariants: { ok: true } },
    });
  });
});

describe("the fleet's metrics", () => {
  test("are gathered from the shards that report, under names that a scraper reads", async () => {
    const place = { lat: 40.66, lng: -73.6 };
    const driver = await driverAt("mae", place);
    await requestRide("mo", { pickup: place, dropoff: { ...place, lat: 40.7 } });
    const { offerId } = await driver.hear("offer");
    driver.say({ type: "offer.accept", cid: "c", offerId });
    await driver.hear("offer.verdict");
    await vi.waitFor(
      async () => {
        driver.say({ type: "status", available: true });
        const response = await call("/metrics");
        expect(response.headers.get("content-type")).toContain("version=0.0.4");
        const text = await response.text();
        for (const line of text.trimEnd().split("\n")) {
          expect(line).toMatch(
            /^(# TYPE kerb_[a-z_]+ (counter|gauge|histogram)|kerb_[a-z_]+(\{[^{}]*\})? [0-9.e+-]+)$/,
          );
        }
        expect(text).toMatch(/^kerb_shards_reporting [1-9]/m);
      },
      { ...PATIENTLY, interval: 500 },
    );
    driver.close();
  });
});
