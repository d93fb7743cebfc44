/**
 * The drivers' sockets of one shard, over the hibernation API. What must survive the object's sleep is in each socket's
 * attachment; counters against abuse are in memory, and a sleep forgives them.
 */
import type { DriverId, DriverProfile } from "../../src/domain/driver.ts";
import type { DriverNotice } from "../../src/domain/notice.ts";
import type { EpochMs } from "../../src/domain/time.ts";
import type { SessionMemory } from "../../src/matching/supply.ts";
import { CLOSE, type CloseCode, encodeNotice } from "../../src/protocol/driver.ts";

/** What a socket carries. `fresh` has a verified ticket and has not said hello; `live` is attached at its lock. */
export type Attachment =
  | {
      readonly phase: "fresh";
      readonly driverId: DriverId;
      readonly profile: DriverProfile;
      readonly ticketId: string;
      readonly ticketExpiresAt: EpochMs;
      readonly sessionEndsAt: EpochMs;
    }
  | { readonly phase: "attaching"; readonly driverId: DriverId }
  | { readonly phase: "live"; readonly driverId: DriverId; readonly memory: SessionMemory };

interface LiveSocket {
  readonly epoch: number;
  readonly socket: WebSocket;
  /** When its attachment was last written. */
  writtenAt: EpochMs;
}

const POSITION_WRITE_MS = 5_000;
const FRAMES_PER_SECOND = 20;
const FRAME_BURST = 40;
const STRIKES = 3;

interface Abuse {
  tokens: number;
  at: EpochMs;
  strikes: number;
}

export class DriverSockets {
  readonly #live = new Map<DriverId, LiveSocket>();
  readonly #abuse = new WeakMap<WebSocket, Abuse>();

  /** Takes in the sockets that stayed open while the object slept. */
  *wake(sockets: readonly WebSocket[]): Generator<{ readonly driverId: DriverId; readonly memory: SessionMemory }> {
    for (const socket of sockets) {
      const attachment = attachmentOf(socket);
      if (attachment?.phase !== "live") continue;
      const { driverId, memory } = attachment;
      const known = this.#live.get(driverId);
      if (known !== undefined && known.epoch > memory.epoch) continue;
      this.#live.set(driverId, { epoch: memory.epoch, socket, writtenAt: 0 });
      yield { driverId, memory };
    }
  }

  /** The newer of a driver's two sockets stays. The other is closed here: from now on its epoch finds no socket. */
  bind(driverId: DriverId, epoch: number, socket: WebSocket): void {
    const known = this.#live.get(driverId);
    const newer = known === undefined || known.epoch < epoch;
    const older = newer ? known?.socket : socket;
    if (newer) this.#live.set(driverId, { epoch, socket, writtenAt: 0 });
    if (older !== undefined) close(older, CLOSE.superseded, "a newer connection took over");
  }

  tell(driverId: DriverId, epoch: number, notice: DriverNotice): void {
    const live = this.#live.get(driverId);
    if (live?.epoch === epoch) send(live.socket, encodeNotice(notice));
  }

  socketOf(driverId: DriverId, epoch: number): WebSocket | null {
    const live = this.#live.get(driverId);
    return live?.epoch === epoch ? live.socket : null;
  }

  /** A position alone is written only every few seconds: after a sleep it may be that much older, as it is allowed to. */
  remember(driverId: DriverId, memory: SessionMemory, now: EpochMs): void {
    const live = this.#live.get(driverId);
    if (live?.epoch !== memory.epoch) return;
    const known = attachmentOf(live.socket);
    const moved = known?.phase === "live" && sameButForPosition(known.memory, memory);
    if (moved && now - live.writtenAt < POSITION_WRITE_MS) return;
    live.writtenAt = now;
    attach(live.socket, { phase: "live", driverId, memory });
  }

  memoryOf(driverId: DriverId, epoch: number): SessionMemory | null {
    const live = this.#live.get(driverId);
    const attachment = live?.epoch === epoch ? attachmentOf(live.socket) : null;
    return attachment?.phase === "live" ? attachment.memory : null;
  }

  close(driverId: DriverId, epoch: number, code: CloseCode, reason: string): void {
    const live = this.#live.get(driverId);
    if (live?.epoch !== epoch) return;
    this.#live.delete(driverId);
    close(live.socket, code, reason);
  }

  /** The socket is gone; false when a newer one has taken its place already. */
  unbind(driverId: DriverId, epoch: number): boolean {
    if (this.#live.get(driverId)?.epoch !== epoch) return false;
    return this.#live.delete(driverId);
  }

  /** One frame more. False when this socket sends too many, and has just been closed for it. */
  admit(socket: WebSocket, now: EpochMs): boolean {
    const abuse = this.#abuseOf(socket, now);
    abuse.tokens = Math.min(FRAME_BURST, abuse.tokens + ((now - abuse.at) / 1_000) * FRAMES_PER_SECOND) - 1;
    abuse.at = now;
    if (abuse.tokens >= 0) return true;
    close(socket, CLOSE.flooded, `more than ${FRAMES_PER_SECOND} frames per second`);
    return false;
  }

  /** One unreadable frame more; the third closes the socket. */
  strike(socket: WebSocket, now: EpochMs): void {
    const abuse = this.#abuseOf(socket, now);
    abuse.strikes++;
    if (abuse.strikes >= STRIKES) close(socket, CLOSE.badFrames, `${STRIKES} frames that could not be read`);
  }

  #abuseOf(socket: WebSocket, now: EpochMs): Abuse {
    const known = this.#abuse.get(socket);
    if (known !== undefined) return known;
    const fresh = { tokens: FRAME_BURST, at: now, strikes: 0 };
    this.#abuse.set(socket, fresh);
    return fresh;
  }
}

/** Read at every frame, so kept beside the socket too. */
const attachments = new WeakMap<WebSocket, Attachment>();

export function attach(socket: WebSocket, attachment: Attachment): void {
  attachments.set(socket, attachment);
  socket.serializeAttachment(attachment);
}

export function attachmentOf(socket: WebSocket): Attachment | null {
  const known = attachments.get(socket);
  if (known !== undefined) return known;
  const attachment = socket.deserializeAttachment() as Attachment | null;
  if (attachment !== null) attachments.set(socket, attachment);
  return attachment;
}

function sameButForPosition(a: SessionMemory, b: SessionMemory): boolean {
  // The first position is no mere move: without it the driver would wake up as nowhere.
  if ((a.fix === null) !== (b.fix === null)) return false;
  if (a.destination?.lat !== b.destination?.lat || a.destination?.lng !== b.destination?.lng) return false;
  if (a.hint !== b.hint) return false;
  return a.available === b.available && a.held === b.held && a.stats === b.stats && a.idleSince === b.idleSince;
}

/** A socket may die between two lines; its close event tells the core. */
export function send(socket: WebSocket, text: string): void {
  if (socket.readyState === WebSocket.READY_STATE_OPEN) socket.send(text);
}

export function close(socket: WebSocket, code: CloseCode, reason: string): void {
  if (socket.readyState === WebSocket.READY_STATE_OPEN) socket.close(code, reason);
}
