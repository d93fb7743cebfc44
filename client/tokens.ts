/** Tokens for development: the issuer at `/v1/dev/tokens` exists only on a developer's machine. */
import type * as z from "zod";
import { DevTokenBody, type DevTokenRequestBody } from "../src/protocol/ops.ts";
import { callApi, type HttpOptions } from "./http.ts";

/** Gives a token that is good for at least another minute. */
export type TokenSource = () => Promise<string>;

const RENEW_BEFORE_MS = 60_000;

export function createDevTokens(
  http: HttpOptions,
  who: z.infer<typeof DevTokenRequestBody>,
  signal?: AbortSignal,
): TokenSource {
  let held: { readonly token: string; readonly renewAt: number } | null = null;
  return async () => {
    if (held && performance.now() < held.renewAt) return held.token;
    const { token, expiresInMs } = await callApi(http, {
      method: "POST",
      path: "/v1/dev/tokens",
      body: who,
      answer: DevTokenBody,
      signal,
    });
    held = { token, renewAt: performance.now() + expiresInMs - RENEW_BEFORE_MS };
    return token;
  };
}
