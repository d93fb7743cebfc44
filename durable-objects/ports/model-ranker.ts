/**
 * The platform's ranker: the champion model under a deadline, the nearest ranker whenever there is no usable answer. It
 * learns of a new champion while it works, a few seconds late, and no ride ever waits for that.
 */
import builtinGolden from "../../models/accept/v1/golden.json";
import builtinManifest from "../../models/accept/v1/manifest.json";
import builtinModel from "../../models/accept/v1/model.onnx";
import { DeadlinePassed, withDeadline } from "../../src/calls/call-object.ts";
import type { Candidate } from "../../src/domain/driver.ts";
import { parseGolden, parseManifest } from "../../src/protocol/artefact.ts";
import type { GoldenRows, ModelManifest } from "../../src/ranking/artefact.ts";
import { featureMatrix, type RankingContext } from "../../src/ranking/feature-view.ts";
import { rankByPickupTime } from "../../src/ranking/nearest-ranker.ts";
import { type FallbackReason, type Ranked, rankByAcceptance } from "../../src/ranking/ranker.ts";
import { type AcceptModel, currentModel, heldModel, type LoadOutcome, loadAcceptModel } from "./onnx-session.ts";
import { Refresh } from "./refresh.ts";

/** Champions that are not digests. */
export const BUILTIN = "builtin";
export const HEURISTIC = "heuristic";

export interface ModelRankerNeeds {
  readonly bucket: R2Bucket;
  /** Null when the registry names none: the repository's own model serves. */
  readonly readChampion: () => Promise<{ readonly digest: string; readonly epoch: number } | null>;
  /** Keeps the object alive for work that nobody waits for. */
  readonly waitUntil: (work: Promise<void>) => void;
}

interface Artefact {
  readonly bytes: Uint8Array;
  readonly manifest: ModelManifest;
  readonly golden: GoldenRows;
}

/** What operators want to know of one shard's ranker. */
export interface RankerStatus {
  readonly champion: string;
  readonly epoch: number;
  /** The model that ranks now; null for the nearest ranker. */
  readonly serving: string | null;
  /** Why the champion does not serve, where it was tried and refused. */
  readonly refusal: string | null;
}

/** Twice this must fit an isolate beside everything else. */
const MODEL_MAXIMUM_BYTES = 4 * 1024 * 1024;

const builtin: Artefact = { bytes: new Uint8Array(builtinModel), manifest: builtinManifest, golden: builtinGolden };

export class ModelRanker {
  readonly #needs: ModelRankerNeeds;
  readonly #refresh: Refresh;
  #champion = { digest: BUILTIN, epoch: Number.NEGATIVE_INFINITY };
  /** Of the file that stands for the champion. */
  #digest: string = builtin.manifest.sha256;
  #refusal: { readonly epoch: number; readonly reason: string; readonly final: boolean } | null = null;

  constructor(needs: ModelRankerNeeds) {
    this.#needs = needs;
    this.#refresh = new Refresh(() => this.#look(), needs.waitUntil);
  }

  /** Never rejects. `fallback` of the answer says why the model was not used. */
  async rank(
    candidates: readonly Candidate[],
    context: RankingContext,
    deadlineMs: number,
    byModel = true,
  ): Promise<Ranked> {
    const features = featureMatrix(candidates, context);
    if (!byModel) return rankByPickupTime(candidates, features, "overload");
    this.#refresh.worked();
    const model = this.#model();
    if (typeof model === "string") return rankByPickupTime(candidates, features, model);
    try {
      const answer = await withDeadline(model.predict(features, candidates.length), deadlineMs);
      return rankByAcceptance(candidates, features, answer, model.version);
    } catch (error) {
      return rankByPickupTime(candidates, features, error instanceof DeadlinePassed ? "deadline" : "error");
    }
  }

  /** Reads who is champion and loads it. What served before serves until then, and after a failure. Never rejects. */
  warm(): Promise<void> {
    return this.#refresh.now();
  }

  async #look(): Promise<void> {
    try {
      const champion = await this.#needs.readChampion();
      // Answers may overtake each other; an older one changes nothing.
      if (champion !== null && champion.epoch >= this.#champion.epoch) this.#champion = champion;
      await this.#load(this.#champion.digest);
    } catch (error) {
      this.#refusal = { epoch: this.#champion.epoch, reason: String(error), final: false };
    }
  }

  status(): RankerStatus {
    const model = this.#model();
    return {
      champion: this.#champion.digest,
      epoch: this.#champion.epoch,
      serving: typeof model === "string" ? null : model.digest,
      refusal: this.#refusal?.reason ?? null,
    };
  }

  #model(): AcceptModel | FallbackReason {
    if (this.#champion.digest === HEURISTIC) return "off";
    const model = heldModel(this.#digest) ?? currentModel();
    if (model !== null) return model;
    return this.#refusal === null ? "loading" : "error";
  }

  async #load(champion: string): Promise<void> {
    if (champion === HEURISTIC) return;
    // Trying again what was refused would cost every shard a session every few seconds; a new promotion tries again.
    if (this.#refusal?.final && this.#refusal.epoch === this.#champion.epoch) return;
    const known = heldModel(champion);
    const loaded = known ? ({ outcome: "ready", model: known } as const) : await this.#fetchAndLoad(champion);
    if (loaded.outcome === "ready") {
      this.#digest = loaded.model.digest;
      this.#refusal = null;
    } else if (loaded.outcome === "refused") {
      this.#refusal = { epoch: this.#champion.epoch, reason: loaded.reason, final: true };
    } else {
      // Somebody else is loading, perhaps this very model: look again at the next ride.
      this.#refresh.soon();
    }
  }

  async #fetchAndLoad(champion: string): Promise<LoadOutcome> {
    const artefact = champion === BUILTIN ? builtin : await fetchArtefact(this.#needs.bucket, champion);
    const { bytes, manifest, golden } = artefact ?? builtin;
    return loadAcceptModel(bytes, manifest, golden);
  }
}

/** Null when the store has no such model; throws when what it has is not one. */
async function fetchArtefact(bucket: R2Bucket, digest: string): Promise<Artefact | null> {
  const folder = `models/accept/sha256/${digest}`;
  const [model, manifest, golden] = await Promise.all([
    bucket.get(`${folder}/model.onnx`),
    bucket.get(`${folder}/manifest.json`),
    bucket.get(`${folder}/golden.json`),
  ]);
  if (model === null || manifest === null || golden === null) return null;
  if (model.size > MODEL_MAXIMUM_BYTES) throw new Error(`model of ${model.size} bytes`);
  const artefact = {
    bytes: new Uint8Array(await model.arrayBuffer()),
    manifest: parseManifest(await manifest.json()),
    golden: parseGolden(await golden.json()),
  };
  if (artefact.manifest === null || artefact.golden === null) throw new Error("manifest or golden rows are malformed");
  if (artefact.manifest.sha256 !== digest) throw new Error("the manifest is another model's");
  return { bytes: artefact.bytes, manifest: artefact.manifest, golden: artefact.golden };
}
