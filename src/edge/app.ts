/**
 * The HTTP application: what every request passes, in order, and which routes there are. A body's size is judged before
 * a route sees it, a caller before his body is read, a body before an object is touched.
 */
import { bodyLimit } from "hono/body-limit";
import { createMiddleware } from "hono/factory";
import { type Config, configOf, type Env } from "../env.ts";
import { logError } from "../observe/log.ts";
import { MAX_BODY_BYTES } from "../protocol/rider.ts";
import { type EdgeEnv, newRoutes } from "./context.ts";
import { deadLetterRoutes } from "./dead-letters.ts";
import { decisionRoutes } from "./decisions.ts";
import { devTokenRoutes } from "./dev-tokens.ts";
import { driverSocketRoutes } from "./driver-socket.ts";
import { healthRoutes } from "./health.ts";
import { historyRoutes } from "./history.ts";
import { marketRoutes } from "./markets.ts";
import { allowOrigins } from "./origins.ts";
import { problemResponse, refuseError, refuseUnknown } from "./problem.ts";
import { quoteRoutes } from "./quotes.ts";
import { reconcileRoutes } from "./reconcile.ts";
import { rideEventRoutes } from "./ride-events.ts";
import { rideRoutes } from "./rides.ts";
import { rolloutRoutes } from "./rollout.ts";

const OPENAPI_PATH = "/openapi.json";
const DOCUMENT = {
  openapi: "3.1.0",
  info: { title: "Kerb", version: "1", description: "Matches riders with drivers at the network edge." },
  security: [],
};

/** Responses carry people's places: nobody keeps them, frames them or guesses their type. */
const SECURITY_HEADERS = {
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
  "strict-transport-security": "max-age=31536000; includeSubDomains",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
} as const;

const apps = new WeakMap<Config, ReturnType<typeof createApp>>();

/** The Worker's `fetch`. A configuration that cannot be trusted serves nobody. */
export async function serve(request: Request, env: Env, context: ExecutionContext): Promise<Response> {
  let config: Config;
  try {
    config = configOf(env);
  } catch (error) {
    logError("configuration", error);
    // The reasons name variables; only a developer may read them off the response.
    const detail = env.ENVIRONMENT === "development" && error instanceof Error ? { detail: error.message } : {};
    return problemResponse("configuration", { ...detail, headers: SECURITY_HEADERS });
  }
  let app = apps.get(config);
  if (app === undefined) {
    app = createApp(config);
    apps.set(config, app);
  }
  return app.fetch(request, env, context);
}

/** Every route of this configuration; what is not declared as an OpenAPI route is not in the document. */
export function createApp(config: Config) {
  const app = newRoutes();
  app.openAPIRegistry.registerComponent("securitySchemes", "bearer", {
    type: "http",
    scheme: "bearer",
    bearerFormat: "JWT",
  });
  app.use(securityHeaders);
  app.use(allowOrigins(config));
  app.use(bodyLimit({ maxSize: MAX_BODY_BYTES, onError: () => problemResponse("body-too-large") }));
  app
    .route("/", rideRoutes(config))
    .route("/", quoteRoutes(config))
    .route("/", rideEventRoutes(config))
    .route("/", driverSocketRoutes(config))
    .route("/", historyRoutes(config))
    .route("/", healthRoutes(config))
    .route("/", decisionRoutes(config))
    .route("/", rolloutRoutes(config))
    .route("/", marketRoutes(config))
    .route("/", reconcileRoutes(config))
    .route("/", deadLetterRoutes(config));
  if (config.devIssuerJwk !== null) app.route("/", devTokenRoutes(config.devIssuerJwk));
  app.doc31(OPENAPI_PATH, DOCUMENT);
  app.onError(refuseError);
  app.notFound(refuseUnknown(() => app.routes));
  return app;
}

const securityHeaders = createMiddleware<EdgeEnv>(async (c, next) => {
  await next();
  // An upgrade has no body to protect, and a response that came from an object cannot be changed: that would be a 500.
  if (c.res.webSocket) return;
  for (const [name, value] of Object.entries(SECURITY_HEADERS)) c.header(name, value);
});
