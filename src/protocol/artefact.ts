/** A model's companions as JSON in the object store. Unknown keys pass: a trainer may say more than serving needs. */
import * as z from "zod";
import type { GoldenRows, ModelManifest } from "../ranking/artefact.ts";

const name = z.string().min(1).max(64);
const MOST_GOLDEN_ROWS = 4_096;
const MOST_COLUMNS = 512;

const Manifest = z.object({
  name: z.string().regex(/^[a-z][a-z0-9-]{0,30}$/),
  version: z.int().min(1),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  opset: z.object({ onnx: z.int().min(1), ml: z.int().min(1) }),
  input: z.object({ name, columns: z.int().min(1).max(MOST_COLUMNS) }),
  outputs: z.object({ margin: name, probability: name }),
  featureViewVersion: z.int().min(1),
  featureSetHash: z.string().regex(/^[0-9a-f]{16}$/),
});

const unwritable = z.enum(["NaN", "Infinity", "-Infinity", "-0"]);

const Golden = z.object({
  rows: z
    .array(z.array(z.union([z.number(), unwritable])).max(MOST_COLUMNS))
    .min(1)
    .max(MOST_GOLDEN_ROWS),
  margins: z.array(z.number()).max(MOST_GOLDEN_ROWS),
  probabilities: z.array(z.number()).max(MOST_GOLDEN_ROWS),
});

/** Null for anything that is not a manifest. */
export function parseManifest(value: unknown): ModelManifest | null {
  return Manifest.safeParse(value).data ?? null;
}

export function parseGolden(value: unknown): GoldenRows | null {
  return Golden.safeParse(value).data ?? null;
}
