/**
 * One shard with its drivers in supply, in this process: the real core and runtime, a storage that keeps nothing, and an
 * outside whose answers are given by hand, so that every step between a request and its offers can be timed by itself.
 */
import type { Random } from "../sim/random.ts";
import type { DriverId, VehicleType } from "../src/domain/driver.ts";
import { NEW_DRIVER_STATS } from "../src/domain/driver.ts";
import type { Market } from "../src/domain/market.ts";
import type { LatLng } from "../src/domain/place.ts";
import type { RideId, RideRequest, RiderId } from "../src/domain/ride.ts";
import type { CommandOf, Message } from "../src/matching/commands.ts";
import { cellOfShard, newRideId, shardAt } from "../src/routing/shard-map.ts";
import { ShardRuntime } from "../src/shard/shard-runtime.ts";
import { destinationPoint } from "../src/spatial/distance.ts";
import { centerOf } from "../src/spatial/geohash.ts";

const SHARD_BITS = 25;
/** Drivers and riders of one cell: well inside its borders, so that no neighbour is asked. */
const SPREAD_METERS = 1_500;
const START_MS = Date.UTC(2014, 3, 1, 17);

const MARKET: Market = {
  name: "bench",
  zones: [],
  utcOffsetMinutes: -240,
  citySpeedMetersPerSecond: 3.4,
  tariff: {
    currency: "USD",
    baseCents: 255,
    perKilometerCents: 109,
    perMinuteCents: 35,
    minimumCents: 700,
    surgeMaximum: 1,
  },
  dispatch: {
    kind: "broadcast",
    waveSize: 3,
    batchWindowMs: 2_000,
    fairnessSeconds: 0,
    fairnessAfterMs: 600_000,
    lookAheadSeconds: 0,
    destinationShare: 0,
    hintEveryMs: 0,
    forwardSeconds: 0,
    queueZones: false,
    replanning: false,
    scheduledRides: false,
    offerTtlMs: 15_000,
    matchDeadlineMs: 120_000,
    startRadiusMeters: 3_000,
    radiusStepMeters: 1_500,
    maximumRadiusMeters: 9_000,
    searchEveryMs: 1_500,
    noShowMs: 300_000,
    pickupWatchMs: 300_000,
    tripWatchMs: 21_600_000,
  },
};

export type Said<T extends Message["type"]> = Extract<Message, { type: T }>;

export interface DecisionWorld {
  readonly runtime: ShardRuntime;
  readonly drivers: readonly DriverId[];
  /** What the core has said since this was last asked. */
  heard(): Message[];
  nextRequest(): CommandOf<"ride.requested">;
  locate(driverId: DriverId): void;
  /** Cancels a ride and sees it through to its end, so that the next finds the world as this one did. */
  clear(request: CommandOf<"ride.requested">): void;
}

export function createDecisionWorld(driverCount: number, random: Random): DecisionWorld {
  const shard = shardAt({ lat: 40.75, lng: -73.98 }, SHARD_BITS);
  const cell = cellOfShard(shard);
  const centre = centerOf(cell);
  const messages: Message[] = [];
  const eventIds: string[] = [];
  const afterwards: (() => void)[] = [];
  const session = { shard, epoch: 1 };
  let now = START_MS;
  let seq = 0;
  let rides = 0;

  const setting = { name: shard, cell, market: MARKET, topSpeedMetersPerSecond: 70, fixEveryMs: 4_000, clockSpeed: 1 };
  const storage = {
    restore: () => ({ rides: [], offers: [], highestSeq: 0, unarchived: [], places: [], learned: null, market: null }),
    commit: () => {},
    recall: () => null,
    readDecisions: () => [],
    findReply: () => null,
    requestsSince: () => [],
    readEvents: () => [],
    prune: () => false,
    keepLearned: () => {},
  };
  const outside = {
    perform: (message: Message) => void messages.push(message),
    sendEvents(events: readonly { readonly id: string }[], done: (sent: boolean) => void) {
      for (const { id } of events) eventIds.push(id);
      afterwards.push(() => done(true));
    },
    setAlarm: () => {},
  };
  const runtime = new ShardRuntime(setting, storage, outside, () => now);
  runtime.start();

  const anywhere = (): LatLng =>
    destinationPoint(centre, random.next() * 360, SPREAD_METERS * Math.sqrt(random.next()));

  const places = new Map<DriverId, LatLng>();

  /** A new driver appears somewhere; a known one has driven 32 m (8 m/s, a fix every 4 s). */
  function locate(driverId: DriverId): void {
    seq++;
    const last = places.get(driverId);
    const position = last ? destinationPoint(last, random.next() * 360, 32) : anywhere();
    places.set(driverId, position);
    const fix = {
      seq,
      position,
      headingDegrees: random.next() * 360,
      speedMetersPerSecond: random.next() * 12,
      accuracyMeters: 8,
      at: now,
    };
    runtime.submit({ type: "driver.located", driverId, epoch: session.epoch, fixes: [fix] });
  }

  const drivers = Array.from({ length: driverCount }, (_, index): DriverId => {
    const driverId = `driver-${index}` as DriverId;
    runtime.submit({
      type: "driver.attached",
      driverId,
      epoch: session.epoch,
      profile: {
        vehicleType: vehicleType(random),
        seats: 4,
        accessible: false,
        rating: 4 + random.next(),
        payments: ["card", "cash"],
      },
      stats: { ...NEW_DRIVER_STATS, offersSeen: random.int(200), acceptRate: random.next() },
      available: true,
      endsAt: Number.POSITIVE_INFINITY,
      holding: { kind: "none" },
    });
    locate(driverId);
    return driverId;
  });
  messages.length = 0;

  return {
    runtime,
    drivers,
    heard: () => messages.splice(0),
    locate,
    nextRequest() {
      rides++;
      now++;
      const pickup = anywhere();
      const request: RideRequest = {
        pickup,
        dropoff: destinationPoint(pickup, random.next() * 360, 1_000 + random.exponential(3_000)),
        vehicleType: vehicleType(random),
        payment: "card",
        minimumRating: 4.2,
        seats: 1,
        accessible: false,
      };
      const rideId = newRideId(pickup, SHARD_BITS, String(rides).padStart(26, "0")) as RideId;
      const riderId = `rider-${rides}` as RiderId;
      const key = `key-${rides}`;
      const read = { prior: null, recent: [] };
      return { type: "ride.requested", rideId, riderId, request, key, bodyHash: "", quoted: null, ...read };
    },
    clear({ rideId, riderId }) {
      runtime.submit({ type: "ride.cancelled", rideId, riderId });
      for (const message of messages.splice(0)) {
        if (message.type === "release") runtime.submit({ type: "release.acknowledged", offerId: message.offerId });
      }
      for (const run of afterwards.splice(0)) run();
      for (const run of afterwards.splice(0)) run();
      runtime.submit({ type: "events.archived", eventIds: eventIds.splice(0) });
      messages.length = 0;
    },
  };
}

/** 70, 20, 8 and 2 % of fleet and demand. */
function vehicleType(random: Random): VehicleType {
  const draw = random.next();
  if (draw < 0.7) return "economy";
  if (draw < 0.9) return "comfort";
  return draw < 0.98 ? "xl" : "premium";
}
