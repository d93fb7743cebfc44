/** The calling rule between objects: every call is idempotent, so silence is answered by asking again, within a bound. */

export interface CallLimits {
  readonly deadlineMs: number;
  readonly attempts: number;
}

const RETRY_JITTER_MS = 50;

/** The answer, or null when there was none in time: the callee may or may not have heard. */
export async function callObject<T>(call: () => Promise<T>, { deadlineMs, attempts }: CallLimits): Promise<T | null> {
  for (let attempt = 1; attempt <= attempts; attempt++) {
    try {
      return await within(call(), deadlineMs);
    } catch (error) {
      // An overloaded object is not helped by hearing the same again.
      if (typeof error === "object" && error !== null && "overloaded" in error && error.overloaded === true)
        return null;
      await new Promise((resolve) => setTimeout(resolve, Math.random() * RETRY_JITTER_MS));
    }
  }
  return null;
}

async function within<T>(answer: Promise<T>, deadlineMs: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | null = null;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${deadlineMs} ms`)), deadlineMs);
  });
  try {
    return await Promise.race([answer, deadline]);
  } finally {
    clearTimeout(timer);
  }
}
