/** The architecture as a test: rooms and who may know whom, purity, rules with their tests, sizes, nothing left lying about. */
import { readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import {
  codeOf,
  importsOf,
  impurities,
  leftovers,
  lockedHosts,
  ROOMS,
  roomOf,
  type TextFile,
  tooLong,
  uncitedRules,
  wrongImports,
} from "./tidy-checks.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const TEXT = /\.(?:ts|mjs|json|md|toml|sql|env)$|^run$/;
const CODE_ROOMS = ["src", "durable-objects", "models", "client", "sim", "bench", "bin"];
const OTHER_ROOMS = ["test", "docs", "migrations", ".ci"];
const ROOT_FILES = ["package.json", "README.md", "wrangler.toml", "tsconfig.json", "vitest.config.ts", "biome.json"];

function filesUnder(folder: string): TextFile[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && TEXT.test(entry.name))
    .map((entry) => {
      const path = posix.join(folder, posix.relative(join(ROOT, folder), entry.parentPath), entry.name);
      return read(path);
    });
}

function read(path: string): TextFile {
  return { path, text: readFileSync(join(ROOT, path), "utf8") };
}

const present = new Set(readdirSync(ROOT));
const code = CODE_ROOMS.flatMap(filesUnder);
const sources = code.filter(({ path }) => path.endsWith(".ts") && !path.endsWith(".d.ts"));
/** This file's own titles speak of rules that are none. */
const tests = filesUnder("test").filter(({ path }) => path.endsWith(".ts") && !path.startsWith("test/tidy"));
const everything = [
  ...code,
  ...OTHER_ROOMS.filter((room) => present.has(room)).flatMap(filesUnder),
  ...ROOT_FILES.filter((name) => present.has(name)).map(read),
];

describe("the tree", () => {
  test("has something in every room of the table", () => {
    const inhabited = new Set(sources.map(({ path }) => roomOf(path)));
    expect(Object.keys(ROOMS).filter((room) => !inhabited.has(room))).toEqual([]);
  });

  test("imports only along the table", () => {
    expect(wrongImports(sources)).toEqual([]);
  });

  test("has no clock, chance, waiting, logging or platform in its pure rooms", () => {
    expect(impurities(sources)).toEqual([]);
  });

  test("has a test for every rule and a rule for every citation", () => {
    expect(uncitedRules(read("docs/SPEC.md").text, tests)).toEqual([]);
  });

  test("has no file that is two things", () => {
    const long = sources.filter(({ path }) => /^(?:src|durable-objects|sim|client)\//.test(path));
    expect(tooLong(long, { file: 320, objectClass: 175 })).toEqual([]);
  });

  test("has nothing unfinished, switched off or of one machine in it", () => {
    expect(leftovers(everything)).toEqual([]);
  });

  test("does not say where its packages come from", () => {
    expect(lockedHosts(read("package-lock.json").text)).toEqual([]);
  });
});

describe("the checks see", () => {
  const file = (path: string, text: string): TextFile[] => [{ path, text }];

  test.each([
    ["src/matching/a.ts", 'import { z } from "zod";'],
    ["src/matching/a.ts", 'import { Hono } from "hono";'],
    ["src/matching/a.ts", 'import { rank } from "../ranking/ranker.ts";'],
    ["src/matching/a.ts", 'export { rank } from "../ranking/ranker.ts";'],
    ["src/matching/a.ts", 'type R = import("../shard/ports.ts").ShardStorage;'],
    ["src/domain/a.ts", 'import type { Env } from "../env.ts";'],
    ["src/edge/a.ts", 'import { apply } from "../matching/apply.ts";'],
    ["src/edge/a.ts", 'import {\n  ShardRuntime,\n} from "../shard/shard-runtime.ts";'],
    ["src/protocol/a.ts", 'import { LIMITS } from "../matching/limits.ts";'],
    ["durable-objects/a.ts", 'import { apply } from "../src/matching/apply.ts";'],
    ["client/a.ts", 'import { apply } from "../src/matching/apply.ts";'],
    ["sim/a.ts", 'import "cloudflare:workers";'],
    ["src/util/a.ts", ""],
  ])("an import that %s may not have: %s", (path, text) => {
    expect(wrongImports(file(path, text))).toHaveLength(1);
  });

  test.each([
    ["src/matching/a.ts", 'import type { Ranked } from "../ranking/ranked.ts";'],
    ["src/matching/a.ts", 'import { x } from "./b.ts";'],
    ["durable-objects/driver-lock.ts", 'import { applyToLock } from "../src/matching/driver-lock.ts";'],
    ["durable-objects/a.ts", 'import { send } from "./ports/driver-sockets.ts";'],
    ["sim/world/a.ts", 'import { createRandom } from "../random.ts";'],
    ["bin/a.ts", 'import { readFile } from "node:fs/promises";'],
  ])("no fault in %s with %s", (path, text) => {
    expect(wrongImports(file(path, text))).toEqual([]);
  });

  test.each([
    "const at = Date.now();",
    "const at = new Date();",
    "const chance = Math.random();",
    "const id = crypto.randomUUID();",
    "async function f() {}",
    "function f(): Promise<void> {}",
    'console.log("x");',
    "setTimeout(f, 1);",
    "let socket: WebSocket;",
    "let rows: D1Database;",
  ])("what is not pure: %s", (text) => {
    expect(impurities(file("src/matching/a.ts", text))).toHaveLength(1);
    expect(impurities(file("src/edge/a.ts", text))).toEqual([]);
  });

  test("words in comments and strings as words only", () => {
    expect(
      impurities(file("src/domain/a.ts", '/** await Date.now() */\nconst a = "Math.random"; // console.log')),
    ).toEqual([]);
    expect(codeOf('a("it\'s \\" fine"); /* x */ b')).toBe('a("");   b');
    expect(importsOf('import type { A } from "./a.ts";\nimport "./b.ts";')).toEqual([
      { from: "./a.ts", typeOnly: true },
      { from: "./b.ts", typeOnly: false },
    ]);
  });

  test("a rule without a test and a citation without a rule", () => {
    const spec = "- **[Q1]** one\n- **[Q2]** two\n";
    const cite = (id: string) => file("test/a.test.ts", `test("${id} says so", f)`);
    expect(uncitedRules(spec, cite("[Q1] [Q2]"))).toEqual([]);
    expect(uncitedRules(spec, cite("[Q1]"))).toEqual(["docs/SPEC.md: no test cites [Q2]"]);
    expect(uncitedRules(spec, cite("[Q1] [Q2] [Q3]"))).toEqual(["test/a.test.ts: [Q3] is no rule of docs/SPEC.md"]);
  });

  test("what is too long", () => {
    const limits = { file: 5, objectClass: 3 };
    expect(tooLong(file("src/a.ts", "x\n".repeat(5)), limits)).toEqual([]);
    expect(tooLong(file("src/a.ts", "x\n".repeat(6)), limits)).toHaveLength(1);
    expect(tooLong(file("durable-objects/a.ts", "export class A {\n\n\n}\n"), limits)).toHaveLength(1);
  });

  test("what was left lying about", () => {
    for (const text of [`// ${"TO" + "DO"} later`, `test.${"sk" + "ip"}("x")`, `const a = "/${"wo" + "rk"}/main";`]) {
      expect(leftovers(file("src/a.ts", text))).toHaveLength(1);
    }
    expect(leftovers(file("src/a.ts", 'const path = "shift/work/later";'))).toEqual([]);
  });

  test("a lock file that names a host", () => {
    const lock = (resolved?: string) =>
      JSON.stringify({ packages: { "node_modules/a": { version: "1.0.0", resolved } } });
    expect(lockedHosts(lock())).toEqual([]);
    expect(lockedHosts(lock("https://registry.example/a.tgz"))).toHaveLength(1);
  });
});
