/** Everything that goes wrong, at moments that the seed decides; only how long the server takes to come back is its own. */

import type { ServerProcess } from "../live/server-process.ts";
import type { Random } from "../random.ts";
import { listObjects, readArchived } from "./objects.ts";
import type { CuttingProxy } from "./proxy.ts";

export interface NemesisPlan {
  /** Least and most between two kills. */
  readonly killEveryMs: Range;
  /** The faults end after so many kills or so long, whichever comes first. */
  readonly kills: number;
  readonly forMs: number;
  readonly killsOnly: boolean;
}

export interface Fault {
  readonly kind: "kill" | "cut" | "pause" | "evict" | "repeat";
  /** On the clock of the clients' log. */
  readonly at: number;
  /** Connections cut, milliseconds paused, events repeated, 2 where the server was killed with its workerd; else 1. */
  readonly size: number;
}

export interface Restart {
  readonly ms: number;
  readonly whole: boolean;
}

export interface Victim {
  readonly server: ServerProcess;
  readonly proxy: CuttingProxy;
  readonly stateDir: string;
}

type Range = readonly [number, number];

const CUT_EVERY_MS: Range = [1_000, 5_000];
const CUT_SHARE: Range = [0.05, 0.5];
const PAUSE_EVERY_MS: Range = [8_000, 20_000];
const PAUSE_MS: Range = [500, 3_000];
const EVICT_EVERY_MS: Range = [500, 2_500];
const EVICTED = ["DispatchShard", "DispatchShard", "DriverLock"] as const;
/** Kills that take the server process too, and not only its workerd. */
const WHOLE_SHARE = 0.25;
const REPEAT_EVERY_MS: Range = [500, 3_000];
const REPEATED_EVENTS: Range = [1, 40];
const LOOK_EVERY_MS = 20;
/** A server that is not back by then never will be. */
const BACK_WITHIN_MS = 60_000;

export class Nemesis {
  readonly faults: Fault[] = [];
  /** How long workerd took to come back, one per kill. */
  readonly restarts: Restart[] = [];
  readonly #victim: Victim;
  readonly #plan: NemesisPlan;
  readonly #random: Random;
  readonly #onFault: (fault: Fault) => void;
  readonly #ending = new AbortController();

  constructor(victim: Victim, plan: NemesisPlan, random: Random, onFault: (fault: Fault) => void) {
    this.#victim = victim;
    this.#plan = plan;
    this.#random = random;
    this.#onFault = onFault;
  }

  /** Resolves after the last fault, with the server running again. */
  async run(signal: AbortSignal): Promise<void> {
    const end = (): void => this.#ending.abort();
    const timer = setTimeout(end, this.#plan.forMs);
    signal.addEventListener("abort", end, { once: true });
    if (signal.aborted) end();
    try {
      const others = this.#plan.killsOnly ? [] : [this.#cut(), this.#pause(), this.#evict(), this.#repeat()];
      await Promise.all([this.#kill(), ...others]);
    } finally {
      clearTimeout(timer);
      end();
    }
  }

  count(kind: Fault["kind"]): number {
    return this.faults.filter((fault) => fault.kind === kind).length;
  }

  async #kill(): Promise<void> {
    const { server } = this.#victim;
    const random = this.#random.fork("kill");
    while (this.count("kill") < this.#plan.kills && (await this.#wait(between(this.#plan.killEveryMs, random)))) {
      const pid = server.runtimePid();
      const whole = random.next() < WHOLE_SHARE;
      server.kill(whole);
      this.#note("kill", whole ? 2 : 1);
      const killedAt = performance.now();
      while (server.runtimePid() === pid) {
        if (performance.now() > killedAt + BACK_WITHIN_MS) throw new Error("workerd did not come back after a kill");
        await sleep(LOOK_EVERY_MS);
      }
      this.restarts.push({ ms: performance.now() - killedAt, whole });
    }
    this.#ending.abort();
  }

  async #cut(): Promise<void> {
    const random = this.#random.fork("cut");
    while (await this.#wait(between(CUT_EVERY_MS, random))) {
      this.#note("cut", this.#victim.proxy.cut(between(CUT_SHARE, random), random));
    }
  }

  async #pause(): Promise<void> {
    const random = this.#random.fork("pause");
    while (await this.#wait(between(PAUSE_EVERY_MS, random))) {
      const pid = this.#victim.server.runtimePid();
      const pauseMs = between(PAUSE_MS, random);
      if (!signalTo(pid, "SIGSTOP")) continue;
      this.#note("pause", pauseMs);
      await this.#wait(pauseMs);
      signalTo(pid, "SIGCONT");
    }
  }

  async #evict(): Promise<void> {
    const random = this.#random.fork("evict");
    while (await this.#wait(between(EVICT_EVERY_MS, random))) {
      const className = random.pick(EVICTED);
      const objects = listObjects(this.#victim.stateDir, className);
      if (objects.length === 0) continue;
      const webSockets = random.next() < 0.5 ? "close" : "hibernate";
      this.#victim.server.evict(className, random.pick(objects), webSockets);
      this.#note("evict", 1);
    }
  }

  /** The queue delivers again what history confirmed long ago, among what is new. */
  async #repeat(): Promise<void> {
    const random = this.#random.fork("repeat");
    while (await this.#wait(between(REPEAT_EVERY_MS, random))) {
      const shards = listObjects(this.#victim.stateDir, "DispatchShard");
      if (shards.length === 0) continue;
      const events = readArchived(this.#victim.stateDir, random.pick(shards));
      if (events.length === 0) continue;
      const repeated = Array.from({ length: Math.floor(between(REPEATED_EVENTS, random)) }, () => random.pick(events));
      this.#victim.server.repeat(repeated);
      this.#note("repeat", repeated.length);
    }
  }

  #note(kind: Fault["kind"], size: number): void {
    const fault = { kind, at: Date.now(), size };
    this.faults.push(fault);
    this.#onFault(fault);
  }

  /** False when it is over. */
  async #wait(ms: number): Promise<boolean> {
    const { signal } = this.#ending;
    if (!signal.aborted) {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          clearTimeout(timer);
          signal.removeEventListener("abort", done);
          resolve();
        };
        const timer = setTimeout(done, ms);
        signal.addEventListener("abort", done);
      });
    }
    return !signal.aborted;
  }
}

function between([from, to]: Range, random: Random): number {
  return from + random.next() * (to - from);
}

/** False when there is no such process any more. */
function signalTo(pid: number, signal: "SIGSTOP" | "SIGCONT"): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
