/** Every refusal over HTTP is one problem+json body (RFC 9457) with a stable type and, where a field is wrong, its name. */
import type { Hook } from "@hono/zod-openapi";
import type { Context, ErrorHandler, NotFoundHandler } from "hono";
import { HTTPException } from "hono/http-exception";
import { logError } from "../observe/log.ts";
import { fieldName } from "../protocol/fields.ts";
import type { ProblemBody } from "../protocol/ops.ts";
import type { EdgeEnv } from "./context.ts";

const KINDS = {
  "malformed-body": { status: 400, title: "The body is not JSON" },
  headers: { status: 400, title: "A header is missing or wrong" },
  unauthenticated: { status: 401, title: "A valid token is needed" },
  "ticket-refused": { status: 401, title: "The ticket is refused" },
  forbidden: { status: 403, title: "This role may not do that" },
  "not-found": { status: 404, title: "There is no such thing" },
  "method-not-allowed": { status: 405, title: "That cannot be done to this" },
  "rider-busy": { status: 409, title: "The rider has an open ride" },
  "too-many-scheduled": { status: 409, title: "The rider has scheduled as many rides as one may" },
  "wrong-state": { status: 409, title: "The ride is past that" },
  "already-rated": { status: 409, title: "The ride is already rated" },
  "rollout-conflict": { status: 409, title: "Somebody else changed the rollout" },
  "market-conflict": { status: 409, title: "Somebody else changed the market" },
  "body-too-large": { status: 413, title: "The body is too large" },
  "media-type": { status: 415, title: "The body must be application/json" },
  validation: { status: 422, title: "A field is missing or wrong" },
  "key-reused": { status: 422, title: "The Idempotency-Key belongs to another request" },
  "model-refused": { status: 422, title: "The model cannot be promoted" },
  "upgrade-required": { status: 426, title: "This is a WebSocket" },
  "too-many-quotes": { status: 429, title: "Too many quotes in a minute" },
  "too-many-rides": { status: 429, title: "Too many rides in a minute" },
  "too-many-streams": { status: 429, title: "Too many readers of this ride" },
  internal: { status: 500, title: "Something failed on our side" },
  configuration: { status: 500, title: "Configuration refused" },
  overloaded: { status: 503, title: "Too busy here just now" },
  unavailable: { status: 503, title: "No answer in time" },
} as const;
export type ProblemKind = keyof typeof KINDS;

const HISTORY_RETRY_MS = 2_000;

interface Extras {
  readonly detail?: string;
  readonly errors?: ProblemBody["errors"];
  readonly rideId?: string;
  readonly retryAfterMs?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Thrown anywhere below a route; becomes the response. */
export class Refusal extends Error {
  readonly kind: ProblemKind;
  readonly extras: Extras;

  constructor(kind: ProblemKind, extras: Extras = {}) {
    super(KINDS[kind].title);
    this.kind = kind;
    this.extras = extras;
  }
}

export function problemResponse(kind: ProblemKind, { headers = {}, ...members }: Extras = {}): Response {
  const { status, title } = KINDS[kind];
  const body: ProblemBody = { type: `/problems/${kind}`, title, status, ...members };
  const response = new Response(JSON.stringify(body), { status, headers });
  response.headers.set("content-type", "application/problem+json");
  if (members.retryAfterMs !== undefined) {
    response.headers.set("retry-after", String(Math.max(1, Math.ceil(members.retryAfterMs / 1_000))));
  }
  return response;
}

export const refuseError: ErrorHandler<EdgeEnv> = (error) => {
  if (error instanceof Refusal) return problemResponse(error.kind, error.extras);
  if (error instanceof HTTPException) {
    if (error.status === 400) return problemResponse("malformed-body");
    if (error.status === 415) return problemResponse("media-type");
  }
  logError("request failed", error);
  // How D1's binding names its failures: history is away, the rest of the house stands.
  if (error.message.startsWith("D1_")) return problemResponse("unavailable", { retryAfterMs: HISTORY_RETRY_MS });
  return problemResponse("internal");
};

/** Names every field that is wrong. A path that cannot be an id is a path to nothing. */
export const refuseInvalid: Hook<unknown, EdgeEnv, string, Response | undefined> = (result) => {
  if (result.success) return undefined;
  if (result.target === "param") return problemResponse("not-found");
  const errors = result.error.issues.slice(0, 20).map((issue) => ({
    field: fieldName(issue),
    message: issue.message.slice(0, 200),
  }));
  return problemResponse(result.target === "header" ? "headers" : "validation", { errors });
};

/** Tells a wrong verb from a wrong path by the routes that there are. */
export function refuseUnknown(routes: () => readonly { method: string; path: string }[]): NotFoundHandler<EdgeEnv> {
  return (c: Context<EdgeEnv>) => {
    const methods = routes()
      .filter(({ method, path }) => method !== "ALL" && patternOf(path).test(c.req.path))
      .map(({ method }) => method);
    if (methods.length === 0) return problemResponse("not-found");
    return problemResponse("method-not-allowed", { headers: { allow: [...new Set(methods)].sort().join(", ") } });
  };
}

function patternOf(path: string): RegExp {
  const segments = path
    .split("/")
    .map((segment) => (segment.startsWith(":") ? "[^/]+" : segment.replace(/\W/g, "\\$&")));
  return new RegExp(`^${segments.join("/")}$`);
}
