/**
 * The same flow as Kerb's on Redis: positions in one GEO key per vehicle type, a lock per driver with SET NX, the ride's
 * state in a hash, and a Lua script in which the first accept wins. Drivers are ordered by distance; there is no model.
 * Sockets and timers live in the one Node process, everything two processes would have to agree on lives in Redis.
 */
import { ulid } from "ulidx";
import type { DriverId, DriverProfile } from "../../src/domain/driver.ts";
import type { DriverNotice, DriverRide, TripStep } from "../../src/domain/notice.ts";
import type { LatLng } from "../../src/domain/place.ts";
import type { OfferId, RideId, RideRequest, RideState } from "../../src/domain/ride.ts";
import { newRideId, rideOfOffer } from "../../src/routing/shard-map.ts";
import { haversineMeters } from "../../src/spatial/distance.ts";
import { SHARD_BITS } from "../load/shared.ts";
import type { RedisClient } from "./resp.ts";

const WAVE = 3;
const RADIUS_METERS = 3_000;
const CANDIDATES = 24;
const OFFER_TTL_MS = 15_000;
const CITY_METERS_PER_SECOND = 3.4;
const LOCK_TTL_MS = 25_000;
const RIDE_TTL_SECONDS = 86_400;
/** Silent this long, a driver is no candidate until he reports again. */
const FIX_TTL_MS = 30_000;

export interface PeerDriver {
  readonly driverId: DriverId;
  readonly profile: DriverProfile;
  readonly send: (notice: DriverNotice) => void;
  position: LatLng | null;
  heardAt: number;
  onRide: boolean;
}

interface OpenRide {
  readonly rideId: RideId;
  readonly request: RideRequest;
  readonly fareCents: number;
  /** Who is being asked. */
  readonly asked: Map<DriverId, OfferId>;
  /** Who has been asked already. */
  readonly seen: Set<DriverId>;
  readonly timers: NodeJS.Timeout[];
  offers: number;
}

/** 1 won, 0 lost, -1 no such ride. The winner's lock stays without a time to live until his trip is over. */
const ACCEPT = `
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return -1 end
if redis.call('HGET', KEYS[1], 'offer') == ARGV[1] then return 1 end
if state ~= 'matching' or redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'state', 'assigned', 'offer', ARGV[1], 'driver', ARGV[2])
redis.call('PERSIST', KEYS[2])
redis.call('XADD', 'events', 'MAXLEN', '~', '100000', '*', 'ride', KEYS[1], 'state', 'assigned', 'driver', ARGV[2])
return 1`;
/** Only by whom it was taken: the lock may be somebody else's by now. */
const RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

export class RedisDispatch {
  readonly #redis: RedisClient;
  readonly #accept: string;
  readonly #release: string;
  readonly #drivers = new Map<DriverId, PeerDriver>();
  readonly #rides = new Map<RideId, OpenRide>();

  private constructor(redis: RedisClient, accept: string, release: string) {
    this.#redis = redis;
    this.#accept = accept;
    this.#release = release;
  }

  static async create(redis: RedisClient): Promise<RedisDispatch> {
    const accept = await redis.call("SCRIPT", "LOAD", ACCEPT);
    const release = await redis.call("SCRIPT", "LOAD", RELEASE);
    return new RedisDispatch(redis, String(accept), String(release));
  }

  attach(driver: PeerDriver): void {
    this.#drivers.set(driver.driverId, driver);
  }

  async detach({ driverId, profile }: PeerDriver): Promise<void> {
    this.#drivers.delete(driverId);
    await this.#redis.call("ZREM", geoKey(profile), driverId);
  }

  async locate(driver: PeerDriver, position: LatLng): Promise<void> {
    driver.position = position;
    driver.heardAt = performance.now();
    if (!driver.onRide) await this.#index(driver);
  }

  async sweep(): Promise<void> {
    const silentSince = performance.now() - FIX_TTL_MS;
    const silent = [...this.#drivers.values()].filter((driver) => driver.heardAt < silentSince);
    await Promise.all(silent.map(({ profile, driverId }) => this.#redis.call("ZREM", geoKey(profile), driverId)));
  }

  /** The ride's id; a repeated key gives the id of the first. The search goes on behind the answer. */
  async request(riderId: string, request: RideRequest, key: string): Promise<RideId> {
    const rideId = newRideId(request.pickup, SHARD_BITS, ulid());
    const replyKey = `reply:${riderId}:${key}`;
    const [taken] = await Promise.all([
      this.#redis.call("SET", replyKey, rideId, "NX", "EX", RIDE_TTL_SECONDS),
      this.#redis.call("HSET", rideKey(rideId), "state", "matching", "rider", riderId, "body", JSON.stringify(request)),
      this.#redis.call("EXPIRE", rideKey(rideId), RIDE_TTL_SECONDS),
      this.#event(rideId, "matching"),
    ]);
    if (taken === null) {
      await this.#redis.call("DEL", rideKey(rideId));
      return (await this.#redis.call("GET", replyKey)) as RideId;
    }
    const fareCents = Math.round(255 + haversineMeters(request.pickup, request.dropoff) * 0.25);
    const ride = { rideId, request, fareCents, asked: new Map(), seen: new Set<DriverId>(), timers: [], offers: 0 };
    this.#rides.set(rideId, ride);
    void this.#offer(ride);
    return rideId;
  }

  async accept(driver: PeerDriver, cid: string, offerId: OfferId): Promise<void> {
    const rideId = rideOfOffer(offerId);
    const { driverId } = driver;
    const keys = [rideKey(rideId), lockKey(driverId)];
    const outcome = await this.#redis.call("EVALSHA", this.#accept, 2, ...keys, offerId, driverId);
    const ride = this.#rides.get(rideId);
    if (outcome !== 1 || ride === undefined) {
      const reason = outcome === -1 ? "unknown" : "superseded";
      driver.send({ type: "offer.verdict", cid, offerId, verdict: { outcome: "lost", reason } });
      return;
    }
    driver.onRide = true;
    const verdict = { outcome: "won", ride: driverRide(ride, offerId, "assigned", 2) } as const;
    driver.send({ type: "offer.verdict", cid, offerId, verdict });
    for (const timer of ride.timers) clearTimeout(timer);
    ride.asked.delete(driverId);
    await this.#redis.call("ZREM", geoKey(driver.profile), driverId);
    for (const [other, lost] of ride.asked) await this.#close(other, lost, "superseded");
    ride.asked.clear();
  }

  async decline(driver: PeerDriver, cid: string, offerId: OfferId): Promise<void> {
    const ride = this.#rides.get(rideOfOffer(offerId));
    ride?.asked.delete(driver.driverId);
    await this.#redis.call("EVALSHA", this.#release, 1, lockKey(driver.driverId), offerId);
    driver.send({ type: "offer.verdict", cid, offerId, verdict: { outcome: "lost", reason: "declined" } });
    if (ride !== undefined) await this.#offer(ride);
  }

  async step(driver: PeerDriver, cid: string, offerId: OfferId, step: TripStep): Promise<void> {
    const rideId = rideOfOffer(offerId);
    const ride = this.#rides.get(rideId);
    if (ride === undefined || step === "cancel") {
      driver.send({ type: "trip.verdict", cid, offerId, step, verdict: { outcome: "refused", reason: "unknown" } });
      return;
    }
    const [state, version] = ({ arrive: ["arrived", 3], start: ["on_trip", 4], complete: ["completed", 5] } as const)[
      step
    ];
    await Promise.all([this.#redis.call("HSET", rideKey(rideId), "state", state), this.#event(rideId, state)]);
    const verdict = { outcome: "done", ride: driverRide(ride, offerId, state, version) } as const;
    driver.send({ type: "trip.verdict", cid, offerId, step, verdict });
    if (state !== "completed") return;
    this.#rides.delete(rideId);
    driver.onRide = false;
    await Promise.all([
      this.#redis.call("EVALSHA", this.#release, 1, lockKey(driver.driverId), offerId),
      this.#index(driver),
    ]);
  }

  /** Asks the nearest free drivers until the wave is full. */
  async #offer(ride: OpenRide): Promise<void> {
    const { lat, lng } = ride.request.pickup;
    const key = `drivers:${ride.request.vehicleType}`;
    const circle = ["FROMLONLAT", lng, lat, "BYRADIUS", RADIUS_METERS, "m", "ASC", "COUNT", CANDIDATES] as const;
    const found = (await this.#redis.call("GEOSEARCH", key, ...circle)) as DriverId[];
    const suitable = found.filter((driverId) => this.#suits(driverId, ride));
    while (ride.asked.size < WAVE && suitable.length > 0) {
      const next = suitable.splice(0, WAVE - ride.asked.size);
      await Promise.all(next.map((driverId) => this.#ask(ride, driverId)));
    }
  }

  #suits(driverId: DriverId, { request, seen }: OpenRide): boolean {
    const driver = this.#drivers.get(driverId);
    if (driver === undefined || driver.onRide || seen.has(driverId)) return false;
    const { rating, seats, payments, accessible } = driver.profile;
    const fits = rating >= request.minimumRating && seats >= request.seats && payments.includes(request.payment);
    return fits && (accessible || !request.accessible);
  }

  async #ask(ride: OpenRide, driverId: DriverId): Promise<void> {
    const offerId = `${ride.rideId}#${++ride.offers}` as OfferId;
    const locked = await this.#redis.call("SET", lockKey(driverId), offerId, "NX", "PX", LOCK_TTL_MS);
    const driver = this.#drivers.get(driverId);
    if (locked === null || driver === undefined) return;
    ride.asked.set(driverId, offerId);
    ride.seen.add(driverId);
    const { pickup, dropoff, vehicleType } = ride.request;
    const pickupMeters = driver.position === null ? 0 : Math.round(haversineMeters(driver.position, pickup));
    driver.send({
      type: "offer",
      offerId,
      rideId: ride.rideId,
      pickup,
      dropoff,
      pickupMeters,
      pickupSeconds: Math.round(pickupMeters / CITY_METERS_PER_SECOND),
      tripMeters: Math.round(haversineMeters(pickup, dropoff)),
      fareCents: ride.fareCents,
      currency: "USD",
      vehicleType,
      ttlMs: OFFER_TTL_MS,
    });
    ride.timers.push(setTimeout(() => void this.#expire(ride, driverId, offerId), OFFER_TTL_MS));
  }

  async #expire(ride: OpenRide, driverId: DriverId, offerId: OfferId): Promise<void> {
    if (!ride.asked.delete(driverId)) return;
    await this.#close(driverId, offerId, "expired");
    await this.#offer(ride);
  }

  async #close(driverId: DriverId, offerId: OfferId, reason: "superseded" | "expired"): Promise<void> {
    this.#drivers.get(driverId)?.send({ type: "offer.closed", offerId, reason });
    await this.#redis.call("EVALSHA", this.#release, 1, lockKey(driverId), offerId);
  }

  async #index({ driverId, profile, position }: PeerDriver): Promise<void> {
    if (position !== null) await this.#redis.call("GEOADD", geoKey(profile), position.lng, position.lat, driverId);
  }

  #event(rideId: RideId, state: RideState): Promise<unknown> {
    return this.#redis.call("XADD", "events", "MAXLEN", "~", "100000", "*", "ride", rideId, "state", state);
  }
}

const rideKey = (rideId: RideId): string => `ride:${rideId}`;
const lockKey = (driverId: DriverId): string => `lock:${driverId}`;
const geoKey = ({ vehicleType }: DriverProfile): string => `drivers:${vehicleType}`;

function driverRide(ride: OpenRide, offerId: OfferId, state: RideState, version: number): DriverRide {
  const { rideId, request, fareCents } = ride;
  const { pickup, dropoff } = request;
  return { offerId, rideId, state, version, pickup, dropoff, fareCents, currency: "USD" };
}
