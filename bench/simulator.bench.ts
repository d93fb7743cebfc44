/**
 * The laboratory's pace: 7,000 drivers and 10,000 riders of one city on one thread, in virtual time, the real core inside.
 * `node bench/simulator.bench.ts [--quick] [--json FILE]`.
 *
 * An event is a command judged by a shard or by a driver's lock. A movement is one of them: the car is moved, its position
 * report judged, remembered, told to the rider where there is one, and the index changed. Everything else that happens (a
 * driver makes up his mind, a question to a neighbour, an offer on its way, a row written) is work and is not counted.
 */

import { CITY_PLANS } from "../sim/city/places.ts";
import { readConfiguration } from "../sim/lab/configuration.ts";
import { type EventCounts, LabCity } from "../sim/lab/lab-city.ts";
import { parsePolicies, rankerOf } from "../sim/lab/policies.ts";
import { generatedTravelTimes } from "../sim/lab/travel-times.ts";
import { generatedWishes } from "../sim/lab/wishes.ts";
import { DISPATCH_KINDS } from "../src/domain/market.ts";
import { formatNumber, formatSpread, spreadOf } from "./measure.ts";
import { readOptions } from "./options.ts";
import { createReporter } from "./report.ts";

const SEED = 11;
const PEER_EVENTS_PER_SECOND = 12_200;
const MINUTE_MS = 60_000;

interface Sample {
  readonly wallSeconds: number;
  readonly cpuSeconds: number;
  readonly events: EventCounts;
  readonly servedShare: number;
}

function measure(policy: string, riders: number, drivers: number, minutes: number): Sample {
  const plan = CITY_PLANS.nyc!;
  const configuration = readConfiguration();
  const [parsed] = parsePolicies(policy);
  const wishes = generatedWishes(plan, (riders * 60) / minutes);
  const city = new LabCity({
    plan,
    configuration,
    market: configuration.marketAt(plan.hotspots[0]!),
    change: parsed!.configuration,
    rank: rankerOf(parsed!),
    travel: generatedTravelTimes(plan),
    demand: wishes.demandOf(SEED),
    drivers,
    zoneShare: 0,
    seed: SEED,
    startAt: wishes.startAt,
    lastsMs: minutes * MINUTE_MS,
  });
  const cpu = process.cpuUsage();
  const startedMs = performance.now();
  // Until the last wish, not to the last ride's end: the quiet hour after it is mostly movements, which cost least.
  city.advance(wishes.startAt + minutes * MINUTE_MS);
  const wallSeconds = (performance.now() - startedMs) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  const { servedShare } = city.result().figures;
  return { wallSeconds, cpuSeconds: (user + system) / 1e6, events: { ...city.counts }, servedShare };
}

const { quick, json } = readOptions("simulator");
const reporter = createReporter("simulator", SEED, json);
const SMALL = { riders: 500, drivers: 350, minutes: 10 };
const LARGE = { riders: 10_000, drivers: 7_000, minutes: 30 };
const { riders, drivers, minutes } = quick ? SMALL : LARGE;
const repetitions = quick ? 1 : 2;
reporter.note(
  `${riders} requests within ${minutes} minutes of city time, ${drivers} drivers with a position each every 4 s, New York's hotspots, generated travel times.`,
);
reporter.note(
  `${repetitions} repetitions, policies in turns, after a small city that is not counted; median (least-most).`,
);
const samples = new Map<string, Sample[]>(DISPATCH_KINDS.map((kind) => [kind, []]));
for (const kind of DISPATCH_KINDS) measure(kind, SMALL.riders, SMALL.drivers, SMALL.minutes);
for (let repetition = 1; repetition <= repetitions; repetition++) {
  for (const [kind, own] of samples) {
    const sample = measure(kind, riders, drivers, minutes);
    const pace = eventsOf(sample) / sample.wallSeconds;
    const served = (sample.servedShare * 100).toFixed(0);
    reporter.progress(`${kind}, repetition ${repetition}: ${formatNumber(pace)} events/s, ${served} % served so far`);
    own.push(sample);
  }
}
reporter.table(
  `Events per second on one thread; the best open simulator known to us: ${formatNumber(PEER_EVENTS_PER_SECOND)}`,
  ["policy", "events", "of them movements", "events/s", "events per CPU s", "other than movements/s", "city / wall"],
  [...samples].map(([kind, own]) => {
    const perSecond = (count: (sample: Sample) => number) => formatSpread(spreadOf(own.map(count)));
    const first = own[0]!;
    return [
      kind,
      formatNumber(eventsOf(first)),
      formatNumber(first.events.movements),
      perSecond((sample) => eventsOf(sample) / sample.wallSeconds),
      perSecond((sample) => eventsOf(sample) / sample.cpuSeconds),
      perSecond((sample) => (eventsOf(sample) - sample.events.movements) / sample.wallSeconds),
      `${formatNumber((minutes * 60) / first.wallSeconds)}x`,
    ];
  }),
);
reporter.end();

function eventsOf({ events }: Sample): number {
  return events.shardCommands + events.lockCommands;
}
