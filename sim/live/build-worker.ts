/**
 * Bundles the Worker as a deployment would, and writes down the bindings that wrangler.toml gives it, so that the city
 * can start it again and again without the tools. A program of its own: wrangler is heavy to load, and this ends.
 */
import { spawn } from "node:child_process";
import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { unstable_getMiniflareWorkerOptions } from "wrangler";

const [outDir, sourceDir] = process.argv.slice(2);
if (!outDir || !sourceDir) throw new Error("usage: build-worker.ts OUT_DIR SOURCE_DIR");

rmSync(outDir, { recursive: true, force: true });
mkdirSync(outDir, { recursive: true });
const wrangler = join(import.meta.dirname, "..", "..", "node_modules", "wrangler", "bin", "wrangler.js");
const bundling = spawn(process.execPath, [wrangler, "deploy", "--dry-run", "--outdir", outDir], {
  cwd: sourceDir,
  stdio: ["ignore", "pipe", "pipe"],
});
let said = "";
bundling.stdout.on("data", (text) => (said += text));
bundling.stderr.on("data", (text) => (said += text));

const { workerOptions } = unstable_getMiniflareWorkerOptions(join(sourceDir, "wrangler.toml"));
// The rules say how sources are bundled; what comes out of the bundler is listed file by file.
const { modulesRules: _, ...options } = workerOptions;

bundling.on("close", (code) => {
  if (code !== 0) {
    console.error(`the Worker could not be bundled:\n${said}`);
    process.exit(1);
  }
  const file = join(outDir, "options.json");
  writeFileSync(file, JSON.stringify(options));
  // It holds this clone's development keys.
  chmodSync(file, 0o600);
});
