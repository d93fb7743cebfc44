/** What a driver is told of his own session, each when it has changed: his status, the cadence of fixes, the end. */
import type { DriverStatus } from "../domain/driver.ts";
import type { DriverNotice } from "../domain/notice.ts";
import { LIMITS } from "./limits.ts";
import { fixCadenceMs } from "./overload.ts";
import type { Turn } from "./shard-state.ts";
import { type Session, statusOf } from "./supply.ts";

export function tell(turn: Turn, { driverId, epoch }: Session, notice: DriverNotice): void {
  turn.effects.push({ type: "tell", driverId, epoch, notice });
}

export function tellStatus(turn: Turn, session: Session): void {
  const status = statusOf(session, turn.now);
  const words = wordsOf(status);
  if (words === session.toldStatus) return;
  session.toldStatus = words;
  tell(turn, session, { type: "status", status });
}

export function wordsOf(status: DriverStatus): string {
  return "reason" in status ? status.reason : status.state;
}

/** At his next fix, not at once: a strained shard need not speak to a thousand drivers in one breath. */
export function tellCadence(turn: Turn, session: Session): void {
  const { overload, setting } = turn.shard;
  const fixEveryMs = fixCadenceMs(overload, setting.fixEveryMs);
  // Who was found again after the object's sleep has been told the usual one: a strained object does not sleep.
  if (fixEveryMs === (session.toldFixEveryMs ?? setting.fixEveryMs)) return;
  session.toldFixEveryMs = fixEveryMs;
  tell(turn, session, { type: "config", fixEveryMs });
}

/** In time for him to come in by another socket first, and be away from nobody who waits for him. */
export function tellEnd(turn: Turn, session: Session): void {
  const endsInMs = session.endsAt - turn.now;
  if (session.toldEnd || endsInMs > LIMITS.sessionNoticeMs) return;
  session.toldEnd = true;
  tell(turn, session, { type: "session.ending", endsInMs });
}
