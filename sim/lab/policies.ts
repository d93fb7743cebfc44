/** What is compared: how the market is configured, and who ranks. Written `kind[:wave]`, `current` or `FILE.json`, then `[@model]`. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readTrees } from "../../models/accept/read-trees.ts";
import { sigmoid, treeMargins } from "../../models/accept/trees.ts";
import { DISPATCH_KINDS } from "../../src/domain/market.ts";
import { AS_DEPLOYED, type MarketConfiguration } from "../../src/domain/market-hours.ts";
import { fieldName } from "../../src/protocol/fields.ts";
import { MarketConfigurationBody } from "../../src/protocol/market-configuration.ts";
import { FEATURE_COUNT, FEATURE_SET_HASH, featureMatrix } from "../../src/ranking/feature-view.ts";
import { rankByPickupTime } from "../../src/ranking/nearest-ranker.ts";
import { rankByAcceptance } from "../../src/ranking/ranker.ts";
import { numberOf, UsageError } from "../arguments.ts";
import type { LabSetting } from "./lab-city.ts";

export interface Policy {
  /** As it was written. */
  readonly name: string;
  /** What it changes of the market as it is deployed. */
  readonly configuration: MarketConfiguration;
  readonly byModel: boolean;
}

export const POLICIES_USAGE = `${DISPATCH_KINDS.join(" | ")}, then :N for N drivers asked at once; current (the
                     market as wrangler.toml has it); or FILE.json, a configuration as operators send it;
                     @model at the end for the model's order`;
const BY_MODEL = "@model";
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
  const name = text.trim();
  const byModel = name.endsWith(BY_MODEL);
  const what = byModel ? name.slice(0, -BY_MODEL.length) : name;
  if (what === "current") return { name, configuration: AS_DEPLOYED.configuration, byModel };
  if (what.endsWith(".json")) return { name, configuration: readCandidate(what), byModel };
  const parts = /^([a-z-]+)(?::(\d+))?$/.exec(what);
  const kind = DISPATCH_KINDS.find((known) => known === parts?.[1]);
  if (kind === undefined)
    throw new UsageError(`--policies: expected ${POLICIES_USAGE.replace(/\s+/g, " ")}; got "${name}"`);
  const wave = parts![2];
  const dispatch = wave === undefined ? { kind } : { kind, waveSize: waveOf(wave) };
  return { name, configuration: { settings: { dispatch }, hours: [] }, byModel };
}

function waveOf(text: string): number {
  return numberOf("policies", text, 1, LARGEST_WAVE, true);
}

/** What an operator would send, from a file; refused as it would be. */
function readCandidate(file: string): MarketConfiguration {
  if (!existsSync(file)) throw new UsageError(`--policies: there is no file "${file}"`);
  let written: unknown;
  try {
    written = JSON.parse(readFileSync(file, "utf8"));
  } catch {
    throw new UsageError(`--policies: ${file} is not JSON`);
  }
  const { data, error } = MarketConfigurationBody.safeParse(written);
  if (data !== undefined) return data;
  const wrong = error.issues.map((issue) => `${fieldName(issue)}: ${issue.message}`);
  throw new UsageError(`--policies: ${file} is no configuration: ${wrong.join("; ")}`);
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
