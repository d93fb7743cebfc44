/** One cell's shard: platform events become commands, answers become words. No rule of its own; those are in src/matching. */
import { DurableObject } from "cloudflare:workers";
import type { Candidate } from "../src/domain/driver.ts";
import type { ShardName } from "../src/domain/place.ts";
import type { OfferId, RideId } from "../src/domain/ride.ts";
import { configOf, type Env, marketAt } from "../src/env.ts";
import type { Answer, Command, FromDriver, NearbyQuery } from "../src/matching/commands.ts";
import { logError } from "../src/observe/log.ts";
import type { DispatchShardApi } from "../src/protocol/peer.ts";
import { cellOfShard } from "../src/routing/shard-map.ts";
import { ShardRuntime } from "../src/shard/shard-runtime.ts";
import { centerOf } from "../src/spatial/geohash.ts";
import { DriverDoor } from "./driver-door.ts";
import { DriverSockets } from "./ports/driver-sockets.ts";
import { LoadMeter } from "./ports/load-meter.ts";
import { MarketWatch } from "./ports/market-watch.ts";
import { ModelRanker } from "./ports/model-ranker.ts";
import { RiderStreams } from "./ports/rider-streams.ts";
import { ShardCounters } from "./ports/shard-counters.ts";
import { ObjectOutside } from "./ports/shard-outside.ts";
import { SqlStorage } from "./ports/sql-storage.ts";
import { openRideStream, quoteRide, viewRide } from "./rider-door.ts";
import { ShardAudit } from "./shard-audit.ts";

/** RFC 6455: a normal closure. */
const CLIENT_LEFT = 1_000;

export class DispatchShard extends DurableObject<Env> implements DispatchShardApi {
  readonly #name = this.ctx.id.name as ShardName;
  readonly #sockets = new DriverSockets();
  readonly #streams = new RiderStreams();
  readonly #counters = new ShardCounters(() => this.#report());
  readonly #meter = new LoadMeter(this.#name, (sample) => this.#guard(() => this.#runtime.measure(sample)));
  readonly #ranker = rankerOf(this.ctx, this.env);
  readonly #market = marketWatchOf(this.ctx, this.env, this.#name, (command) => this.#submit(command));
  readonly #outside = new ObjectOutside(this.ctx, this.env, this.#name, {
    sockets: this.#sockets,
    streams: this.#streams,
    ranker: this.#ranker,
    counters: this.#counters,
    meter: this.#meter,
    ring: () => this.#tick(),
  });
  readonly #storage = new SqlStorage(this.ctx.storage);
  readonly #runtime = new ShardRuntime(settingOf(this.env, this.#name), this.#storage, this.#outside, () => Date.now());
  readonly #door = new DriverDoor(this.env, this.#name, this.#runtime, this.#sockets);
  readonly #audit = new ShardAudit(this.env, this.#runtime, this.#storage);

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair("ping", "pong"));
    this.#runtime.start();
    const awake = this.#sockets.wake(ctx.getWebSockets());
    for (const session of awake) this.#runtime.submit({ type: "driver.woken", ...session });
    ctx.waitUntil(this.#ranker.warm());
  }

  async requestRide(call: Parameters<DispatchShardApi["requestRide"]>[0]): Promise<Answer> {
    return this.#ask({ type: "ride.requested", ...call, prior: null, recent: [] });
  }

  async viewRide(call: Parameters<DispatchShardApi["viewRide"]>[0]): Promise<Answer> {
    return viewRide(call, this.#runtime);
  }

  async quoteRide({ riderId, request }: Parameters<DispatchShardApi["quoteRide"]>[0]) {
    return quoteRide(this.#ask({ type: "quote.asked", riderId, request }), this.#runtime, this.#outside);
  }

  async explainRide(rideId: RideId) {
    return this.#runtime.explain(rideId);
  }

  async cancelRide(call: Parameters<DispatchShardApi["cancelRide"]>[0]): Promise<Answer> {
    return this.#ask({ type: "ride.cancelled", ...call });
  }

  async rateRide(call: Parameters<DispatchShardApi["rateRide"]>[0]): Promise<Answer> {
    return this.#ask({ type: "ride.rated", ...call });
  }

  async nearby(query: NearbyQuery): Promise<Candidate[]> {
    return this.#runtime.nearby(query);
  }

  async acceptOffer(call: FromDriver): Promise<Answer> {
    return this.#ask({ type: "offer.accepted", ...call });
  }

  async declineOffer(call: FromDriver): Promise<Answer> {
    return this.#ask({ type: "offer.declined", ...call });
  }

  async abandonOffer(call: FromDriver): Promise<void> {
    this.#submit({ type: "offer.abandoned", ...call });
  }

  async stepTrip(call: Parameters<DispatchShardApi["stepTrip"]>[0]): Promise<Answer> {
    return this.#ask({ type: "trip.stepped", ...call });
  }

  async viewHolding(call: FromDriver): Promise<Answer> {
    return this.#ask({ type: "offer.viewed", ...call });
  }

  async trackDriver(call: Parameters<DispatchShardApi["trackDriver"]>[0]): Promise<Answer> {
    return this.#ask({ type: "driver.tracked", ...call });
  }

  async pushNotice(call: Parameters<DispatchShardApi["pushNotice"]>[0]): Promise<"sent" | "no_socket"> {
    const answer = this.#ask({ type: "driver.told", ...call });
    return answer.type === "pushed" ? answer.outcome : "no_socket";
  }

  async supersedeSession(call: Parameters<DispatchShardApi["supersedeSession"]>[0]) {
    return broughtOf(this.#ask({ type: "driver.superseded", ...call }));
  }

  async verdictOn(offerId: OfferId): ReturnType<DispatchShardApi["verdictOn"]> {
    const answer = this.#ask({ type: "lock.asked", offerId });
    return answer.type === "lock" ? answer.verdict : "hold";
  }

  async eventsArchived(eventIds: string[]): Promise<void> {
    this.#submit({ type: "events.archived", eventIds });
  }

  /** Being constructed is all it takes: the object reads its rows and sets its alarm again. */
  async wake(): Promise<void> {}

  async settledRides(call: Parameters<DispatchShardApi["settledRides"]>[0]) {
    return this.#audit.settledRides(call);
  }

  async reconcile(call: Parameters<DispatchShardApi["reconcile"]>[0]) {
    return this.#guard(() => this.#audit.reconcile(call));
  }

  override async fetch(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/socket") return this.#door.open(this.ctx, request);
    return openRideStream(request, searchParams.get("ride"), this.#runtime, this.#streams);
  }

  override async webSocketMessage(socket: WebSocket, frame: string | ArrayBuffer): Promise<void> {
    this.#meter.frame();
    await this.#guard(() => this.#door.frame(socket, frame));
  }

  override webSocketClose(socket: WebSocket): void {
    this.#guard(() => this.#door.closed(socket));
    // The platform does not answer a close by itself: without this the driver's app waits, then reads it as a failure.
    socket.close(CLIENT_LEFT);
  }

  override webSocketError(socket: WebSocket): void {
    this.#guard(() => this.#door.closed(socket));
  }

  /** Never throws: after six failures the platform would drop the alarm, and with it every deadline. */
  override alarm(): void {
    this.#outside.alarmRang();
    this.#tick();
  }

  #tick(): void {
    this.#guard(() => {
      this.#door.hearPings(this.ctx);
      this.#runtime.tick();
    });
  }

  #ask(command: Command): Answer {
    return this.#submit(command) ?? unanswered(command);
  }

  #submit(command: Command): Answer | null {
    return this.#guard(() => this.#runtime.submit(command));
  }

  /** Fail-stop: if a command dies half-way, memory is wrong, and only storage may be believed. */
  #guard<T>(run: () => T): T {
    this.#market.worked();
    const stop = (error: unknown): never => {
      logError("shard stopped", error, { shard: this.#name });
      this.ctx.abort(String(error));
      throw error;
    };
    try {
      const result = run();
      return result instanceof Promise ? (result.catch(stop) as T) : result;
    } catch (error) {
      return stop(error);
    }
  }

  #report(): void {
    const gauges = { ...this.#runtime.gauges(), streams_open: this.#streams.size };
    const sent = this.env.OPS_FEED.getByName("fleet").report(this.#counters.report(this.#name, Date.now(), gauges));
    this.ctx.waitUntil(Promise.resolve(sent).catch((error) => logError("metrics not reported", error)));
  }
}

function broughtOf(answer: Answer) {
  return answer.type === "superseded" ? answer.brought : null;
}

function unanswered({ type }: Command): never {
  throw new Error(`${type} was not answered`);
}

function rankerOf(ctx: DurableObjectState, env: Env): ModelRanker {
  return new ModelRanker({
    bucket: env.MODELS,
    readChampion: () => env.ROLLOUT_CONTROL.getByName("global").champion(),
    waitUntil: (work) => ctx.waitUntil(work),
  });
}

function marketWatchOf(
  ctx: DurableObjectState,
  env: Env,
  name: ShardName,
  submit: (command: Command) => void,
): MarketWatch {
  const { market } = settingOf(env, name);
  return new MarketWatch({
    read: () => env.MARKET_CONTROL.getByName(market.name).current(),
    hear: (configured) => submit({ type: "market.configured", configured }),
    waitUntil: (work) => ctx.waitUntil(work),
  });
}

function settingOf(env: Env, name: ShardName) {
  const config = configOf(env);
  const cell = cellOfShard(name);
  const market = marketAt(config, centerOf(cell));
  if (market === null) throw new Error(`no market serves ${name}`);
  const { topSpeedMetersPerSecond, fixEveryMs, clockSpeed } = config;
  return { name, cell, market, topSpeedMetersPerSecond, fixEveryMs, clockSpeed };
}
