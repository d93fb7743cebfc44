/** Starts the server process, starts it again when it dies, and leaves nothing behind. */
import { type ChildProcess, fork, spawnSync } from "node:child_process";
import { join } from "node:path";
import type { FromServer, ServerSetting, ToServer } from "./server-messages.ts";

export interface ServerProcess {
  readonly url: string;
  /** Of workerd itself; changes with every restart. */
  runtimePid(): number;
  /** How often workerd, or the process around it, died and came back. */
  restarts(): number;
  /** Rows of D1, read through the binding and not through the Worker. Waits for a restart that is under way. */
  query<Row>(sql: string, ...values: (string | number)[]): Promise<Row[]>;
  /** Ends one Durable Object through Miniflare's own handle; the Worker has no door for it. */
  evict(className: string, objectId: string, webSockets: "close" | "hibernate"): void;
  /** Puts events into the queue that it has delivered before; at most 100. */
  repeat(events: readonly unknown[]): void;
  /** `kill -9` of workerd alone, which its server starts again, or of the whole group, which this process does. */
  kill(whole: boolean): void;
  stop(): Promise<void>;
}

export interface ServerHooks {
  readonly onRestart?: () => void;
  /** A line that the Worker logged as an error. */
  readonly onError?: (message: string) => void;
}

const SERVER = join(import.meta.dirname, "server.ts");
const BUILDER = join(import.meta.dirname, "build-worker.ts");
const ROOT = join(import.meta.dirname, "..", "..");
const QUIET = join(ROOT, "bin", "quiet.env");
const STOP_WITHIN_MS = 5_000;
/** Characters of its standard error kept for the message when it does not start. */
const LAST_WORDS = 2_000;
const FAILED_STARTS = 5;
/** Its port may be taken for a moment: whoever calls a port where nobody listens may be given it as his own. */
const NEXT_START_MS = 500;
const QUERY_RETRY_MS = 200;
const QUERY_WITHIN_MS = 30_000;

/** Bundles the Worker into `workerDir`; throws with the bundler's words when it does not compile. */
export function buildWorker(workerDir: string, sourceDir: string = ROOT): void {
  const args = [`--env-file=${QUIET}`, BUILDER, workerDir, sourceDir];
  const result = spawnSync(process.execPath, args, { encoding: "utf8" });
  if (result.status !== 0) throw new Error(result.stderr || `the bundler ended with ${result.signal ?? result.status}`);
}

/** Resolves when requests are answered. Throws when the server cannot start: port taken, state in use. */
export async function startServer(setting: ServerSetting, hooks: ServerHooks = {}): Promise<ServerProcess> {
  const server = new Supervisor(setting, hooks);
  await server.launch(setting.fresh);
  return server;
}

type QueryAnswer = Extract<FromServer, { readonly id: number }>;

class Supervisor implements ServerProcess {
  readonly #setting: ServerSetting;
  readonly #hooks: ServerHooks;
  readonly #queries = new Map<number, (answer: QueryAnswer | null) => void>();
  #child: ChildProcess | null = null;
  #url = "";
  #runtimePid = 0;
  #restarts = 0;
  #asked = 0;
  #stopping = false;

  constructor(setting: ServerSetting, hooks: ServerHooks) {
    this.#setting = setting;
    this.#hooks = hooks;
    // Whatever ends this process, a normal exit or an error nobody caught, workerd must not outlive it.
    process.once("exit", () => this.#child && killGroup(this.#child));
  }

  get url(): string {
    return this.#url;
  }

  runtimePid(): number {
    return this.#runtimePid;
  }

  restarts(): number {
    return this.#restarts;
  }

  /** A later launch takes the port of the first, because its clients come back to it. */
  async launch(fresh: boolean): Promise<void> {
    const child = fork(SERVER, [], { detached: true, execArgv: [], stdio: ["ignore", "ignore", "pipe", "ipc"] });
    this.#child = child;
    let ready = false;
    let lastWords = "";
    child.stderr?.on("data", (text) => {
      lastWords = `${lastWords}${text}`.slice(-LAST_WORDS);
    });
    const port = this.#url === "" ? this.#setting.port : Number(new URL(this.#url).port);
    this.#tell({ type: "start", setting: { ...this.#setting, fresh, port } });
    await new Promise<void>((resolve, reject) => {
      child.on("message", (message: FromServer) => {
        this.#hear(message);
        if (message.type === "failed") reject(new Error(message.reason));
        if (message.type !== "ready") return;
        ready = true;
        resolve();
      });
      child.once("exit", (code, signal) => {
        killGroup(child);
        for (const answer of this.#queries.values()) answer(null);
        reject(new Error(`the server ended with ${signal ?? code} before it was ready\n${lastWords}`));
        if (ready && !this.#stopping) void this.#relaunch();
      });
    });
  }

  async query<Row>(sql: string, ...values: (string | number)[]): Promise<Row[]> {
    const giveUpAt = performance.now() + QUERY_WITHIN_MS;
    for (;;) {
      const answer = await this.#ask(sql, values);
      if (answer?.type === "rows") return answer.rows as Row[];
      if (performance.now() > giveUpAt) throw new Error(`D1 does not answer: ${answer?.reason ?? "no server"}`);
      await new Promise((resolve) => setTimeout(resolve, QUERY_RETRY_MS));
    }
  }

  evict(className: string, objectId: string, webSockets: "close" | "hibernate"): void {
    this.#tell({ type: "evict", className, objectId, webSockets });
  }

  repeat(events: readonly unknown[]): void {
    this.#tell({ type: "repeat", events });
  }

  kill(whole: boolean): void {
    if (whole && this.#child) killGroup(this.#child);
    else process.kill(this.#runtimePid, "SIGKILL");
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    this.#tell({ type: "stop" });
    const timer = setTimeout(() => killGroup(child), STOP_WITHIN_MS);
    await gone;
    clearTimeout(timer);
  }

  async #relaunch(): Promise<void> {
    for (let failed = 0; failed < FAILED_STARTS && !this.#stopping; failed++) {
      try {
        await this.launch(false);
        return this.#cameBack();
      } catch (error) {
        this.#hooks.onError?.(String(error));
        await new Promise((resolve) => setTimeout(resolve, NEXT_START_MS));
      }
    }
  }

  #cameBack(): void {
    this.#restarts += 1;
    this.#hooks.onRestart?.();
  }

  #hear(message: FromServer): void {
    switch (message.type) {
      case "ready":
        this.#url = message.url;
        this.#runtimePid = message.runtimePid;
        return;
      case "restarted":
        this.#runtimePid = message.runtimePid;
        return this.#cameBack();
      case "logged":
        return this.#hooks.onError?.(message.message);
      case "rows":
      case "query.failed":
        return this.#queries.get(message.id)?.(message);
      case "failed":
        return;
    }
  }

  #tell(message: ToServer): void {
    // Whom this finds dying is started again, and asked again by whoever waits for an answer.
    if (this.#child?.connected) this.#child.send(message, () => {});
  }

  /** Null when the server died before it answered. */
  #ask(sql: string, values: readonly (string | number)[]): Promise<QueryAnswer | null> {
    this.#asked += 1;
    const id = this.#asked;
    return new Promise((resolve) => {
      if (!this.#child?.connected) return resolve(null);
      this.#queries.set(id, (answer) => {
        this.#queries.delete(id);
        resolve(answer);
      });
      this.#tell({ type: "query", id, sql, values });
    });
  }
}

/** The child leads a group of its own, so workerd and whatever else it started go with it. */
function killGroup(leader: ChildProcess): void {
  if (leader.pid === undefined) return;
  try {
    process.kill(-leader.pid, "SIGKILL");
  } catch {
    // The group is empty already.
  }
}
