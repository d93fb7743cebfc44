/**
 * What test/tidy.test.ts holds the tree to, as functions of files: each returns what is wrong as `path: why`, and
 * nothing where all is well. The table of rooms is the architecture; change it only together with a page in
 * docs/decisions.
 */
import { posix } from "node:path";

export interface TextFile {
  /** From the repository's root, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

interface Room {
  /** Rooms it may import, besides itself; `room:type` for their types alone. */
  readonly imports: readonly string[];
  /** Packages, by whole name or by prefix with a star. */
  readonly packages: readonly string[];
}

const CLOUDFLARE = "cloudflare:*";
const NODE = "node:*";

/** Who may know whom. A file's room is the first entry that is its folder, or the file itself. */
export const ROOMS: Readonly<Record<string, Room>> = {
  "src/domain": { imports: [], packages: [] },
  "src/spatial": { imports: ["src/domain"], packages: [] },
  "src/matching": { imports: ["src/domain", "src/spatial", "src/ranking:type"], packages: [] },
  "src/ranking": { imports: ["src/domain", "src/spatial"], packages: [] },
  "src/learning": { imports: ["src/domain", "src/spatial"], packages: [] },
  "src/routing": { imports: ["src/domain", "src/spatial"], packages: [] },
  "src/calls": { imports: ["src/domain"], packages: [] },
  "src/outbox": { imports: ["src/domain"], packages: [] },
  "src/shard": { imports: ["src/domain", "src/matching", "src/ranking", "src/outbox"], packages: [] },
  "src/observe": { imports: ["src/domain"], packages: [] },
  "src/history": { imports: ["src/domain"], packages: [] },
  "src/protocol": {
    imports: ["src/domain", "src/matching:type", "src/ranking:type"],
    packages: ["zod", "jose"],
  },
  "src/edge": {
    imports: [
      "src/domain",
      "src/calls",
      "src/matching:type",
      "src/protocol",
      "src/routing",
      "src/history",
      "src/observe",
      "src/env.ts",
    ],
    packages: ["hono", "hono/*", "@hono/zod-openapi", "jose", "ulidx"],
  },
  // Which places are served is configuration; where a place's shard is, is routing. How markets are written down is
  // parsed in protocol, for the simulator too.
  "src/env.ts": { imports: ["src/domain", "src/routing", "src/protocol"], packages: ["zod"] },
  "src/worker.ts": { imports: ["src/edge", "src/history", "src/env.ts", "durable-objects"], packages: [] },
  "durable-objects/ports": {
    imports: [
      "src/domain",
      "src/calls",
      "src/matching:type",
      "src/protocol",
      "src/ranking",
      "src/routing",
      "src/shard",
      "src/observe",
      "src/env.ts",
      "models",
    ],
    packages: ["ulidx", "onnxruntime-web/*"],
  },
  "durable-objects": {
    imports: [
      "src/domain",
      "src/calls",
      "src/spatial",
      "src/matching:type",
      "src/ranking",
      "src/protocol",
      "src/routing",
      "src/shard",
      "src/observe",
      "src/env.ts",
      "durable-objects/ports",
      "models",
    ],
    packages: [CLOUDFLARE, "itty-durable"],
  },
  // A lock has no runtime: its object runs the core itself.
  "durable-objects/driver-lock.ts": {
    imports: [
      "src/domain",
      "src/calls",
      "src/matching",
      "src/protocol:type",
      "src/routing",
      "src/observe",
      "src/env.ts",
      "durable-objects/ports",
    ],
    packages: [CLOUDFLARE],
  },
  models: {
    imports: ["src/domain", "src/spatial", "src/matching", "src/ranking", "sim"],
    packages: [NODE],
  },
  client: { imports: ["src/domain", "src/protocol"], packages: ["ws", "zod"] },
  // Real processes and sockets: everything in it stands outside the Worker, as a client would.
  "sim/live": {
    imports: ["src/domain", "src/spatial", "src/ranking", "src/protocol", "sim", "sim/city", "client"],
    packages: [NODE, "miniflare", "wrangler"],
  },
  "sim/chaos": {
    imports: ["src/domain", "src/spatial", "src/routing", "src/protocol", "sim", "sim/city", "sim/live", "client"],
    packages: [NODE],
  },
  // The one part of the simulator that knows the models: it compares what is served.
  "sim/lab": {
    imports: [
      "src/domain",
      "src/spatial",
      "src/matching",
      "src/ranking",
      "src/protocol",
      "src/routing",
      "src/shard",
      "models",
      "sim",
      "sim/city",
    ],
    packages: [NODE],
  },
  "sim/city": { imports: ["src/domain", "src/spatial", "sim"], packages: [NODE] },
  sim: {
    imports: [
      "src/domain",
      "src/spatial",
      "src/matching",
      "src/ranking",
      "src/learning",
      "src/protocol",
      "src/routing",
      "src/outbox",
      "src/shard",
      "sim/city",
    ],
    packages: [NODE],
  },
  bench: {
    imports: [
      "src/domain",
      "src/spatial",
      "src/matching",
      "src/ranking",
      "src/protocol",
      "src/routing",
      "src/shard",
      "models",
      "sim",
      "sim/city",
      "sim/lab",
      "sim/live",
      "client",
    ],
    packages: [NODE, "kdbush", "geokdbush", "onnxruntime-web/*", "ws", "jose", "ulidx"],
  },
  bin: {
    imports: ["src/domain", "src/spatial", "sim", "sim/chaos", "sim/city", "sim/live", "client"],
    packages: [NODE],
  },
};

const PURE = ["src/domain", "src/spatial", "src/matching", "src/ranking", "src/learning", "src/routing"];
/** Free of the platform and of validation, though not of callbacks. */
const PLATFORM_FREE = [...PURE, "src/outbox", "src/shard"];

const BANNED_IN_PURE: readonly [RegExp, string][] = [
  [/\b(?:async|await)\b/, "waits"],
  [/\bnew Date\b|\bDate\.|\bperformance\./, "reads a clock"],
  [/\bMath\.random\b|\bcrypto\./, "is random"],
  [/\bconsole\./, "logs"],
  [/\b(?:setTimeout|setInterval|queueMicrotask|fetch)\(/, "acts on the world"],
  [/\bPromise\b/, "waits"],
];
const PLATFORM_TYPES =
  /\b(?:DurableObject\w*|D1\w+|R2\w+|WebSocket\w*|ExecutionContext|KVNamespace|Queue|SqlStorage\w*)\b/;

/** What a file is in; null for files of no room. Longest name first, so that a part stands before its whole. */
export function roomOf(path: string): string | null {
  const rooms = Object.keys(ROOMS).sort((a, b) => b.length - a.length);
  return rooms.find((room) => path === room || path.startsWith(`${room}/`)) ?? null;
}

/** The code of a file without comments and without the insides of strings. */
export function codeOf(text: string): string {
  return text.replace(/"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`|\/\/.*|\/\*[\s\S]*?\*\//g, (part) =>
    part.startsWith("/") ? " " : '""',
  );
}

interface Import {
  readonly from: string;
  readonly typeOnly: boolean;
}

export function importsOf(text: string): Import[] {
  const statements = /^(?:import|export)\s+(type\s)?(?:[^"';]*?\sfrom\s+)?"([^"]+)"/gm;
  const dynamic = /\bimport\(\s*"([^"]+)"\s*\)/g;
  return [
    ...Array.from(text.matchAll(statements), ([, type, from]) => ({ from: from!, typeOnly: type !== undefined })),
    ...Array.from(text.matchAll(dynamic), ([, from]) => ({ from: from!, typeOnly: false })),
  ];
}

/** Imports that the table does not allow, and code that is in no room. */
export function wrongImports(files: readonly TextFile[]): string[] {
  return files.flatMap(({ path, text }) => {
    const room = roomOf(path);
    if (room === null) return [`${path}: is in no room`];
    return importsOf(text).flatMap(({ from, typeOnly }) =>
      isAllowed(path, room, from, typeOnly) ? [] : [`${path}: may not import ${from}${typeOnly ? "" : " (value)"}`],
    );
  });
}

function isAllowed(path: string, room: string, from: string, typeOnly: boolean): boolean {
  const { imports, packages } = ROOMS[room]!;
  if (!from.startsWith(".")) return packages.some((name) => from === name || isPrefix(name, from));
  const target = roomOf(posix.join(posix.dirname(path), from));
  if (target === room || (target !== null && folderOf(target) === folderOf(room))) return true;
  if (target === null) return false;
  return [target, folderOf(target)].some(
    (one) => imports.includes(one) || (typeOnly && imports.includes(`${one}:type`)),
  );
}

/** A file with an entry of its own still belongs to its folder. */
function folderOf(room: string): string {
  return room.endsWith(".ts") && !room.startsWith("src/") ? posix.dirname(room) : room;
}

function isPrefix(name: string, from: string): boolean {
  return name.endsWith("*") && from.startsWith(name.slice(0, -1));
}

/** Clocks, chance, waiting and words where everything must follow from the arguments. */
export function impurities(files: readonly TextFile[]): string[] {
  return files.flatMap(({ path, text }) => {
    const room = roomOf(path) ?? "";
    const code = codeOf(text);
    const found = PURE.includes(room)
      ? BANNED_IN_PURE.filter(([pattern]) => pattern.test(code)).map(([, why]) => `${path}: ${why}`)
      : [];
    const platform = PLATFORM_FREE.includes(room) ? PLATFORM_TYPES.exec(code) : null;
    return platform === null ? found : [...found, `${path}: knows the platform's ${platform[0]}`];
  });
}

/** Where a file is too long it is usually two things. */
export function tooLong(
  files: readonly TextFile[],
  { file, objectClass }: { file: number; objectClass: number },
): string[] {
  return files.flatMap(({ path, text }) => {
    const lines = text.split("\n").length - 1;
    const found = lines > file ? [`${path}: ${lines} lines, at most ${file}`] : [];
    if (!/^durable-objects\/[^/]+\.ts$/.test(path)) return found;
    const classes = Array.from(text.matchAll(/^export class (\w+)[\s\S]*?^}/gm), ([body, name]) => ({
      name,
      lines: body.split("\n").length,
    }));
    return [
      ...found,
      ...classes
        .filter((one) => one.lines > objectClass)
        .map((one) => `${path}: class ${one.name} has ${one.lines} lines, at most ${objectClass}`),
    ];
  });
}

/** Rules without a test, and tests that cite a rule there is not. */
export function uncitedRules(spec: string, tests: readonly TextFile[]): string[] {
  const rules = new Set(Array.from(spec.matchAll(/^- \*\*\[([A-Z]\d+)\]\*\* \S/gm), ([, id]) => id!));
  const cited = new Map<string, string>();
  for (const { path, text } of tests) {
    for (const [, ids] of text.matchAll(/["'`]((?:\[[A-Z]\d+\] ?)+)/g)) {
      for (const [, id] of ids!.matchAll(/\[([A-Z]\d+)\]/g)) cited.set(id!, path);
    }
  }
  return [
    ...[...rules].filter((id) => !cited.has(id)).map((id) => `docs/SPEC.md: no test cites [${id}]`),
    ...[...cited].filter(([id]) => !rules.has(id)).map(([id, path]) => `${path}: [${id}] is no rule of docs/SPEC.md`),
  ];
}

/** Put together here, or this file would find itself. */
const LEFTOVERS = new RegExp(`\\b(?:${["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"].join("|")})\\b`);
const SWITCHED_OFF = new RegExp(
  `\\b(?:test|describe|it)\\.(?:${["sk" + "ip", "on" + "ly", "to" + "do", "fai" + "ls"].join("|")})\\b`,
);
const MACHINE_PATHS = new RegExp(
  `(?:^|[\\s"'\`(=:])/(?:${["wo" + "rk", "tm" + "p", "ho" + "me", "ro" + "ot", "Us" + "ers"].join("|")})/`,
  "m",
);

/** Unfinished work, tests that do not run, and places that exist on one machine only. */
export function leftovers(files: readonly TextFile[]): string[] {
  const patterns: readonly [RegExp, string][] = [
    [LEFTOVERS, "unfinished"],
    [SWITCHED_OFF, "a test that does not run, or runs alone"],
    [MACHINE_PATHS, "a path of one machine"],
  ];
  return files.flatMap(({ path, text }) =>
    patterns.flatMap(([pattern, why]) => {
      const found = pattern.exec(text);
      return found === null ? [] : [`${path}: ${why}: ${found[0].trim()}`];
    }),
  );
}

/** Where packages come from is the installer's configuration, not the repository's. */
export function lockedHosts(lock: string): string[] {
  const { packages } = JSON.parse(lock) as { packages: Record<string, { resolved?: string }> };
  return Object.entries(packages).flatMap(([name, { resolved }]) =>
    resolved?.includes("://") ? [`package-lock.json: ${name} comes from ${resolved}`] : [],
  );
}
