/** One WebSocket of a driver, from ticket to close. It is never reused: whoever wants another opens another. */
import { WebSocket } from "ws";
import type { DriverNotice } from "../src/domain/notice.ts";
import type { LatLng } from "../src/domain/place.ts";
import { DriverDown, SUBPROTOCOL, TICKET_PREFIX } from "../src/protocol/driver.ts";
import { PROTOCOL_VERSION } from "../src/protocol/version.ts";

export interface SocketAddress {
  readonly url: string;
  readonly ticket: string;
}

export interface SocketEvents {
  readonly onNotice: (notice: DriverNotice) => void;
  /** Exactly once, also when the socket never opened (1006). */
  readonly onClosed: (code: number, reason: string) => void;
}

export interface DriverSocket {
  send(frame: string | ArrayBuffer): void;
  close(): void;
}

const PING_EVERY_MS = 20_000;
/** Two pings without any word back: the other end is gone, though nobody said so. */
const SILENCE_MS = 45_000;
const HANDSHAKE_MS = 10_000;

export function openDriverSocket(
  { url, ticket }: SocketAddress,
  standing: () => { readonly available: boolean; readonly destination?: LatLng | undefined },
  { onNotice, onClosed }: SocketEvents,
): DriverSocket {
  const socket = new WebSocket(url, [SUBPROTOCOL, `${TICKET_PREFIX}${ticket}`], {
    handshakeTimeout: HANDSHAKE_MS,
    perMessageDeflate: false,
  });
  let heardAt = performance.now();
  const ping = setInterval(() => {
    if (performance.now() - heardAt > SILENCE_MS) socket.terminate();
    else if (socket.readyState === WebSocket.OPEN) socket.send("ping");
  }, PING_EVERY_MS);

  socket.on("open", () => {
    socket.send(JSON.stringify({ type: "hello", protocol: PROTOCOL_VERSION, ...standing() }));
  });
  socket.on("message", (data, isBinary) => {
    heardAt = performance.now();
    if (isBinary) return;
    const notice = readNotice(String(data));
    if (notice) onNotice(notice);
  });
  // `close` follows every error and carries the code; without a listener the error itself would end the process.
  socket.on("error", () => {});
  socket.on("close", (code, reason) => {
    clearInterval(ping);
    onClosed(code, reason.toString());
  });
  return {
    send: (frame) => {
      if (socket.readyState === WebSocket.OPEN) socket.send(frame);
    },
    close: () => {
      if (socket.readyState === WebSocket.CONNECTING) socket.terminate();
      else socket.close(1000);
    },
  };
}

/** Null for the automatic `pong` and for what a newer server may say that this client does not know. */
function readNotice(text: string): DriverNotice | null {
  if (text === "pong") return null;
  try {
    return DriverDown.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}
