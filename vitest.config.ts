import { generateKeyPairSync, randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";
import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

/** A fresh key pair per run: tests sign their own tokens, and no key is ever kept in the repository. */
const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const keyName = { kid: "test", alg: "ES256", use: "sig" };
const secrets = {
  AUTH_JWKS: JSON.stringify({ keys: [{ ...publicKey.export({ format: "jwk" }), ...keyName }] }),
  DEV_ISSUER_JWK: JSON.stringify({ ...privateKey.export({ format: "jwk" }), ...keyName }),
  TICKET_SECRET: randomBytes(32).toString("hex"),
};

/** An imported module takes 9 s per test file; as a data binding it takes none (test/workerd/ort-wasm.ts). */
const ORT_WASM_FILE = "ort-wasm-simd-threaded.wasm";
const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** Spent only where a test is about to fail; a machine with other work is several times slower than a quiet one. */
const patience = { testTimeout: 300_000, hookTimeout: 600_000 };

/**
 * An object that its alarm wakes as its file's worker is taken down asks for its module, and nobody answers any more. That
 * is after the last test and no test's doing, but would count as a failure of them all.
 */
const isTeardown = ({ name, message }: { readonly name?: string; readonly message: string }) =>
  name === "EnvironmentTeardownError" && message.endsWith('Closing rpc while "resolve" was pending');

export default defineConfig({
  test: {
    onUnhandledError: (error) => !isTeardown(error),
    projects: [
      { test: { name: "node", include: ["test/node/**/*.test.ts", "test/*.test.ts"], ...patience } },
      { test: { name: "simulation", include: ["test/simulation/**/*.test.ts"], ...patience } },
      {
        plugins: [
          cloudflareTest(async () => ({
            wrangler: { configPath: "./wrangler.toml" },
            miniflare: {
              cf: false,
              bindings: { ...secrets, TEST_MIGRATIONS: await readD1Migrations("migrations") },
              dataBlobBindings: { ORT_WASM: `node_modules/onnxruntime-web/dist/${ORT_WASM_FILE}` },
            },
          })),
        ],
        resolve: { alias: { [`onnxruntime-web/${ORT_WASM_FILE}`]: path("test/workerd/ort-wasm.ts") } },
        test: {
          name: "workerd",
          include: ["test/workerd/**/*.test.ts"],
          setupFiles: ["test/workerd/calm.ts"],
          ...patience,
          // Published as CommonJS that requires ES modules: only a bundler makes one kind of the two.
          deps: { optimizer: { ssr: { enabled: true, include: ["itty-durable"] } } },
        },
      },
      {
        test: {
          name: "process",
          include: ["test/process/**/*.test.ts"],
          ...patience,
          fileParallelism: false,
        },
      },
    ],
  },
});
