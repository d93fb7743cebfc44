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
  stop(): Promise<void>;
}

export interface ServerHooks {
  readonly onRestart?: () => void;
  /** A line that the Worker logged as an error. */
  readonly onError?: (message: string) => void;
}

const SERVER = join(import.meta.dirname, "server.ts");
const BUILDER = join(import.meta.dirname, "build-worker.ts");
const QUIET = join(import.meta.dirname, "..", "..", "bin", "quiet.env");
const STOP_WITHIN_MS = 5_000;
/** Characters of its standard error kept for the message when it does not start. */
const LAST_WORDS = 2_000;
const FAILED_STARTS = 3;
const QUERY_RETRY_MS = 200;
const QUERY_WITHIN_MS = 30_000;

/** Bundles the Worker into `workerDir`; throws with the bundler's words when it does not compile. */
export function buildWorker(workerDir: string): void {
  const result = spawnSync(process.execPath, [`--env-file=${QUIET}`, BUILDER, workerDir], { encoding: "utf8" });
  if (result.status !== 0) throw new Error(result.stderr || `the bundler ended with ${result.signal ?? result.status}`);
}

/** Resolves when requests are answered. Throws when the server cannot start: port taken, state in use. */
export async function startServer(setting: ServerSetting, hooks: ServerHooks = {}): Promise<ServerProcess> {
  const queries = new Map<number, (answer: Extract<FromServer, { id: number }> | null) => void>();
  let child: ChildProcess | null = null;
  let url = "";
  let runtimePid = 0;
  let restarts = 0;
  let asked = 0;
  let stopping = false;

  async function launch(fresh: boolean): Promise<void> {
    const started = fork(SERVER, [], { detached: true, execArgv: [], stdio: ["ignore", "ignore", "pipe", "ipc"] });
    child = started;
    let ready = false;
    let lastWords = "";
    started.stderr?.on("data", (text) => {
      lastWords = `${lastWords}${text}`.slice(-LAST_WORDS);
    });
    await new Promise<void>((resolve, reject) => {
      started.on("message", (message: FromServer) => {
        if (message.type === "ready") {
          ready = true;
          resolve();
        }
        if (message.type === "failed") reject(new Error(message.reason));
        hear(message);
      });
      started.once("exit", (code, signal) => {
        killGroup(started);
        for (const answer of queries.values()) answer(null);
        reject(new Error(`the server ended with ${signal ?? code} before it was ready\n${lastWords}`));
        if (ready && !stopping) void relaunch();
      });
      tell({
        type: "start",
        setting: { ...setting, fresh, port: url === "" ? setting.port : Number(new URL(url).port) },
      });
    });
  }

  async function relaunch(): Promise<void> {
    for (let failed = 0; failed < FAILED_STARTS && !stopping; failed++) {
      try {
        await launch(false);
        restarts += 1;
        hooks.onRestart?.();
        return;
      } catch (error) {
        hooks.onError?.(String(error));
      }
    }
  }

  function hear(message: FromServer): void {
    switch (message.type) {
      case "ready":
        url = message.url;
        runtimePid = message.runtimePid;
        return;
      case "restarted":
        runtimePid = message.runtimePid;
        restarts += 1;
        hooks.onRestart?.();
        return;
      case "logged":
        hooks.onError?.(message.message);
        return;
      case "rows":
      case "query.failed":
        queries.get(message.id)?.(message);
        return;
      case "failed":
        return;
    }
  }

  function tell(message: ToServer): void {
    if (child?.connected) child.send(message);
  }

  function ask(sql: string, values: readonly (string | number)[]) {
    asked += 1;
    const id = asked;
    return new Promise<Extract<FromServer, { id: number }> | null>((resolve) => {
      queries.set(id, (answer) => {
        queries.delete(id);
        resolve(answer);
      });
      if (child?.connected) tell({ type: "query", id, sql, values });
      else queries.get(id)?.(null);
    });
  }

  async function query<Row>(sql: string, ...values: (string | number)[]): Promise<Row[]> {
    const giveUpAt = performance.now() + QUERY_WITHIN_MS;
    for (;;) {
      const answer = await ask(sql, values);
      if (answer?.type === "rows") return answer.rows as Row[];
      if (performance.now() > giveUpAt) throw new Error(`D1 does not answer: ${answer?.reason ?? "no server"}`);
      await new Promise((resolve) => setTimeout(resolve, QUERY_RETRY_MS));
    }
  }

  async function stop(): Promise<void> {
    stopping = true;
    const ending = child;
    if (!ending || ending.exitCode !== null || ending.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => ending.once("exit", () => resolve()));
    tell({ type: "stop" });
    const timer = setTimeout(() => killGroup(ending), STOP_WITHIN_MS);
    await gone;
    clearTimeout(timer);
  }

  // Whatever ends this process, a normal exit or an error nobody caught, workerd must not outlive it.
  process.once("exit", () => child && killGroup(child));
  await launch(setting.fresh);
  return { url, runtimePid: () => runtimePid, restarts: () => restarts, query, stop };
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
