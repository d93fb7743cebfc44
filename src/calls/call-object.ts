/**
 * The calling rule, for the Worker and for objects alike. Every call is idempotent (protocol/peer.ts), so one that
 * broke is said again; an overloaded object is left alone, because hearing the same again does not help it.
 */

export interface CallLimits {
  /** Of one attempt. */
  readonly deadlineMs: number;
  readonly attempts: number;
  /** One that was not answered in time is said again too. Not where somebody waits: he has waited long enough. */
  readonly repeatSilence: boolean;
}

export type Reply<T> =
  | { readonly outcome: "answered"; readonly answer: T }
  /** The callee may or may not have heard. */
  | { readonly outcome: "overloaded" | "failed"; readonly error: unknown };

export class DeadlinePassed extends Error {}

/** Spread, so that calls that broke together do not come back together. */
const RETRY_JITTER_MS = 50;

/** `call` connects anew each time: an old stub stays broken after its object was reset. Never rejects. */
export async function callObject<T>(
  call: () => Promise<T>,
  { deadlineMs, attempts, repeatSilence }: CallLimits,
): Promise<Reply<T>> {
  for (let attempt = 1; ; attempt++) {
    try {
      return { outcome: "answered", answer: await withDeadline(call(), deadlineMs) };
    } catch (error) {
      if (isOverloaded(error)) return { outcome: "overloaded", error };
      const silent = error instanceof DeadlinePassed;
      if (attempt >= attempts || (silent && !repeatSilence)) return { outcome: "failed", error };
    }
    await new Promise((resolve) => setTimeout(resolve, Math.random() * RETRY_JITTER_MS));
  }
}

/** Between objects, where silence is answered by asking again: the answer, or null when there was none in time. */
export async function callOrNull<T>(
  call: () => Promise<T>,
  limits: Pick<CallLimits, "deadlineMs" | "attempts">,
): Promise<T | null> {
  const reply = await callObject(call, { ...limits, repeatSilence: true });
  return reply.outcome === "answered" ? reply.answer : null;
}

/** Rejects with `DeadlinePassed` when `answer` takes longer. The work goes on, its answer is dropped. */
export async function withDeadline<T>(answer: Promise<T>, deadlineMs: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new DeadlinePassed(`no answer within ${deadlineMs} ms`)), deadlineMs);
  });
  try {
    return await Promise.race([answer, deadline]);
  } finally {
    if (timer !== undefined) clearTimeout(timer);
  }
}

function isOverloaded(error: unknown): boolean {
  return typeof error === "object" && error !== null && "overloaded" in error && error.overloaded === true;
}
