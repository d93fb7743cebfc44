/**
 * The calling rule of the Worker. Every call is idempotent (protocol/peer.ts), so one that broke is said once more over
 * a new stub: an old stub stays broken after its object was reset. An overloaded object is left alone.
 */
import { logError } from "../observe/log.ts";
import { Refusal } from "./problem.ts";

const ATTEMPTS = 2;
const DEADLINE_MS = 3_000;
const RETRY_JITTER_MS = 100;
/** Spread, so that everyone who was refused together does not come back together. */
const RETRY_AFTER_MS = { minimum: 1_000, spread: 2_000 };

class DeadlinePassed extends Error {}

/** The answer of `call` on a fresh stub. Refuses with 503 and a hint when there is none within the deadline. */
export async function callObject<Stub, Answer>(
  connect: () => Stub,
  call: (stub: Stub) => Promise<Answer>,
  deadlineMs: number = DEADLINE_MS,
): Promise<Answer> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await withDeadline(call(connect()), deadlineMs);
    } catch (error) {
      if (isOverloaded(error)) throw new Refusal("overloaded", { retryAfterMs: retryAfterMs() });
      if (attempt < ATTEMPTS && !(error instanceof DeadlinePassed)) {
        await new Promise((resolve) => setTimeout(resolve, Math.random() * RETRY_JITTER_MS));
        continue;
      }
      logError("object call failed", error);
      throw new Refusal("unavailable", {
        detail: "It may have happened or not. Say it again with the same key; it will not happen twice.",
        retryAfterMs: retryAfterMs(),
      });
    }
  }
}

export function retryAfterMs(): number {
  return Math.round(RETRY_AFTER_MS.minimum + Math.random() * RETRY_AFTER_MS.spread);
}

export async function withDeadline<T>(answer: Promise<T>, deadlineMs: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | null = null;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new DeadlinePassed(`no answer within ${deadlineMs} ms`)), deadlineMs);
  });
  try {
    return await Promise.race([answer, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

function isOverloaded(error: unknown): boolean {
  return typeof error === "object" && error !== null && "overloaded" in error && error.overloaded === true;
}
