/**
 * One shard's object: it starts when called, dies inside a commit or between two events, sleeps, and wakes by a call, a
 * frame or its alarm, never by itself. Rows and the alarm outlive it, sockets sometimes. What the object does with
 * drivers' frames is in shard-door.ts, what it says to others in shard-outside.ts.
 */
import type { DriverId } from "../../src/domain/driver.ts";
import type { MarketSettings } from "../../src/domain/market-hours.ts";
import type { ShardName } from "../../src/domain/place.ts";
import type { EpochMs } from "../../src/domain/time.ts";
import type { Answer, Command, Write } from "../../src/matching/commands.ts";
import type { ShardSetting } from "../../src/matching/shard-state.ts";
import type { DriverUp } from "../../src/protocol/driver.ts";
import type { ShardStorage } from "../../src/shard/ports.ts";
import { ShardRuntime } from "../../src/shard/shard-runtime.ts";
import { drawDownMs } from "./faults.ts";
import { MemoryStorage } from "./memory-storage.ts";
import type { Callee } from "./network.ts";
import { ShardDoor } from "./shard-door.ts";
import { SimulatedOutside } from "./shard-outside.ts";
import type { Socket, SocketServer } from "./socket.ts";
import { brief } from "./trace.ts";
import type { World } from "./world.ts";

/** The object dies here; everything above it in the stack is its own. */
class Crash extends Error {}

/** Some of the rows, then death. */
function* brokenOff(writes: readonly Write[], after: number): Generator<Write> {
  yield* writes.slice(0, after);
  throw new Crash("half-way through a commit");
}

/** The platform rings again when the object died under its alarm. */
const ALARM_RETRY_MS = 2_000;
/** Rings at one moment after which it is plain that the alarm rings for nothing. */
const RINGS_AT_ONCE = 200;

export class ShardHost implements SocketServer {
  readonly name: ShardName;
  readonly storage = new MemoryStorage();
  /** Open on this side. */
  readonly sockets = new Set<Socket>();
  /** The newest socket of each driver; memory, and found again from the sockets after a sleep. */
  readonly live = new Map<DriverId, Socket>();
  readonly world: World;
  readonly skewMs: number;
  readonly #setting: ShardSetting;
  readonly #door: ShardDoor;
  #runtime: ShardRuntime | null = null;
  #incarnation = 0;
  #version = 0;
  #downUntil = 0;
  #alarm: { readonly at: EpochMs } | null = null;
  #rung = { at: 0, times: 0 };

  constructor(world: World, setting: ShardSetting, skewMs: number) {
    this.world = world;
    this.name = setting.name;
    this.skewMs = skewMs;
    this.#setting = setting;
    this.#door = new ShardDoor(this);
  }

  readonly now = (): EpochMs => this.world.loop.now + this.skewMs;

  /** Does something in the object, which starts if it must. False when it is away or has died of it. */
  enter(work: (runtime: ShardRuntime) => void): boolean {
    const { loop } = this.world;
    if (loop.now < this.#downUntil) return false;
    try {
      this.#runtime ??= this.#start();
      work(this.#runtime);
      this.#runtime.check();
      return true;
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
      this.#die(error.message);
      return false;
    }
  }

  submit(command: Command): Answer | null {
    const { loop, trace, auditor } = this.world;
    const answer = this.#runtime!.submit(command);
    trace.add(loop.now, this.name, `${brief(command)}${answer === null ? "" : ` -> ${brief(answer)}`}`);
    if (answer === null) return null;
    auditor.answered(command, answer);
    return answer;
  }

  /** A call from outside, answered with what `pick` makes of the core's answer. */
  ask<T>(command: Command, pick: (answer: Answer | null) => T): Callee<T> {
    return this.serve(() => pick(this.submit(command)));
  }

  serve<T>(work: (runtime: ShardRuntime) => T): Callee<T> {
    return (reply, fail) => {
      let answer: { readonly is: T } | null = null;
      this.enter((runtime) => {
        answer = { is: work(runtime) };
      });
      // An answer leaves only if the object lived to the end: the platform holds it back until the rows are safe.
      const given = answer as { readonly is: T } | null;
      if (given === null) fail();
      else reply(given.is);
    };
  }

  /** True while the object that asked is the one that would hear the answer. */
  alive(): () => boolean {
    const incarnation = this.#incarnation;
    return () => this.#incarnation === incarnation;
  }

  /** Its market's control has a newer version for it. */
  changeMarket(settings: MarketSettings): void {
    this.#version += 1;
    const configured = { version: this.#version, configuration: { settings, hours: [] } };
    if (this.enter(() => this.submit({ type: "market.configured", configured })))
      this.world.auditor.count("market changed");
  }

  open(socket: Socket, available: boolean): void {
    if (!this.enter(() => this.#door.attach(socket, available))) socket.closeFromServer("lost");
    else this.sockets.add(socket);
  }

  frame(socket: Socket, frame: DriverUp): void {
    this.enter(() => this.#door.hear(socket, frame));
  }

  gone(socket: Socket): void {
    if (this.sockets.delete(socket)) this.enter(() => this.#door.closed(socket));
  }

  /** One socket of a driver is his: the newest. The other, whichever it is, is told so. */
  bind(socket: Socket): void {
    const known = this.live.get(socket.driverId);
    const older = known !== undefined && known.epoch > socket.epoch ? socket : known;
    if (older !== undefined) {
      this.sockets.delete(older);
      older.closeFromServer("superseded");
    }
    if (older !== socket) this.live.set(socket.driverId, socket);
  }

  setAlarm(at: EpochMs): void {
    const { random, faults } = this.world;
    const lateMs = faults.alarmLateMs > 0 ? Math.round(random.exponential(faults.alarmLateMs)) : 0;
    this.#ringAt(at - this.skewMs + lateMs);
  }

  /** The object is gone from memory, as when nothing has happened for a while or its code is replaced. */
  sleep(): void {
    if (this.#runtime === null) return;
    this.world.trace.add(this.world.loop.now, this.name, "sleeps");
    this.world.auditor.count("shard sleep");
    this.#forget();
  }

  kill(): void {
    if (this.#runtime !== null) this.#die("between two events");
  }

  #start(): ShardRuntime {
    const { world } = this;
    world.auditor.count("shard start");
    const runtime = new ShardRuntime(this.#setting, this.#crashing(), new SimulatedOutside(this), this.now);
    this.#runtime = runtime;
    runtime.start();
    for (const socket of this.sockets) {
      if (socket.attachment.phase !== "live") continue;
      const { driverId } = socket;
      const known = this.live.get(driverId);
      if (known !== undefined && known.epoch > socket.epoch) continue;
      this.live.set(driverId, socket);
      runtime.submit({ type: "driver.woken", driverId, memory: socket.attachment.memory });
    }
    world.trace.add(world.loop.now, this.name, `starts, ${this.live.size} sockets`);
    return runtime;
  }

  /** The rows, with death while they are written, or after. */
  #crashing(): ShardStorage {
    const { storage, world } = this;
    const { random, auditor } = world;
    return {
      restore: () => storage.restore(),
      recall: (rideId) => storage.recall(rideId),
      readDecisions: (rideId) => storage.readDecisions(rideId),
      findReply: (riderId, key) => storage.findReply(riderId, key),
      requestsSince: (riderId, since) => storage.requestsSince(riderId, since),
      readEvents: (rideId, afterVersion) => storage.readEvents(rideId, afterVersion),
      prune: (before) => storage.prune(before),
      keepLearned: (learned) => storage.keepLearned(learned),
      commit: (writes: readonly Write[]) => {
        const crashes = random.next() < world.faults.commitCrashed;
        const luck = random.next();
        if (crashes && luck < 0.5) storage.commit(brokenOff(writes, Math.floor(2 * luck * writes.length)));
        storage.commit(writes);
        auditor.shardCommitted(this.name, writes);
        if (!crashes) return;
        if (writes.some(({ type }) => type === "mark.archived")) auditor.count("shard crash, an event just confirmed");
        throw new Crash("after a commit");
      },
    };
  }

  #die(when: string): void {
    const { loop, faults, random, trace, auditor } = this.world;
    const keepsSockets = random.next() < faults.socketsKept;
    this.#downUntil = loop.now + drawDownMs(faults, random);
    trace.add(loop.now, this.name, `dies ${when}; sockets ${keepsSockets ? "kept" : "lost"}`);
    auditor.count(`shard crash ${when}`);
    if ([...this.storage.rides.values()].some(({ state }) => state === "scheduled"))
      auditor.count("shard crash, a ride scheduled");
    for (const stage of this.#stagesOfEvents()) auditor.count(`shard crash, an event ${stage}`);
    this.#forget();
    if (!keepsSockets) {
      for (const socket of this.sockets) {
        socket.serverOpen = false;
        socket.cut(Number.POSITIVE_INFINITY, random.int(3_000));
      }
      this.sockets.clear();
    }
    // The rows and the alarm of one turn are one write. The turn never came to its alarm, so it rings as soon as may be,
    // which is no later than the alarm it would have set.
    if (when === "after a commit") this.#ringAt(this.#downUntil);
  }

  /** How far the events had come that history has yet to confirm. */
  #stagesOfEvents(): Set<string> {
    const { queue, history } = this.world;
    const stages = new Set<string>();
    for (const { id } of this.storage.unarchived()) {
      if (history.events.has(id)) stages.add("stored and not confirmed");
      else stages.add(queue.given.has(id) ? "sent and not stored" : "written and not sent");
    }
    return stages;
  }

  #forget(): void {
    this.#runtime = null;
    this.#incarnation++;
    this.live.clear();
  }

  #ringAt(at: EpochMs): void {
    const alarm = { at };
    this.#alarm = alarm;
    this.world.loop.at(at, () => {
      if (this.#alarm === alarm) this.#ring();
    });
  }

  #ring(): void {
    const { loop } = this.world;
    if (loop.now < this.#downUntil) return this.#ringAt(this.#downUntil);
    this.#rung =
      this.#rung.at === loop.now ? { at: loop.now, times: this.#rung.times + 1 } : { at: loop.now, times: 1 };
    if (this.#rung.times > RINGS_AT_ONCE) throw new Error(`L4: the alarm of ${this.name} rings without end`);
    const alarm = this.#alarm;
    this.#alarm = null;
    const done = this.enter((runtime) => {
      this.world.trace.add(loop.now, this.name, "alarm");
      runtime.tick();
    });
    if (!done && this.#alarm === null && alarm !== null) this.#ringAt(loop.now + ALARM_RETRY_MS);
  }
}
