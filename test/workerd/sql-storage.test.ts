import { runInDurableObject } from "cloudflare:test";
import { describe, expect, test } from "vitest";
import { applySchema } from "../../durable-objects/ports/sql-schema.ts";
import { SCHEMA, SqlStorage } from "../../durable-objects/ports/sql-storage.ts";
import type { DriverId } from "../../src/domain/driver.ts";
import type { RideEvent } from "../../src/domain/event.ts";
import type { MatchingRide, Offer, OfferId, Ride, RideId, RiderId } from "../../src/domain/ride.ts";
import type { Write } from "../../src/matching/commands.ts";
import type { Decision } from "../../src/matching/decision.ts";
import { shardOf } from "./shard-tools.ts";

const AT = 1_780_000_000_000;
const DAY_MS = 86_400_000;
let places = 0;

/** The storage of a shard that nobody has used, in its own object. */
function inShard<R>(look: (storage: SqlStorage, state: DurableObjectState) => R): Promise<R> {
  const place = { lat: 10 + places++, lng: 20 };
  return runInDurableObject(shardOf(place), (_, state) => look(new SqlStorage(state.storage), state));
}

function ride(name: string, riderId = `rider-of-${name}`): MatchingRide {
  const request = {
    pickup: { lat: 40, lng: -73 },
    dropoff: { lat: 40.1, lng: -73 },
    vehicleType: "economy",
    payment: "card",
    minimumRating: 0,
    seats: 1,
    accessible: false,
  } as const;
  return {
    id: name as RideId,
    version: 1,
    riderId: riderId as RiderId,
    request,
    tripMeters: 1,
    fareCents: 1,
    redispatches: 0,
    createdAt: AT,
    ratings: {},
    state: "matching",
    deadlineAt: AT + 1,
  };
}

const over = (of: MatchingRide, endedAt = AT): Ride => {
  const { deadlineAt: _, ...base } = of;
  return { ...base, state: "no_driver", endedAt, reason: "deadline", version: 2 };
};

function offer(seq: number, of: Ride, driver: string, state: Offer["state"] = "offered", released = false): Offer {
  const base = {
    id: `${of.id}#${seq}` as OfferId,
    seq,
    rideId: of.id,
    driverId: driver as DriverId,
    wave: 1,
    rank: 0,
    score: 1,
    ranker: "nearest@1",
    pickupMeters: 1,
    pickupSeconds: 1,
    createdAt: AT,
    instead: null,
    exchangesOfDriver: 0,
  };
  switch (state) {
    case "intent":
      return { ...base, state };
    case "offered":
      return { ...base, state, expiresAt: AT };
    case "won":
      return { ...base, state, wonAt: AT };
    case "ended":
      return { ...base, state, wonAt: AT, endedAt: AT, released, exchanged: false };
    case "dead":
      return { ...base, state, reason: "declined", endedAt: AT, released };
  }
}

const saveRide = (saved: Ride): Write => ({ type: "save.ride", ride: saved });
const saveOffer = (saved: Offer): Write => ({ type: "save.offer", offer: saved });
function append(of: Ride, version = of.version): Write {
  const id = `${of.id}:${version}`;
  const event: RideEvent = { id, type: "ride.requested", rideId: of.id, version, at: AT, ride: { ...of, version } };
  return { type: "append.event", event };
}

function decision(of: Ride, offersBefore: number, wave = 1): Decision {
  return {
    rideId: of.id,
    offersBefore,
    at: AT,
    attempt: 1,
    wave,
    instead: null,
    radiusMeters: 1_000,
    zone: null,
    marketVersion: 3,
    hold: null,
    policy: "broadcast",
    waveSize: 2,
    ranker: "accept@1",
    fallback: null,
    connected: 1,
    available: 1,
    found: 1,
    candidates: [
      {
        driverId: "ann" as DriverId,
        score: 1 / 3,
        pickupSeconds: 0.1,
        fairnessSeconds: 0,
        lookAheadSeconds: 0,
        worthSeconds: 0,
        queuedMs: null,
        acceptProbability: 0.7,
        row: 0,
        taken: false,
      },
    ],
    leftOut: [],
    leftOutMore: 0,
    featureSet: "f",
    features: Float32Array.of(0.1, Number.NaN, -0, 1e-42, Number.POSITIVE_INFINITY),
  };
}
const saveDecision = (saved: Decision): Write => ({ type: "save.decision", decision: saved });

describe("the database itself refuses", () => {
  const [a, b] = [ride("a"), ride("b")];
  const before = [saveRide(a), saveRide(b), saveOffer(offer(1, a, "ann", "won"))];

  test.each<[string, Write]>([
    ["[S1] a second winner of one ride", saveOffer(offer(2, a, "bob", "won"))],
    ["[S2] a second offer to a driver who has a ride", saveOffer(offer(2, b, "ann", "intent"))],
    ["[S2] a second live offer in any state", saveOffer(offer(2, b, "ann", "offered"))],
    ["[R4] a second open ride of one rider", saveRide(ride("c", a.riderId))],
    ["[S6] a version of a ride that has been", append(a)],
  ])("%s, and takes back all that came with it", async (_, refused) => {
    await inShard((storage) => {
      storage.commit([...before, append(a)]);
      const stood = JSON.stringify(storage.restore());
      const innocent = saveRide(over(b));
      expect(() => storage.commit([innocent, refused])).toThrow(/UNIQUE/);
      expect(JSON.stringify(storage.restore())).toBe(stood);
    });
  });

  test("[S8] a second reply under one key of one rider", async () => {
    await inShard((storage) => {
      const reply = (rideId: RideId): Write => ({
        type: "save.reply",
        riderId: a.riderId,
        key: "k",
        reply: { rideId, bodyHash: "h" },
        at: AT,
      });
      storage.commit([saveRide(a), append(a), reply(a.id)]);
      expect(() => storage.commit([saveRide(b), append(b), reply(b.id)])).toThrow(/UNIQUE/);
      expect(storage.findReply(a.riderId, "k")).toEqual({ rideId: "a", bodyHash: "h", ride: a });
      expect([storage.findReply(b.riderId, "k"), storage.findReply(a.riderId, "other")]).toEqual([null, null]);
    });
  });

  test("[R12] a rider's requests are found again by their time, oldest first, and nobody else's", async () => {
    await inShard((storage) => {
      const asked = (ride: Ride, key: string, at: number): Write[] => [
        saveRide(ride),
        append(ride),
        { type: "save.reply", riderId: ride.riderId, key, reply: { rideId: ride.id, bodyHash: "h" }, at },
      ];
      storage.commit([...asked(a, "z", AT), ...asked(b, "y", AT)]);
      expect(storage.requestsSince(a.riderId, AT - 1)).toEqual([AT]);
      expect(storage.requestsSince(a.riderId, AT)).toEqual([]);
      const again = { ...a, id: "a2" as RideId, version: 1 };
      storage.commit([saveRide({ ...a, version: 2, state: "cancelled_by_rider", endedAt: AT, late: false } as Ride)]);
      storage.commit(asked(again, "a", AT + 5));
      expect(storage.requestsSince(a.riderId, AT - 1)).toEqual([AT, AT + 5]);
    });
  });

  test("[S1] [S2] nothing of the ordinary: what is dead or ended makes room", async () => {
    await inShard((storage) => {
      storage.commit(before);
      storage.commit([saveOffer(offer(1, a, "ann", "ended")), saveOffer(offer(2, a, "bob", "won"))]);
      storage.commit([saveOffer(offer(3, b, "ann", "intent"))]);
      expect(
        storage
          .restore()
          .offers.map(({ id, state }) => [id, state])
          .sort(),
      ).toEqual([
        ["a#1", "ended"],
        ["a#2", "won"],
        ["b#3", "intent"],
      ]);
    });
  });
});

describe("a shard that starts", () => {
  test("[Z2] finds the places that drivers have in queues, as they were last, and none that is given up", async () => {
    await inShard((storage) => {
      const place = (driver: string, since: number | null): Write => {
        const here = since === null ? null : { zone: "home", since, riding: false, endsAt: null };
        return { type: "save.place", driverId: driver as DriverId, place: here };
      };
      storage.commit([place("ann", 1), place("bob", 2)]);
      storage.commit([place("ann", null), place("bob", 3), place("cat", null)]);
      expect(storage.restore().places).toEqual([
        { driverId: "bob", place: { zone: "home", since: 3, riding: false, endsAt: null } },
      ]);
    });
  });

  test("[C4] finds the newest configuration that it has heard of, and none that it cannot read", async () => {
    await inShard((storage) => {
      const heard = (version: number, kind: string): Write => {
        const configuration = { settings: { dispatch: { kind: kind as "batched" } }, hours: [] };
        return { type: "save.market", configured: { version, configuration } };
      };
      expect(storage.restore().market).toBeNull();
      storage.commit([heard(1, "batched")]);
      storage.commit([heard(2, "sequential")]);
      expect(storage.restore().market).toMatchObject({
        version: 2,
        configuration: { settings: { dispatch: { kind: "sequential" } } },
      });
      storage.commit([heard(3, "telepathic")]);
      expect(storage.restore().market).toBeNull();
    });
  });

  test("[H6] finds open rides with all their offers, and settled ones that still owe a release or an event", async () => {
    await inShard((storage) => {
      const [open, owing, telling, done] = [ride("open"), ride("owing"), ride("telling"), ride("done")];
      storage.commit([
        ...[open, over(owing), over(telling), over(done)].map(saveRide),
        saveOffer(offer(1, open, "ann", "dead", true)),
        saveOffer(offer(2, open, "bob")),
        saveOffer(offer(3, owing, "cat", "dead", false)),
        saveOffer(offer(4, owing, "dan", "dead", true)),
        saveOffer(offer(5, done, "eve", "dead", true)),
        ...[open, owing, done].map((of) => append(of)),
        append(telling),
        { type: "mark.archived", eventIds: ["open:1", "owing:1", "done:1"] },
      ]);
      const found = storage.restore();
      expect(found.rides.map(({ id }) => id).sort()).toEqual(["open", "owing", "telling"]);
      expect(found.offers.map(({ seq }) => seq).sort()).toEqual([1, 2, 3, 4]);
      expect(found.unarchived.map(({ id }) => id)).toEqual(["telling:1"]);
      expect(found.highestSeq).toBe(5);
      expect(storage.recall(done.id)).toEqual({ ride: over(done), offers: [offer(5, done, "eve", "dead", true)] });
      expect(storage.recall("never" as RideId)).toBeNull();
    });
  });

  test("[H9] tells a reader the events after the one he has, in order", async () => {
    await inShard((storage) => {
      const a = ride("a");
      storage.commit([saveRide(a), ...[1, 2, 3, 10].map((version) => append(a, version))]);
      expect(storage.readEvents(a.id, 1).map(({ version }) => version)).toEqual([2, 3, 10]);
    });
  });
});

describe("decisions", () => {
  test("[Y4] come back as they were, every bit of their features, in their order and of their ride alone", async () => {
    await inShard((storage) => {
      const [a, b] = [ride("a"), ride("b")];
      const view = Float32Array.of(7, 8, 9).subarray(1, 2);
      storage.commit([...[a, b].map(saveRide), saveDecision({ ...decision(a, 10), features: view })]);
      storage.commit([saveDecision(decision(a, 9)), saveDecision(decision(b, 0))]);
      const [first, second, ...more] = storage.readDecisions(a.id);
      expect([first, more]).toEqual([decision(a, 9), []]);
      expect(new Uint8Array(first!.features.buffer)).toEqual(new Uint8Array(decision(a, 9).features.buffer));
      expect([second!.offersBefore, [...second!.features]]).toEqual([10, [8]]);
    });
  });

  test("[Y2] that asked nobody give way to the next", async () => {
    await inShard((storage) => {
      const a = ride("a");
      storage.commit([saveRide(a), saveDecision(decision(a, 0, 1))]);
      storage.commit([saveDecision(decision(a, 0, 4))]);
      expect(storage.readDecisions(a.id).map(({ wave }) => wave)).toEqual([4]);
    });
  });
});

describe("pruning", () => {
  test("[H7] takes what settled before the moment and is archived and released, and nothing else", async () => {
    await inShard((storage, state) => {
      const [gone, young, owing, telling, open] = ["gone", "young", "owing", "telling", "open"].map((name) =>
        ride(name),
      );
      const old = AT - DAY_MS;
      storage.commit([
        ...[over(gone!, old), over(young!, AT), over(owing!, old), over(telling!, old), open!].map(saveRide),
        saveOffer(offer(1, gone!, "ann", "dead", true)),
        saveOffer(offer(2, owing!, "bob", "dead", false)),
        ...[gone!, young!, owing!, telling!].map((of) => append(of)),
        ...[gone!, young!].map((of) => saveDecision(decision(of, 0))),
        { type: "mark.archived", eventIds: ["gone:1", "young:1", "owing:1"] },
        { type: "save.reply", riderId: gone!.riderId, key: "k", reply: { rideId: gone!.id, bodyHash: "h" }, at: old },
      ]);
      expect(storage.prune(AT)).toBe(true);
      const left = state.storage.sql.exec<{ ride_id: string }>("SELECT ride_id FROM rides ORDER BY 1").toArray();
      expect(left.map((row) => row.ride_id)).toEqual(["open", "owing", "telling", "young"]);
      expect(storage.recall(gone!.id)).toBeNull();
      expect(storage.findReply(gone!.riderId, "k")).toBeNull();
      expect(storage.readEvents(gone!.id, 0)).toEqual([]);
      expect([gone!, young!].map(({ id }) => storage.readDecisions(id).length)).toEqual([0, 1]);
    });
  });

  test("[K2] never gives an offer's number again: the locks' fences would refuse it", async () => {
    await inShard((storage) => {
      const a = ride("a");
      storage.commit([saveRide(over(a, AT - 1)), saveOffer(offer(41, a, "ann", "dead", true))]);
      expect(storage.prune(AT)).toBe(false);
      expect(storage.restore()).toMatchObject({ rides: [], offers: [], highestSeq: 41 });
    });
  });

  const travelTimes = (ways: number) =>
    ({ lengths: [[2, 0.25, ways]], hours: [], begins: [[7, -0.5, 1]], ends: [] }) as const;

  test("[Q3] keeps what was learned in place of what it kept before", async () => {
    await inShard((storage) => {
      expect(storage.restore().learned).toBeNull();
      const places = { tookSeconds: 900, paidSeconds: 300.5, squares: [[7, -12.25, 3]], squareHours: [] } as const;
      storage.keepLearned({ travelTimes: travelTimes(1), lookAhead: places });
      storage.keepLearned({ travelTimes: travelTimes(2), lookAhead: places });
      expect(storage.restore().learned).toEqual({ travelTimes: travelTimes(2), lookAhead: places });
    });
  });

  test("[Q3] finds the travel times that were kept before places were learned", async () => {
    await inShard(async (_, { storage }) => {
      await storage.deleteAll();
      applySchema(storage, SCHEMA.slice(0, SCHEMA.indexOf("ALTER TABLE travel_times RENAME TO learned")));
      storage.sql.exec("INSERT INTO travel_times (id, body) VALUES (1, ?)", JSON.stringify(travelTimes(3)));
      expect(new SqlStorage(storage).restore().learned).toEqual({ travelTimes: travelTimes(3) });
    });
  });
});
