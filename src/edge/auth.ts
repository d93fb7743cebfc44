/** Who is calling. A token is checked before anything it could make us do. */

import { createMiddleware } from "hono/factory";
import { createLocalJWKSet, type JSONWebKeySet } from "jose";
import type { Config } from "../env.ts";
import { type Caller, type Role, readToken } from "../protocol/token.ts";
import type { EdgeEnv } from "./context.ts";
import { Refusal } from "./problem.ts";

type KeySet = ReturnType<typeof createLocalJWKSet>;
const keySets = new WeakMap<Config, KeySet>();

/** Imported once per isolate: importing a key costs more than checking a signature with it. */
function keysOf(config: Config): KeySet {
  let keys = keySets.get(config);
  if (keys === undefined) {
    keys = createLocalJWKSet(config.authJwks as JSONWebKeySet);
    keySets.set(config, keys);
  }
  return keys;
}

/** The caller behind a request's bearer token; refuses with 401. */
async function authenticate(config: Config, authorization: string | undefined): Promise<Caller> {
  const token = authorization?.match(/^Bearer +(\S+)$/i)?.[1];
  if (token === undefined) {
    throw new Refusal("unauthenticated", { headers: { "www-authenticate": 'Bearer realm="kerb"' } });
  }
  const reading = await readToken(keysOf(config), token, Date.now());
  if (reading.ok) return reading.caller;
  throw new Refusal("unauthenticated", {
    detail: reading.reason,
    headers: { "www-authenticate": 'Bearer realm="kerb", error="invalid_token"' },
  });
}

/** Lets callers of these roles through to the route; everyone else hears 401 or 403. */
export function requires(config: Config, ...roles: readonly Role[]) {
  return createMiddleware<EdgeEnv>(async (c, next) => {
    const caller = await authenticate(config, c.req.header("authorization"));
    if (!roles.includes(caller.role)) throw new Refusal("forbidden", { detail: `only for: ${roles.join(", ")}` });
    c.set("caller", caller);
    await next();
  });
}

/** The caller, who has already been let through as one of `role`. */
export function callerAs<R extends Role>(caller: Caller, role: R): Extract<Caller, { role: R }> {
  if (caller.role === role) return caller as Extract<Caller, { role: R }>;
  throw new Refusal("forbidden", { detail: `only for: ${role}` });
}
