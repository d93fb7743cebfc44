/** One run under attack, from the first driver to the verdict. Prints nothing: whoever runs it decides how. */
import { join, resolve } from "node:path";
import type { RideId } from "../../src/domain/ride.ts";
import { type cellOfShard, shardAt, shardOfRide } from "../../src/routing/shard-map.ts";
import { bitsOf } from "../../src/spatial/geohash.ts";
import { createFleet } from "../city/fleet.ts";
import { CITY_PLANS } from "../city/places.ts";
import { checkHistory, type Evidence } from "../live/check-history.ts";
import { createCityClock } from "../live/city-clock.ts";
import { gatherEvidence } from "../live/evidence.ts";
import { type HistoryLog, openHistoryLog } from "../live/history-log.ts";
import { createLiveCity, type LiveCity } from "../live/live-city.ts";
import type { DriverSetting } from "../live/live-driver.ts";
import { createMeasures, type Measures } from "../live/measures.ts";
import { BUILD_DIR, varsFor } from "../live/run-city.ts";
import { buildWorker, type ServerProcess, startServer } from "../live/server-process.ts";
import { createRandom } from "../random.ts";
import { createCrossingDemand } from "./crossing.ts";
import { leftWords, watchHealing } from "./healing.ts";
import { checkLinearizability } from "./linearizability.ts";
import { type Fault, Nemesis } from "./nemesis.ts";
import { compareWithHistory, type LeftOpen } from "./objects.ts";
import type { ChaosOptions } from "./options.ts";
import { type BugName, plantBug } from "./planted-bugs.ts";
import { type CuttingProxy, openCuttingProxy } from "./proxy.ts";
import { type ChaosReport, faultFigures, happened, interrupted } from "./report.ts";
import { Returns } from "./returns.ts";

export interface ChaosHooks {
  readonly signal: AbortSignal;
  readonly onStage?: (sentence: string) => void;
  /** A line now and then on how it goes. */
  readonly onProgress?: (line: string) => void;
}

/** A ride takes ten seconds or so: most rides meet a kill. */
const SPEED = 60;
/** People change their minds more often than in life: a cancellation meets every fault too. */
const MOODS = { givesBackShare: 0.1, patience: 0.4 };
/** More than can be served: whoever cannot be a rider now is none. */
const WISHES_PER_RIDER_AND_SECOND = 0.5;
/** Longer than the longest pause that an app makes between two attempts. */
const ONLINE_WITHIN_MS = 60_000;
const LOOK_EVERY_MS = 50;
const PROGRESS_EVERY_MS = 5_000;

/**
 * Throws when the server does not start or does not come back. By turns, seed by seed, a market is attacked that asks
 * several drivers at once, so that they race for rides, and one that dispatches as it is deployed.
 */
export async function runChaos(options: ChaosOptions, hooks: ChaosHooks): Promise<ChaosReport> {
  const stateDir = resolve(options.stateDir);
  hooks.onStage?.("bundling the Worker");
  const workerDir = buildFor(options.bug);
  hooks.onStage?.("starting workerd");
  const vars = varsFor(workerDir, SPEED, options.seed % 2 === 1 ? "broadcast" : undefined);
  const server = await startServer({ workerDir, stateDir, fresh: true, port: 0, vars });
  const proxy = await openCuttingProxy(() => Number(new URL(server.url).port));
  try {
    return await new ChaosRun(options, hooks, server, proxy, stateDir).live();
  } finally {
    proxy.close();
    await server.stop();
  }
}

function buildFor(bug: BugName | null): string {
  const workerDir = join(BUILD_DIR, bug === null ? "worker" : "worker-with-bug");
  if (bug === null) {
    buildWorker(workerDir);
    return workerDir;
  }
  const sourceDir = join(BUILD_DIR, "sources-with-bug");
  plantBug(bug, sourceDir);
  buildWorker(workerDir, sourceDir);
  return workerDir;
}

class ChaosRun {
  readonly #options: ChaosOptions;
  readonly #hooks: ChaosHooks;
  readonly #server: ServerProcess;
  readonly #stateDir: string;
  readonly #logFile: string;
  readonly #log: HistoryLog;
  readonly #measures: Measures = createMeasures();
  readonly #returns: Returns;
  readonly #city: LiveCity;
  readonly #nemesis: Nemesis;
  readonly #gone: string[] = [];
  #acrossBorders = 0;
  /** Once the faults are over: what is still open or owed. */
  #left: LeftOpen | null = null;

  constructor(options: ChaosOptions, hooks: ChaosHooks, server: ServerProcess, proxy: CuttingProxy, stateDir: string) {
    this.#options = options;
    this.#hooks = hooks;
    this.#server = server;
    this.#stateDir = stateDir;
    this.#logFile = join(stateDir, "clients.jsonl");
    this.#log = openHistoryLog(this.#logFile);
    this.#returns = new Returns(options.drivers);
    const random = createRandom(options.seed);
    const wishesPerSecond = options.riders * WISHES_PER_RIDER_AND_SECOND;
    const demand = createCrossingDemand((wishesPerSecond * 3_600) / SPEED, random.fork("demand"));
    this.#city = createLiveCity({
      baseUrl: proxy.url,
      demand,
      fleet: createFleet(options.drivers, demand.place, random.fork("fleet")),
      plan: CITY_PLANS.nyc!,
      clock: createCityClock(SPEED),
      random: random.fork("city"),
      log: this.#log,
      measures: this.#measures,
      runName: options.seed.toString(36),
      ridersAtOnce: options.riders,
      ...MOODS,
      onHeard: (...heard) => this.#hear(...heard),
    });
    this.#nemesis = new Nemesis({ server, proxy, stateDir }, options, random.fork("nemesis"), ({ kind }) => {
      if (kind === "kill") this.#returns.killed();
    });
  }

  async live(): Promise<ChaosReport> {
    const startedAt = performance.now();
    const progress = setInterval(() => this.#hooks.onProgress?.(this.#progress(startedAt)), PROGRESS_EVERY_MS);
    try {
      this.#hooks.onStage?.("drivers come online");
      this.#city.openDrivers();
      if (!(await this.#driversAreBack())) throw new Error(`no drivers came online; see ${this.#stateDir}/server.log`);
      this.#hooks.onStage?.("riders ask, and everything goes wrong");
      void this.#city.openDemand();
      await this.#nemesis.run(this.#hooks.signal);
      this.#city.closeDemand();
      this.#hooks.onStage?.("no more faults and no new requests; waiting for everything to heal");
      const { healing, violations } = await watchHealing(this.#stateDir, (open) => {
        this.#left = open;
      });
      const missing = (await this.#driversAreBack()) ? [] : this.#returns.missing();
      const ranSeconds = (performance.now() - startedAt) / 1_000;
      const evidence = await this.#evidence(violations.length === 0);
      this.#hooks.onStage?.("checking clients' logs, D1 and the objects against each other");
      const linearizability = checkLinearizability(evidence);
      return {
        seed: this.#options.seed,
        seconds: ranSeconds,
        drivers: this.#options.drivers,
        riders: this.#options.riders,
        faults: faultFigures(this.#nemesis.faults),
        happened: happened(evidence, this.#measures.counters.reconnects, this.#acrossBorders),
        interrupted: interrupted(evidence.records, this.#nemesis.faults),
        returns: this.#returns.soFar(),
        restarts: this.#nemesis.restarts,
        driversGone: this.#gone,
        driversMissing: missing,
        healing,
        linearizability,
        violations: [
          ...violations,
          ...checkHistory(evidence),
          ...linearizability.violations,
          ...compareWithHistory(this.#stateDir, evidence),
        ],
      };
    } finally {
      clearInterval(progress);
      this.#city.stop();
    }
  }

  /** Everybody leaves, and the log is closed once the last word of everybody is in it. */
  async #evidence(healed: boolean): Promise<Evidence> {
    this.#city.stop();
    await new Promise((resolve) => setImmediate(resolve));
    await this.#log.close();
    // A star given after that look at the objects is one more event, and at most on its way.
    if (healed) await watchHealing(this.#stateDir);
    return gatherEvidence(this.#server, this.#logFile, true);
  }

  async #driversAreBack(): Promise<boolean> {
    const giveUpAt = performance.now() + ONLINE_WITHIN_MS;
    while (!this.#returns.areBack() && performance.now() < giveUpAt && !this.#hooks.signal.aborted) {
      await new Promise((done) => setTimeout(done, LOOK_EVERY_MS));
    }
    return this.#returns.areBack();
  }

  readonly #hear: NonNullable<DriverSetting["onHeard"]> = (driverId, event, position) => {
    this.#returns.hear(driverId, event);
    if (event.type === "ended") this.#gone.push(`${driverId}: ${event.reason}`);
    if (event.type !== "told" || event.notice.type !== "offer") return;
    if (isElsewhere(event.notice.rideId, position)) this.#acrossBorders += 1;
  };

  #progress(startedAt: number): string {
    const { counters } = this.#measures;
    const count = (kind: Fault["kind"]): number => this.#nemesis.count(kind);
    const seconds = Math.round((performance.now() - startedAt) / 1_000);
    if (this.#left !== null) return `${seconds} s  online ${this.#city.snapshot().online}  ${leftWords(this.#left)}`;
    return (
      `${seconds} s  kills ${count("kill")}  cuts ${count("cut")}  pauses ${count("pause")}  evicted ${count("evict")}  repeats ${count("repeat")}  ` +
      `online ${this.#city.snapshot().online}  riders ${this.#city.snapshot().openRides}  ` +
      `requests ${counters.requests}  offers ${counters.offers}  matched ${counters.matched}  ` +
      `completed ${counters.completed}  cancelled ${counters.cancelled}  unserved ${counters.unserved}`
    );
  }
}

/** The ride belongs to another cell than the one in which the driver is. */
function isElsewhere(rideId: RideId, position: Parameters<typeof shardAt>[0]): boolean {
  const prefix = rideId.slice(0, rideId.indexOf("."));
  const bits = bitsOf(prefix as ReturnType<typeof cellOfShard>);
  return shardOfRide(rideId, bits) !== shardAt(position, bits);
}
