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
type Told = Exclude<DriverNotice, { type: "welcome" | "offer.verdict" | "trip.verdict" | "rehome" }>;

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
  setAvailable(available: boolean): void;
  /** Sent at once in the compact form, or, without a connection, kept until there is one; only the newest matters. */
  locate(measured: Measured): void;
  accept(offerId: OfferId): Promise<Verdict>;
  decline(offerId: OfferId): Promise<Verdict>;
  step(offerId: OfferId, step: TripStep): Promise<TripVerdict>;
}

const FIRST_BACKOFF_MS = 1_000;
const FLOODED_WAIT_MS = 60_000;
/** Older than this, a kept fix says more about the past than about the driver. */
const KEPT_FIX_MS = 60_000;

export function createDriverClient(options: DriverClientOptions): DriverClient {
  const random = options.random ?? Math.random;
  const commands = createPendingCommands((frame) => current?.send(frame));
  let current: DriverSocket | null = null;
  let live = false;
  let successor: DriverSocket | null = null;
  let socketUrl = "";
  let available = options.available ?? true;
  let stopped = false;
  let failures = 0;
  let timer: NodeJS.Timeout | null = null;
  let seq = 0;
  let newest: { readonly measured: Measured; readonly at: number } | null = null;

  async function connect(): Promise<void> {
    timer = null;
    try {
      const token = await options.token();
      const body = options.position();
      const call = { method: "POST", path: "/v1/ws-ticket", token, body, answer: TicketBody, patienceMs: 0 } as const;
      const { ticket, url } = await callApi(options, call);
      if (stopped) return;
      socketUrl = url;
      const socket = open(ticket);
      current = socket;
    } catch (error) {
      if (error instanceof RefusedError && error.status !== 401 && error.status !== 429) return end(error.message);
      retry(0, 0);
    }
  }

  function open(ticket: string): DriverSocket {
    const socket: DriverSocket = openDriverSocket({ url: socketUrl, ticket }, () => available, {
      onNotice: (notice) => hear(socket, notice),
      onClosed: (code, reason) => closed(socket, code, reason),
    });
    return socket;
  }

  function hear(socket: DriverSocket, notice: DriverNotice): void {
    if (stopped || (socket !== current && socket !== successor)) return;
    switch (notice.type) {
      case "welcome":
        return welcomed(socket, notice);
      case "offer.verdict":
      case "trip.verdict":
        return commands.settle(notice.cid, notice.verdict);
      case "rehome":
        successor?.close();
        successor = open(notice.ticket);
        return;
      default:
        options.onEvent({ type: "told", notice });
    }
  }

  /** Make before break: the old socket serves until the new one is welcomed; the server closes it (4001). */
  function welcomed(socket: DriverSocket, welcome: Welcome): void {
    current = socket;
    if (socket === successor) successor = null;
    live = true;
    failures = 0;
    if (newest && performance.now() - newest.at < KEPT_FIX_MS) sendFix(newest.measured, newest.at);
    commands.repeatAll();
    options.onEvent({ type: "live", welcome });
  }

  function closed(socket: DriverSocket, code: number, reason: string): void {
    if (socket === successor) {
      successor = null;
      // The old socket may have been superseded by the very successor that has now failed.
      if (current === null) retry(code, 0);
      return;
    }
    if (socket !== current || stopped) return;
    current = null;
    live = false;
    if (successor) return;
    if (code === CLOSE.superseded) return end("another device of this driver took over");
    if (code === CLOSE.badFrames) return end(`the server could not read this client: ${reason}`);
    retry(code, adviceMs(code, reason));
  }

  function retry(code: number, adviceWaitMs: number): void {
    if (stopped) return;
    const retryInMs = adviceWaitMs + fullJitterMs(failures, random, FIRST_BACKOFF_MS);
    failures += 1;
    timer = setTimeout(() => void connect(), retryInMs);
    options.onEvent({ type: "lost", code, retryInMs });
  }

  function end(reason: string): void {
    if (stopped) return;
    stop();
    options.onEvent({ type: "ended", reason });
  }

  function stop(): void {
    stopped = true;
    if (timer) clearTimeout(timer);
    current?.close();
    successor?.close();
    commands.abandonAll();
  }

  function sendFix(measured: Measured, at: number): void {
    if (!current || !live) return;
    seq += 1;
    current.send(encodeLocationFrame([{ ...measured, seq, ageMs: Math.round(performance.now() - at) }]));
  }

  return {
    start: () => void connect(),
    stop,
    setAvailable(next) {
      available = next;
      current?.send(JSON.stringify({ type: "status", available }));
    },
    locate(measured) {
      newest = { measured, at: performance.now() };
      sendFix(measured, newest.at);
    },
    accept: (offerId) => commands.say((cid) => ({ type: "offer.accept", cid, offerId })),
    decline: (offerId) => commands.say((cid) => ({ type: "offer.decline", cid, offerId })),
    step: (offerId, step) => commands.say((cid) => ({ type: "trip", cid, offerId, step })),
  };
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
