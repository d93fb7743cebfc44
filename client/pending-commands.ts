/**
 * Commands that wait for their verdict. A command is said again under the same `cid` until an answer comes: at once on
 * a new connection, after a while on the old one, and when the server says that it does not know yet.
 */
import type { Pending } from "../src/domain/notice.ts";

const REPEAT_AFTER_MS = 5_000;

/** The client was stopped before an answer came: what became of the command is unknown. */
export class StoppedError extends Error {}

interface Waiting {
  readonly frame: string;
  readonly resolve: (verdict: unknown) => void;
  readonly reject: (error: Error) => void;
  timer: NodeJS.Timeout | null;
}

export interface PendingCommands {
  /** Resolves with the final verdict, of the type that goes with the frame. */
  say<V>(frameFor: (cid: string) => object): Promise<V>;
  settle(cid: string, verdict: { readonly outcome: string } | Pending): void;
  repeatAll(): void;
  abandonAll(): void;
}

/** `send` drops the frame when there is no connection; `repeatAll` makes up for it on the next one. */
export function createPendingCommands(send: (frame: string) => void): PendingCommands {
  const waiting = new Map<string, Waiting>();
  let spoken = 0;

  function say(command: Waiting, afterMs: number): void {
    if (command.timer) clearTimeout(command.timer);
    command.timer = setTimeout(() => {
      send(command.frame);
      say(command, REPEAT_AFTER_MS);
    }, afterMs);
  }

  return {
    say<V>(frameFor: (cid: string) => object): Promise<V> {
      spoken += 1;
      const cid = `c${spoken}`;
      return new Promise<V>((resolve, reject) => {
        const frame = JSON.stringify(frameFor(cid));
        const command: Waiting = { frame, resolve: (verdict) => resolve(verdict as V), reject, timer: null };
        waiting.set(cid, command);
        send(frame);
        say(command, REPEAT_AFTER_MS);
      });
    },
    settle(cid, verdict) {
      const command = waiting.get(cid);
      if (!command) return;
      if (verdict.outcome === "pending") return say(command, (verdict as Pending).retryAfterMs);
      if (command.timer) clearTimeout(command.timer);
      waiting.delete(cid);
      command.resolve(verdict);
    },
    repeatAll() {
      for (const command of waiting.values()) {
        send(command.frame);
        say(command, REPEAT_AFTER_MS);
      }
    },
    abandonAll() {
      for (const command of waiting.values()) {
        if (command.timer) clearTimeout(command.timer);
        command.reject(new StoppedError("stopped before the verdict"));
      }
      waiting.clear();
    },
  };
}
