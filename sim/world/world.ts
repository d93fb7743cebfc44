/**
 * A city of a few cells on one thread: the real core behind simulated ports, scripted people in front of it, and faults
 * from a seed. First everything goes wrong (safety), then nothing does and all that is open must close (liveness).
 */
import type { DriverId } from "../../src/domain/driver.ts";
import type { RideEvent } from "../../src/domain/event.ts";
import type { Market } from "../../src/domain/market.ts";
import type { LatLng, ShardName } from "../../src/domain/place.ts";
import type { RiderId } from "../../src/domain/ride.ts";
import { MINUTE_MS, SECOND_MS } from "../../src/domain/time.ts";
import { cellOfShard, shardOfRide } from "../../src/routing/shard-map.ts";
import { createRandom, type Random } from "../random.ts";
import { Auditor } from "./auditor.ts";
import { EventLoop } from "./event-loop.ts";
import { CALM, drawFaults, type Faults } from "./faults.ts";
import { EventQueue, MemoryHistory } from "./history.ts";
import { LockHost } from "./lock-host.ts";
import { Network } from "./network.ts";
import { crowdedMarket, drawChange, drawLearned, drawMarket, drawPlaces, drawReplanning, SHARD_BITS } from "./scene.ts";
import { ScriptedDriver } from "./scripted-driver.ts";
import { ScriptedRider } from "./scripted-rider.ts";
import { Settlement } from "./settlement.ts";
import { ShardHost } from "./shard-host.ts";
import { drawTemper, hurried, PATIENT, type Temper } from "./temper.ts";
import { Trace } from "./trace.ts";
import { SimulationFailure } from "./violation.ts";

/** 2026-01-05T08:00Z; any moment does, but always the same. */
const START_AT = 1_767_600_000_000;
/** Requests are still taken for a while after the faults: a healed city must also serve. */
const REQUESTS_AFTER_MS = 45 * SECOND_MS;
const PROBE_MS = 5 * SECOND_MS;
const ACKNOWLEDGE = { deadlineMs: 3_000, attempts: 1 };

export interface WorldReport {
  readonly seed: number;
  readonly steps: number;
  /** Of simulated time, and how much of it came after the faults. */
  readonly ranMs: number;
  readonly closingMs: number;
  readonly counts: ReadonlyMap<string, number>;
  readonly trace: readonly string[];
}

/** One world from its first request to its end. Throws SimulationFailure at the first broken promise. */
export function runWorld(seed: number, crowded = false): WorldReport {
  const world = new World(seed, crowded);
  try {
    return world.run();
  } catch (error) {
    throw new SimulationFailure(seed, crowded, error, (complaint) => world.trace.tail(complaint));
  }
}

export class World {
  readonly loop = new EventLoop(START_AT);
  readonly trace = new Trace(START_AT);
  readonly shardBits = SHARD_BITS;
  readonly auditor = new Auditor(() => this.loop.now);
  readonly history = new MemoryHistory();
  readonly random: Random;
  readonly market: Market;
  readonly network: Network;
  readonly queue: EventQueue;
  readonly drivers: readonly ScriptedDriver[];
  readonly place: (random: Random) => LatLng;
  faults: Faults;
  temper: Temper;
  readonly #seed: number;
  readonly #root: Random;
  readonly #shards = new Map<ShardName, ShardHost>();
  readonly #locks = new Map<DriverId, LockHost>();
  readonly #healAt: number;
  #healed = false;
  #ulids = 0;

  /** A crowded world has more people, who all want the same thing at the same moment. */
  constructor(seed: number, crowded: boolean) {
    const root = createRandom(seed);
    const size = root.fork("size");
    this.#seed = seed;
    this.#root = root;
    this.random = root.fork("objects");
    const faults = drawFaults(root.fork("faults"));
    this.faults = crowded ? { ...faults, marketChangedEveryMs: Number.POSITIVE_INFINITY } : faults;
    const temper = drawTemper(root.fork("temper"));
    const { middle, place } = drawPlaces(root.fork("places"), drawReplanning(root.fork("market")));
    const market = drawMarket(root.fork("market"), middle);
    this.temper = crowded ? hurried(temper) : temper;
    this.market = crowded ? crowdedMarket(market) : market;
    this.place = place;
    this.#healAt = START_AT + (1 + size.int(3)) * MINUTE_MS;
    const current = () => this.faults;
    const count = (name: string) => this.auditor.count(name);
    this.network = new Network(this.loop, root.fork("network"), current, count);
    this.queue = new EventQueue(this.loop, root.fork("queue"), current, (events) => this.#archive(events), count);
    // Who shall be nearer than the driver on his way must be there, and so must riders who have no driver near.
    const { replanning, hintEveryMs } = market.dispatch;
    const fewest = replanning ? 9 : crowded || hintEveryMs > 0 ? 6 : 2;
    const [drivers, riders] = [fewest + size.int(5), fewest + size.int(5)];
    this.drivers = Array.from({ length: drivers }, (_, i) => this.#driver(`driver-${i + 1}` as DriverId));
    for (let i = 1; i <= riders; i++) {
      const id = `rider-${i}` as RiderId;
      void new ScriptedRider(this, id, root.fork(id));
    }
  }

  run(): WorldReport {
    this.#say(`seed ${this.#seed}: ${JSON.stringify(this.faults)}`);
    this.#say(JSON.stringify(this.temper));
    this.#say(JSON.stringify(this.market.dispatch));
    this.loop.at(this.#healAt, () => this.#heal());
    const settlement = new Settlement(this, this.#healAt);
    let steps = 0;
    let probeAt = this.#healAt + REQUESTS_AFTER_MS;
    while (this.loop.step()) {
      steps++;
      if (this.loop.now < probeAt) continue;
      probeAt = this.loop.now + PROBE_MS;
      if (settlement.reached()) break;
    }
    settlement.judgeHistory();
    settlement.judgeDecisions();
    const ranMs = this.loop.now - START_AT;
    const closingMs = this.loop.now - this.#healAt;
    return { seed: this.#seed, steps, ranMs, closingMs, counts: this.auditor.counts, trace: this.trace.lines };
  }

  shard(name: ShardName): ShardHost {
    const known = this.#shards.get(name);
    if (known !== undefined) return known;
    const setting = {
      name,
      cell: cellOfShard(name),
      market: this.market,
      topSpeedMetersPerSecond: 120,
      fixEveryMs: 4_000,
      clockSpeed: 1,
    };
    const host = new ShardHost(this, setting, this.#skewOf(name));
    host.storage.keepLearned(drawLearned(this.#root.fork(`places of ${name}`), this.place));
    this.#shards.set(name, host);
    const random = this.#root.fork(`fate of ${name}`);
    this.#often(random, this.faults.shardKilledEveryMs, () => host.kill());
    this.#often(random, this.faults.shardSleepsEveryMs, () => host.sleep());
    const operator = this.#root.fork(`operator of ${name}`);
    this.#often(operator, this.faults.marketChangedEveryMs, () => host.changeMarket(drawChange(operator)));
    return host;
  }

  shards(): Iterable<ShardHost> {
    return this.#shards.values();
  }

  lock(driverId: DriverId): LockHost {
    const known = this.#locks.get(driverId);
    if (known !== undefined) return known;
    const lock = new LockHost(this, driverId, this.#skewOf(driverId));
    this.#locks.set(driverId, lock);
    return lock;
  }

  takesRequests(): boolean {
    return this.loop.now < this.#healAt + REQUESTS_AFTER_MS || !this.auditor.counts.has("ride.completed");
  }

  newUlid(): string {
    return `r${++this.#ulids}`;
  }

  #driver(id: DriverId): ScriptedDriver {
    const driver = new ScriptedDriver(this, id, this.#root.fork(id));
    this.#often(this.#root.fork(`fate of ${id}`), this.faults.socketCutEveryMs, () => driver.cutLine());
    return driver;
  }

  /** From here on nothing fails any more. What is dead stays so until a call or its own alarm wakes it. */
  #heal(): void {
    this.#healed = true;
    this.faults = CALM;
    this.temper = PATIENT;
    this.#say("faults stop");
  }

  #often(random: Random, everyMs: number, happens: () => void): void {
    if (!Number.isFinite(everyMs)) return;
    this.loop.after(1 + random.exponential(everyMs), () => {
      if (this.#healed) return;
      happens();
      this.#often(random, everyMs, happens);
    });
  }

  #skewOf(name: string): number {
    return Math.round((this.#root.fork(`clock of ${name}`).next() * 2 - 1) * this.faults.clockSkewMs);
  }

  /** The consumer of the queue: into the history, then word to the shards. */
  #archive(events: readonly RideEvent[]): void {
    this.history.write(events);
    const byShard = new Map<ShardName, string[]>();
    for (const { rideId, id } of events) {
      const shard = shardOfRide(rideId, this.shardBits)!;
      byShard.set(shard, [...(byShard.get(shard) ?? []), id]);
    }
    for (const [shard, eventIds] of byShard) {
      const callee = this.shard(shard).ask({ type: "events.archived", eventIds }, () => null);
      this.network.call(
        "archived",
        ACKNOWLEDGE,
        callee,
        () => true,
        () => {},
      );
    }
  }

  #say(what: string): void {
    this.trace.add(this.loop.now, "world", what);
  }
}
