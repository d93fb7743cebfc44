/** What a shard says to the simulated world: the same calls with the same patience as durable-objects/ports/shard-outside.ts. */

import { assertNever } from "../../src/domain/assert.ts";
import type { Candidate } from "../../src/domain/driver.ts";
import type { RideEvent } from "../../src/domain/event.ts";
import type { EpochMs } from "../../src/domain/time.ts";
import type { Command, Message } from "../../src/matching/commands.ts";
import { reserveOutcomeOf } from "../../src/matching/driver-lock.ts";
import { featureMatrix } from "../../src/ranking/feature-view.ts";
import { rankByPickupTime } from "../../src/ranking/nearest-ranker.ts";
import { shardAt, shardOfRide, shardsAround } from "../../src/routing/shard-map.ts";
import type { ShardOutside } from "../../src/shard/ports.ts";
import type { CallLimits } from "./network.ts";
import type { ShardHost } from "./shard-host.ts";
import type { World } from "./world.ts";

const NEARBY: CallLimits = { deadlineMs: 60, attempts: 1 };
const RESERVE: CallLimits = { deadlineMs: 700, attempts: 3 };
const RELEASE: CallLimits = { deadlineMs: 2_000, attempts: 1 };
const PUSH: CallLimits = { deadlineMs: 1_000, attempts: 2 };
const HINT: CallLimits = { deadlineMs: 2_000, attempts: 1 };
const RANK_MS = 3;
const RANK_LATE_MS = 2_000;
const QUEUE_MS = 30;

type Submit = (command: Command) => void;
type Say<T extends Message["type"]> = Extract<Message, { type: T }>;

export class SimulatedOutside implements ShardOutside {
  readonly #host: ShardHost;
  readonly #world: World;
  readonly #alive: () => boolean;

  constructor(host: ShardHost) {
    this.#host = host;
    this.#world = host.world;
    this.#alive = host.alive();
  }

  perform(message: Message, submit: Submit): void {
    const host = this.#host;
    this.#world.auditor.said(host.name, message);
    switch (message.type) {
      case "count":
      case "publish.position":
      case "publish.ride":
        return;
      case "tell":
        return this.#socketOf(message)?.down(message.notice);
      case "remember": {
        const socket = this.#socketOf({ ...message, epoch: message.memory.epoch });
        if (socket !== undefined) socket.attachment = { phase: "live", memory: message.memory };
        return;
      }
      case "close": {
        const socket = this.#socketOf(message);
        if (socket === undefined) return;
        host.live.delete(message.driverId);
        host.sockets.delete(socket);
        return socket.closeFromServer(message.why);
      }
      case "rank":
        return this.#rank(message, submit);
      case "find.neighbours":
        return this.#findNeighbours(message, submit);
      case "reserve":
        return this.#reserve(message, submit);
      case "release":
        return this.#release(message, submit);
      case "push":
        return this.#push(message, submit);
      case "rehome":
        return this.#rehome(message);
      case "detach": {
        const { driverId, epoch } = message;
        const callee = this.#world.lock(driverId).call({ type: "detach", shard: host.name, epoch });
        return this.#world.network.call("detach", HINT, callee, this.#alive, () => {});
      }
      case "abandon": {
        const { offerId, driverId, from } = message;
        const shard = this.#world.shard(shardOfRide(offerId, this.#world.shardBits)!);
        const callee = shard.ask({ type: "offer.abandoned", offerId, driverId, from }, () => null);
        return this.#world.network.call("abandon", HINT, callee, this.#alive, () => {});
      }
      case "track":
        return this.#track(message, submit);
      default:
        return assertNever(message);
    }
  }

  sendEvents(events: readonly RideEvent[], done: (sent: boolean) => void): void {
    const { loop, random, queue } = this.#world;
    const sent = queue.send(events);
    loop.after(1 + random.int(QUEUE_MS), () => this.#back(() => done(sent)));
  }

  setAlarm(at: EpochMs): void {
    this.#host.setAlarm(at);
  }

  #rank({ rideId, searchId, candidates, context, byModel }: Say<"rank">, submit: Submit): void {
    const { loop, random, faults } = this.#world;
    const late = random.next() < faults.rankerLate;
    loop.after(1 + random.int(late ? RANK_LATE_MS : RANK_MS), () => {
      const ranked = rankByPickupTime(candidates, featureMatrix(candidates, context), byModel ? null : "overload");
      this.#answer({ type: "candidates.ranked", rideId, searchId, ranked }, submit);
    });
  }

  #findNeighbours({ rideId, searchId, query, around }: Say<"find.neighbours">, submit: Submit): void {
    const { shardBits, network } = this.#world;
    const shards = shardsAround(this.#host.name, around.center, around.radiusMeters, shardBits);
    const found: (readonly Candidate[])[] = shards.map(() => []);
    let missing = shards.length;
    const finish = () => {
      if (--missing > 0) return;
      this.#answer({ type: "neighbours.found", rideId, searchId, candidates: found.flat() }, submit);
    };
    if (missing === 0) finish();
    shards.forEach((name, index) => {
      const callee = this.#world.shard(name).serve((runtime) => runtime.nearby(query));
      network.call("nearby", NEARBY, callee, this.#alive, (answer) => {
        found[index] = answer ?? [];
        finish();
      });
    });
  }

  #reserve({ offerId, seq, driverId }: Say<"reserve">, submit: Submit): void {
    const lock = this.#world.lock(driverId);
    const callee = lock.call({ type: "reserve", offerId, seq, shard: this.#host.name });
    this.#world.network.call("reserve", RESERVE, callee, this.#alive, (answer) => {
      const outcome = answer === null ? ({ outcome: "unanswered" } as const) : reserveOutcomeOf(answer);
      this.#answer({ type: "reserve.answered", offerId, ...outcome }, submit);
    });
  }

  #release({ driverId, ...released }: Say<"release">, submit: Submit): void {
    const lock = this.#world.lock(driverId);
    const callee = lock.call({ ...released, shard: this.#host.name });
    this.#world.network.call("release", RELEASE, callee, this.#alive, (answer) => {
      if (answer !== null) this.#answer({ type: "release.acknowledged", offerId: released.offerId }, submit);
    });
  }

  #push({ driverId, to, offerId, notice }: Say<"push">, submit: Submit): void {
    const shard = this.#world.shard(to.shard);
    const callee = shard.ask({ type: "driver.told", driverId, epoch: to.epoch, notice }, (answer) =>
      answer?.type === "pushed" ? answer.outcome : "no_socket",
    );
    this.#world.network.call("push", PUSH, callee, this.#alive, (outcome) => {
      this.#answer({ type: "push.answered", offerId, outcome: outcome ?? "no_socket" }, submit);
    });
  }

  #rehome(message: Say<"rehome">): void {
    const socket = this.#socketOf(message);
    const ticket = shardAt(message.position, this.#world.shardBits);
    socket?.down({ type: "rehome", ticket });
  }

  #track({ offerId, driverId, fix, from }: Say<"track">, submit: Submit): void {
    const shard = this.#world.shard(shardOfRide(offerId, this.#world.shardBits)!);
    const callee = shard.ask({ type: "driver.tracked", offerId, driverId, fix, from }, (answer) => answer);
    this.#world.network.call("track", HINT, callee, this.#alive, (answer) => {
      if (answer?.type !== "tracked") return;
      const { engaged, ride } = answer;
      this.#answer({ type: "track.answered", driverId, offerId, engaged, ride }, submit);
    });
  }

  #socketOf({ driverId, epoch }: Pick<Say<"tell">, "driverId" | "epoch">) {
    const socket = this.#host.live.get(driverId);
    return socket?.epoch === epoch ? socket : undefined;
  }

  #answer(command: Command, submit: Submit): void {
    this.#back(() => {
      const { loop, trace } = this.#world;
      trace.add(loop.now, this.#host.name, `hears ${describe(command)}`);
      submit(command);
    });
  }

  /** Back in the object, if it is still the one that spoke. */
  #back(work: () => void): void {
    if (this.#alive()) this.#host.enter(work);
  }
}

function describe(command: Command): string {
  switch (command.type) {
    case "reserve.answered":
      return `reserve ${command.outcome} ${command.offerId}`;
    case "push.answered":
      return `push ${command.outcome} ${command.offerId}`;
    case "release.acknowledged":
      return `released ${command.offerId}`;
    case "candidates.ranked":
      return `ranked ${command.rideId} ${command.ranked.order.map(({ candidate }) => candidate.driverId).join(" ")}`;
    case "neighbours.found":
      return `neighbours ${command.rideId} ${command.candidates.map(({ driverId }) => driverId).join(" ")}`;
    default:
      return command.type;
  }
}
