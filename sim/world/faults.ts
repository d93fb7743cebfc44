/**
 * What goes wrong in one world, drawn from its seed. Each kind of fault is either off or on at a rate of its own: a
 * swarm of lopsided worlds finds what one evenly bad world never does, because its faults do not drown each other.
 */
import type { Random } from "../random.ts";

/** Shares are of the thing named, in [0, 1]; `EveryMs` is a mean interval, Infinity for never. */
export interface Faults {
  readonly requestLost: number;
  readonly answerLost: number;
  /** Requests that arrive a second time, `lateMs` later. */
  readonly requestRepeated: number;
  readonly late: number;
  readonly lateMs: number;
  /** One kind of call that is late far more often than the others; empty for none. */
  readonly slowCall: string;
  readonly commitCrashed: number;
  readonly shardKilledEveryMs: number;
  /** The object is put to sleep: memory gone, sockets kept. */
  readonly shardSleepsEveryMs: number;
  /** Crashes that leave the shard's sockets open. */
  readonly socketsKept: number;
  readonly downMs: number;
  readonly lockCrashed: number;
  readonly socketCutEveryMs: number;
  /** Cuts that the server never hears of. */
  readonly cutUnnoticed: number;
  readonly queueLost: number;
  readonly queueRepeated: number;
  readonly queueRefused: number;
  readonly queueDelayMs: number;
  readonly historyFailed: number;
  readonly rankerLate: number;
  /** Mean time by which a shard's alarm rings late. */
  readonly alarmLateMs: number;
  /** Clocks of shards and locks differ from the world's by up to this. */
  readonly clockSkewMs: number;
  /** No fault, but no less sudden: a shard hears that its market dispatches in another way. */
  readonly marketChangedEveryMs: number;
}

export const CALM: Faults = {
  requestLost: 0,
  answerLost: 0,
  requestRepeated: 0,
  late: 0,
  lateMs: 0,
  slowCall: "",
  commitCrashed: 0,
  shardKilledEveryMs: Number.POSITIVE_INFINITY,
  shardSleepsEveryMs: Number.POSITIVE_INFINITY,
  socketsKept: 0,
  downMs: 0,
  lockCrashed: 0,
  socketCutEveryMs: Number.POSITIVE_INFINITY,
  cutUnnoticed: 0,
  queueLost: 0,
  queueRepeated: 0,
  queueRefused: 0,
  queueDelayMs: 200,
  historyFailed: 0,
  rankerLate: 0,
  alarmLateMs: 0,
  clockSkewMs: 0,
  marketChangedEveryMs: Number.POSITIVE_INFINITY,
};

/** Where being late hurts most: release and reserve against each other, push against accept, attach against attach. */
const SLOW_CALLS = [
  "reserve",
  "release",
  "reserve",
  "release",
  "push",
  "accept",
  "attach",
  "view",
  "verdict",
  "abandon",
];

/** Nothing stays away for longer: what is down when the faults stop is back soon after. */
const LONGEST_DOWN_MS = 20_000;

/** How long an object that has just died is away. */
export function drawDownMs({ downMs }: Faults, random: Random): number {
  return 1 + Math.round(Math.min(random.exponential(downMs), LONGEST_DOWN_MS));
}

export function drawFaults(random: Random): Faults {
  const on = () => random.next() < 0.5;
  const between = (low: number, high: number) => low * (high / low) ** random.next();
  const share = (low: number, high: number) => (on() ? between(low, high) : 0);
  const every = (low: number, high: number) => (on() ? between(low, high) : Number.POSITIVE_INFINITY);
  return {
    requestLost: share(0.01, 0.3),
    answerLost: share(0.01, 0.3),
    requestRepeated: share(0.01, 0.4),
    late: share(0.01, 0.3),
    lateMs: between(100, 12_000),
    slowCall: on() ? random.pick(SLOW_CALLS) : "",
    commitCrashed: share(0.002, 0.06),
    shardKilledEveryMs: every(15_000, 200_000),
    shardSleepsEveryMs: every(5_000, 100_000),
    socketsKept: random.next(),
    downMs: between(50, 15_000),
    lockCrashed: share(0.01, 0.2),
    socketCutEveryMs: every(8_000, 120_000),
    cutUnnoticed: random.next(),
    queueLost: share(0.02, 0.6),
    queueRepeated: share(0.02, 0.6),
    queueRefused: share(0.02, 0.5),
    queueDelayMs: between(50, 20_000),
    historyFailed: share(0.02, 0.5),
    rankerLate: share(0.02, 0.5),
    clockSkewMs: on() ? between(10, 8_000) : 0,
    alarmLateMs: on() ? between(1, 3_000) : 0,
    marketChangedEveryMs: every(3_000, 60_000),
  };
}
