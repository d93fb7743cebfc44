/** One driver's lock as its object runs it (durable-objects/driver-lock.ts): one durable state, one alarm that asks. */

import type { DriverId } from "../../src/domain/driver.ts";
import type { OfferVerdict } from "../../src/domain/ride.ts";
import type { EpochMs } from "../../src/domain/time.ts";
import {
  applyToLock,
  type LockAnswer,
  type LockCommand,
  type LockState,
  NEW_LOCK,
} from "../../src/matching/driver-lock.ts";
import type { AttachAnswer, DriverLockApi } from "../../src/protocol/peer.ts";
import { shardOfRide } from "../../src/routing/shard-map.ts";
import { drawDownMs } from "./faults.ts";
import type { Callee, CallLimits } from "./network.ts";
import { brief } from "./trace.ts";
import type { World } from "./world.ts";

const QUESTION: CallLimits = { deadlineMs: 2_000, attempts: 2 };
/** The platform rings again when the object died under an alarm. */
const ALARM_RETRY_MS = 2_000;

export class LockHost {
  readonly driverId: DriverId;
  /** Durable: what is here has been saved. */
  state: LockState = NEW_LOCK;
  readonly #world: World;
  readonly #skewMs: number;
  #downUntil = 0;
  #incarnation = 0;
  #alarm: { readonly at: EpochMs } | null = null;

  constructor(world: World, driverId: DriverId, skewMs: number) {
    this.#world = world;
    this.driverId = driverId;
    this.#skewMs = skewMs;
  }

  /** Nothing it is asked before then is heard. */
  get downUntil(): EpochMs {
    return this.#downUntil;
  }

  call(command: LockCommand): Callee<LockAnswer> {
    return (reply, fail) => {
      const answer = this.#submit(command);
      if (answer === null) fail();
      else reply(answer);
    };
  }

  /** `attach` answers more than the core does: what the driver holds, for the shard that must show it to him. */
  attach({ shard, ticketId, ticketExpiresAt }: Parameters<DriverLockApi["attach"]>[0]): Callee<AttachAnswer> {
    return (reply, fail) => {
      const answer = this.#submit({ type: "attach", shard, ticketId, ticketExpiresAt });
      if (answer === null) return fail();
      if (answer.type !== "attached") return reply({ outcome: "replayed" });
      const { holder, stats } = this.state;
      const { epoch, previous } = answer;
      const held = holder && { offerId: holder.offerId, shard: holder.shard };
      reply({ outcome: "attached", epoch, previous, stats, holder: held });
    };
  }

  /** Null when the lock is away, or died over it: before the state was saved, or after. */
  #submit(command: LockCommand): LockAnswer | null {
    const { loop, faults, random, auditor, trace } = this.#world;
    if (loop.now < this.#downUntil) return null;
    const before = this.state;
    const { state, answer } = applyToLock(before, loop.now + this.#skewMs, command);
    const crashed = state !== before && random.next() < faults.lockCrashed;
    if (crashed && random.next() < 0.5) return this.#die(`before saving ${command.type}`);
    if (state !== before) {
      this.state = state;
      trace.add(loop.now, `lock ${this.driverId}`, `${brief(command)} -> ${brief(answer)}; ${heldBy(state)}`);
      auditor.lockCommitted(this.driverId, before, state, command);
      if (state.ask !== null && state.holder !== before.holder) this.#setAlarmBy(state.ask.at - this.#skewMs);
    }
    auditor.races.lockAnswered(this.driverId, command, state !== before);
    return crashed ? this.#die(`after saving ${command.type}`) : answer;
  }

  #die(when: string): null {
    const { loop, faults, random, auditor, trace } = this.#world;
    const downMs = drawDownMs(faults, random);
    trace.add(loop.now, `lock ${this.driverId}`, `dies ${when}; away for ${downMs} ms`);
    auditor.count("lock crash");
    this.#incarnation++;
    this.#downUntil = loop.now + downMs;
    return null;
  }

  /** One that is early enough stands, and sets the next when it rings. */
  #setAlarmBy(at: EpochMs): void {
    if (this.#alarm === null || this.#alarm.at > at) this.#setAlarm(at);
  }

  #setAlarm(at: EpochMs): void {
    const alarm = { at };
    this.#alarm = alarm;
    this.#world.loop.at(at, () => {
      if (this.#alarm === alarm) this.#ring();
    });
  }

  /** It is time to ask whether the holder still lives. A timer asks; it never frees. */
  #ring(): void {
    const { loop, network } = this.#world;
    this.#alarm = null;
    if (loop.now < this.#downUntil) return this.#setAlarm(this.#downUntil);
    const { holder, ask } = this.state;
    if (holder === null || ask === null) return;
    if (ask.at > loop.now + this.#skewMs) return this.#setAlarm(ask.at - this.#skewMs);
    const { offerId } = holder;
    const shard = shardOfRide(offerId, this.#world.shardBits);
    const incarnation = this.#incarnation;
    // Replaced when the question is answered; until then it stands for the platform's retry of an alarm that died.
    this.#setAlarm(loop.now + QUESTION.deadlineMs * QUESTION.attempts + ALARM_RETRY_MS);
    const judged = (verdict: OfferVerdict | null) => {
      if (this.#submit({ type: "asked", offerId, verdict }) === null) return;
      const next = this.state.ask;
      if (next !== null) this.#setAlarm(next.at - this.#skewMs);
    };
    if (shard === null) return judged("dead");
    const question = this.#world
      .shard(shard)
      .ask({ type: "lock.asked", offerId }, (answer) => (answer?.type === "lock" ? answer.verdict : "hold"));
    network.call("verdict", QUESTION, question, () => this.#incarnation === incarnation, judged);
  }
}

function heldBy({ holder, session }: LockState): string {
  return `held by ${holder?.offerId ?? "nobody"}, socket ${session ? `${session.shard} @${session.epoch}` : "none"}`;
}
