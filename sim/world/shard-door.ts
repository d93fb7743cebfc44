/** Drivers' frames as a shard's object translates them; the twin of durable-objects/driver-door.ts. */
import type { Holding, TripVerdict, Verdict } from "../../src/domain/notice.ts";
import type { ShardName } from "../../src/domain/place.ts";
import type { Answer, Command, FromDriver } from "../../src/matching/commands.ts";
import { type DriverUp, fixesOf } from "../../src/protocol/driver.ts";
import type { AttachAnswer } from "../../src/protocol/peer.ts";
import { shardOfRide } from "../../src/routing/shard-map.ts";
import type { CallLimits } from "./network.ts";
import type { ShardHost } from "./shard-host.ts";
import type { Socket } from "./socket.ts";

const ATTACH: CallLimits = { deadlineMs: 2_000, attempts: 1 };
const DECIDE: CallLimits = { deadlineMs: 2_500, attempts: 2 };
const VIEW: CallLimits = { deadlineMs: 1_000, attempts: 2 };
const PENDING = { outcome: "pending", retryAfterMs: 1_000 } as const;
const NOTHING: Holding = { kind: "none" };

type Deed = Extract<DriverUp, { type: "offer.accept" | "offer.decline" | "trip" }>;
type Attached = Extract<AttachAnswer, { outcome: "attached" }>;

export class ShardDoor {
  readonly #host: ShardHost;

  constructor(host: ShardHost) {
    this.#host = host;
  }

  /** The lock says which socket is newest and what the driver holds; the holding's shard says what to show him. */
  attach(socket: Socket, available: boolean): void {
    const host = this.#host;
    const { network } = host.world;
    const { driverId, ticket } = socket;
    const { ticketId, ticketExpiresAt } = ticket;
    socket.attachment = { phase: "attaching" };
    const callee = host.world.lock(driverId).attach({ driverId, shard: host.name, ticketId, ticketExpiresAt });
    const alive = host.alive();
    network.call("attach", ATTACH, callee, alive, (attached) => {
      if (attached === null) return this.#turnAway(socket, "turned away");
      if (attached.outcome === "replayed") return this.#turnAway(socket, "refused");
      const welcome = (holding: Holding | null) =>
        host.enter(() => this.#welcome(socket, attached, available, holding));
      const { holder, epoch } = attached;
      if (holder === null) return welcome(NOTHING);
      const viewed: Command = {
        type: "offer.viewed",
        offerId: holder.offerId,
        driverId,
        from: { shard: host.name, epoch },
      };
      if (holder.shard === host.name) {
        host.enter(() => this.#welcome(socket, attached, available, holdingOf(host.submit(viewed))));
      } else {
        network.call("view", VIEW, host.world.shard(holder.shard).ask(viewed, holdingOf), alive, welcome);
      }
    });
  }

  hear(socket: Socket, frame: DriverUp): void {
    const { attachment, driverId } = socket;
    if (attachment.phase !== "live") return;
    const { epoch, endsAt } = attachment.memory;
    const host = this.#host;
    if (host.now() >= endsAt) {
      host.submit({ type: "driver.heard", driverId, epoch });
      return;
    }
    switch (frame.type) {
      case "location":
        host.submit({ type: "driver.located", driverId, epoch, fixes: fixesOf(frame.fixes, host.now()) });
        return;
      case "status":
        host.submit({ type: "driver.available", driverId, epoch, available: frame.available });
        return;
      case "hello":
        host.submit({ type: "driver.heard", driverId, epoch });
        return;
      default:
        return this.#judge(socket, epoch, frame);
    }
  }

  closed({ attachment, driverId }: Socket): void {
    if (attachment.phase !== "live") return;
    const { epoch } = attachment.memory;
    // A newer one has taken its place: for the core, this one is over already.
    if (this.#host.live.get(driverId)?.epoch !== epoch) return;
    this.#host.live.delete(driverId);
    this.#host.submit({ type: "driver.detached", driverId, epoch });
  }

  /** `holding` is null when the shard that knows did not answer: it is not to be guessed. */
  #welcome(socket: Socket, { epoch, previous, stats }: Attached, available: boolean, holding: Holding | null): void {
    const host = this.#host;
    const { network } = host.world;
    const { driverId, ticket } = socket;
    const { profile, sessionEndsAt: endsAt } = ticket;
    if (holding === null || !socket.serverOpen) {
      this.#turnAway(socket, "turned away");
      const callee = host.world.lock(driverId).call({ type: "detach", shard: host.name, epoch });
      return network.call("detach", VIEW, callee, host.alive(), () => {});
    }
    const memory = { epoch, profile, stats, available, fix: null, idleSince: host.now(), held: null, endsAt };
    socket.attachment = { phase: "live", memory };
    host.bind(socket);
    host.submit({ type: "driver.attached", driverId, epoch, profile, stats, available, endsAt, holding });
    if (previous === null || previous.shard === host.name) return;
    const superseded: Command = { type: "driver.superseded", driverId, epoch: previous.epoch };
    const callee = host.world.shard(previous.shard).ask(superseded, broughtOf);
    network.call("supersede", VIEW, callee, host.alive(), (brought) => {
      if (brought === null) return;
      host.world.auditor.count("place brought");
      host.enter(() => host.submit({ type: "place.brought", driverId, epoch, brought }));
    });
  }

  #turnAway(socket: Socket, why: "turned away" | "refused"): void {
    this.#host.sockets.delete(socket);
    socket.closeFromServer(why);
  }

  /** The ride's shard decides, here or over one hop; the driver hears the verdict under the name he gave his command. */
  #judge({ driverId }: Socket, epoch: number, deed: Deed): void {
    const host = this.#host;
    const { network, shardBits } = host.world;
    const command = commandOf(deed, { offerId: deed.offerId, driverId, from: { shard: host.name, epoch } });
    const judged = (answer: Answer | null) => host.submit(this.#judgement(command, epoch, deed, answer));
    const shard = shardOfRide(deed.offerId, shardBits) as ShardName;
    if (shard === host.name) {
      judged(host.submit(command));
      return;
    }
    const name = deed.type === "offer.accept" ? "accept" : deed.type;
    const callee = host.world.shard(shard).ask(command, (answer) => answer);
    network.call(name, DECIDE, callee, host.alive(), (answer) => {
      host.enter(() => judged(answer));
    });
  }

  #judgement({ driverId }: FromDriver, epoch: number, deed: Deed, answer: Answer | null): Command {
    const { offerId, cid } = deed;
    if (deed.type === "trip") {
      const verdict: TripVerdict | typeof PENDING = answer?.type === "trip" ? answer.verdict : PENDING;
      return { type: "trip.judged", driverId, epoch, cid, offerId, step: deed.step, verdict };
    }
    const verdict: Verdict | typeof PENDING = answer?.type === "verdict" ? answer.verdict : PENDING;
    return { type: "offer.judged", driverId, epoch, cid, offerId, verdict };
  }
}

function commandOf(deed: Deed, says: FromDriver) {
  if (deed.type === "trip") return { type: "trip.stepped", ...says, step: deed.step } as const;
  return { type: deed.type === "offer.accept" ? "offer.accepted" : "offer.declined", ...says } as const;
}

function broughtOf(answer: Answer | null) {
  return answer?.type === "superseded" ? answer.brought : null;
}

function holdingOf(answer: Answer | null): Holding {
  return answer?.type === "holding" ? answer.holding : NOTHING;
}
