import { describe, expect, test } from "vitest";
import type { RideEvent } from "../../../src/domain/event.ts";
import { Outbox } from "../../../src/outbox/outbox.ts";

const eventAt = (n: number, at = 0) => ({ id: `ride:${n}`, at }) as RideEvent;
const ids = (events: readonly RideEvent[]) => events.map(({ id }) => id);

/** An outbox with this many events, all due at 0. */
function outboxOf(count: number): Outbox {
  const outbox = new Outbox();
  for (let n = 1; n <= count; n++) outbox.add(eventAt(n), 0);
  return outbox;
}

describe("the outbox", () => {
  test("[H3] sends again after a minute what was sent and not confirmed, and never what was", () => {
    const outbox = outboxOf(2);
    const batch = outbox.take(0);
    expect(ids(batch)).toEqual(["ride:1", "ride:2"]);
    outbox.settled(batch, true, 5);
    outbox.archived(["ride:1"]);
    expect([ids(outbox.take(59_999)), outbox.nextDueAt()]).toEqual([[], 60_000]);
    expect(ids(outbox.take(60_000))).toEqual(["ride:2"]);
  });

  test("[H3] tries again after two seconds when the queue took nothing", () => {
    const outbox = outboxOf(1);
    outbox.settled(outbox.take(0), false, 100);
    expect(outbox.nextDueAt()).toBe(2_100);
    expect(ids(outbox.take(2_100))).toEqual(["ride:1"]);
  });

  test("[H4] sends at most a hundred at once and one batch at a time, in the order of the events", () => {
    const outbox = outboxOf(250);
    const sizes: number[] = [];
    const seen: string[] = [];
    for (let batch = outbox.take(1); batch.length > 0; batch = outbox.take(1)) {
      expect(outbox.take(1)).toEqual([]);
      sizes.push(batch.length);
      seen.push(...ids(batch));
      outbox.settled(batch, true, 1);
    }
    expect(sizes).toEqual([100, 100, 50]);
    expect(seen).toEqual(Array.from({ length: 250 }, (_, i) => `ride:${i + 1}`));
  });

  test("[H4] wants to be looked at while a batch is on its way, though not at once: the object may die before it settles", () => {
    const outbox = outboxOf(1);
    const batch = outbox.take(0);
    outbox.add(eventAt(2), 10);
    expect(outbox.nextDueAt()).toBe(10_000);
    expect([outbox.take(10_000), outbox.nextDueAt()]).toEqual([[], 20_000]);
    outbox.settled(batch, true, 10_020);
    expect(outbox.nextDueAt()).toBe(10);
  });

  test("[H5] is empty once everything is confirmed, and says how old its oldest event is until then", () => {
    const outbox = new Outbox();
    outbox.add(eventAt(1, 1_000), 1_000);
    outbox.add(eventAt(2, 4_000), 4_000);
    expect(outbox.oldestMs(9_000)).toBe(8_000);
    outbox.archived(["ride:1", "ride:9"]);
    expect([outbox.size, outbox.oldestMs(9_000)]).toEqual([1, 5_000]);
    outbox.archived(["ride:2"]);
    expect([outbox.size, outbox.oldestMs(9_000), outbox.nextDueAt()]).toEqual([0, 0, null]);
  });
});
