/** One driver's lock: a platform event comes in, a lock command goes out. What it decides is in src/matching. */
import { DurableObject } from "cloudflare:workers";
import { callOrNull } from "../src/calls/call-object.ts";
import type { OfferId, OfferVerdict } from "../src/domain/ride.ts";
import { configOf, type Env, shardServing } from "../src/env.ts";
import {
  applyToLock,
  type LockAnswer,
  type LockCommand,
  type LockState,
  NEW_LOCK,
  reserveOutcomeOf,
} from "../src/matching/driver-lock.ts";
import { logError } from "../src/observe/log.ts";
import type { AttachAnswer, DriverLockApi, ReserveAnswer } from "../src/protocol/peer.ts";

const QUESTION = { deadlineMs: 2_000, attempts: 2 };

export class DriverLock extends DurableObject<Env> implements DriverLockApi {
  #state: LockState;
  /** When the alarm rings that stands, as far as this object knows; one that rings too early sets the next. */
  #alarmAt = Number.POSITIVE_INFINITY;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    // What a lock has learned to keep since it was written begins anew.
    this.#state = { ...NEW_LOCK, ...ctx.storage.kv.get<LockState>("lock") };
  }

  async attach({ shard, ticketId, ticketExpiresAt }: Parameters<DriverLockApi["attach"]>[0]): Promise<AttachAnswer> {
    const answer = this.#submit({ type: "attach", shard, ticketId, ticketExpiresAt });
    if (answer.type !== "attached") return { outcome: "replayed" };
    const { holder, stats } = this.#state;
    const { epoch, previous } = answer;
    return {
      outcome: "attached",
      epoch,
      previous,
      stats,
      holder: holder && { offerId: holder.offerId, shard: holder.shard },
    };
  }

  async detach({ shard, epoch }: Parameters<DriverLockApi["detach"]>[0]): Promise<void> {
    this.#submit({ type: "detach", shard, epoch });
  }

  async reserve({ offerId, seq, shard }: Parameters<DriverLockApi["reserve"]>[0]): Promise<ReserveAnswer> {
    return reserveOutcomeOf(this.#submit({ type: "reserve", offerId, seq, shard }));
  }

  async release({ driverId: _, ...released }: Parameters<DriverLockApi["release"]>[0]): Promise<void> {
    this.#submit({ type: "release", ...released });
  }

  async heldOffer(): Promise<OfferId | null> {
    return this.#state.holder?.offerId ?? null;
  }

  /** It is time to ask whether the holder still lives. A timer asks; it never frees. */
  override async alarm(): Promise<void> {
    this.#alarmAt = Number.POSITIVE_INFINITY;
    const { holder, ask } = this.#state;
    if (holder === null || ask === null) return;
    if (ask.at <= Date.now()) {
      const verdict = await this.#question(holder.offerId);
      this.#submit({ type: "asked", offerId: holder.offerId, verdict });
    }
    this.#setAlarm();
  }

  async #question(offerId: OfferId): Promise<OfferVerdict | null> {
    const shard = shardServing(configOf(this.env), offerId);
    // An id that no shard serves is an offer that no shard remembers.
    if (shard === null) return "dead";
    const stub = () => this.env.DISPATCH_SHARD.getByName(shard);
    const verdict = await callOrNull(async (): Promise<OfferVerdict> => stub().verdictOn(offerId), QUESTION);
    if (verdict === null) logError("lock: the shard did not answer", "no verdict", { shard });
    return verdict;
  }

  /** Saved before it is answered: the platform holds the answer back until the write is durable. */
  #submit(command: LockCommand): LockAnswer {
    const { state, answer } = applyToLock(this.#state, Date.now(), command);
    if (state === this.#state) return answer;
    this.ctx.storage.kv.put("lock", state);
    this.#state = state;
    this.#setAlarm();
    return answer;
  }

  /** One that is early enough is not moved: that costs a write to disk before a `reserve` can be answered. */
  #setAlarm(): void {
    const at = this.#state.ask?.at;
    if (at === undefined || this.#alarmAt <= at) return;
    this.#alarmAt = at;
    this.ctx.waitUntil(this.ctx.storage.setAlarm(at));
  }
}
