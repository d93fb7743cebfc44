import { describe, expect, test } from "vitest";
import { NEW_DRIVER_STATS } from "../../../src/domain/driver.ts";
import type { OfferId, OfferVerdict } from "../../../src/domain/ride.ts";
import type { ReleaseOutcome } from "../../../src/matching/commands.ts";
import {
  applyToLock,
  type LockAnswer,
  type LockCommand,
  type LockState,
  NEW_LOCK,
  nextStats,
} from "../../../src/matching/driver-lock.ts";
import { ELSEWHERE, HERE, START } from "./shard-kit.ts";

const offer = (name: string) => name as OfferId;
/** Tickets `t1`, `t2` … were given one after the other. */
const attach = (ticketId: string, shard = HERE): LockCommand => ({
  type: "attach",
  shard,
  ticketId,
  ticketExpiresAt: START + 30_000 + Number(ticketId.slice(1)),
});
const reserve = (seq: number, shard = HERE): LockCommand => ({
  type: "reserve",
  offerId: offer(`${shard}#${seq}`),
  seq,
  shard,
});
const release = (seq: number, shard = HERE, outcome: ReleaseOutcome = "none"): LockCommand => ({
  type: "release",
  offerId: offer(`${shard}#${seq}`),
  seq,
  shard,
  outcome,
});

/** A lock and what it answered, command by command. */
function run(commands: readonly LockCommand[], from: LockState = NEW_LOCK, now = START) {
  const answers: LockAnswer[] = [];
  let state = from;
  for (const command of commands) {
    const step = applyToLock(state, now, command);
    state = step.state;
    answers.push(step.answer);
  }
  return { state, answers, types: answers.map(({ type }) => type) };
}

describe("reserving", () => {
  test("[K1] holds a free driver who has a socket, and says where that is", () => {
    const { state, answers } = run([attach("t1"), reserve(1)]);
    expect(answers[1]).toEqual({ type: "reserved", exchanges: 0, session: { shard: HERE, epoch: 1 } });
    expect(state.holder).toEqual({ offerId: offer(`${HERE}#1`), seq: 1, shard: HERE, since: START });
  });

  test("[K1] [S2] a driver who is held is busy for everybody else, and offline without a socket", () => {
    expect(run([attach("t1"), reserve(1), reserve(1, ELSEWHERE), reserve(2)]).types).toEqual([
      "attached",
      "reserved",
      "busy",
      "busy",
    ]);
    expect(run([reserve(1)]).types).toEqual(["offline"]);
  });

  test("[K1] said again hears the same, though the fence has passed it and though the socket is gone", () => {
    const detach: LockCommand = { type: "detach", shard: HERE, epoch: 1 };
    const { types, state } = run([attach("t1"), reserve(5), release(9), reserve(5), detach, reserve(5)]);
    expect(types).toEqual(["attached", "reserved", "done", "reserved", "done", "reserved"]);
    expect(state.fences[HERE]).toBe(9);
  });

  test("[K2] of a dead offer, come late, is stale, and leaves the driver free", () => {
    const { types, state } = run([attach("t1"), reserve(3), release(3), reserve(3), reserve(2)]);
    expect(types).toEqual(["attached", "reserved", "done", "stale", "stale"]);
    expect(state.holder).toBeNull();
  });

  test("[K2] every refusal is final: the same offer asked again is stale, and needs no release", () => {
    const busy = run([attach("t1"), reserve(1), reserve(7, ELSEWHERE), release(1), reserve(7, ELSEWHERE)]);
    expect(busy.types).toEqual(["attached", "reserved", "busy", "done", "stale"]);
    const offline = run([reserve(4), attach("t1"), reserve(4)]);
    expect(offline.types).toEqual(["offline", "attached", "stale"]);
    for (const { state } of [busy, offline]) expect(state.holder).toBeNull();
  });

  test("[K2] fences of different shards have nothing to do with each other", () => {
    const { types } = run([attach("t1"), reserve(9), release(9), reserve(1, ELSEWHERE)]);
    expect(types.at(-1)).toBe("reserved");
  });
});

describe("releasing", () => {
  test("[K3] frees by offer id alone: a late release of an old offer leaves the new one held", () => {
    const { state } = run([attach("t1"), reserve(1), release(1), reserve(2), release(1), release(1)]);
    expect(state.holder?.seq).toBe(2);
  });

  test("[K3] before the reserve it belongs to makes that reserve stale", () => {
    expect(run([attach("t1"), release(1), reserve(1)]).types).toEqual(["attached", "done", "stale"]);
  });

  test("[K3] said again changes nothing", () => {
    const once = run([attach("t1"), reserve(1), release(1, HERE, "declined")]).state;
    expect(run([release(1, HERE, "declined")], once).state).toEqual(once);
  });
});

describe("attaching", () => {
  test("[K4] gives each socket a higher epoch and tells which one it replaces", () => {
    const { answers, state } = run([attach("t1"), attach("t2", ELSEWHERE)]);
    expect(answers).toEqual([
      { type: "attached", epoch: 1, previous: null },
      { type: "attached", epoch: 2, previous: { shard: HERE, epoch: 1 } },
    ]);
    expect(state.session).toEqual({ shard: ELSEWHERE, epoch: 2 });
  });

  test("[K4] [D2] refuses a ticket that was used, for as long as it could be used, and then forgets it", () => {
    const { state, types } = run([attach("t1"), attach("t1")]);
    expect(types).toEqual(["attached", "replayed"]);
    expect(state.epoch).toBe(1);
    const fresh: LockCommand = { type: "attach", shard: HERE, ticketId: "t2", ticketExpiresAt: START + 60_000 };
    const later = run([fresh], state, START + 30_001).state;
    expect(Object.keys(later.tickets)).toEqual(["t2"]);
  });

  test("[K4] [L5] refuses a ticket that has expired, and one older than a ticket used since", () => {
    expect(run([attach("t1")], NEW_LOCK, START + 30_001).types).toEqual(["replayed"]);
    const newer: LockCommand = { type: "attach", shard: ELSEWHERE, ticketId: "t2", ticketExpiresAt: START + 31_000 };
    const { types, state } = run([newer, attach("t1")]);
    expect(types).toEqual(["attached", "replayed"]);
    expect(state.session).toEqual({ shard: ELSEWHERE, epoch: 1 });
  });

  test("[K4] [L5] refuses a ticket of the same moment as one used since: which of them is newer nobody knows", () => {
    const twin: LockCommand = { type: "attach", shard: ELSEWHERE, ticketId: "t2", ticketExpiresAt: START + 30_001 };
    expect(run([attach("t1"), twin]).types).toEqual(["attached", "replayed"]);
  });

  test("[K4] [K5] says nothing about what the driver holds: that outlives every socket", () => {
    const detach: LockCommand = { type: "detach", shard: HERE, epoch: 1 };
    const { state } = run([attach("t1"), reserve(1), detach, attach("t2", ELSEWHERE)]);
    expect(state.holder?.seq).toBe(1);
  });

  test("[K5] [S9] detaching counts only from the newest socket at its own shard", () => {
    const detach = (epoch: number, shard = HERE): LockCommand => ({ type: "detach", shard, epoch });
    const { state } = run([attach("t1"), attach("t2"), detach(1), detach(2, ELSEWHERE)]);
    expect(state.session).toEqual({ shard: HERE, epoch: 2 });
    expect(run([detach(2)], state).state.session).toBeNull();
  });
});

describe("time", () => {
  const held = run([attach("t1"), reserve(1)]).state;
  const asked = (verdict: OfferVerdict | null): LockCommand => ({
    type: "asked",
    offerId: offer(`${HERE}#1`),
    verdict,
  });

  test("[K6] frees nobody: it only asks, after 30 s, then after 10, 20, 40 … 300 s, for ever", () => {
    let state = held;
    const pauses: number[] = [];
    for (let i = 0, now = START; i < 8; i++) {
      const due = state.ask!.at;
      pauses.push((due - now) / 1_000);
      now = due;
      state = applyToLock(state, now, asked(i % 2 === 0 ? "hold" : null)).state;
    }
    expect(pauses).toEqual([30, 10, 20, 40, 80, 160, 300, 300]);
    expect(state.holder?.seq).toBe(1);
  });

  test("[K6] [L2] a shard that says the offer is dead frees the driver, and the offer can never hold him again", () => {
    const { state } = run([asked("dead")], held);
    expect([state.holder, state.ask]).toEqual([null, null]);
    expect(run([reserve(1)], state).types).toEqual(["stale"]);
  });

  test("[K6] an answer about an offer that holds no more is ignored", () => {
    const next = run([release(1), reserve(2)], held).state;
    expect(run([asked("dead")], next).state.holder?.seq).toBe(2);
  });
});

describe("rides that others took over", () => {
  const lost = (outcome: ReleaseOutcome) => run([attach("t1"), reserve(1), release(1, HERE, outcome)]).state;
  const said = (state: LockState) => run([reserve(2)], state).answers[0];

  test("[X4] are said to whoever reserves the driver, until he has driven one himself", () => {
    expect(said(lost("exchanged"))).toMatchObject({ type: "reserved", exchanges: 1 });
    const { state } = run([reserve(2), release(2, HERE, "accepted")], lost("exchanged"));
    expect(run([reserve(3)], state).answers[0]).toMatchObject({ exchanges: 1 });
    const driven = run([reserve(3), release(3, HERE, "driven"), reserve(4)], state);
    expect(driven.answers[2]).toMatchObject({ exchanges: 0 });
    expect(said(lost("accepted"))).toMatchObject({ exchanges: 0 });
  });

  test("[X4] are counted once, whether the release says it or the lock has asked before", () => {
    const held = run([attach("t1"), reserve(1)]).state;
    const asked: LockCommand = { type: "asked", offerId: offer(`${HERE}#1`), verdict: "exchanged" };
    const { state } = run([asked, release(1, HERE, "exchanged"), release(1, HERE, "exchanged"), asked], held);
    expect([state.holder, state.exchanges]).toEqual([null, 1]);
    expect(run([reserve(1)], state).types).toEqual(["stale"]);
  });
});

describe("a ride that was swapped for another", () => {
  const OLD = { offerId: offer(`${HERE}#1`), seq: 1 };
  const NEW = { offerId: offer(`${HERE}#5`), seq: 5 };
  const swapped: LockCommand = { type: "release", ...OLD, shard: HERE, outcome: "exchanged", next: NEW };
  const held = run([attach("t1"), reserve(1)]).state;

  test("[K9] leaves its driver held, by the offer that came for it, and at no moment free for another", () => {
    const { state } = run([swapped], held, START + 5);
    expect(state).toMatchObject({ holder: { ...NEW, shard: HERE, since: START + 5 }, exchanges: 1 });
    expect(state.ask).toEqual({ at: START + 30_005, count: 0 });
    expect(run([reserve(2), reserve(1, ELSEWHERE), reserve(1)], state).types).toEqual(["busy", "busy", "stale"]);
  });

  test("[K9] said again, or late, changes nothing", () => {
    const once = run([swapped], held).state;
    expect(run([swapped, release(1)], once).state).toEqual(once);
    const over = run([release(5, HERE, "driven")], once).state;
    expect(over).toMatchObject({ holder: null, ask: null, exchanges: 0 });
    expect(run([swapped], over).state).toEqual(over);
    const next = run([reserve(6)], over).state;
    expect(run([swapped], next).state).toEqual(next);
  });

  test("[K9] [L2] frees him where word that the other is over has come first: that held nobody", () => {
    const early = run([release(5, HERE, "driven")], held).state;
    expect(early.holder).toMatchObject(OLD);
    expect(run([swapped], early).state).toMatchObject({ holder: null, ask: null });
    // Also where what the lock refused since says that it must be over.
    const refused = run([reserve(7)], held);
    expect(refused.types).toEqual(["busy"]);
    expect(run([swapped], refused.state).state.holder).toBeNull();
  });

  test("[K6] [K9] is heard by a lock that asks only as still held, and as exchanged once the other is over too", () => {
    const asked = (verdict: OfferVerdict): LockCommand => ({ type: "asked", offerId: OLD.offerId, verdict });
    const waiting = run([asked("hold")], held).state;
    expect(waiting.holder).toMatchObject(OLD);
    const { state } = run([asked("exchanged"), swapped], waiting);
    expect(state).toMatchObject({ holder: null, exchanges: 1 });
  });

  test("[K7] [K9] counts as the one accept that it was, when what came of it is over", () => {
    const once = run([swapped], held).state;
    expect(once.stats).toEqual(NEW_DRIVER_STATS);
    const over = run([release(5, HERE, "driven")], once).state;
    expect(over.stats).toEqual(nextStats(NEW_DRIVER_STATS, "accepted"));
  });
});

test("[K7] a driver's record moves by a tenth of what he answers, and not at all for what others did", () => {
  const accepted = nextStats(NEW_DRIVER_STATS, "accepted");
  expect(accepted).toMatchObject({ offersSeen: 1, declinesInRow: 0 });
  expect(accepted.acceptRate).toBeCloseTo(0.73, 12);
  const declined = nextStats(nextStats(accepted, "declined"), "declined");
  expect(declined).toMatchObject({ offersSeen: 3, declinesInRow: 2 });
  expect(declined.acceptRate).toBeCloseTo(0.73 * 0.81, 12);
  expect(nextStats(declined, "none")).toBe(declined);
  for (const yes of ["accepted", "driven", "exchanged"] as const) {
    expect(nextStats(declined, yes)).toEqual(nextStats(declined, "accepted"));
  }
  expect(nextStats(declined, "accepted").declinesInRow).toBe(0);
  const { state } = run([attach("t1"), reserve(1), release(1, HERE, "declined")]);
  expect(state.stats.declinesInRow).toBe(1);
});
