import { expect, test } from "vitest";
import { createRandom } from "../../../sim/random.ts";
import { type TimerKind, Timers } from "../../../src/matching/timers.ts";

const KINDS: readonly TimerKind[] = ["ride.search", "offer.expiry", "sweep"];

test("[L1] timers fire when they are due, earliest first, replaced ones once and cleared ones never", () => {
  const random = createRandom(11);
  const timers = new Timers();
  const model = new Map<string, number>();
  let now = 0;
  for (let i = 0; i < 20_000; i++) {
    const kind = KINDS[Math.floor(random.next() * KINDS.length)]!;
    const key = String(Math.floor(random.next() * 40));
    const roll = random.next();
    if (roll < 0.6) {
      const dueAt = now + Math.floor(random.next() * 1_000);
      timers.set(kind, key, dueAt);
      model.set(`${kind}/${key}`, dueAt);
    } else if (roll < 0.75) {
      timers.clear(kind, key);
      model.delete(`${kind}/${key}`);
    } else {
      now += Math.floor(random.next() * 100);
      let before = Number.NEGATIVE_INFINITY;
      for (let taken = timers.take(now); taken !== null; taken = timers.take(now)) {
        const name = `${taken.kind}/${taken.key}`;
        const dueAt = model.get(name)!;
        expect(dueAt).toBeLessThanOrEqual(now);
        expect(dueAt).toBeGreaterThanOrEqual(before);
        before = dueAt;
        model.delete(name);
      }
      expect([...model.values()].filter((dueAt) => dueAt <= now)).toEqual([]);
    }
    expect(timers.size).toBe(model.size);
    expect(timers.nextDueAt()).toBe(model.size === 0 ? null : Math.min(...model.values()));
  }
});
