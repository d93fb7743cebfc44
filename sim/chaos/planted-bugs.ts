/**
 * Bugs of the product that an attack must notice, each a single change of a source: an attack is worth what it catches of
 * them (`npm run chaos -- --bug NAME`). They are put into a copy of the sources, so no other build can ever hold one.
 */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

interface PlantedBug {
  readonly file: string;
  /** Occurs exactly once in the file. */
  readonly find: string;
  readonly replace: string;
}

export const PLANTED_BUGS = {
  /** Who accepts second hears what the first has heard. */
  "two-winners": {
    file: "src/matching/assignment.ts",
    find: `offer?.state === "ended") {`,
    replace: `offer?.state === "ended" || (offer?.state === "dead" && offer.reason === "superseded")) {`,
  },
  /** An answer leaves before what it says is on disk: right until something dies in between. */
  "spoken-before-written": {
    file: "src/shard/shard-runtime.ts",
    find: "    this.#storage.commit(writes);",
    replace: "    setTimeout(() => this.#storage.commit(writes), 300);",
  },
  /** Whoever loses his connection is taken to have left his ride too. */
  "freed-by-disconnect": {
    file: "src/matching/driver-lock.ts",
    find: "{ ...state, session: null } : state",
    replace: "{ ...state, session: null, holder: null, ask: null } : state",
  },
  /** A driver who is asked for one ride already may be asked for another. */
  "lock-given-twice": {
    file: "src/matching/driver-lock.ts",
    find: '  if (state.holder !== null) return { state: raiseFence(state, shard, seq), answer: { type: "busy" } };\n',
    replace: "",
  },
  /** History takes an event that it has already for an error. */
  "repeats-refused": {
    file: "src/history/write-events.ts",
    find: "\n  ON CONFLICT (event_id) DO NOTHING",
    replace: "",
  },
  /** The last event to arrive is taken for the newest. */
  "late-taken-for-new": {
    file: "src/history/write-events.ts",
    find: "\n  WHERE excluded.version > rides.version",
    replace: "",
  },
} satisfies Readonly<Record<string, PlantedBug>>;

export type BugName = keyof typeof PLANTED_BUGS;

const ROOT = join(import.meta.dirname, "..", "..");
/** What a bundle is made of. */
const SOURCES = ["src", "durable-objects", "models", "migrations", "wrangler.toml", "tsconfig.json", "package.json"];
const DEVELOPMENT_KEYS = ".dev.vars";

/** Copies the sources into `folder`, inside the repository so that packages are found, and changes the copy. */
export function plantBug(name: BugName, folder: string): void {
  const { file, find, replace }: PlantedBug = PLANTED_BUGS[name];
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const source of [...SOURCES, DEVELOPMENT_KEYS]) {
    cpSync(join(ROOT, source), join(folder, source), { recursive: true });
  }
  const [before, after, ...more] = readFileSync(join(folder, file), "utf8").split(find);
  if (after === undefined || more.length > 0) throw new Error(`${name}: ${file} must hold once: ${find}`);
  writeFileSync(join(folder, file), `${before}${replace}${after}`);
}
