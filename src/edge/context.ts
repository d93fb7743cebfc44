/** What a route knows of its request, and the pieces that every route declares alike. */
import { OpenAPIHono } from "@hono/zod-openapi";
import type { Env } from "../env.ts";
import { ProblemBody } from "../protocol/ops.ts";
import type { Caller } from "../protocol/token.ts";
import { refuseInvalid } from "./problem.ts";

export interface EdgeEnv {
  Bindings: Env;
  Variables: { caller: Caller };
}

export function newRoutes(): OpenAPIHono<EdgeEnv> {
  return new OpenAPIHono<EdgeEnv>({ defaultHook: refuseInvalid });
}

/** One entry of a route's `responses`. */
export function jsonOf<T>(description: string, schema: T) {
  return { description, content: { "application/json": { schema } } };
}

export function bodyOf<T>(schema: T) {
  return { required: true, content: { "application/json": { schema } } };
}

/** The refusals a route may answer, for the document; every one has the same body. */
export function refusals(...statuses: (400 | 401 | 403 | 404 | 409 | 413 | 415 | 422 | 426 | 429 | 503)[]) {
  return Object.fromEntries(statuses.map((status) => [status, PROBLEM]));
}

const PROBLEM = { description: "Refused", content: { "application/problem+json": { schema: ProblemBody } } };

export const BEARER = [{ bearer: [] }];
