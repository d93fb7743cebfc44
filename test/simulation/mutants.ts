/**
 * Known protocol bugs, put between the real core and its world. Each is one that a tired hand could make; the simulation
 * is worth what it catches of them. The harmless ones are one of two belts cut, and must pass.
 */

import type { Mutation } from "../../sim/world/mutation.ts";
import type { ShardHost } from "../../sim/world/shard-host.ts";
import type { Command, Message, Write } from "../../src/matching/commands.ts";
import { applyToLock, type LockCommand, type LockState, type LockStep } from "../../src/matching/driver-lock.ts";
import { rideOfOffer } from "../../src/routing/shard-map.ts";
import type { ShardOutside, ShardStorage } from "../../src/shard/ports.ts";

type Mutant = () => Partial<Mutation>;

/** Drops from a lock's state what the mutant does not have; a step that changed nothing still changes nothing. */
function lockWithout(missing: Partial<LockState>): Mutant {
  return () => ({
    applyToLock: (state, now, command) => {
      const step = applyToLock(state, now, command);
      return step.state === state ? step : { ...step, state: { ...step.state, ...missing } };
    },
  });
}

function lockThat(judge: (state: LockState, now: number, command: LockCommand) => LockStep): Mutant {
  return () => ({ applyToLock: judge });
}

function storageWith(commit: (storage: ShardStorage, writes: readonly Write[]) => void): Mutant {
  return () => ({ storage: (storage) => ({ ...storage, commit: (writes) => commit(storage, writes) }) });
}

type Perform = (message: Message, submit: (command: Command) => void) => void;

function outsideWith(outside: ShardOutside, change: Partial<ShardOutside>): ShardOutside {
  return {
    perform: change.perform ?? ((message, submit) => outside.perform(message, submit)),
    sendEvents: change.sendEvents ?? ((events, done) => outside.sendEvents(events, done)),
    setAlarm: change.setAlarm ?? ((at) => outside.setAlarm(at)),
  };
}

/** Says something to the object as if the world had answered, if it is still the same one. */
function later(host: ShardHost, ms: number, work: () => void): void {
  const alive = host.alive();
  host.world.loop.after(ms, () => alive() && host.enter(work));
}

const lockOnRideOnly = lockThat((state, now, command) => {
  if (command.type !== "reserve" || state.session === null) return applyToLock(state, now, command);
  return { state, answer: { type: "reserved", session: state.session } };
});

const releasedByTimer = lockThat((state, now, command) =>
  applyToLock(state, now, command.type === "asked" ? { ...command, verdict: "dead" } : command),
);

const releasedByRide = lockThat((state, now, command) => {
  const held = state.holder?.offerId;
  const same = command.type === "release" && held !== undefined && rideOfOffer(command.offerId) === rideOfOffer(held);
  return applyToLock(state, now, same ? { ...command, offerId: held } : command);
});

const detachedByAnybody = lockThat((state, now, command) =>
  applyToLock(state, now, command.type === "detach" && state.session ? { type: "detach", ...state.session } : command),
);

const lateAttachTaken = lockThat((state, now, command) =>
  applyToLock(
    command.type === "attach" && !(command.ticketId in state.tickets) ? { ...state, tickets: {} } : state,
    now,
    command,
  ),
);

const pushBeforeReserved: Mutant = () => ({
  outside: (outside, host) => {
    const perform: Perform = (message, submit) => {
      outside.perform(message, submit);
      if (message.type !== "reserve") return;
      const { session } = host.world.lock(message.driverId).state;
      if (session === null) return;
      const { offerId } = message;
      later(host, 0, () => submit({ type: "reserve.answered", offerId, outcome: "reserved", session }));
    };
    return outsideWith(outside, { perform });
  },
});

const releasedOnce: Mutant = () => {
  const said = new Set<string>();
  return {
    ...lockWithout({ ask: null })(),
    outside: (outside) => {
      const perform: Perform = (message, submit) => {
        if (message.type === "release" && said.has(message.offerId)) return;
        if (message.type === "release") said.add(message.offerId);
        outside.perform(message, submit);
      };
      return outsideWith(outside, { perform });
    },
  };
};

const acceptNotIdempotent: Mutant = () => {
  const won = new Set<string>();
  return {
    answer: (command, answer) => {
      if (command.type !== "offer.accepted" || answer.type !== "verdict" || answer.verdict.outcome !== "won")
        return answer;
      if (won.has(command.offerId)) return { type: "verdict", verdict: { outcome: "lost", reason: "ride_over" } };
      won.add(command.offerId);
      return answer;
    },
  };
};

const sentIsArchived: Mutant = () => ({
  outside: (outside, host) => {
    const sendEvents: ShardOutside["sendEvents"] = (events, done) => {
      outside.sendEvents(events, done);
      const eventIds = events.map(({ id }) => id);
      later(host, 100, () => host.submit({ type: "events.archived", eventIds }));
    };
    return outsideWith(outside, { sendEvents });
  },
});

const alarmLost: Mutant = () => {
  let alarms = 0;
  return {
    outside: (outside) =>
      outsideWith(outside, {
        setAlarm: (at) => {
          if (++alarms % 40 !== 0) outside.setAlarm(at);
        },
      }),
  };
};

/** What is committed is written with the next commit: an object that dies in between has spoken of what is not there. */
const writtenLate: Mutant = () => ({
  storage: (storage) => {
    let waiting: readonly Write[] = [];
    return {
      ...storage,
      commit: (writes) => {
        storage.commit(waiting);
        waiting = writes;
      },
    };
  },
});

const acknowledgedUnwritten: Mutant = () => {
  let batches = 0;
  return {
    archive: (history, events) => {
      if (++batches % 10 !== 0) history.write(events);
      return events;
    },
  };
};

const historyGoesBack: Mutant = () => ({
  archive: (history, events) => {
    history.write(events);
    for (const { rideId, version, ride } of events) history.rides.set(rideId, { version, ride });
    return events;
  },
});

const without = (dropped: (write: Write) => boolean) =>
  storageWith((storage, writes) => storage.commit(writes.filter((write) => !dropped(write))));

/** By name: the bug, and the invariants that may be the first to notice it. */
export const MUTANTS: Readonly<Record<string, { readonly mutant: Mutant; readonly breaks: readonly string[] }>> = {
  "a lock on the ride only": { mutant: lockOnRideOnly, breaks: ["S2", "S3"] },
  "a lock that its own timer releases": { mutant: releasedByTimer, breaks: ["S2", "S3"] },
  "a release matched by ride, not by offer": { mutant: releasedByRide, breaks: ["S2", "S3"] },
  "a push before the reserve is acknowledged": { mutant: pushBeforeReserved, breaks: ["S2", "S3"] },
  "no fence, and a lock that never asks": { mutant: lockWithout({ fences: {}, ask: null }), breaks: ["L2"] },
  "a release said once, and a lock that never asks": { mutant: releasedOnce, breaks: ["L2"] },
  "an accept that is not idempotent": { mutant: acceptNotIdempotent, breaks: ["S5"] },
  "a winner's row that is not saved": {
    mutant: without((write) => write.type === "save.offer" && write.offer.state === "won"),
    breaks: ["S1", "S4"],
  },
  "an event left out of the outbox": {
    mutant: without((write) => write.type === "append.event" && write.event.type === "ride.arrived"),
    breaks: ["S4", "S6"],
  },
  "a reply that is not saved": { mutant: without((write) => write.type === "save.reply"), breaks: ["S8"] },
  "rows written after the words": { mutant: writtenLate, breaks: ["S3", "S4"] },
  "an event archived because it was sent": { mutant: sentIsArchived, breaks: ["S4"] },
  "an event acknowledged before it is written": { mutant: acknowledgedUnwritten, breaks: ["S4", "S7"] },
  "a history that goes back to older versions": { mutant: historyGoesBack, breaks: ["S7"] },
  "an alarm that is lost": { mutant: alarmLost, breaks: ["L0", "L1", "L2", "L3"] },
  "a detach that ignores the epoch": { mutant: detachedByAnybody, breaks: ["S9"] },
  "a late attach taken for the newest": { mutant: lateAttachTaken, breaks: ["S9", "L5"] },
};

/** One belt of two: the protocol must hold without it. */
export const HARMLESS: Readonly<Record<string, Mutant>> = {
  "no fence, but a lock that asks": lockWithout({ fences: {} }),
  "a lock that never asks, but a fence and releases that are retried": lockWithout({ ask: null }),
};
