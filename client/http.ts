/** What both apps share: one HTTP call that knows when to try again, and the error it gives up with. */
import type * as z from "zod";
import { ProblemBody } from "../src/protocol/ops.ts";

export interface HttpOptions {
  /** `http://host:port`, without a path. */
  readonly baseUrl: string;
  /** Uniform in [0, 1); spreads retries. */
  readonly random?: () => number;
}

export interface Call<T> {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly answer: z.ZodType<T>;
  readonly token?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Tries again this long while nobody answers or the server asks to wait; 0 tries once. */
  readonly patienceMs?: number;
  readonly signal?: AbortSignal | undefined;
}

const ATTEMPT_TIMEOUT_MS = 15_000;
const DEFAULT_PATIENCE_MS = 30_000;
const BACKOFF_MS = 200;
const LONGEST_BACKOFF_MS = 30_000;

/** The server answered, and the answer is no. */
export class RefusedError extends Error {
  readonly status: number;
  readonly problem: ProblemBody | null;
  constructor(status: number, problem: ProblemBody | null) {
    const fields = problem?.errors?.map(({ field, message }) => `${field}: ${message}`).join("; ");
    super([`${status} ${problem?.title ?? "refused"}`, problem?.detail, fields].filter(Boolean).join(": "));
    this.status = status;
    this.problem = problem;
  }
}

/** Nobody answered in time: whether the server did what it was asked is unknown. */
export class UnansweredError extends Error {}

/** `rand(0, min(longest, first * 2^attempt))`: a thousand clients cut off together do not come back together. */
export function fullJitterMs(attempt: number, random: () => number, firstMs: number): number {
  return random() * Math.min(LONGEST_BACKOFF_MS, firstMs * 2 ** Math.min(attempt, 20));
}

/** Every call of these apps is safe to repeat: by its key, or because saying it twice means the same. */
export async function callApi<T>(options: HttpOptions, call: Call<T>): Promise<T> {
  const random = options.random ?? Math.random;
  const giveUpAt = performance.now() + (call.patienceMs ?? DEFAULT_PATIENCE_MS);
  for (let attempt = 0; ; attempt++) {
    const outcome = await attemptOnce(options.baseUrl, call);
    if ("value" in outcome) return outcome.value;
    if (outcome.retryAfterMs === null) throw outcome.error;
    const waitMs = outcome.retryAfterMs + fullJitterMs(attempt, random, BACKOFF_MS);
    if (performance.now() + waitMs > giveUpAt || call.signal?.aborted) throw outcome.error;
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}

type Outcome<T> = { readonly value: T } | { readonly error: Error; readonly retryAfterMs: number | null };

async function attemptOnce<T>(baseUrl: string, call: Call<T>): Promise<Outcome<T>> {
  let response: Response;
  let text: string;
  try {
    const timeout = AbortSignal.timeout(ATTEMPT_TIMEOUT_MS);
    response = await fetch(new URL(call.path, baseUrl), {
      method: call.method,
      headers: {
        ...(call.body === undefined ? {} : { "content-type": "application/json" }),
        ...(call.token === undefined ? {} : { authorization: `Bearer ${call.token}` }),
        ...call.headers,
      },
      ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
      signal: call.signal ? AbortSignal.any([timeout, call.signal]) : timeout,
    });
    text = await response.text();
  } catch (error) {
    const unanswered = new UnansweredError(`${call.method} ${call.path}: ${reasonOf(error)}`, { cause: error });
    return { error: unanswered, retryAfterMs: call.signal?.aborted ? null : 0 };
  }
  const body = parseJson(text);
  if (!response.ok) return refusal(response, body);
  const parsed = call.answer.safeParse(body);
  if (parsed.success) return { value: parsed.data };
  const shape = new Error(`${call.method} ${call.path} answered in a shape this client does not know`);
  return { error: shape, retryAfterMs: null };
}

/** A 5xx may have been said after the work was done, so its outcome is as unknown as silence. */
function refusal(response: Response, body: unknown): { error: Error; retryAfterMs: number | null } {
  const { status, headers } = response;
  const problem = ProblemBody.safeParse(body).data ?? null;
  const unknown = status >= 500;
  const refused = new RefusedError(status, problem);
  const error = unknown ? new UnansweredError(refused.message) : refused;
  if (!unknown && status !== 429) return { error, retryAfterMs: null };
  const retryAfterSeconds = Number(headers.get("retry-after"));
  const headerMs = Number.isFinite(retryAfterSeconds) ? retryAfterSeconds * 1_000 : 0;
  return { error, retryAfterMs: problem?.retryAfterMs ?? headerMs };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message;
}
