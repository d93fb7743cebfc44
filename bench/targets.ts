/** Who is measured: Kerb on workerd, and the peer on Node and Redis. Each is started afresh and leaves nothing behind. */
import { type ChildProcess, fork, spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { varsFor } from "../sim/live/run-city.ts";
import { buildWorker, startServer } from "../sim/live/server-process.ts";
import type { Keys } from "./load/keys.ts";
import { SHARD_BITS } from "./load/shared.ts";
import { RedisClient } from "./peer-redis/resp.ts";
import type { PeerSetting } from "./peer-redis/server.ts";

export interface Target {
  readonly name: string;
  /** Fixes per driver and second while saturating: above what it can take, below what it forbids. */
  readonly mostFixesPerDriver: number;
  start(keys: Keys): Promise<RunningTarget>;
}

export interface RunningTarget {
  readonly url: string;
  /** Processes whose time and memory are its price. */
  readonly processes: readonly { readonly name: string; readonly pid: number }[];
  /** Lines it logged as errors. */
  readonly errors: readonly string[];
  stop(): Promise<void>;
}

const ROOT = join(import.meta.dirname, "..");
const FOLDER = join(ROOT, ".kerb", "bench");
const REDIS_ATTEMPTS = 50;
const REDIS_PAUSE_MS = 50;

/** Bundles the Worker. `stateDir` null keeps state beside the clone, on whatever disk that is. */
export function kerbTarget(stateDir: string | undefined): Target {
  const workerDir = join(FOLDER, "worker");
  buildWorker(workerDir);
  return {
    name: "kerb",
    // Two fixes below the 20 frames per second that the door allows, for the probes between them.
    mostFixesPerDriver: 16,
    async start({ authJwks, ticketSecret }) {
      const errors: string[] = [];
      const server = await startServer(
        {
          workerDir,
          stateDir: stateDir ?? join(FOLDER, "state"),
          fresh: true,
          port: 0,
          vars: {
            // The peer asks three at once; a race is more work than the single offer that a market makes by default.
            ...varsFor(workerDir, 1, "broadcast"),
            AUTH_JWKS: authJwks,
            TICKET_SECRET: ticketSecret,
            SHARD_BITS: String(SHARD_BITS),
          },
        },
        { onError: (line) => errors.push(line) },
      );
      return {
        url: server.url,
        processes: [{ name: "workerd", pid: server.runtimePid() }],
        errors,
        stop: () => server.stop(),
      };
    },
  };
}

/** Null, with a word about it, where Redis is not installed. */
export function redisTarget(stateDir: string | undefined): Target | null {
  const version = spawnSync("redis-server", ["--version"], { encoding: "utf8" });
  if (version.status !== 0) {
    console.log("skipped: the peer on Node and Redis; redis-server was not found on this machine");
    return null;
  }
  return {
    name: "node + redis",
    mostFixesPerDriver: 60,
    async start({ authJwks, ticketSecret }) {
      const dir = join(stateDir ?? FOLDER, "redis");
      rmSync(dir, { recursive: true, force: true });
      mkdirSync(dir, { recursive: true });
      // A socket's path has room for about a hundred characters, which a clone's folder may exceed.
      const socketDir = mkdtempSync(join(tmpdir(), "kerb-bench-"));
      const redisSocket = join(socketDir, "redis.sock");
      const redis = spawn(
        "redis-server",
        ["--port", "0", "--unixsocket", redisSocket, "--dir", dir, "--save", "", "--appendonly", "yes"].concat([
          "--appendfsync",
          "everysec",
          "--loglevel",
          "warning",
        ]),
        { stdio: "ignore" },
      );
      const stopRedis = endWithParent(redis);
      await untilAnswering(redisSocket);
      const server = fork(join(ROOT, "bench", "peer-redis", "server.ts"));
      const stopServer = endWithParent(server);
      const url = await new Promise<string>((resolve, reject) => {
        server.once("message", (message: { url: string }) => resolve(message.url));
        server.once("exit", (code) => reject(new Error(`the peer ended with ${code}`)));
        server.send({ redisSocket, authJwks, ticketSecret } satisfies PeerSetting);
      });
      return {
        url,
        processes: [
          { name: "node", pid: server.pid! },
          { name: "redis", pid: redis.pid! },
        ],
        errors: [],
        async stop() {
          await stopServer();
          await stopRedis();
          rmSync(socketDir, { recursive: true, force: true });
        },
      };
    },
  };
}

async function untilAnswering(socket: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      (await RedisClient.connect(socket)).close();
      return;
    } catch (error) {
      if (attempt === REDIS_ATTEMPTS) throw new Error("redis-server does not answer", { cause: error });
      await pause(REDIS_PAUSE_MS);
    }
  }
}

/** Ends the child when asked, or with this process. Returns the asking. */
export function endWithParent(child: ChildProcess): () => Promise<void> {
  const kill = (): void => void child.kill("SIGKILL");
  process.once("exit", kill);
  return async () => {
    process.off("exit", kill);
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    child.kill("SIGTERM");
    await gone;
  };
}
