/** One driver's socket: frames in order both ways while it is open, and either end may be the last to learn it is not. */
import type { DriverId, DriverProfile } from "../../src/domain/driver.ts";
import type { DriverNotice } from "../../src/domain/notice.ts";
import type { EpochMs } from "../../src/domain/time.ts";
import type { CloseReason } from "../../src/matching/commands.ts";
import type { SessionMemory } from "../../src/matching/supply.ts";
import type { DriverUp } from "../../src/protocol/driver.ts";
import type { EventLoop } from "./event-loop.ts";

export interface SocketTicket {
  readonly ticketId: string;
  readonly ticketExpiresAt: EpochMs;
  readonly profile: DriverProfile;
  readonly sessionEndsAt: EpochMs;
}

export type SocketEnd = CloseReason | "refused" | "turned away" | "lost";

/** What a frame or an end of the socket is handed to. */
export interface SocketPeer {
  hears(socket: Socket, notice: DriverNotice): void;
  closed(socket: Socket, why: SocketEnd): void;
}

export interface SocketServer {
  frame(socket: Socket, frame: DriverUp): void;
  /** The platform's close event. */
  gone(socket: Socket): void;
}

/** What survives the object's sleep, as the platform's attachment does. */
export type Attachment =
  | { readonly phase: "fresh" }
  | { readonly phase: "attaching" }
  | { readonly phase: "live"; readonly memory: SessionMemory };

export class Socket {
  readonly name: string;
  readonly driverId: DriverId;
  readonly ticket: SocketTicket;
  attachment: Attachment = { phase: "fresh" };
  clientOpen = true;
  serverOpen = true;
  readonly #loop: EventLoop;
  readonly #delayMs: () => number;
  readonly #client: SocketPeer;
  readonly #server: SocketServer;
  /** A frame never overtakes the one before it. */
  #downAt: EpochMs = 0;
  #upAt: EpochMs = 0;
  #cut = false;

  constructor(
    name: string,
    driverId: DriverId,
    ticket: SocketTicket,
    parts: { loop: EventLoop; delayMs: () => number; client: SocketPeer; server: SocketServer },
  ) {
    this.name = name;
    this.driverId = driverId;
    this.ticket = ticket;
    this.#loop = parts.loop;
    this.#delayMs = parts.delayMs;
    this.#client = parts.client;
    this.#server = parts.server;
  }

  get epoch(): number {
    return this.attachment.phase === "live" ? this.attachment.memory.epoch : 0;
  }

  /** Client to shard. */
  up(frame: DriverUp): void {
    if (!this.clientOpen) return;
    this.#upAt = Math.max(this.#upAt, this.#loop.now + this.#delayMs());
    this.#loop.at(this.#upAt, () => {
      if (this.serverOpen && !this.#cut) this.#server.frame(this, frame);
    });
  }

  /** Shard to client. */
  down(notice: DriverNotice): void {
    if (!this.serverOpen) return;
    this.#downAt = Math.max(this.#downAt, this.#loop.now + this.#delayMs());
    this.#loop.at(this.#downAt, () => {
      if (this.clientOpen && !this.#cut) this.#client.hears(this, notice);
    });
  }

  /** The shard ends it; what it said before still arrives. */
  closeFromServer(why: SocketEnd): void {
    if (!this.serverOpen) return;
    this.serverOpen = false;
    this.#downAt = Math.max(this.#downAt, this.#loop.now + this.#delayMs());
    this.#loop.at(this.#downAt, () => this.#endClient(why));
  }

  closeFromClient(): void {
    if (!this.clientOpen) return;
    this.clientOpen = false;
    this.#upAt = Math.max(this.#upAt, this.#loop.now + this.#delayMs());
    this.#loop.at(this.#upAt, () => this.#endServer());
  }

  /** The line is dead; each end learns of it in its own time, the server perhaps never. */
  cut(serverLearnsMs: number, clientLearnsMs: number): void {
    if (this.#cut) return;
    this.#cut = true;
    if (Number.isFinite(serverLearnsMs)) this.#loop.after(serverLearnsMs, () => this.#endServer());
    this.#loop.after(clientLearnsMs, () => this.#endClient("lost"));
  }

  #endServer(): void {
    if (!this.serverOpen) return;
    this.serverOpen = false;
    this.#server.gone(this);
  }

  #endClient(why: SocketEnd): void {
    if (!this.clientOpen) return;
    this.clientOpen = false;
    this.#client.closed(this, why);
  }
}
