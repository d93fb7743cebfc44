/**
 * Messages that history refused to the last. They are kept in the store with the reason, so that nothing depends on the
 * shard that sent them; operators send them to the queue again once the cause is gone. What cannot be read stays apart.
 */
import { createRoute } from "@hono/zod-openapi";
import type { RideEvent } from "../domain/event.ts";
import type { EpochMs } from "../domain/time.ts";
import type { Config, Env } from "../env.ts";
import { type EventReading, readRideEvent } from "../protocol/event.ts";
import { RedriveBody } from "../protocol/ops.ts";
import { requires } from "./auth.ts";
import { BEARER, jsonOf, newRoutes, refusals } from "./context.ts";

/** Keyed by the event's id: the same event twice is kept once. */
const READABLE = "dead-letters/ride-events/";
const UNREADABLE = "dead-letters/unreadable/";
/** One batch of the queue. */
const PAGE = 100;
/** A request may touch only so many things. */
const PAGES_PER_REDRIVE = 5;
const LISTED = 1_000;

interface DeadLetter {
  readonly reason: string;
  readonly message: unknown;
}

export function deadLetterRoutes(config: Config) {
  const redrive = createRoute({
    method: "post",
    path: "/admin/redrive",
    summary: "Send the events that history refused to the queue again",
    security: BEARER,
    middleware: requires(config, "ops"),
    responses: { 200: jsonOf("What was sent", RedriveBody), ...refusals(401, 403, 503) },
  });
  return newRoutes().openapi(redrive, async (c) => c.json(await redriveAll(c.env), 200));
}

export async function keepDeadLetter(bucket: R2Bucket, message: Message<unknown>, reason: string): Promise<void> {
  const reading = readRideEvent(message.body);
  const key = reading.ok ? `${READABLE}${reading.event.id}` : `${UNREADABLE}${message.id}`;
  const letter: DeadLetter = { reason, message: message.body };
  await bucket.put(key, JSON.stringify(letter), { customMetadata: { reason: reason.slice(0, 500) } });
}

/** Sent first and deleted after: whoever dies between the two sends them twice, which history does not mind. */
async function redriveAll(env: Env) {
  let sent = 0;
  for (let page = 0; page < PAGES_PER_REDRIVE; page++) {
    const { objects } = await env.MODELS.list({ prefix: READABLE, limit: PAGE });
    if (objects.length === 0) break;
    const events: RideEvent[] = [];
    for (const { key } of objects) {
      const { reading, letter } = await readLetter(env.MODELS, key);
      if (reading === null) continue;
      if (reading.ok) events.push(reading.event);
      else await setApart(env.MODELS, key, letter, reading.reason);
    }
    if (events.length > 0) await env.RIDE_EVENTS.sendBatch(events.map((body) => ({ body, contentType: "json" })));
    await env.MODELS.delete(objects.map(({ key }) => key));
    sent += events.length;
  }
  const { events, unreadable } = await countDeadLetters(env.MODELS);
  return { sent, more: events > 0, unreadable };
}

/** How many are kept, up to a thousand of each kind. */
export async function countDeadLetters(bucket: R2Bucket): Promise<{ events: number; unreadable: number }> {
  const [events, unreadable] = await Promise.all(
    [READABLE, UNREADABLE].map((prefix) => bucket.list({ prefix, limit: LISTED })),
  );
  return { events: events?.objects.length ?? 0, unreadable: unreadable?.objects.length ?? 0 };
}

/** They name places as exactly as history does, and are kept no longer. */
export async function forgetDeadLetters(bucket: R2Bucket, before: EpochMs): Promise<void> {
  for (const prefix of [READABLE, UNREADABLE]) {
    let cursor: string | undefined;
    do {
      const page = await bucket.list({ prefix, limit: LISTED, ...(cursor !== undefined && { cursor }) });
      const old = page.objects.filter(({ uploaded }) => uploaded.getTime() < before).map(({ key }) => key);
      if (old.length > 0) await bucket.delete(old);
      cursor = page.truncated ? page.cursor : undefined;
    } while (cursor !== undefined);
  }
}

/** `reading` is null where another redrive was faster. */
async function readLetter(bucket: R2Bucket, key: string): Promise<{ reading: EventReading | null; letter: unknown }> {
  const text = await (await bucket.get(key))?.text();
  if (text === undefined) return { reading: null, letter: null };
  try {
    const letter = JSON.parse(text) as DeadLetter;
    return { reading: readRideEvent(letter.message), letter };
  } catch {
    return { reading: { ok: false, reason: "is not JSON" }, letter: { message: text } };
  }
}

/** It could be read once: the schema has moved on since, or somebody changed it. */
async function setApart(bucket: R2Bucket, key: string, letter: unknown, reason: string): Promise<void> {
  const body = JSON.stringify({ ...(letter as object), reason });
  await bucket.put(`${UNREADABLE}${key.slice(READABLE.length)}`, body, { customMetadata: { reason } });
}
