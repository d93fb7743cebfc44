/**
 * The Worker on this machine, as a process of its own: workerd with Durable Objects, D1, Queue and R2, all of it kept
 * in one folder. Told what to do by its parent (server-process.ts) and gone when the parent is gone.
 */
import { subscribe } from "node:diagnostics_channel";
import { appendFileSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from "miniflare";
import type { FromServer, ServerSetting, ToServer } from "./server-messages.ts";

const MIGRATIONS = join(import.meta.dirname, "..", "..", "migrations");
const CRON = "* * * * *";
const CRON_EVERY_MS = 60_000;
const LOCK = "lock.sqlite";
/**
 * workerd runs Kerb and Miniflare's stand-ins for Queue, D1 and R2 in one process, each an isolate of its own, and one
 * that allocates little is not collected before it holds some thirty megabytes: memory then seems to leak for a quarter
 * of an hour. Smaller allowances, in megabytes.
 */
const V8_FLAGS = "--max-semi-space-size=8 --initial-old-space-size=8";

let stateLock: DatabaseSync | null = null;
let runtimePid = 0;
// Miniflare starts workerd itself and does not say which process that is.
subscribe("child_process", (message) => {
  const child = (message as { process: { pid?: number; spawnfile?: string } }).process;
  // The channel speaks when the process object exists, which is before it has a number.
  setImmediate(() => {
    runtimePid = child.pid ?? runtimePid;
  });
});

/**
 * Two runtimes on one folder would be two live copies of every object, without any error. The lock is the operating
 * system's, held by an open database: it ends with this process however that dies, and no number of a dead process, which
 * may be another's by now, is left to be believed.
 */
function lockState(stateDir: string, fresh: boolean): string | null {
  mkdirSync(stateDir, { recursive: true });
  stateLock = new DatabaseSync(join(stateDir, LOCK));
  try {
    stateLock.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    return `${stateDir} is in use by another server: ${error instanceof Error ? error.message : String(error)}`;
  }
  const old = fresh ? readdirSync(stateDir).filter((name) => !name.startsWith(LOCK)) : [];
  for (const name of old) rmSync(join(stateDir, name), { recursive: true, force: true });
  return null;
}

function modulesIn(workerDir: string) {
  const types = { js: "ESModule", wasm: "CompiledWasm", onnx: "Data" } as const;
  return readdirSync(workerDir)
    .flatMap((name) => {
      const type = types[name.slice(name.lastIndexOf(".") + 1) as keyof typeof types];
      return type ? [{ type, path: join(workerDir, name) }] : [];
    })
    .sort((a, b) => Number(b.path.endsWith("worker.js")) - Number(a.path.endsWith("worker.js")));
}

async function start({ workerDir, stateDir, port, vars }: ServerSetting): Promise<Miniflare> {
  const options = JSON.parse(readFileSync(join(workerDir, "options.json"), "utf8")) as {
    bindings: Record<string, string>;
  };
  const logFile = join(stateDir, "server.log");
  // The only way in: Miniflare has no option for it.
  process.env.MINIFLARE_WORKERD_V8_FLAGS ??= V8_FLAGS;
  const server = new Miniflare(
    convertV4MiniflareOptions({
      ...options,
      name: "kerb",
      modules: modulesIn(workerDir),
      modulesRoot: workerDir,
      bindings: { ...options.bindings, ...vars },
      host: "127.0.0.1",
      port,
      cf: false,
      telemetry: { enabled: false },
      // Recording a trace of every call costs a quarter of the speed; `npm run dev` has it.
      unsafeObservability: false,
      unsafeLocalExplorer: false,
      resourcePersistencePath: stateDir,
      log: new Log(LogLevel.ERROR),
      handleStructuredLogs: ({ timestamp, level, message }) => {
        appendFileSync(logFile, `${new Date(timestamp).toISOString()} ${level} ${message}\n`);
        if (level === "error") say({ type: "logged", level, message });
      },
      unsafeHandleRuntimeRestart: () => say({ type: "restarted", runtimePid }),
    }),
  );
  const url = await server.ready;
  await migrate(server);
  // Crons do not fire by themselves here.
  setInterval(() => void sweep(server), CRON_EVERY_MS);
  say({ type: "ready", url: url.origin, runtimePid });
  return server;
}

async function sweep(server: Miniflare): Promise<void> {
  const worker = await server.getWorker();
  await worker.scheduled({ cron: CRON }).catch(() => {});
}

/** The table is wrangler's own, so `wrangler d1 migrations apply` knows what was done here, and the other way round. */
async function migrate(server: Miniflare): Promise<void> {
  const db = await server.getD1Database("HISTORY");
  await db
    .prepare(
      `CREATE TABLE IF NOT EXISTS d1_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE,
       applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)`,
    )
    .run();
  const { results } = await db.prepare("SELECT name FROM d1_migrations").all<{ name: string }>();
  const done = new Set(results.map(({ name }) => name));
  const files = readdirSync(MIGRATIONS).filter((name) => name.endsWith(".sql") && !done.has(name));
  for (const name of files.sort()) {
    await db.batch([
      db.prepare(readFileSync(join(MIGRATIONS, name), "utf8")),
      db.prepare("INSERT INTO d1_migrations (name) VALUES (?1)").bind(name),
    ]);
  }
}

function say(message: FromServer): void {
  if (process.connected) process.send?.(message);
}

let running: Miniflare | null = null;

async function end(code: number): Promise<never> {
  await running?.dispose().catch(() => {});
  process.exit(code);
}

async function repeatEvents(events: readonly unknown[]): Promise<void> {
  const queue = await running?.getQueueProducer("RIDE_EVENTS");
  await queue?.sendBatch(events.map((body) => ({ body, contentType: "json" })));
}

async function hear(message: ToServer): Promise<void> {
  switch (message.type) {
    case "start": {
      const problem = lockState(message.setting.stateDir, message.setting.fresh);
      if (problem) {
        say({ type: "failed", reason: problem });
        return end(1);
      }
      try {
        running = await start(message.setting);
      } catch (error) {
        say({ type: "failed", reason: error instanceof Error ? error.message : String(error) });
        return end(1);
      }
      return;
    }
    case "query": {
      const { id, sql, values } = message;
      try {
        const db = await running!.getD1Database("HISTORY");
        const { results } = await db
          .prepare(sql)
          .bind(...values)
          .all();
        say({ type: "rows", id, rows: results });
      } catch (error) {
        say({ type: "query.failed", id, reason: String(error) });
      }
      return;
    }
    case "evict": {
      const { className, objectId: id, webSockets } = message;
      // A runtime that is just dying has no objects to end.
      await running?.unsafeEvictDurableObject("kerb", className, { id, webSockets }).catch(() => {});
      return;
    }
    case "repeat": {
      // A runtime that is just dying takes what is in its queue along anyway.
      await repeatEvents(message.events).catch(() => {});
      return;
    }
    case "stop":
      return end(0);
  }
}

process.on("message", (message: ToServer) => void hear(message));
process.on("disconnect", () => void end(0));
// A terminal's Ctrl-C may reach the whole group; the parent decides when the server goes.
process.on("SIGINT", () => {});
