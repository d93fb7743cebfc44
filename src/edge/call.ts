/** Calls of the Worker to objects: what is not answered becomes a refusal that says when to come back. */
import { callObject, type Reply } from "../calls/call-object.ts";
import { CircuitBreakers } from "../calls/circuit-breakers.ts";
import type { ShardName } from "../domain/place.ts";
import type { Env } from "../env.ts";
import { logError } from "../observe/log.ts";
import { Refusal } from "./problem.ts";

const LIMITS = { deadlineMs: 3_000, attempts: 2, repeatSilence: false };
/** Spread, so that everyone who was refused together does not come back together. */
const RETRY_AFTER_MS = { minimum: 1_000, spread: 2_000 };

/** Of this isolate. */
const circuits = new CircuitBreakers();

type ShardStub = ReturnType<Env["DISPATCH_SHARD"]["getByName"]>;

/** The answer of an object. Refuses with 503 and a hint when there is none. */
export async function callOrRefuse<Answer>(call: () => Promise<Answer>): Promise<Answer> {
  return answerOf(await callObject(call, LIMITS));
}

/** The same for a shard, which is left alone for a moment when it has failed too often. */
export async function callShard<Answer>(
  env: Env,
  shard: ShardName,
  call: (stub: ShardStub) => Promise<Answer>,
  /** `always` is said to an ill shard too: nobody is kept from ending what he has begun. */
  when: "if_well" | "always" = "if_well",
): Promise<Answer> {
  const saidAt = Date.now();
  if (!circuits.admits(shard, saidAt) && when === "if_well") throw overloaded();
  const reply = await callObject(() => call(env.DISPATCH_SHARD.getByName(shard)), LIMITS);
  if (reply.outcome === "answered") circuits.answered(shard, saidAt);
  else circuits.failed(shard, saidAt, Date.now());
  return answerOf(reply);
}

export function retryAfterMs(): number {
  return Math.round(RETRY_AFTER_MS.minimum + Math.random() * RETRY_AFTER_MS.spread);
}

function answerOf<Answer>(reply: Reply<Answer>): Answer {
  if (reply.outcome === "answered") return reply.answer;
  if (reply.outcome === "overloaded") throw overloaded();
  logError("object call failed", reply.error);
  throw new Refusal("unavailable", {
    detail: "It may have happened or not. Say it again with the same key; it will not happen twice.",
    retryAfterMs: retryAfterMs(),
  });
}

function overloaded(): Refusal {
  return new Refusal("overloaded", { retryAfterMs: retryAfterMs() });
}
