/** One run, from bundling the Worker to the verdict on what happened. Prints nothing: whoever runs it decides how. */
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { callApi } from "../../client/http.ts";
import type { DispatchPolicy } from "../../src/domain/market.ts";
import { DevTokenBody } from "../../src/protocol/ops.ts";
import { UsageError } from "../arguments.ts";
import type { Demand } from "../city/demand.ts";
import { createFleet } from "../city/fleet.ts";
import { createGeneratedDemand } from "../city/generated-demand.ts";
import { CITY_PLANS } from "../city/places.ts";
import { createReplayedDemand, readRealTrips } from "../city/replayed-demand.ts";
import { busiestHour, pickupsWithin, readPickups } from "../city/requests-file.ts";
import { createRandom, type Random } from "../random.ts";
import { checkHistory } from "./check-history.ts";
import { createCityClock, serverVars } from "./city-clock.ts";
import { countRows, gatherEvidence, type HistoryRows, waitForHistory } from "./evidence.ts";
import { type HistoryLog, openHistoryLog } from "./history-log.ts";
import { createLiveCity, type LiveCity } from "./live-city.ts";
import { createMeasures, type Measures } from "./measures.ts";
import type { CityOptions } from "./options.ts";
import { type CityFigures, matchedShareOf, type Report } from "./report.ts";
import { buildWorker, type ServerProcess, startServer } from "./server-process.ts";

export interface RunHooks {
  /** Ends the run at once, without waiting for rides. */
  readonly signal: AbortSignal;
  readonly onStage?: (sentence: string) => void;
  /** Once, when the city is open: figures on demand from then on. */
  readonly onOpen?: (figures: () => CityFigures, server: ServerProcess) => void;
}

export const BUILD_DIR = join(import.meta.dirname, "..", "..", ".kerb");
const WORKER_DIR = join(BUILD_DIR, "worker");
const DEFAULT_DRIVERS = 200;
/** A ride keeps a driver for about a third of an hour; a third of the fleet should be free to choose from. */
const REQUESTS_PER_DRIVER_HOUR = 1.6;
/** Real pickups also happen where hardly any do; enough drivers means that some are there too. */
const REPLAYED_PER_DRIVER_HOUR = 0.72;
const DRAIN_MS = 25_000;
const COUNT_EVERY_MS = 2_000;

interface Wishes {
  readonly demand: Demand;
  readonly requestsPerHour: number;
}

/** Throws UsageError for what the caller asked, Error when the server does not start. */
export async function runCity(options: CityOptions, hooks: RunHooks): Promise<Report> {
  const wishes = await wishesFor(options, createRandom(options.seed).fork("demand"));
  const stateDir = resolve(options.stateDir);
  hooks.onStage?.("bundling the Worker");
  buildWorker(WORKER_DIR);
  hooks.onStage?.("starting workerd, Durable Objects, D1, Queue and R2");
  let serverErrors = 0;
  const onError = (): void => {
    serverErrors += 1;
  };
  const server = await startServer(
    {
      workerDir: WORKER_DIR,
      stateDir,
      fresh: !options.resume,
      port: options.port,
      vars: varsFor(WORKER_DIR, options.speed),
    },
    { onError },
  );
  try {
    await knock(server.url);
    return await liveThrough(options, wishes, { server, serverErrors: () => serverErrors, stateDir }, hooks);
  } finally {
    await server.stop();
  }
}

/** Knocks once at the door that everybody in the city needs first, and throws what the server says there. */
export async function knock(baseUrl: string): Promise<void> {
  const path = "/v1/dev/tokens";
  const body = { role: "rider", sub: "nobody" };
  await callApi({ baseUrl }, { method: "POST", path, body, answer: DevTokenBody, patienceMs: 0 });
}

interface Stage {
  readonly server: ServerProcess;
  readonly serverErrors: () => number;
  readonly stateDir: string;
}

/** From the first driver to the verdict. */
async function liveThrough(options: CityOptions, wishes: Wishes, stage: Stage, hooks: RunHooks): Promise<Report> {
  const { server, stateDir } = stage;
  const logFile = join(stateDir, "clients.jsonl");
  const log = openHistoryLog(logFile);
  const measures = createMeasures();
  const city = cityFor(options, wishes, server.url, log, measures);
  const rows = watchRows(server);
  const figures = figuresOf(options, stage, city, measures, rows.newest);
  try {
    hooks.onOpen?.(figures, server);
    city.openDrivers();
    await firstOf(city.openDemand(), options.durationSeconds, hooks.signal);
    city.closeDemand();
    const complete = !hooks.signal.aborted;
    if (complete) {
      hooks.onStage?.("no new requests; waiting for every ride to end");
      await city.drain(DRAIN_MS);
    }
    const last = figures();
    city.stop();
    await log.close();
    if (complete) {
      hooks.onStage?.("waiting for history to arrive in D1");
      await waitForHistory(server, logFile);
    }
    hooks.onStage?.("checking clients' logs against D1");
    const violations = checkHistory(await gatherEvidence(server, logFile, complete));
    const matchedShare = matchedShareOf(last.rides);
    const after = { history: await countRows(server), restarts: server.restarts(), serverErrors: stage.serverErrors() };
    return { ...last, ...after, matchedShare, complete, violations };
  } finally {
    rows.stop();
    city.stop();
  }
}

function cityFor(options: CityOptions, wishes: Wishes, baseUrl: string, log: HistoryLog, measures: Measures): LiveCity {
  const random = createRandom(options.seed);
  const { demand, requestsPerHour } = wishes;
  const drivers = options.drivers ?? Math.max(DEFAULT_DRIVERS, Math.ceil(requestsPerHour / REPLAYED_PER_DRIVER_HOUR));
  return createLiveCity({
    baseUrl,
    demand,
    fleet: createFleet(drivers, demand.place, random.fork("fleet")),
    plan: CITY_PLANS[options.city]!,
    clock: createCityClock(options.speed),
    random: random.fork("city"),
    log,
    measures,
    runName: Date.now().toString(36),
  });
}

/** Counts D1's rows now and then, so that whoever wants the figures need not wait for D1. */
function watchRows(server: ServerProcess): { newest: () => HistoryRows; stop: () => void } {
  let rows: HistoryRows = { rides: 0, events: 0 };
  const timer = setInterval(async () => {
    // A server on its way back has no rows to count; the next look finds them.
    rows = await countRows(server).catch(() => rows);
  }, COUNT_EVERY_MS);
  return { newest: () => rows, stop: () => clearInterval(timer) };
}

function figuresOf(
  { city: name, seed, speed }: CityOptions,
  { server, serverErrors }: Stage,
  city: LiveCity,
  measures: Measures,
  history: () => HistoryRows,
): () => CityFigures {
  const startedAt = performance.now();
  return () => {
    const { online, engaged, openRides } = city.snapshot();
    return {
      city: name,
      seed,
      speed,
      url: server.url,
      seconds: (performance.now() - startedAt) / 1_000,
      drivers: { online, engaged },
      openRides,
      rides: { ...measures.counters },
      requestToOfferMs: measures.requestToOffer.percentiles(),
      acceptToVerdictMs: measures.acceptToVerdict.percentiles(),
      history: history(),
      restarts: server.restarts(),
      serverErrors: serverErrors(),
    };
  };
}

export function writeReport(file: string, report: Report): void {
  writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
}

async function wishesFor(options: CityOptions, random: Random): Promise<Wishes> {
  if (options.requestsFile === null) {
    const perHour =
      options.rate !== null
        ? (options.rate * 3_600) / options.speed
        : (options.drivers ?? DEFAULT_DRIVERS) * REQUESTS_PER_DRIVER_HOUR;
    return { demand: createGeneratedDemand(CITY_PLANS[options.city]!, perHour, random), requestsPerHour: 0 };
  }
  const all = await readPickups(options.requestsFile);
  const from = options.from === null ? busiestHour(all).from : Date.parse(options.from) / 1_000;
  const pickups = pickupsWithin(all, { from, seconds: options.hours * 3_600 });
  if (pickups.length === 0) {
    const days = [all[0]!, all.at(-1)!].map(({ at }) => new Date(at * 1_000).toISOString());
    throw new UsageError(`no pickup within --from and --hours; the file goes from ${days.join(" to ")}`);
  }
  const demand = createReplayedDemand(pickups, from, await readRealTrips(options.requestsFile), random);
  return { demand, requestsPerHour: pickups.length / options.hours };
}

/** The variables of a server that the city runs at this speed; the Worker must be bundled by then. */
export function varsFor(workerDir: string, speed: number, kind?: DispatchPolicy["kind"]): Record<string, string> {
  const built = JSON.parse(readFileSync(join(workerDir, "options.json"), "utf8")) as {
    readonly bindings: { readonly MARKETS: string };
  };
  return serverVars(built.bindings.MARKETS, speed, kind);
}

/** Resolves when the demand ends, the time is up, or the signal says stop. */
async function firstOf(demandOver: Promise<void>, seconds: number | null, signal: AbortSignal): Promise<void> {
  let timer: NodeJS.Timeout | null = null;
  const timeUp = new Promise<void>((resolve) => {
    if (seconds !== null) timer = setTimeout(resolve, seconds * 1_000);
  });
  const stopped = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
  await Promise.race([demandOver, timeUp, stopped]);
  if (timer) clearTimeout(timer);
}
