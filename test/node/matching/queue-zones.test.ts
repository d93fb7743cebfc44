import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readConfiguration } from "../../../sim/lab/configuration.ts";
import type { DriverId } from "../../../src/domain/driver.ts";
import type { Zone } from "../../../src/domain/market.ts";
import type { OfferId, RideId } from "../../../src/domain/ride.ts";
import { LIMITS } from "../../../src/matching/limits.ts";
import { type Doing, nextPlace, type QueuePlace, zoneAt } from "../../../src/matching/queue-zones.ts";
import { refusalOfZones } from "../../../src/routing/zone-bounds.ts";
import { at, driverId, PICKUP, ShardKit } from "./shard-kit.ts";

const HOME: Zone = { name: "home", center: PICKUP, radiusMeters: 500 };
/** 300 m beyond the edge of the other. */
const NEXT: Zone = { name: "next", center: at(1_200), radiusMeters: 400 };
const ZONES = [HOME, NEXT];
const waiting = (meters: number): Doing => ({ kind: "waiting", position: at(meters) });
const asked = (meters: number): Doing => ({ kind: "asked", position: at(meters) });
const HIDDEN: Doing = { kind: "hidden" };
const AWAY_MS = LIMITS.queueAwayMs;

describe("a driver's place", () => {
  const since1: QueuePlace = { zone: "home", since: 1, riding: false, endsAt: null };

  test("[Z1] is his from the moment he is inside and free, and not while he is asked, outside or resting", () => {
    expect(nextPlace(null, waiting(499), ZONES, 7)).toEqual({ ...since1, since: 7 });
    for (const doing of [waiting(501), asked(100), HIDDEN, { kind: "riding" }, { kind: "resting" }] as const) {
      expect(nextPlace(null, doing, ZONES, 7)).toBeNull();
    }
    expect(zoneAt(ZONES, at(1_000))?.name).toBe("next");
  });

  test("[Z2] is kept near the edge for ever, and beyond it or unseen for two minutes", () => {
    for (const doing of [waiting(0), waiting(640), asked(640)]) expect(nextPlace(since1, doing, ZONES, 9)).toBe(since1);
    for (const doing of [waiting(660), asked(660), HIDDEN]) {
      const away = nextPlace(since1, doing, ZONES, 1_000)!;
      expect(away).toEqual({ ...since1, endsAt: 1_000 + AWAY_MS });
      expect(nextPlace(away, doing, ZONES, 5_000)).toBe(away);
      expect(nextPlace(away, waiting(640), ZONES, 999 + AWAY_MS)).toEqual(since1);
      expect(nextPlace(away, waiting(640), ZONES, 1_000 + AWAY_MS)).toBeNull();
      expect(nextPlace(away, waiting(0), ZONES, 1_000 + AWAY_MS)).toEqual({ ...since1, since: 1_000 + AWAY_MS });
    }
  });

  test("[Z2] ends with a pause, in another zone, and with its own zone", () => {
    expect(nextPlace(since1, { kind: "resting" }, ZONES, 9)).toBeNull();
    expect(nextPlace(since1, waiting(1_000), ZONES, 9)).toEqual({ ...since1, zone: "next", since: 9 });
    expect(nextPlace(since1, waiting(0), [NEXT], 9)).toMatchObject({ endsAt: 9 + AWAY_MS });
  });

  test("[Z5] waits for him while he has a ride, and two minutes from its end where that is elsewhere", () => {
    const riding = nextPlace(since1, { kind: "riding" }, ZONES, 100)!;
    expect(riding).toEqual({ ...since1, riding: true, endsAt: 100 + LIMITS.pickupMs });
    expect(nextPlace(riding, { kind: "riding" }, ZONES, 5_000)).toBe(riding);
    expect(nextPlace(riding, waiting(300), ZONES, 6_000)).toEqual(since1);
    expect(nextPlace(riding, waiting(3_000), ZONES, 6_000)).toEqual({ ...since1, endsAt: 6_000 + AWAY_MS });
  });
});

describe("zones as they are deployed", () => {
  const bounds = { south: 40, west: -75, north: 41, east: -73 };
  const other = (change: Partial<Zone>): Zone => ({ ...HOME, name: "other", center: at(5_000), ...change });

  test.each<[string, readonly Zone[], string | null]>([
    ["that are apart", [HOME, NEXT, other({})], null],
    ["that touch", [HOME, other({ center: at(1_000.01) })], null],
    ["one over another", [HOME, other({ center: at(999) })], "zone other overlaps home"],
    ["two of one name", [HOME, other({ name: "home" })], "there are two zones home"],
    [
      "one at the border",
      [other({ center: { lat: 40.003, lng: -74 } })],
      "zone other reaches beyond the market's bounds",
    ],
  ])("[Z1] %s: %s", (_, zones, refusal) => {
    expect(refusalOfZones(zones, bounds)).toBe(refusal);
  });
});

test("[Z1] those of the repository's markets are their airports, and a centre is written as bounds are", () => {
  const { marketAt } = readConfiguration();
  const [newYork, sanFrancisco] = [marketAt({ lat: 40.75, lng: -73.98 }), marketAt({ lat: 37.77, lng: -122.42 })];
  expect(zoneAt(newYork.zones, { lat: 40.6413, lng: -73.7781 })?.name).toBe("JFK");
  expect(zoneAt(newYork.zones, { lat: 40.7769, lng: -73.874 })?.name).toBe("LaGuardia");
  expect(zoneAt(newYork.zones, { lat: 40.6895, lng: -74.1745 })?.name).toBe("Newark");
  expect(zoneAt(sanFrancisco.zones, { lat: 37.6159, lng: -122.3895 })?.name).toBe("SFO");
  expect(newYork.dispatch.queueZones).toBe(false);
});

/** What a queue owes its drivers, kept by hand from what people do and are told; it knows nothing of the shard's own places. */
class Books {
  readonly drivers = new Map<DriverId, Person>();
  readonly refusedBy = new Map<RideId, Set<DriverId>>();
  /** As it was when drivers were last looked for. */
  readonly found = new Map<RideId, Person[]>();
  /** Offers that went by the queue's order. */
  inTurn = 0;

  /** Who may be asked for this ride, in their turn. */
  order(rideId: RideId): Person[] {
    const may = [...this.drivers.values()].filter((one) => {
      return one.since !== null && one.does === "waits" && !this.refusedBy.get(rideId)?.has(one.id);
    });
    return may.sort((a, b) => a.since! - b.since! || (a.id < b.id ? -1 : 1));
  }
}

interface Person {
  readonly id: DriverId;
  meters: number;
  does: "waits" | "is asked" | "drives" | "rests" | "is gone";
  since: number | null;
  outSince: number | null;
}

/** Near enough to each other that no move is too fast to be believed. */
const [INSIDE, EDGE, OUTSIDE] = [400, 550, 700];
const STEP_MS = 5_000;

class QueueKit extends ShardKit {
  readonly books = new Books();
  rides = 0;

  /** Small circles: while neighbours are asked the queue may move on. */
  constructor(kind: "broadcast" | "batched") {
    const near = { startRadiusMeters: 1_500, maximumRadiusMeters: 1_500 };
    super({ ...near, kind, waveSize: 3, queueZones: true }, {}, [HOME]);
  }

  override say(...args: Parameters<ShardKit["say"]>) {
    const effects = super.say(...args);
    for (const effect of effects) {
      if (effect.type === "rank") this.books.found.set(effect.rideId, this.books.order(effect.rideId));
      if (effect.type === "save.offer" && effect.offer.state === "intent") this.#checked(effect.offer);
      if (effect.type !== "tell") continue;
      const { driverId: id, notice } = effect;
      const person = this.books.drivers.get(id);
      if (person === undefined) continue;
      if (notice.type === "offer.closed") {
        const passed = notice.reason === "declined" || notice.reason === "expired";
        if (passed) this.#refuses(id, notice.offerId);
        if (passed && person.since !== null) person.since = this.now;
        if (person.does === "is asked") this.#free(person);
      }
      if (notice.type === "trip.changed") this.#free(person);
      if (notice.type === "trip.verdict") {
        person.since = null;
        if (notice.step === "cancel") this.#refuses(id, notice.offerId);
        if (notice.step !== "start") this.#free(person);
      }
    }
    return effects;
  }

  #checked({ rideId, driverId: id }: { readonly rideId: RideId; readonly driverId: DriverId }): void {
    const found = this.books.found.get(rideId)!;
    if (found.length > 0) {
      const refused = this.books.refusedBy.get(rideId);
      expect(id).toBe(found.find((one) => one.does === "waits" && !refused?.has(one.id))!.id);
      this.books.inTurn++;
    }
    const person = this.books.drivers.get(id)!;
    if (person.does === "waits") person.does = "is asked";
  }

  #refuses(id: DriverId, offerId: OfferId): void {
    const ride = offerId.slice(0, offerId.lastIndexOf("#")) as RideId;
    this.books.refusedBy.set(ride, new Set(this.books.refusedBy.get(ride)).add(id));
  }

  #free(person: Person): void {
    person.does = "waits";
    this.#look(person);
  }

  /** Enters where he is, or has been outside too long. */
  #look(person: Person): void {
    if (person.does === "drives" || person.does === "is gone") return;
    const isThere = person.meters <= EDGE && person.since !== null;
    if (!isThere && person.outSince === null) person.outSince = this.now;
    if (person.outSince !== null && this.now - person.outSince >= AWAY_MS) person.since = null;
    if (person.meters <= EDGE) person.outSince = null;
    if (person.meters <= INSIDE && person.does === "waits") person.since ??= this.now;
  }

  act(name: string, deed: Deed): void {
    const id = driverId(name);
    const person = this.books.drivers.get(id);
    if (person === undefined) return;
    const gone = person.does === "is gone";
    const offer = [...this.rows.offers.values()].find((one) => one.driverId === id && one.state === "offered");
    const won = [...this.rows.offers.values()].find((one) => one.driverId === id && one.state === "won");
    if (deed === "in" || deed === "edge" || deed === "out") {
      person.meters = { in: INSIDE, edge: EDGE, out: OUTSIDE }[deed];
      if (!gone) this.#fix(name, person);
    } else if (deed === "leave" && person.does === "waits") {
      person.does = "is gone";
      person.outSince ??= this.now;
      this.say({ type: "driver.detached", driverId: id, epoch: this.epochOf(name) });
    } else if (deed === "come" && gone) {
      person.does = "waits";
      this.attach(name);
      this.#fix(name, person);
    } else if (deed === "pause" && person.does === "waits") {
      Object.assign(person, { does: "rests", since: null, outSince: null });
      this.say({ type: "driver.available", driverId: id, epoch: this.epochOf(name), available: false });
    } else if (deed === "pause" && person.does === "rests") {
      this.#free(person);
      this.say({ type: "driver.available", driverId: id, epoch: this.epochOf(name), available: true });
    } else if (deed === "decline" && offer) this.say({ type: "offer.declined", ...this.from(name, offer.id) });
    else if (deed === "accept" && offer) {
      person.does = "drives";
      this.accept(name, offer.id);
    } else if (deed === "give back" && won) this.step(name, "cancel", won.id);
    else if (deed === "drive" && won) {
      this.step(name, "start", won.id);
      this.step(name, "complete", won.id);
    } else if (deed === "rider cancels" && won) {
      const { riderId, id: rideId } = this.rows.rides.get(won.rideId)!;
      person.outSince = null;
      this.say({ type: "ride.cancelled", rideId, riderId });
    }
  }

  #fix(name: string, person: Person): void {
    this.#look(person);
    this.locate(name, at(person.meters));
  }

  /** Everybody says where he is, so that nobody is lost sight of. */
  pass(): void {
    this.wait(STEP_MS);
    for (const person of this.books.drivers.values()) if (person.does !== "is gone") this.#fix(person.id, person);
  }
}

const DEEDS = [
  "in",
  "edge",
  "out",
  "leave",
  "come",
  "pause",
  "decline",
  "accept",
  "give back",
  "drive",
  "rider cancels",
] as const;
type Deed = (typeof DEEDS)[number];

describe("a queue", () => {
  const NAMES = ["ann", "bob", "cat", "dan"];
  const Happening = fc.oneof(
    { weight: 5, arbitrary: fc.record({ name: fc.constantFrom(...NAMES), deed: fc.constantFrom(...DEEDS) }) },
    { weight: 2, arbitrary: fc.constant("request" as const) },
    { weight: 3, arbitrary: fc.constant("pass" as const) },
  );

  test("[Z3] asks whoever has waited longest of those who may be asked, whatever people did before", () => {
    let inTurn = 0;
    fc.assert(
      fc.property(
        fc.constantFrom("broadcast", "batched"),
        fc.array(Happening, { minLength: 20, maxLength: 80 }),
        (kind, history) => {
          const kit = new QueueKit(kind);
          for (const name of NAMES) {
            const person = { id: driverId(name), meters: OUTSIDE, does: "waits", since: null, outSince: null } as const;
            kit.books.drivers.set(person.id, { ...person });
            kit.driver(name, OUTSIDE);
          }
          for (const happening of history) {
            if (happening === "request") kit.request(`rider-${kit.rides++}`);
            else if (happening === "pass") kit.pass();
            else kit.act(happening.name, happening.deed);
          }
          inTurn += kit.books.inTurn;
        },
      ),
      { numRuns: 200 },
    );
    expect(inTurn).toBeGreaterThan(200);
  });
});
