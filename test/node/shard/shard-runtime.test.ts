import { describe, expect, test } from "vitest";
import { NEW_DRIVER_STATS } from "../../../src/domain/driver.ts";
import type { RideEvent } from "../../../src/domain/event.ts";
import type { ConfiguredMarket } from "../../../src/domain/market-hours.ts";
import type { LatLng } from "../../../src/domain/place.ts";
import type { Offer, OfferId, Ride, RiderId } from "../../../src/domain/ride.ts";
import type { Command, CommandOf, Message, PriorReply, Write } from "../../../src/matching/commands.ts";
import type { Decision } from "../../../src/matching/decision.ts";
import { LIMITS } from "../../../src/matching/limits.ts";
import type { Learned, ShardOutside, ShardStorage } from "../../../src/shard/ports.ts";
import { ShardRuntime } from "../../../src/shard/shard-runtime.ts";
import { at, CELL, DISPATCH, driverId, HERE, MARKET, PICKUP, rideIdOf, riderId, START } from "../matching/shard-kit.ts";

/** Rows in memory and a world that only writes down what it is asked: nothing answers unless a test does. */
class Room implements ShardStorage, ShardOutside {
  now = START;
  /** Everything that happened, in order: what was committed, said, sent. */
  readonly log: string[] = [];
  readonly rides = new Map<string, Ride>();
  readonly offers = new Map<string, Offer>();
  readonly events = new Map<string, RideEvent>();
  readonly decisions: Decision[] = [];
  readonly archived = new Set<string>();
  readonly replies = new Map<string, PriorReply>();
  readonly sending: { readonly events: readonly RideEvent[]; readonly done: (sent: boolean) => void }[] = [];
  alarmAt: number | null = null;
  prunedBefore: number | null = null;
  learned: Learned | null = null;
  market: ConfiguredMarket | null = null;
  refusesCommits = false;
  runtime = this.start();

  start(): ShardRuntime {
    const setting = { name: HERE, cell: CELL, market: { ...MARKET, dispatch: DISPATCH } };
    const runtime = new ShardRuntime(
      { ...setting, topSpeedMetersPerSecond: 70, fixEveryMs: 4_000, clockSpeed: 1 },
      this,
      this,
      () => this.now,
    );
    runtime.start();
    return runtime;
  }

  restore() {
    const events = [...this.events.values()].filter(({ id }) => !this.archived.has(id));
    return {
      rides: [...this.rides.values()],
      offers: [...this.offers.values()],
      highestSeq: 0,
      unarchived: events,
      places: [],
      learned: this.learned,
      market: this.market,
    };
  }

  commit(writes: readonly Write[]): void {
    if (this.refusesCommits) throw new Error("disk full");
    this.log.push(`commit ${writes.map(({ type }) => type).join("+")}`);
    for (const write of writes) {
      if (write.type === "save.ride") this.rides.set(write.ride.id, write.ride);
      else if (write.type === "save.offer") this.offers.set(write.offer.id, write.offer);
      else if (write.type === "append.event") this.events.set(write.event.id, write.event);
      else if (write.type === "save.decision") this.decisions.push(write.decision);
      else if (write.type === "save.market") this.market = write.configured;
      else if (write.type === "mark.archived") for (const id of write.eventIds) this.archived.add(id);
      else if (write.type === "save.reply")
        this.replies.set(`${write.riderId}/${write.key}`, {
          ...write.reply,
          ride: this.rides.get(write.reply.rideId)!,
        });
    }
  }

  recall(rideId: string) {
    const ride = this.rides.get(rideId);
    return ride ? { ride, offers: [...this.offers.values()].filter((offer) => offer.rideId === rideId) } : null;
  }

  readDecisions(): Decision[] {
    return this.decisions;
  }

  findReply(rider: RiderId, key: string): PriorReply | null {
    return this.replies.get(`${rider}/${key}`) ?? null;
  }

  requestsSince(): number[] {
    return [];
  }

  readEvents(rideId: string, afterVersion: number): RideEvent[] {
    return [...this.events.values()].filter((event) => event.rideId === rideId && event.version > afterVersion);
  }

  prune(before: number): boolean {
    this.prunedBefore = before;
    return false;
  }

  keepLearned(learned: Learned): void {
    this.log.push("keep what was learned");
    this.learned = learned;
  }

  perform(message: Message): void {
    if (message.type !== "count") this.log.push(`say ${message.type}`);
  }

  sendEvents(events: readonly RideEvent[], done: (sent: boolean) => void): void {
    this.log.push(`send ${events.length}`);
    this.sending.push({ events, done });
  }

  setAlarm(moment: number): void {
    this.alarmAt = moment;
  }

  request(rider: string, n = 0, key = "k") {
    const request: CommandOf<"ride.requested"> = {
      type: "ride.requested",
      rideId: rideIdOf(n),
      riderId: riderId(rider),
      request: {
        pickup: PICKUP,
        dropoff: at(4_000),
        vehicleType: "economy",
        payment: "card",
        minimumRating: 0,
        seats: 1,
        accessible: false,
      },
      key,
      bodyHash: "h",
      prior: null,
      recent: [],
      quoted: null,
    };
    return this.runtime.submit(request);
  }

  cancel(rider: string, n = 0) {
    const command: Command = { type: "ride.cancelled", rideId: rideIdOf(n), riderId: riderId(rider) };
    return this.runtime.submit(command);
  }

  /** The history has everything that was ever sent. */
  archive() {
    this.runtime.submit({ type: "events.archived", eventIds: [...this.events.keys()] });
  }
}

describe("a command", () => {
  test("[H1] [H2] is committed whole, then spoken of, then its events are sent", () => {
    const room = new Room();
    room.request("rita");
    expect(room.log).toEqual([
      "commit save.ride+append.event+save.reply",
      "say publish.ride",
      "say find.neighbours",
      "send 1",
    ]);
  });

  test("[H2] whose commit fails says nothing to anybody and answers nobody", () => {
    const room = new Room();
    room.refusesCommits = true;
    expect(() => room.request("rita")).toThrow("disk full");
    expect([room.log, room.alarmAt]).toEqual([[], null]);
  });

  test("[R2] [S8] is told what storage remembers under its key, also after a restart", () => {
    const room = new Room();
    room.request("rita");
    room.cancel("rita");
    room.archive();
    room.runtime = room.start();
    expect(room.request("rita", 1)).toMatchObject({ type: "ride", replayed: true, view: { id: rideIdOf(0) } });
    expect(room.rides.size).toBe(1);
  });
});

describe("a settled ride", () => {
  test("[H5] leaves memory once its last event is archived, and its rows answer who asks later", () => {
    const room = new Room();
    room.request("rita");
    room.cancel("rita");
    const viewer = { role: "rider", riderId: riderId("rita") } as const;
    room.archive();
    expect(room.runtime.gauges()).toMatchObject({ rides_open: 0, outbox_pending: 0 });
    expect(room.runtime.view(rideIdOf(0), viewer)).toMatchObject({ state: "cancelled_by_rider" });
    expect(room.runtime.view(rideIdOf(0), { role: "rider", riderId: riderId("eve") })).toBeNull();
    expect(room.cancel("rita")).toMatchObject({ type: "ride", replayed: true });
    room.rides.clear();
    expect(room.runtime.view(rideIdOf(0), viewer)).toBeNull();
    expect(room.cancel("rita")).toEqual({ type: "refused", reason: "not_found" });
  });

  test("[H9] tells its history from any version on, and that it is over", () => {
    const room = new Room();
    room.request("rita");
    room.cancel("rita");
    const ops = { role: "ops" } as const;
    const told = room.runtime.history(rideIdOf(0), ops, 1);
    expect(told).toMatchObject({ over: true, events: [{ event: { type: "ride.cancelled" }, view: { version: 2 } }] });
    expect(room.runtime.history(rideIdOf(0), { role: "rider", riderId: riderId("eve") }, 0)).toBeNull();
  });
});

describe("what was learned", () => {
  const ann = driverId("ann");
  const offerId = `${rideIdOf(0)}#1` as OfferId;
  const start = at(2_000, 180);

  function locate({ runtime, now }: Room, epoch: number, position: LatLng): void {
    const still = { headingDegrees: null, speedMetersPerSecond: 0, accuracyMeters: 5 };
    runtime.submit({
      type: "driver.located",
      driverId: ann,
      epoch,
      fixes: [{ seq: now, position, ...still, at: now }],
    });
  }

  function attach(room: Room, epoch: number): void {
    const profile = { vehicleType: "economy", seats: 4, accessible: true, rating: 5, payments: ["card"] } as const;
    const session = { driverId: ann, epoch, profile, stats: NEW_DRIVER_STATS, available: true };
    const holding = { kind: "none" } as const;
    room.runtime.submit({ type: "driver.attached", ...session, endsAt: Number.POSITIVE_INFINITY, holding });
    locate(room, epoch, start);
  }

  /** Ann drives 2 km to a pickup in ten minutes, 100 s longer than the market's speed says. */
  function driveToPickup(room: Room, epoch: number): void {
    const place = { pickup: PICKUP, dropoff: at(4_000), fareCents: 900, currency: "USD" };
    const ride = { offerId, rideId: rideIdOf(0), version: 2, state: "assigned", ...place } as const;
    const heard = { driverId: ann, epoch, cid: "c", offerId };
    room.runtime.submit({ type: "offer.judged", ...heard, verdict: { outcome: "won", ride } });
    for (let step = 1; step <= 30; step++) {
      room.now += 20_000;
      locate(room, epoch, at(2_000 - (2_000 * step) / 30, 180));
    }
    const verdict = { outcome: "done", ride: { ...ride, state: "arrived", version: 3 } } as const;
    room.runtime.submit({ type: "trip.judged", ...heard, step: "arrive", verdict });
  }

  test("[Q3] is kept at an alarm, once and at most every ten minutes, and recalled at the next start", () => {
    const room = new Room();
    const kept = () => room.log.filter((line) => line === "keep what was learned").length;
    attach(room, 1);
    driveToPickup(room, 1);
    expect(kept()).toBe(0);
    room.runtime.tick();
    room.now += 700_000;
    room.runtime.tick();
    expect(kept()).toBe(1);
    room.runtime = room.start();
    attach(room, 2);
    const wish = { vehicleType: "economy", payment: "card", minimumRating: 0, seats: 1, accessible: false } as const;
    const request = { ...wish, dropoff: at(4_000) };
    const query = { pickup: PICKUP, request, radiusMeters: 3_000, limit: 1, exclude: [] };
    expect(room.runtime.nearby(query)[0]?.pickupSeconds).toBeGreaterThan(505);
  });
});

describe("the outbox", () => {
  test("[H4] has one batch on its way, and what came meanwhile goes together after it", () => {
    const room = new Room();
    room.request("rita");
    room.cancel("rita");
    room.request("rolf", 1, "k2");
    expect(room.sending.map(({ events }) => events.length)).toEqual([1]);
    room.sending[0]?.done(true);
    expect(room.sending.map(({ events }) => events.map(({ type }) => type))).toEqual([
      ["ride.requested"],
      ["ride.cancelled", "ride.requested"],
    ]);
  });

  test("[H3] [H6] sends again after a restart what the history has not confirmed", () => {
    const room = new Room();
    room.request("rita");
    room.sending[0]?.done(true);
    room.runtime = room.start();
    expect(room.sending.map(({ events }) => events.map(({ id }) => id))).toEqual([
      [`${rideIdOf(0)}:1`],
      [`${rideIdOf(0)}:1`],
    ]);
  });
});

describe("what history has lost", () => {
  test("[W4] is sent again whole, once, until history confirms it anew", () => {
    const room = new Room();
    room.request("rita");
    room.cancel("rita");
    room.sending[0]?.done(true);
    room.archive();
    room.sending[1]?.done(true);
    room.now += 60_000;
    room.runtime.tick();
    expect(room.sending).toHaveLength(2);
    expect(room.runtime.resend([rideIdOf(0), rideIdOf(9)])).toBe(2);
    const again = room.sending[2];
    expect(again?.events.map(({ type }) => type)).toEqual(["ride.requested", "ride.cancelled"]);
    again?.done(true);
    expect(room.runtime.gauges()).toMatchObject({ outbox_pending: 2 });
    room.archive();
    expect(room.runtime.gauges()).toMatchObject({ outbox_pending: 0, rides_open: 0 });
  });
});

describe("the alarm", () => {
  test("[L1] is set for the earliest of everything that waits, and set again each time it rings", () => {
    const room = new Room();
    room.request("rita");
    expect(room.alarmAt).toBe(START + LIMITS.searchAnswerMs);
    let rings = 0;
    while (room.rides.get(rideIdOf(0))?.state === "matching") {
      const due: number | null = room.alarmAt;
      expect(due).not.toBeNull();
      room.alarmAt = null;
      room.now = due!;
      room.runtime.tick();
      expect(++rings).toBeLessThan(1_000);
    }
    expect(room.now).toBe(START + DISPATCH.matchDeadlineMs);
  });

  test("[H7] prunes an hour after the first write what settled a day before", () => {
    const room = new Room();
    room.request("rita");
    room.cancel("rita");
    room.now += 3_599_999;
    room.runtime.tick();
    expect(room.prunedBefore).toBeNull();
    room.now += 1;
    room.runtime.tick();
    expect(room.prunedBefore).toBe(room.now - LIMITS.retentionMs);
  });
});

test("[D10] the drivers who would be closed at the next sweep are named in time to ask whether they pinged", () => {
  const room = new Room();
  const profile = { vehicleType: "economy", seats: 4, accessible: false, rating: 5, payments: ["card"] } as const;
  room.runtime.submit({
    type: "driver.attached",
    driverId: "ann" as never,
    epoch: 3,
    profile,
    stats: { offersSeen: 0, acceptRate: 0.7, declinesInRow: 0 },
    available: true,
    endsAt: Number.POSITIVE_INFINITY,
    holding: { kind: "none" },
  });
  expect([...room.runtime.quietDrivers()]).toEqual([]);
  room.now += LIMITS.silenceMs - 2 * LIMITS.sweepEveryMs;
  expect([...room.runtime.quietDrivers()]).toMatchObject([{ driverId: "ann", epoch: 3 }]);
});
