/**
 * Runs acceptance models with onnxruntime-web inside workerd. One runtime and at most two sessions serve all objects of
 * an isolate, so the state here is the module's.
 *
 * Objects never wait for each other's promises: one that is waiting for work begun by another object's event can wait
 * for ever. Who finds a load under way is told `loading`, ranks without the model, and asks again later.
 */

import ortWasm from "onnxruntime-web/ort-wasm-simd-threaded.wasm";
import * as ort from "onnxruntime-web/wasm";
import {
  type GoldenRows,
  goldenMatrix,
  goldenMismatch,
  type ModelManifest,
  versionName,
} from "../../src/ranking/artefact.ts";
import { FEATURE_COUNT, FEATURE_SET_HASH } from "../../src/ranking/feature-view.ts";

export interface AcceptModel {
  /** `accept@1`. */
  readonly version: string;
  /** SHA-256 of the file, hex. */
  readonly digest: string;
  /** `rows` is row-major with FEATURE_COUNT columns. Rejects when the runtime fails or the model was let go. */
  predict(rows: Float32Array, count: number): Promise<Float32Array>;
}

export type LoadOutcome =
  | { readonly outcome: "ready"; readonly model: AcceptModel }
  /** Another load is under way; nothing was done. */
  | { readonly outcome: "loading" }
  /** The model cannot be trusted; what served before still serves. */
  | { readonly outcome: "refused"; readonly reason: string };

/** The champion and the one before it, for a quick way back. */
const SESSIONS_HELD = 2;

let loading = false;
/** Newest first. */
let held: readonly HeldModel[] = [];

/** The model loaded last, which is the one to use until a newer one has proved itself. */
export function currentModel(): AcceptModel | null {
  return held[0] ?? null;
}

export function heldModel(digest: string): AcceptModel | null {
  return held.find((model) => model.digest === digest) ?? null;
}

/** Checks digest and features, then replays the golden rows; only a model that passes all is kept. Never rejects. */
export async function loadAcceptModel(
  bytes: Uint8Array,
  manifest: ModelManifest,
  golden: GoldenRows,
): Promise<LoadOutcome> {
  const known = heldModel(manifest.sha256);
  if (known !== null) return { outcome: "ready", model: known };
  const reason = misfit(manifest, golden) ?? (await digestMismatch(bytes, manifest.sha256));
  if (reason !== null) return { outcome: "refused", reason };
  if (loading) return { outcome: "loading" };
  loading = true;
  try {
    const model = new HeldModel(manifest, await createSession(bytes));
    const mismatch = await model.replay(golden);
    if (mismatch !== null) {
      await model.release();
      return { outcome: "refused", reason: mismatch };
    }
    await hold(model);
    return { outcome: "ready", model };
  } catch (error) {
    return { outcome: "refused", reason: `runtime: ${String(error)}` };
  } finally {
    loading = false;
  }
}

function misfit(manifest: ModelManifest, golden: GoldenRows): string | null {
  if (manifest.featureSetHash !== FEATURE_SET_HASH) return `feature set ${manifest.featureSetHash}`;
  if (manifest.input.columns !== FEATURE_COUNT) return `${manifest.input.columns} columns`;
  if (golden.rows.some((row) => row.length !== FEATURE_COUNT)) return "golden rows: wrong width";
  return null;
}

async function digestMismatch(bytes: Uint8Array, sha256: string): Promise<string | null> {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const digest = Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return digest === sha256 ? null : `digest ${digest}`;
}

async function hold(model: HeldModel): Promise<void> {
  const all = [model, ...held];
  held = all.slice(0, SESSIONS_HELD);
  for (const old of all.slice(SESSIONS_HELD)) await old.release();
}

class HeldModel implements AcceptModel {
  readonly version: string;
  readonly digest: string;
  readonly #manifest: ModelManifest;
  #session: ort.InferenceSession | null;

  constructor(manifest: ModelManifest, session: ort.InferenceSession) {
    this.version = versionName(manifest);
    this.digest = manifest.sha256;
    this.#manifest = manifest;
    this.#session = session;
  }

  async predict(rows: Float32Array, count: number): Promise<Float32Array> {
    if (count === 0) return new Float32Array(0);
    const { probability } = this.#manifest.outputs;
    return columnOf((await this.#run(rows, count, [probability]))[probability]);
  }

  /** Null when every golden row is reproduced. */
  async replay(golden: GoldenRows): Promise<string | null> {
    const { margin, probability } = this.#manifest.outputs;
    const answers = await this.#run(goldenMatrix(golden), golden.rows.length, [margin, probability]);
    return goldenMismatch(golden, columnOf(answers[margin]), columnOf(answers[probability]));
  }

  release(): Promise<void> {
    return oneAtATime(async () => {
      const session = this.#session;
      this.#session = null;
      await session?.release();
    });
  }

  #run(rows: Float32Array, count: number, outputs: readonly string[]): Promise<ort.InferenceSession.ReturnType> {
    return oneAtATime(() => {
      if (this.#session === null) throw new Error("this model was let go");
      const { name, columns } = this.#manifest.input;
      return this.#session.run({ [name]: new ort.Tensor("float32", rows, [count, columns]) }, outputs);
    });
  }
}

function columnOf(tensor: ort.Tensor | undefined): Float32Array {
  if (!(tensor?.data instanceof Float32Array)) throw new Error("the model's answer is not float32");
  return tensor.data;
}

let running = false;
const waiting: (() => void)[] = [];

/**
 * A precaution: the runtime moves one stack pointer around its awaits and promises nothing about calls that overlap,
 * nor about a release in the middle of a run. Calls take microtasks only, so whoever waits here belongs to the same
 * event as whoever runs, and no object waits for another.
 */
async function oneAtATime<T>(call: () => Promise<T>): Promise<T> {
  while (running) await new Promise<void>((resolve) => waiting.push(resolve));
  running = true;
  try {
    return await call();
  } finally {
    running = false;
    waiting.shift()?.();
  }
}

/** Any few bytes: they stand for the compiled module until the runtime asks to instantiate them. */
const PLACEHOLDER = new Uint8Array([0x6b, 0x65, 0x72, 0x62]);

/**
 * workerd compiles no WebAssembly from bytes, but an imported module is compiled already. The runtime instantiates
 * once per isolate, inside the first session it is asked for, even one whose model is broken. Only while a session is
 * made, and only for the placeholder, the compiled module is handed over.
 */
async function createSession(bytes: Uint8Array): Promise<ort.InferenceSession> {
  const options = { executionProviders: ["wasm"], graphOptimizationLevel: "all" } as const;
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.proxy = false;
  ort.env.wasm.wasmBinary = PLACEHOLDER;
  const original = WebAssembly.instantiate;
  const instantiate = async (source: unknown, imports?: WebAssembly.Imports): Promise<unknown> => {
    if (!isPlaceholder(source)) return Reflect.apply(original, WebAssembly, [source, imports]);
    return { module: ortWasm, instance: new WebAssembly.Instance(ortWasm, imports) };
  };
  Object.assign(WebAssembly, { instantiate });
  try {
    return await ort.InferenceSession.create(bytes, options);
  } finally {
    Object.assign(WebAssembly, { instantiate: original });
  }
}

/** The runtime may pass the bytes on in a view of its own. */
function isPlaceholder(source: unknown): boolean {
  const bytes = source instanceof ArrayBuffer ? new Uint8Array(source) : source;
  if (!(bytes instanceof Uint8Array) || bytes.length !== PLACEHOLDER.length) return false;
  return PLACEHOLDER.every((byte, at) => bytes[at] === byte);
}
