import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { BUILTIN, HEURISTIC, ModelRanker } from "../../durable-objects/ports/model-ranker.ts";
import { currentModel, heldModel, loadAcceptModel } from "../../durable-objects/ports/onnx-session.ts";
import builtinGolden from "../../models/accept/v1/golden.json";
import builtinManifest from "../../models/accept/v1/manifest.json";
import builtinModel from "../../models/accept/v1/model.onnx";
import { createRandom } from "../../sim/random.ts";
import { goldenMatrix } from "../../src/ranking/artefact.ts";
import { artefactOf, hostileMatrix, smallModel } from "../node/models/small-model.ts";
import { candidateAt, contextAt } from "../node/ranking/scenes.ts";

const instantiateAtStart = WebAssembly.instantiate;
const bucket = env.MODELS;
const bytes = new Uint8Array(builtinModel);
const folderOf = (digest: string) => `models/accept/sha256/${digest}`;

type Artefact = Awaited<ReturnType<typeof artefactOf>>;

async function store(artefact: Artefact): Promise<void> {
  const folder = folderOf(artefact.manifest.sha256);
  await bucket.put(`${folder}/model.onnx`, artefact.bytes);
  await bucket.put(`${folder}/manifest.json`, JSON.stringify(artefact.manifest));
  await bucket.put(`${folder}/golden.json`, JSON.stringify(artefact.golden));
}

const near = candidateAt("near", 300, { stats: { offersSeen: 50, acceptRate: 0.05, declinesInRow: 12 } });
const far = candidateAt("far", 330, { stats: { offersSeen: 50, acceptRate: 0.95, declinesInRow: 0 } });
const context = contextAt();

/** In order: the first load of the isolate must be the corrupt one. */
describe("the runtime in this isolate", () => {
  test("a corrupt first model is refused, and ranking goes on without one", async () => {
    const garbage = await artefactOf(smallModel(1));
    const corrupt = { ...garbage, bytes: garbage.bytes.slice(0, 200) };
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", corrupt.bytes));
    const sha256 = Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
    const outcome = await loadAcceptModel(corrupt.bytes, { ...corrupt.manifest, sha256 }, corrupt.golden);
    expect(outcome).toMatchObject({ outcome: "refused", reason: expect.stringMatching(/^runtime: /) });
    expect(currentModel()).toBeNull();
  });

  test("[M3] a ranker answers by pickup time while its model loads, then by the model", async () => {
    const background: Promise<void>[] = [];
    const ranker = new ModelRanker({
      bucket,
      readChampion: async () => null,
      waitUntil: (work) => background.push(work),
    });
    expect(await ranker.rank([far, near], context, 500)).toMatchObject({ ranker: "nearest@1", fallback: "loading" });
    await Promise.all(background);
    const ranked = await ranker.rank([near, far], context, 500);
    expect(ranked).toMatchObject({ ranker: "accept@1", fallback: null });
    expect(ranked.order.map((entry) => entry.candidate.driverId)).toEqual(["far", "near"]);
    expect(ranker.status()).toMatchObject({ champion: BUILTIN, serving: builtinManifest.sha256, refusal: null });
  });

  test("compilation by others is untouched once the runtime is there", () => {
    expect(WebAssembly.instantiate).toBe(instantiateAtStart);
  });
});

describe("a model must prove itself", () => {
  test("the repository's model reproduces its golden rows, hostile ones included", async () => {
    const outcome = await loadAcceptModel(bytes, builtinManifest, builtinGolden);
    if (outcome.outcome !== "ready") throw new Error(JSON.stringify(outcome));
    const answer = await outcome.model.predict(goldenMatrix(builtinGolden), builtinGolden.rows.length);
    const gaps = Array.from(answer, (p, row) => Math.abs(p - builtinGolden.probabilities[row]!));
    expect(Math.max(...gaps)).toBeLessThan(1e-6);
  });

  test("trees agree with their reference bit for bit on a thousand hostile rows", async () => {
    const model = smallModel(2);
    const artefact = await artefactOf(model, hostileMatrix(model, 1_000, createRandom(2)));
    expect(await loadAcceptModel(artefact.bytes, artefact.manifest, artefact.golden)).toMatchObject({
      outcome: "ready",
    });
  });

  test("[M4] one golden row off by the smallest step refuses the model and the last good one stays", async () => {
    const before = currentModel()?.digest;
    const { bytes, manifest, golden } = await artefactOf(smallModel(3));
    const margins = golden.margins.with(7, golden.margins[7]! + 2 ** -18);
    const outcome = await loadAcceptModel(bytes, manifest, { ...golden, margins });
    expect(outcome).toMatchObject({ outcome: "refused", reason: expect.stringMatching(/^golden row 7: margin/) });
    expect(currentModel()?.digest).toBe(before);
    expect(heldModel(manifest.sha256)).toBeNull();
  });

  test("a file that is not what its manifest says, and a model of other features, are refused", async () => {
    const { bytes, manifest, golden } = await artefactOf(smallModel(4));
    const other = { ...manifest, featureSetHash: "0000000000000000" };
    expect(await loadAcceptModel(bytes, other, golden)).toMatchObject({ reason: "feature set 0000000000000000" });
    const flipped = bytes.slice();
    flipped[flipped.length - 1]! ^= 1;
    const outcome = await loadAcceptModel(flipped, manifest, golden);
    expect(outcome).toMatchObject({ outcome: "refused", reason: expect.stringMatching(/^digest /) });
  });

  test("who asks while another load is under way is told so and does not wait", async () => {
    const [one, two] = await Promise.all([artefactOf(smallModel(5)), artefactOf(smallModel(6))]);
    const outcomes = await Promise.all([one, two].map((a) => loadAcceptModel(a.bytes, a.manifest, a.golden)));
    expect(outcomes.map((o) => o.outcome).sort()).toEqual(["loading", "ready"]);
  });

  test("only two models are kept, and one that was let go says so", async () => {
    const loaded = [];
    for (const seed of [7, 8, 9]) {
      const { bytes, manifest, golden } = await artefactOf(smallModel(seed));
      const outcome = await loadAcceptModel(bytes, manifest, golden);
      if (outcome.outcome === "ready") loaded.push(outcome.model);
    }
    expect(loaded.map((model) => heldModel(model.digest) !== null)).toEqual([false, true, true]);
    await expect(loaded[0]!.predict(new Float32Array(18), 1)).rejects.toThrow("let go");
  });

  test("predictions asked for at once are the same as one by one", async () => {
    const model = smallModel(10);
    const { bytes, manifest, golden } = await artefactOf(model);
    const outcome = await loadAcceptModel(bytes, manifest, golden);
    if (outcome.outcome !== "ready") throw new Error("not loaded");
    const batches = [1, 7, 64, 3].map((count, seed) => ({
      count,
      rows: hostileMatrix(model, count, createRandom(seed)),
    }));
    const alone = [];
    for (const { rows, count } of batches) alone.push([...(await outcome.model.predict(rows, count))]);
    const together = await Promise.all(batches.map(({ rows, count }) => outcome.model.predict(rows, count)));
    expect(together.map((answer) => [...answer])).toEqual(alone);
    expect(await outcome.model.predict(new Float32Array(0), 0)).toEqual(new Float32Array(0));
  });
});

describe("the champion", () => {
  let champion: { digest: string; epoch: number } | null = null;
  let epoch = 0;
  const promote = (digest: string) => {
    champion = { digest, epoch: ++epoch };
  };
  const createRanker = () =>
    new ModelRanker({ bucket, readChampion: async () => champion, waitUntil: (work) => void work });

  beforeEach(() => {
    champion = null;
  });

  test("comes from the object store by its digest", async () => {
    const artefact = await artefactOf(smallModel(11), undefined, 42);
    await store(artefact);
    promote(artefact.manifest.sha256);
    const ranker = createRanker();
    await ranker.warm();
    expect(await ranker.rank([near, far], context, 500)).toMatchObject({ ranker: "accept@42", fallback: null });
  });

  test("is the repository's model where the store has no such digest", async () => {
    promote("f".repeat(64));
    const ranker = createRanker();
    await ranker.warm();
    expect(ranker.status().serving).toBe(builtinManifest.sha256);
  });

  test("that fails its golden rows is refused; the model before it goes on serving", async () => {
    const ranker = createRanker();
    await ranker.warm();
    const artefact = await artefactOf(smallModel(12));
    await store({ ...artefact, golden: { ...artefact.golden, margins: artefact.golden.margins.map((m) => m + 1) } });
    promote(artefact.manifest.sha256);
    await ranker.warm();
    expect(ranker.status()).toMatchObject({
      serving: builtinManifest.sha256,
      refusal: expect.stringMatching(/^golden/),
    });
    expect(await ranker.rank([near], context, 500)).toMatchObject({ fallback: null });
  });

  test("whose companions are malformed is refused without a throw", async () => {
    const artefact = await artefactOf(smallModel(13));
    await store(artefact);
    await bucket.put(`${folderOf(artefact.manifest.sha256)}/golden.json`, '{"rows":"all"}');
    promote(artefact.manifest.sha256);
    const ranker = createRanker();
    await ranker.warm();
    expect(ranker.status().refusal).toMatch(/malformed/);
  });

  test("`heuristic` switches models off, and an older answer does not switch them on again", async () => {
    const ranker = createRanker();
    await ranker.warm();
    const late = champion;
    promote(BUILTIN);
    const older = champion;
    promote(HEURISTIC);
    await ranker.warm();
    expect(await ranker.rank([near, far], context, 500)).toMatchObject({ ranker: "nearest@1", fallback: "off" });
    for (const answer of [late, older]) {
      champion = answer;
      await ranker.warm();
      expect(await ranker.rank([near, far], context, 500)).toMatchObject({ fallback: "off" });
    }
  });

  test("[M5] a registry that does not answer changes nothing, and is asked again", async () => {
    let failing = true;
    const read = vi.fn(async () => {
      if (failing) throw new Error("unreachable");
      return null;
    });
    const ranker = new ModelRanker({ bucket, readChampion: read, waitUntil: (work) => void work });
    await ranker.warm();
    failing = false;
    await ranker.warm();
    expect(ranker.status()).toMatchObject({ serving: builtinManifest.sha256, refusal: null });
    expect(read).toHaveBeenCalledTimes(2);
  });

  test("[M5] is looked up every three seconds of rides, not at every ride", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    try {
      const read = vi.fn(async () => null);
      const ranker = new ModelRanker({ bucket, readChampion: read, waitUntil: (work) => void work });
      await ranker.warm();
      for (const [ms, times] of [
        [2_999, 1],
        [1, 2],
        [10, 2],
      ] as const) {
        vi.setSystemTime(Date.now() + ms);
        await ranker.rank([near], context, 500);
        expect(read).toHaveBeenCalledTimes(times);
      }
    } finally {
      vi.useRealTimers();
    }
  });
});
