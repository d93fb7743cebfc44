/**
 * The development issuer: tokens for anybody who asks. It needs a private key, which production's configuration refuses
 * to start with (env.ts), and without the key these routes do not exist.
 */
import { createRoute } from "@hono/zod-openapi";
import { importJWK, type JWK, SignJWT } from "jose";
import { DevTokenBody, DevTokenRequestBody } from "../protocol/ops.ts";
import { TOKEN_ALGORITHM, TOKEN_AUDIENCE, TOKEN_LIFETIME_MS, TOKEN_LIFETIME_SECONDS } from "../protocol/token.ts";
import { bodyOf, jsonOf, newRoutes, refusals } from "./context.ts";

export function devTokenRoutes(privateJwk: JWK) {
  const issue = createRoute({
    method: "post",
    path: "/v1/dev/tokens",
    summary: "A token for anybody; development only",
    request: { body: bodyOf(DevTokenRequestBody) },
    responses: { 201: jsonOf("The token", DevTokenBody), ...refusals(400, 413, 415, 422) },
  });

  return newRoutes().openapi(issue, async (c) => {
    const { sub, ...claims } = c.req.valid("json");
    const now = Math.floor(Date.now() / 1_000);
    const token = await new SignJWT(claims)
      .setProtectedHeader({ alg: TOKEN_ALGORITHM, kid: privateJwk.kid ?? "" })
      .setSubject(sub)
      .setAudience(TOKEN_AUDIENCE)
      .setIssuedAt(now)
      .setExpirationTime(now + TOKEN_LIFETIME_SECONDS)
      .sign(await importJWK(privateJwk, TOKEN_ALGORITHM));
    return c.json({ token, expiresInMs: TOKEN_LIFETIME_MS }, 201);
  });
}
