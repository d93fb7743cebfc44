/** What is compared: a kind of dispatch, how many are asked at once, and who ranks. Written `kind[:wave][@model]`. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readTrees } from "../../models/accept/read-trees.ts";
import { sigmoid, treeMargins } from "../../models/accept/trees.ts";
import { DISPATCH_KINDS, type Market } from "../../src/domain/market.ts";
import { FEATURE_COUNT, FEATURE_SET_HASH, featureMatrix } from "../../src/ranking/feature-view.ts";
import { rankByPickupTime } from "../../src/ranking/nearest-ranker.ts";
import { rankByAcceptance } from "../../src/ranking/ranker.ts";
import { numberOf, UsageError } from "../arguments.ts";
import type { LabSetting } from "./lab-city.ts";

export interface Policy {
  /** As it was written. */
  readonly name: string;
  readonly kind: Market["dispatch"]["kind"];
  /** Null leaves it to the market. */
  readonly waveSize: number | null;
  readonly byModel: boolean;
}

export const POLICIES_USAGE = `${DISPATCH_KINDS.join(" | ")}, then :N for N drivers asked at once, @model for the model's order`;
const LARGEST_WAVE = 10;
const MODEL = join(import.meta.dirname, "..", "..", "models", "accept", "v1");

/** Throws UsageError. */
export function parsePolicies(text: string): Policy[] {
  const policies = text.split(",").map(parsePolicy);
  const names = new Set(policies.map(({ name }) => name));
  if (names.size < policies.length) throw new UsageError("--policies: each only once");
  return policies;
}

function parsePolicy(text: string): Policy {
  const parts = /^([a-z-]+)(?::(\d+))?(@model)?$/.exec(text.trim());
  const kind = DISPATCH_KINDS.find((known) => known === parts?.[1]);
  if (kind === undefined) throw new UsageError(`--policies: expected ${POLICIES_USAGE}; got "${text}"`);
  const wave = parts![2];
  const waveSize = wave === undefined ? null : numberOf("policies", wave, 1, LARGEST_WAVE, true);
  return { name: text.trim(), kind, waveSize, byModel: parts![3] !== undefined };
}

/** The market as it would be with this policy; everything else in it stays. */
export function marketUnder(market: Market, { kind, waveSize }: Policy): Market {
  return { ...market, dispatch: { ...market.dispatch, kind, waveSize: waveSize ?? market.dispatch.waveSize } };
}

/** The model is the file that is served, its trees evaluated in plain TypeScript: a virtual city cannot wait for a session. */
export function rankerOf({ byModel }: Policy): LabSetting["rank"] {
  if (!byModel) return (candidates, context) => rankByPickupTime(candidates, featureMatrix(candidates, context), null);
  const manifest = JSON.parse(readFileSync(join(MODEL, "manifest.json"), "utf8")) as {
    readonly name: string;
    readonly version: number;
    readonly featureSetHash: string;
  };
  const name = `${manifest.name}@${manifest.version}`;
  if (manifest.featureSetHash !== FEATURE_SET_HASH) {
    throw new UsageError(`@model: ${name} was trained on other features than there are now; train it anew`);
  }
  const model = readTrees(readFileSync(join(MODEL, "model.onnx")), FEATURE_COUNT);
  return (candidates, context) => {
    const rows = featureMatrix(candidates, context);
    return rankByAcceptance(candidates, rows, treeMargins(model, rows, candidates.length).map(sigmoid), name);
  };
}
