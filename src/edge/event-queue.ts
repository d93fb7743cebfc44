/**
 * The queue's door: ride events come in, go to history, and are acknowledged to the shard they came from. A shard sends
 * an event again until it hears that, so nothing here may acknowledge what is not in D1.
 */
import { withDeadline } from "../calls/call-object.ts";
import type { RideEvent } from "../domain/event.ts";
import type { ShardName } from "../domain/place.ts";
import { type Config, configOf, type Env } from "../env.ts";
import { buryMessages, type DeadMessage, writeEvents } from "../history/write-events.ts";
import { logError } from "../observe/log.ts";
import { readRideEvent } from "../protocol/event.ts";
import { shardOfRide } from "../routing/shard-map.ts";
import { keepDeadLetter } from "./dead-letters.ts";

/** Where messages go that history refused ten times; the name is in wrangler.toml. */
const DEAD_LETTERS = "dead";
/** A row of D1 holds two megabytes; whoever looks at a poison message needs far less. */
const DEAD_BODY_CHARACTERS = 20_000;
const ACKNOWLEDGE_DEADLINE_MS = 3_000;

/** The Worker's `queue`, for the events and for their dead letters. */
export async function archiveBatch(batch: MessageBatch<unknown>, env: Env): Promise<void> {
  const config = configOf(env);
  // One poison event must not take its neighbours along: here each stands alone.
  if (batch.queue.split("-").at(-1) === DEAD_LETTERS) return archiveOneByOne(batch, env, config);
  const readings = batch.messages.map((message) => ({ message, reading: readRideEvent(message.body) }));
  const events: RideEvent[] = [];
  const dead: DeadMessage[] = [];
  for (const { message, reading } of readings) {
    if (reading.ok) events.push(reading.event);
    else dead.push(deadMessage(message, reading.reason));
  }
  try {
    await writeEvents(env.HISTORY, events);
    await buryMessages(env.HISTORY, dead);
  } catch (error) {
    logError("history batch failed", error, { queue: batch.queue, messages: batch.messages.length });
    return batch.retryAll();
  }
  batch.ackAll();
  await acknowledge(events, env, config);
}

async function archiveOneByOne(batch: MessageBatch<unknown>, env: Env, config: Config): Promise<void> {
  const written: RideEvent[] = [];
  for (const message of batch.messages) {
    try {
      const reason = await archiveOne(message.body, env, written);
      if (reason !== null) await keepDeadLetter(env.MODELS, message, reason);
      message.ack();
    } catch (error) {
      // The store is away: the message stays where it is, and the shard has the event in any case.
      logError("dead letter not kept", error, { message: message.id });
      message.retry();
    }
  }
  await acknowledge(written, env, config);
}

/** Null when the event is in history, else why it cannot be. */
async function archiveOne(body: unknown, env: Env, written: RideEvent[]): Promise<string | null> {
  const reading = readRideEvent(body);
  if (!reading.ok) return reading.reason;
  try {
    await writeEvents(env.HISTORY, [reading.event]);
    written.push(reading.event);
    return null;
  } catch (error) {
    return `history refused it: ${String(error)}`;
  }
}

/** Tells each shard which of its events are safe. One that cannot be told sends them again, which is harmless. */
async function acknowledge(events: readonly RideEvent[], env: Env, config: Config): Promise<void> {
  const byShard = new Map<ShardName, string[]>();
  for (const { rideId, id } of events) {
    const shard = shardOfRide(rideId, config.shardBits);
    if (shard !== null) byShard.set(shard, [...(byShard.get(shard) ?? []), id]);
  }
  await Promise.all(
    [...byShard].map(async ([shard, ids]) => {
      try {
        await withDeadline(env.DISPATCH_SHARD.getByName(shard).eventsArchived(ids), ACKNOWLEDGE_DEADLINE_MS);
      } catch (error) {
        logError("archive not acknowledged", error, { shard, events: ids.length });
      }
    }),
  );
}

function deadMessage({ id, body }: Message<unknown>, reason: string): DeadMessage {
  const text = JSON.stringify(body) ?? "undefined";
  return {
    messageId: id,
    reason: reason.slice(0, 500),
    body: text.slice(0, DEAD_BODY_CHARACTERS),
    at: Date.now(),
  };
}
