/** After the last fault: how long until nothing is open or owed any more, without anybody's help. */
import type { Violation } from "../live/check-history.ts";
import { type LeftOpen, readLeftOpen } from "./objects.ts";

/** Seconds after the last fault; null where the bound passed first. */
export interface Healing {
  readonly ridesOver: number | null;
  readonly locksFree: number | null;
  readonly eventsKept: number | null;
}

interface Bound {
  readonly name: keyof Healing;
  readonly rule: string;
  readonly left: (open: LeftOpen) => number;
  readonly what: string;
}

/**
 * The longest a ride of this run can take is a deadline of 8 s for the match, a watch of 10 s for the pickup, and a trip;
 * an event that died with its queue is sent again after a minute.
 */
export const HEALED_WITHIN_SECONDS = 90;

const BOUNDS: readonly Bound[] = [
  { name: "ridesOver", rule: "L1", left: ({ openRides }) => openRides, what: "rides still open" },
  {
    name: "locksFree",
    rule: "L2",
    left: ({ unreleased, heldLocks }) => unreleased + heldLocks,
    what: "locks held or releases owed",
  },
  { name: "eventsKept", rule: "L3", left: ({ unarchived }) => unarchived, what: "events not confirmed by history" },
];
const LOOK_EVERY_MS = 250;

/** What is left, in words. */
export function leftWords(open: LeftOpen): string {
  return BOUNDS.map(({ left, what }) => `${left(open)} ${what}`).join(", ");
}

/** Nothing new must be asked for meanwhile. All three must hold at one look: a later ride would open them again. */
export async function watchHealing(
  stateDir: string,
  onLook: (open: LeftOpen) => void = () => {},
): Promise<{ healing: Healing; violations: Violation[] }> {
  const startedAt = performance.now();
  const reached: { -readonly [Name in keyof Healing]: Healing[Name] } = {
    ridesOver: null,
    locksFree: null,
    eventsKept: null,
  };
  for (;;) {
    const seconds = (performance.now() - startedAt) / 1_000;
    const open = look(stateDir);
    if (open !== null) onLook(open);
    for (const { name, left } of BOUNDS) {
      if (open === null) continue;
      reached[name] = left(open) === 0 ? (reached[name] ?? seconds) : null;
    }
    if (BOUNDS.every(({ name }) => reached[name] !== null)) return { healing: reached, violations: [] };
    if (seconds > HEALED_WITHIN_SECONDS) return { healing: reached, violations: stillOpen(open) };
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

/** Null when a file was just being written: the next look will do. */
function look(stateDir: string): LeftOpen | null {
  try {
    return readLeftOpen(stateDir);
  } catch {
    return null;
  }
}

function stillOpen(open: LeftOpen | null): Violation[] {
  if (open === null) return [{ rule: "L4", sentence: "the objects' files could not be read", trace: [] }];
  return BOUNDS.flatMap(({ rule, left, what }) =>
    left(open) === 0
      ? []
      : [{ rule, sentence: `${left(open)} ${what} after ${HEALED_WITHIN_SECONDS} s`, trace: [JSON.stringify(open)] }],
  );
}
