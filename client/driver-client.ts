/**
 * A driver's app without its screen: one live connection, kept through restarts, moves and lost answers. What it is
 * told it hands on as events; what it says it says until it is answered. It decides nothing for the driver.
 */
import type { DriverNotice, TripStep, TripVerdict, Verdict } from "../src/domain/notice.ts";
import type { LatLng } from "../src/domain/place.ts";
import type { OfferId } from "../src/domain/ride.ts";
import { CLOSE, type WireFix } from "../src/protocol/driver.ts";
import { encodeLocationFrame } from "../src/protocol/location-frame.ts";
import { TicketBody } from "../src/protocol/rider.ts";
import { type DriverSocket, openDriverSocket } from "./driver-socket.ts";
import { callApi, fullJitterMs, type HttpOptions, RefusedError } from "./http.ts";
import { createPendingCommands } from "./pending-commands.ts";
import type { TokenSource } from "./tokens.ts";

type Welcome = Extract<DriverNotice, { type: "welcome" }>;
type Told = Exclude<
  DriverNotice,
  { type: "welcome" | "offer.verdict" | "trip.verdict" | "rehome" | "config" | "session.ending" }
>;

export type DriverEvent =
  /** Connected; `welcome.holding` is the truth about his offer or ride, whatever he believed before. */
  | { readonly type: "live"; readonly welcome: Welcome }
  | { readonly type: "lost"; readonly code: number; readonly retryInMs: number }
  | { readonly type: "told"; readonly notice: Told }
  /** It will not reconnect: another device took over, or the server does not understand this client. */
  | { readonly type: "ended"; readonly reason: string };

export interface DriverClientOptions extends HttpOptions {
  readonly token: TokenSource;
  /** Where he is now: decides which shard the next connection goes to. */
  readonly position: () => LatLng;
  readonly onEvent: (event: DriverEvent) => void;
  readonly available?: boolean;
}

/** What the device measured just now. */
export type Measured = Omit<WireFix, "seq" | "ageMs">;

export interface DriverClient {
  start(): void;
  /** Closes for good. Commands still without a verdict reject with `StoppedError`. */
  stop(): void;
  /** With a destination, only for rides that bring him nearer to it, where the market knows such. */
  setAvailable(available: boolean, destination?: LatLng): void;
  /**
   * Sent in the compact form, but not more often than the server asks; without a connection kept until there is one.
   * Only the newest matters.
   */
  locate(measured: Measured): void;
  accept(offerId: OfferId): Promise<Verdict>;
  decline(offerId: OfferId): Promise<Verdict>;
  step(offerId: OfferId, step: TripStep): Promise<TripVerdict>;
}

const FIRST_BACKOFF_MS = 1_000;
const FLOODED_WAIT_MS = 60_000;
/** Older than this, a kept fix says more about the past than about the driver. */
const KEPT_FIX_MS = 60_000;
/** A timer may be early by so much of the cadence that the server asks for. */
const EARLY_FIX = 0.75;

export function createDriverClient(options: DriverClientOptions): DriverClient {
  return new Connection(options);
}

class Connection implements DriverClient {
  readonly #options: DriverClientOptions;
  readonly #random: () => number;
  readonly #commands = createPendingCommands((frame) => this.#current?.send(frame));
  #current: DriverSocket | null = null;
  /** The socket of a move that is under way; the current one serves until it is welcomed. */
  #successor: DriverSocket | null = null;
  #live = false;
  #url = "";
  #standing: { readonly available: boolean; readonly destination?: LatLng | undefined };
  /** What the newest hello said of it. */
  #greetedWith: unknown = null;
  #stopped = false;
  #failures = 0;
  #timer: NodeJS.Timeout | null = null;
  #seq = 0;
  #fixEveryMs = 0;
  #sentAt = Number.NEGATIVE_INFINITY;
  #newest: { readonly measured: Measured; readonly at: number } | null = null;

  constructor(options: DriverClientOptions) {
    this.#options = options;
    this.#random = options.random ?? Math.random;
    this.#standing = { available: options.available ?? true };
  }

  start(): void {
    void this.#connect();
  }

  stop(): void {
    this.#stopped = true;
    if (this.#timer) clearTimeout(this.#timer);
    this.#current?.close();
    this.#successor?.close();
    this.#commands.abandonAll();
  }

  setAvailable(available: boolean, destination?: LatLng): void {
    this.#standing = { available, destination };
    this.#sayStanding();
  }

  #sayStanding(): void {
    this.#current?.send(JSON.stringify({ type: "status", ...this.#standing }));
  }

  locate(measured: Measured): void {
    const at = performance.now();
    this.#newest = { measured, at };
    if (at - this.#sentAt >= EARLY_FIX * this.#fixEveryMs) this.#sendNewestFix();
  }

  accept(offerId: OfferId): Promise<Verdict> {
    return this.#commands.say((cid) => ({ type: "offer.accept", cid, offerId }));
  }

  decline(offerId: OfferId): Promise<Verdict> {
    return this.#commands.say((cid) => ({ type: "offer.decline", cid, offerId }));
  }

  step(offerId: OfferId, step: TripStep): Promise<TripVerdict> {
    return this.#commands.say((cid) => ({ type: "trip", cid, offerId, step }));
  }

  async #connect(): Promise<void> {
    this.#timer = null;
    try {
      const ticket = await this.#newTicket();
      if (!this.#stopped) this.#current = this.#open(ticket);
    } catch (error) {
      const refused = error instanceof RefusedError && error.status !== 401 && error.status !== 429;
      if (refused) this.#end(error.message);
      else this.#retry(0, 0);
    }
  }

  /** Comes in again before the session's end. Where that fails, the close says so and the usual way back is taken. */
  async #renew(): Promise<void> {
    const ending = this.#current;
    try {
      const ticket = await this.#newTicket();
      const moving = this.#successor !== null;
      if (!this.#stopped && !moving && ending !== null && ending === this.#current) this.#succeed(ticket);
    } catch {}
  }

  async #newTicket(): Promise<string> {
    const { ticket, url } = await callApi(this.#options, {
      method: "POST",
      path: "/v1/ws-ticket",
      token: await this.#options.token(),
      body: this.#options.position(),
      answer: TicketBody,
      patienceMs: 0,
    });
    this.#url = url;
    return ticket;
  }

  /** Make before break: the server closes the old socket (4001) once the new one is attached. */
  #succeed(ticket: string): void {
    this.#successor?.close();
    this.#successor = this.#open(ticket);
  }

  #open(ticket: string): DriverSocket {
    const greet = () => {
      this.#greetedWith = this.#standing;
      return this.#standing;
    };
    const socket: DriverSocket = openDriverSocket({ url: this.#url, ticket }, greet, {
      onNotice: (notice) => this.#hear(socket, notice),
      onClosed: (code, reason) => this.#closed(socket, code, reason),
    });
    return socket;
  }

  #hear(socket: DriverSocket, notice: DriverNotice): void {
    if (this.#stopped || (socket !== this.#current && socket !== this.#successor)) return;
    switch (notice.type) {
      case "welcome":
        return this.#welcomed(socket, notice);
      case "offer.verdict":
      case "trip.verdict":
        return this.#commands.settle(notice.cid, notice.verdict);
      case "rehome":
        return this.#succeed(notice.ticket);
      case "config":
        this.#fixEveryMs = notice.fixEveryMs;
        return;
      case "session.ending":
        void this.#renew();
        return;
      case "status":
        // Nobody acknowledges a status: who hears that he rests, and does not, was not heard.
        if (notice.status.state === "paused" && this.#standing.available) this.#sayStanding();
        this.#options.onEvent({ type: "told", notice });
        return;
      default:
        this.#options.onEvent({ type: "told", notice });
    }
  }

  #welcomed(socket: DriverSocket, welcome: Welcome): void {
    this.#current = socket;
    if (socket === this.#successor) this.#successor = null;
    this.#live = true;
    this.#fixEveryMs = welcome.fixEveryMs;
    this.#failures = 0;
    // He may have changed his mind since the hello: until now there was nobody to tell.
    if (this.#greetedWith !== this.#standing) this.#sayStanding();
    if (this.#newest && performance.now() - this.#newest.at < KEPT_FIX_MS) this.#sendNewestFix();
    this.#commands.repeatAll();
    this.#options.onEvent({ type: "live", welcome });
  }

  #closed(socket: DriverSocket, code: number, reason: string): void {
    if (this.#stopped) return;
    if (socket === this.#successor) {
      this.#successor = null;
      // Its attach may have made it the newest socket before it failed; then nothing is offered at the old one any more.
      const old = this.#current;
      this.#current = null;
      this.#live = false;
      old?.close();
      this.#retry(code, adviceMs(code, reason));
      return;
    }
    if (socket !== this.#current) return;
    this.#current = null;
    this.#live = false;
    if (this.#successor) return;
    if (code === CLOSE.superseded) return this.#end("another device of this driver took over");
    if (code === CLOSE.badFrames) return this.#end(`the server could not read this client: ${reason}`);
    this.#retry(code, adviceMs(code, reason));
  }

  #retry(code: number, adviceWaitMs: number): void {
    if (this.#stopped) return;
    const retryInMs = adviceWaitMs + fullJitterMs(this.#failures, this.#random, FIRST_BACKOFF_MS);
    this.#failures += 1;
    this.#timer = setTimeout(() => void this.#connect(), retryInMs);
    this.#options.onEvent({ type: "lost", code, retryInMs });
  }

  #end(reason: string): void {
    if (this.#stopped) return;
    this.stop();
    this.#options.onEvent({ type: "ended", reason });
  }

  #sendNewestFix(): void {
    if (!this.#current || !this.#live || !this.#newest) return;
    this.#seq += 1;
    this.#sentAt = performance.now();
    const ageMs = Math.round(performance.now() - this.#newest.at);
    this.#current.send(encodeLocationFrame([{ ...this.#newest.measured, seq: this.#seq, ageMs }]));
  }
}

/** How long the server wants to be left alone, from the close code and its reason. */
function adviceMs(code: number, reason: string): number {
  if (code === CLOSE.flooded) return FLOODED_WAIT_MS;
  if (code !== CLOSE.overloaded) return 0;
  try {
    const { retryAfterMs } = JSON.parse(reason) as { retryAfterMs?: unknown };
    return typeof retryAfterMs === "number" && retryAfterMs >= 0 ? Math.min(retryAfterMs, FLOODED_WAIT_MS) : 0;
  } catch {
    return 0;
  }
}
