/**
 * Stands for `onnxruntime-web/ort-wasm-simd-threaded.wasm` in tests inside workerd. The test runner would carry an
 * imported module across as a JSON array of 14 million numbers, 9 s for every test file; a data binding takes none.
 */
import { env } from "cloudflare:workers";

/** Given by the test runner, and by vitest.config.ts. */
const { __VITEST_POOL_WORKERS_UNSAFE_EVAL: unsafe, ORT_WASM: bytes } = env as unknown as {
  readonly __VITEST_POOL_WORKERS_UNSAFE_EVAL: { newWasmModule(bytes: ArrayBuffer): WebAssembly.Module };
  readonly ORT_WASM: ArrayBuffer;
};

export default unsafe.newWasmModule(bytes);
