/**
 * Makes a fresh clone ready, and is the first thing every npm script runs. Plain JavaScript for Node 20: the newer Node
 * that runs everything else is itself a package that this installs.
 */
import { spawnSync } from "node:child_process";
import { createHash, webcrypto } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const stampFile = join(root, "node_modules", ".kerb-lock-stamp");
const devVarsFile = join(root, ".dev.vars");
const minimumNode = [22, 18];

function stop(sentence) {
  console.error(`kerb setup: ${sentence}`);
  process.exit(1);
}

function majorMinor(version) {
  return version.replace(/^v/, "").split(".").map(Number);
}

/** Bare `npm ci` takes twenty seconds every time; the stamp says which lock file node_modules was made from. */
function installPackages() {
  const lock = createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .digest("hex");
  if (existsSync(stampFile) && readFileSync(stampFile, "utf8") === lock) return;
  console.log("kerb setup: installing packages (once, about half a minute) ...");
  const startedAt = Date.now();
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  const result = spawnSync(npm, ["ci", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: root,
    stdio: "inherit",
    shell: process.platform === "win32",
  });
  if (result.error) stop(`npm could not be started (${result.error.message}). Is npm on the PATH?`);
  if (result.status !== 0) {
    stop(
      "`npm ci` failed; its reason is above. The first start needs the npm registry: check the network and the " +
        "registry setting (`npm config get registry`), then run the same command again.",
    );
  }
  writeFileSync(stampFile, lock);
  console.log(`kerb setup: packages ready after ${Math.round((Date.now() - startedAt) / 1000)} s`);
}

/** npm puts node_modules/.bin first on the PATH: the packaged Node is found there. macOS has none and uses its own. */
function requireNewNode() {
  const packaged = join(root, "node_modules", ".bin", process.platform === "win32" ? "node.cmd" : "node");
  if (existsSync(packaged)) return;
  const [major, minor] = majorMinor(process.version);
  if (major > minimumNode[0] || (major === minimumNode[0] && minor >= minimumNode[1])) return;
  stop(
    `no packaged Node for ${process.platform} ${process.arch}, and this Node is ${process.version}. ` +
      `Install Node ${minimumNode.join(".")} or newer and run the same command again.`,
  );
}

/** Fresh keys for this clone only, so that plain `wrangler dev` works; the file is never committed. */
async function createDevVars() {
  if (existsSync(devVarsFile)) return;
  const pair = await webcrypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"]);
  const name = { kid: `dev-${webcrypto.randomUUID().slice(0, 8)}`, alg: "ES256", use: "sig" };
  const jwk = async (key) => {
    const { kty, crv, x, y, d } = await webcrypto.subtle.exportKey("jwk", key);
    return { kty, crv, x, y, ...(d === undefined ? {} : { d }), ...name };
  };
  const lines = [
    "# Keys of this clone's development server. Made by bin/setup.mjs; delete the file to get new ones.",
    `AUTH_JWKS='${JSON.stringify({ keys: [await jwk(pair.publicKey)] })}'`,
    `DEV_ISSUER_JWK='${JSON.stringify(await jwk(pair.privateKey))}'`,
    `TICKET_SECRET='${Buffer.from(webcrypto.getRandomValues(new Uint8Array(32))).toString("hex")}'`,
  ];
  writeFileSync(devVarsFile, `${lines.join("\n")}\n`, { mode: 0o600 });
}

if (majorMinor(process.version)[0] < 20) stop(`Node ${process.version} is too old; install Node 20 or newer.`);
installPackages();
requireNewNode();
await createDevVars();
