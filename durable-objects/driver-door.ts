/** A driver's frames become commands, and the verdict of whichever shard has his ride comes back to his socket. */

import { callOrNull } from "../src/calls/call-object.ts";
import type { DriverId } from "../src/domain/driver.ts";
import type { Holding, TripVerdict, Verdict } from "../src/domain/notice.ts";
import type { ShardName } from "../src/domain/place.ts";
import { configOf, type Env, shardServing } from "../src/env.ts";
import type { Answer, FromDriver } from "../src/matching/commands.ts";
import {
  CLOSE,
  type DriverUp,
  decodeDriverUp,
  fixesOf,
  overloadedReason,
  SUBPROTOCOL,
} from "../src/protocol/driver.ts";
import { readSession } from "../src/protocol/internal-headers.ts";
import type { DispatchShardApi } from "../src/protocol/peer.ts";
import type { ShardRuntime } from "../src/shard/shard-runtime.ts";
import { type Attachment, attach, attachmentOf, close, type DriverSockets, send } from "./ports/driver-sockets.ts";

const HELLO_WITHIN_MS = 5_000;
/** Once: the ticket is burned by the first attempt, heard or not, and a second would be refused as a replay. */
const ATTACH = { deadlineMs: 2_000, attempts: 1 };
const DECIDE = { deadlineMs: 2_500, attempts: 2 };
const VIEW = { deadlineMs: 1_000, attempts: 2 };
/** What a driver waits before he asks again for a verdict that did not come. */
const PENDING = { outcome: "pending", retryAfterMs: 1_000 } as const;
/** Clients ping every 20 s. */
const HEARD_WITHIN_MS = 45_000;
const OVERLOADED_RETRY_MS = 5_000;

type Hello = Extract<DriverUp, { type: "hello" }>;
type Fresh = Extract<Attachment, { phase: "fresh" }>;
type Deed = Extract<DriverUp, { type: "offer.accept" | "offer.decline" | "trip" }>;

export class DriverDoor {
  readonly #env: Env;
  readonly #shard: ShardName;
  readonly #runtime: ShardRuntime;
  readonly #sockets: DriverSockets;

  constructor(env: Env, shard: ShardName, runtime: ShardRuntime, sockets: DriverSockets) {
    this.#env = env;
    this.#shard = shard;
    this.#runtime = runtime;
    this.#sockets = sockets;
  }

  /** A socket for whoever the Worker's ticket names; it is nobody's until it says hello. */
  open(ctx: DurableObjectState, request: Request): Response {
    const session = readSession(request.headers);
    if (session === null) return new Response("no session", { status: 400 });
    const { 0: client, 1: server } = new WebSocketPair();
    ctx.acceptWebSocket(server);
    attach(server, { phase: "fresh", ...session });
    // A sleeping object forgets this timer; then the socket has no session and costs nothing until it closes itself.
    setTimeout(() => {
      if (attachmentOf(server)?.phase === "fresh") close(server, CLOSE.noHello, "no hello within five seconds");
    }, HELLO_WITHIN_MS);
    const headers = { "Sec-WebSocket-Protocol": SUBPROTOCOL };
    return new Response(null, { status: 101, webSocket: client, headers });
  }

  async frame(socket: WebSocket, frame: string | ArrayBuffer): Promise<void> {
    const now = Date.now();
    const attachment = attachmentOf(socket);
    if (attachment === null || !this.#sockets.admit(socket, now)) return;
    const decoded = decodeDriverUp(frame);
    if (!decoded.ok) {
      send(socket, JSON.stringify({ type: "fault", code: decoded.code, message: decoded.message }));
      this.#sockets.strike(socket, now);
      return;
    }
    const { message } = decoded;
    if (attachment.phase === "fresh" && message.type === "hello") return this.#attach(socket, attachment, message);
    if (attachment.phase !== "live") {
      send(socket, JSON.stringify({ type: "fault", code: "hello_first", message: "say hello and wait for welcome" }));
      this.#sockets.strike(socket, now);
      return;
    }
    const { driverId, memory } = attachment;
    // Whatever he says after his session's end, all that the core hears is that he spoke, and it closes the socket.
    if (now >= memory.endsAt || message.type === "hello") {
      this.#runtime.submit({ type: "driver.heard", driverId, epoch: memory.epoch });
    } else return this.#hear(driverId, memory.epoch, message, now);
  }

  closed(socket: WebSocket): void {
    const attachment = attachmentOf(socket);
    if (attachment?.phase !== "live") return;
    const { driverId, memory } = attachment;
    if (this.#sockets.unbind(driverId, memory.epoch)) {
      this.#runtime.submit({ type: "driver.detached", driverId, epoch: memory.epoch });
    }
  }

  /** The platform answers pings without waking the object, so it is asked about those who would be closed for silence. */
  hearPings(ctx: DurableObjectState): void {
    for (const { driverId, epoch } of [...this.#runtime.quietDrivers()]) {
      const socket = this.#sockets.socketOf(driverId, epoch);
      const pinged = socket === null ? null : ctx.getWebSocketAutoResponseTimestamp(socket);
      if (pinged !== null && Date.now() - pinged.getTime() < HEARD_WITHIN_MS) {
        this.#runtime.submit({ type: "driver.heard", driverId, epoch });
      }
    }
  }

  async #hear(driverId: DriverId, epoch: number, message: Exclude<DriverUp, Hello>, now: number): Promise<void> {
    switch (message.type) {
      case "location":
        this.#runtime.submit({ type: "driver.located", driverId, epoch, fixes: fixesOf(message.fixes, now) });
        return;
      case "status":
        this.#runtime.submit({ ...message, type: "driver.available", driverId, epoch });
        return;
      default:
        return this.#judge(driverId, epoch, message);
    }
  }

  /** The ride's shard decides, here or over one hop; the driver hears the verdict under the name he gave his command. */
  async #judge(driverId: DriverId, epoch: number, deed: Deed): Promise<void> {
    const { offerId, cid } = deed;
    const says = { offerId, driverId, from: { shard: this.#shard, epoch } };
    const answer = await this.#decide(says, deed);
    if (deed.type === "trip") {
      const verdict: TripVerdict | typeof PENDING = answer?.type === "trip" ? answer.verdict : PENDING;
      this.#runtime.submit({ type: "trip.judged", driverId, epoch, cid, offerId, step: deed.step, verdict });
    } else {
      const verdict: Verdict | typeof PENDING = answer?.type === "verdict" ? answer.verdict : PENDING;
      this.#runtime.submit({ type: "offer.judged", driverId, epoch, cid, offerId, verdict });
    }
  }

  #decide(says: FromDriver, deed: Deed): Answer | null | Promise<Answer | null> {
    const shard = shardServing(configOf(this.#env), says.offerId);
    if (shard === null) {
      return deed.type === "trip"
        ? { type: "trip", verdict: { outcome: "refused", reason: "unknown" } }
        : { type: "verdict", verdict: { outcome: "lost", reason: "unknown" } };
    }
    if (shard === this.#shard) return this.#decideHere(says, deed);
    return callOrNull(async (): Promise<Answer> => {
      const stub = this.#stub(shard);
      if (deed.type === "trip") return stub.stepTrip({ ...says, step: deed.step });
      return deed.type === "offer.accept" ? stub.acceptOffer(says) : stub.declineOffer(says);
    }, DECIDE);
  }

  #decideHere(says: FromDriver, deed: Deed): Answer | null {
    if (deed.type === "trip") return this.#runtime.submit({ type: "trip.stepped", ...says, step: deed.step });
    return this.#runtime.submit({ type: deed.type === "offer.accept" ? "offer.accepted" : "offer.declined", ...says });
  }

  /** The lock says which socket is newest and what the driver holds; the holding's shard says what to show him. */
  async #attach(socket: WebSocket, fresh: Fresh, { available, destination }: Hello): Promise<void> {
    const { driverId, profile, ticketId, ticketExpiresAt, sessionEndsAt: endsAt } = fresh;
    if (!this.#runtime.hasRoomForDrivers) return this.#turnAway(socket);
    attach(socket, { phase: "attaching", driverId });
    const call = { driverId, shard: this.#shard, ticketId, ticketExpiresAt };
    const attached = await callOrNull(async () => this.#lock(driverId).attach(call), ATTACH);
    if (attached === null) return this.#turnAway(socket);
    if (attached.outcome === "replayed") return close(socket, CLOSE.ticketRefused, "this ticket was used before");
    const { epoch, holder, previous, stats } = attached;
    const from = { shard: this.#shard, epoch };
    const holding =
      holder === null ? none : await this.#view({ offerId: holder.offerId, driverId, from }, holder.shard);
    if (holding === null || socket.readyState !== WebSocket.READY_STATE_OPEN) {
      // What he holds is not to be guessed: told that he is free, he would drive away from his rider.
      this.#turnAway(socket);
      return this.#withdraw(driverId, epoch);
    }
    const session = { epoch, profile, stats, available, destination, endsAt };
    attach(socket, { phase: "live", driverId, memory: { ...session, fix: null, idleSince: Date.now(), held: null } });
    this.#sockets.bind(driverId, epoch, socket);
    this.#runtime.submit({ type: "driver.attached", driverId, ...session, holding });
    if (previous !== null && previous.shard !== this.#shard) {
      const left = { driverId, epoch: previous.epoch };
      const brought = await callOrNull(async () => this.#stub(previous.shard).supersedeSession(left), VIEW);
      if (brought !== null) this.#runtime.submit({ type: "place.brought", driverId, epoch, brought });
    }
  }

  /** Null when the shard that knows did not answer. */
  async #view(says: FromDriver, shard: ShardName): Promise<Holding | null> {
    const answer =
      shard === this.#shard
        ? this.#runtime.submit({ type: "offer.viewed", ...says })
        : await callOrNull(async (): Promise<Answer> => this.#stub(shard).viewHolding(says), VIEW);
    return answer?.type === "holding" ? answer.holding : null;
  }

  /** The lock takes this socket for the driver's newest, and nobody is at it. */
  async #withdraw(driverId: DriverId, epoch: number): Promise<void> {
    await callOrNull(async () => this.#lock(driverId).detach({ shard: this.#shard, epoch }), VIEW);
  }

  #turnAway(socket: WebSocket): void {
    close(socket, CLOSE.overloaded, overloadedReason(OVERLOADED_RETRY_MS));
  }

  #lock(driverId: DriverId) {
    return this.#env.DRIVER_LOCK.getByName(`drv:${driverId}`);
  }

  #stub(shard: ShardName): DurableObjectStub<DispatchShardApi & Rpc.DurableObjectBranded> {
    return this.#env.DISPATCH_SHARD.getByName(shard);
  }
}

const none: Holding = { kind: "none" };
