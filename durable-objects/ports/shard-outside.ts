/** What a shard says to the world, and how the world's answers come back: locks, neighbours, sockets, streams, queue. */
import { ulid } from "ulidx";
import { callOrNull } from "../../src/calls/call-object.ts";
import { assertNever } from "../../src/domain/assert.ts";
import type { Candidate, DriverId } from "../../src/domain/driver.ts";
import type { RideEvent } from "../../src/domain/event.ts";
import type { LatLng, ShardName } from "../../src/domain/place.ts";
import { isTerminal } from "../../src/domain/ride.ts";
import type { EpochMs } from "../../src/domain/time.ts";
import { type Config, configOf, type Env, shardServing } from "../../src/env.ts";
import type { Command, FromDriver, Message, NearbyQuery } from "../../src/matching/commands.ts";
import { logError } from "../../src/observe/log.ts";
import { CLOSE } from "../../src/protocol/driver.ts";
import { mintTicket } from "../../src/protocol/ticket.ts";
import { shardAt, shardsAround } from "../../src/routing/shard-map.ts";
import type { ShardOutside } from "../../src/shard/ports.ts";
import type { DriverSockets } from "./driver-sockets.ts";
import type { LoadMeter } from "./load-meter.ts";
import type { ModelRanker } from "./model-ranker.ts";
import { positionText, type RiderStreams, rideEventText } from "./rider-streams.ts";
import { ROUTE_DEADLINE_MS, timeByRoad } from "./road-router.ts";
import type { ShardCounters } from "./shard-counters.ts";

/** A ride is not kept waiting for a better order: after this the nearest driver is the best. */
const RANK_DEADLINE_MS = 15;
/** Timers nearer than this are kept in memory; the alarm behind them rings this much later still. */
const SOON_MS = 4_000;
const ALARM_BEHIND_MS = 1_000;
const ACKNOWLEDGE_EVERY_MS = 200;
const NEARBY = { deadlineMs: 60, attempts: 1 };
const RESERVE = { deadlineMs: 700, attempts: 3 };
const RELEASE = { deadlineMs: 2_000, attempts: 1 };
/** The outbox tries again by itself. */
const SEND = { deadlineMs: 5_000, attempts: 1 };
const PUSH = { deadlineMs: 1_000, attempts: 2 };
/** Best effort: what is lost is said again later, or found out by somebody else. */
const HINT = { deadlineMs: 2_000, attempts: 1 };

type Submit = (command: Command) => void;
type Say<T extends Message["type"]> = Extract<Message, { type: T }>;

export class ObjectOutside implements ShardOutside {
  readonly #config: Config;
  readonly #ctx: DurableObjectState;
  readonly #env: Env;
  readonly #shard: ShardName;
  readonly #sockets: DriverSockets;
  readonly #streams: RiderStreams;
  readonly #ranker: ModelRanker;
  readonly #counters: ShardCounters;
  readonly #meter: LoadMeter;
  readonly #ring: () => void;
  readonly #acknowledged: Command[] = [];
  #alarmAt: EpochMs | null = null;

  constructor(
    ctx: DurableObjectState,
    env: Env,
    shard: ShardName,
    parts: {
      readonly sockets: DriverSockets;
      readonly streams: RiderStreams;
      readonly ranker: ModelRanker;
      readonly counters: ShardCounters;
      readonly meter: LoadMeter;
      /** Something is due. */
      readonly ring: () => void;
    },
  ) {
    this.#ctx = ctx;
    this.#env = env;
    this.#config = configOf(env);
    this.#shard = shard;
    this.#sockets = parts.sockets;
    this.#streams = parts.streams;
    this.#ranker = parts.ranker;
    this.#counters = parts.counters;
    this.#meter = parts.meter;
    this.#ring = parts.ring;
  }

  perform(message: Message, submit: Submit): void {
    switch (message.type) {
      case "count":
        return this.#counters.add(message.name, message.label);
      case "tell":
        return this.#sockets.tell(message.driverId, message.epoch, message.notice);
      case "remember":
        return this.#sockets.remember(message.driverId, message.memory, Date.now());
      case "close": {
        const { driverId, epoch, why } = message;
        return this.#sockets.close(driverId, epoch, CLOSE[why], why);
      }
      case "publish.ride": {
        const { rideId, event, view } = message;
        return this.#streams.publish(rideId, rideEventText(event, view), isTerminal(event.ride));
      }
      case "publish.position":
        return this.#streams.publish(message.rideId, positionText(message.position), false);
      case "rank":
        return this.#run(this.#rank(message, submit));
      case "find.neighbours":
        return this.#run(this.#findNeighbours(message, submit));
      case "reserve":
        return this.#run(this.#reserve(message, submit));
      case "release":
        return this.#run(this.#release(message, submit));
      case "push":
        return this.#run(this.#push(message, submit));
      case "rehome":
        return this.#run(this.#rehome(message.driverId, message.epoch, message.position));
      case "detach":
        return this.#run(this.#detach(message.driverId, message.epoch));
      case "abandon":
        return this.#run(this.#abandon(message));
      case "track":
        return this.#run(this.#track(message, submit));
      default:
        return assertNever(message);
    }
  }

  sendEvents(events: readonly RideEvent[], done: (sent: boolean) => void): void {
    this.#run(
      callOrNull(async () => {
        await this.#env.RIDE_EVENTS.sendBatch(events.map((body) => ({ body, contentType: "json" })));
        return true;
      }, SEND).then((sent) => done(sent === true)),
    );
  }

  /**
   * A durable alarm costs a write to disk, and a search sets two timers that are rarely needed. So what is due within
   * seconds is a timer in memory, and the alarm only stands behind it, in case this object dies before.
   */
  setAlarm(at: EpochMs): void {
    const now = Date.now();
    const soon = at - now < SOON_MS;
    if (soon) setTimeout(this.#ring, Math.max(0, at - now));
    const alarmAt = soon ? now + SOON_MS + ALARM_BEHIND_MS : at;
    if (this.#alarmAt !== null && this.#alarmAt <= alarmAt) return;
    this.#alarmAt = alarmAt;
    this.#run(this.#ctx.storage.setAlarm(alarmAt));
  }

  /** The durable alarm has rung: none stands any more. */
  alarmRang(): void {
    this.#alarmAt = null;
  }

  shardStub(name: ShardName) {
    return this.#env.DISPATCH_SHARD.getByName(name);
  }

  lockStub(driverId: DriverId) {
    return this.#env.DRIVER_LOCK.getByName(`drv:${driverId}`);
  }

  async #rank(message: Say<"rank">, submit: Submit): Promise<void> {
    const { rideId, searchId, context, byModel } = message;
    const candidates = byModel ? await this.#timed(message) : message.candidates;
    const startedAt = Date.now();
    const ranked = await this.#ranker.rank(candidates, context, RANK_DEADLINE_MS, byModel);
    if (ranked.fallback === null || ranked.fallback === "deadline") this.#meter.inferred(Date.now() - startedAt);
    submit({ type: "candidates.ranked", rideId, searchId, ranked });
  }

  async #timed({ candidates, context }: Say<"rank">): Promise<readonly Candidate[]> {
    const { routerUrl } = this.#config;
    if (routerUrl === null) return candidates;
    const routed = await timeByRoad(routerUrl, candidates, context.pickup, ROUTE_DEADLINE_MS);
    this.#counters.add("routing", routed.outcome);
    return routed.candidates;
  }

  async #findNeighbours({ rideId, searchId, query, around }: Say<"find.neighbours">, submit: Submit): Promise<void> {
    submit({ type: "neighbours.found", rideId, searchId, candidates: await this.nearbyElsewhere(query, around) });
  }

  /** Drivers whom the neighbours have found. Whoever answers in time is in; a partial answer is an answer. */
  async nearbyElsewhere(query: NearbyQuery, around: Say<"find.neighbours">["around"]): Promise<Candidate[]> {
    const shards = shardsAround(this.#shard, around.center, around.radiusMeters, this.#config.shardBits);
    const answers = await Promise.all(
      shards.map((name) => callOrNull(async (): Promise<Candidate[]> => this.shardStub(name).nearby(query), NEARBY)),
    );
    return answers.flatMap((found) => found ?? []);
  }

  async #reserve({ offerId, seq, driverId }: Say<"reserve">, submit: Submit): Promise<void> {
    const call = { driverId, offerId, seq, shard: this.#shard };
    const answer = await callOrNull(async () => this.lockStub(driverId).reserve(call), RESERVE);
    submit({ type: "reserve.answered", offerId, ...(answer ?? { outcome: "unanswered" }) });
  }

  async #release({ type: _, ...released }: Say<"release">, submit: Submit): Promise<void> {
    const { driverId, offerId } = released;
    const call = { ...released, shard: this.#shard };
    const done = await callOrNull(async () => {
      await this.lockStub(driverId).release(call);
      return true;
    }, RELEASE);
    if (done === true) this.#acknowledge({ type: "release.acknowledged", offerId }, submit);
  }

  /** Nobody waits for these, and each alone would cost a write to disk: what comes within a moment is written together. */
  #acknowledge(command: Command, submit: Submit): void {
    if (this.#acknowledged.push(command) > 1) return;
    setTimeout(() => {
      this.#run(
        (async () => {
          for (const acknowledged of this.#acknowledged.splice(0)) submit(acknowledged);
        })(),
      );
    }, ACKNOWLEDGE_EVERY_MS);
  }

  async #push({ driverId, to, offerId, notice }: Say<"push">, submit: Submit): Promise<void> {
    const call = { driverId, epoch: to.epoch, notice };
    const outcome = await callOrNull(async () => this.shardStub(to.shard).pushNotice(call), PUSH);
    submit({ type: "push.answered", offerId, outcome: outcome ?? "no_socket" });
  }

  /** Make before break: the driver gets a ticket for the next shard and keeps this socket until that one has him. */
  async #rehome(driverId: DriverId, epoch: number, position: LatLng): Promise<void> {
    const memory = this.#sockets.memoryOf(driverId, epoch);
    if (memory === null) return;
    const { profile, endsAt: sessionEndsAt } = memory;
    const shard = shardAt(position, this.#config.shardBits);
    const ticket = { driverId, shard, profile, ticketId: ulid(), sessionEndsAt };
    this.#sockets.tell(driverId, epoch, {
      type: "rehome",
      ticket: await mintTicket(this.#config.ticketSecret, ticket, Date.now()),
    });
  }

  async #detach(driverId: DriverId, epoch: number): Promise<void> {
    await callOrNull(async () => this.lockStub(driverId).detach({ shard: this.#shard, epoch }), HINT);
  }

  async #abandon({ offerId, driverId, from }: FromDriver): Promise<void> {
    const shard = shardServing(this.#config, offerId);
    if (shard !== null)
      await callOrNull(async () => this.shardStub(shard).abandonOffer({ offerId, driverId, from }), HINT);
  }

  async #track({ offerId, driverId, fix, from }: Say<"track">, submit: Submit): Promise<void> {
    const shard = shardServing(this.#config, offerId);
    if (shard === null) return;
    const answer = await callOrNull(
      async () => this.shardStub(shard).trackDriver({ offerId, driverId, fix, from }),
      HINT,
    );
    if (answer?.type === "tracked") submit({ ...answer, type: "track.answered", driverId, offerId });
  }

  /** Nothing here may fail unseen: an error in an answer's judgement is the core's, and the object must not live on. */
  #run(work: Promise<void>): void {
    const guarded = work.catch((error: unknown) => {
      logError("shard stopped", error, { shard: this.#shard });
      this.#ctx.abort(String(error));
    });
    this.#ctx.waitUntil(guarded);
  }
}
