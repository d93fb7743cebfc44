/**
 * Pages in browsers. Apps send no Origin, a browser always does: our own pages may do what apps may, pages of the origins
 * in ALLOWED_ORIGINS too, and all others neither open a driver's socket nor read an answer.
 */
import { createMiddleware } from "hono/factory";
import type { Config } from "../env.ts";
import type { EdgeEnv } from "./context.ts";
import { Refusal } from "./problem.ts";

const PREFLIGHT = {
  "access-control-allow-headers": "authorization, content-type, idempotency-key, last-event-id",
  "access-control-allow-methods": "GET, POST, PUT",
  "access-control-max-age": "600",
} as const;
const EXPOSED = "allow, idempotent-replayed, location, retry-after";

/** A socket's upgrade is not under the browser's own rule for other origins, so it is refused here. */
export function refuseForeignOrigin(config: Config, origin: string | undefined, requestUrl: string): void {
  if (origin === undefined || origin === new URL(requestUrl).origin || config.allowedOrigins.has(origin)) return;
  throw new Refusal("forbidden", { detail: "this origin may not open a driver's socket" });
}

/** Lets pages of allowed origins ask and read; never with cookies, which Kerb has none of. */
export function allowOrigins({ allowedOrigins }: Config) {
  return createMiddleware<EdgeEnv>(async (c, next) => {
    const origin = c.req.header("origin");
    if (origin === undefined || !allowedOrigins.has(origin)) return next();
    const allowed = { "access-control-allow-origin": origin, vary: "origin" };
    if (c.req.method === "OPTIONS" && c.req.header("access-control-request-method") !== undefined) {
      return c.body(null, 204, { ...allowed, ...PREFLIGHT });
    }
    await next();
    if (c.res.webSocket) return;
    for (const [name, value] of Object.entries(allowed)) c.header(name, value);
    c.header("access-control-expose-headers", EXPOSED);
  });
}
