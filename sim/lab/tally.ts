/**
 * What became of everybody in one run, seen from outside: rides by their events, drivers by when they came and went. Rides
 * count that were asked for while the demand lasted, whenever they ended; drivers' time counts while it lasted.
 */
import type { DriverId } from "../../src/domain/driver.ts";
import type { RideEvent } from "../../src/domain/event.ts";
import type { Market } from "../../src/domain/market.ts";
import { isTerminal, notBeforePickup, type RideId, type RideState } from "../../src/domain/ride.ts";
import { type EpochMs, HOUR_MS, MINUTE_MS, SECOND_MS } from "../../src/domain/time.ts";
import { cellOf } from "../../src/spatial/geohash.ts";
import { gini, meanOf, quantileOf } from "./statistics.ts";
import { type ZoneFigures, ZoneWaits } from "./zone-waits.ts";

/** A square of about 1.2 km by 0.6 km. */
const CELL_BITS = 30;
/** Who was there for less has no hourly income to speak of. */
const LEAST_ONLINE_MS = 15 * MINUTE_MS;

interface RideRecord {
  /** When he wanted to go: what is waited for counts from then. */
  readonly requestedAt: EpochMs;
  /** By somebody who knew before. */
  readonly planned: boolean;
  readonly cell: string;
  readonly fareCents: number;
  state: RideState;
  version: number;
  assignedAt: EpochMs | null;
  arrivedAt: EpochMs | null;
  driverId: DriverId | null;
}

interface DriverRecord {
  onlineMs: number;
  busyMs: number;
  incomeCents: number;
  onlineSince: EpochMs | null;
  busySince: EpochMs | null;
  /** Without a ride, though online. */
  freeSince: EpochMs;
}

/** Sums that can be added up over runs. */
export interface Group {
  readonly key: string;
  requests: number;
  completed: number;
  pickups: number;
  waitMinutes: number;
  onlineMs: number;
  busyMs: number;
}

export interface RunFigures extends ZoneFigures {
  readonly servedShare: number;
  readonly waitMinutes: number;
  readonly waitMinutesP90: number;
  readonly heldShare: number;
  readonly matchSeconds: number;
  readonly approachMinutes: number;
  readonly unservedShare: number;
  readonly cancelledShare: number;
  readonly offersPerRequest: number;
  readonly acceptedShare: number;
  readonly idleShare: number;
  readonly driverWaitMinutesP90: number;
  readonly wayHomeKilometers: number;
  readonly emptyKilometersPerHour: number;
  readonly hintsPerHour: number;
  readonly incomePerHour: number;
  readonly incomeGini: number;
  readonly plannedServedShare: number;
  readonly unplannedServedShare: number;
  readonly plannedLateMinutes: number;
  readonly plannedLateMinutesP90: number;
  readonly plannedEarlyMinutes: number;
}

export interface RunResult {
  readonly requests: number;
  readonly figures: RunFigures;
  /** Minutes from request to the driver at the kerb, sorted; who was never picked up is not in it. */
  readonly waits: readonly number[];
  /** Per hour online, per driver, sorted. */
  readonly incomes: readonly number[];
  readonly byHour: readonly Group[];
  readonly byCell: readonly Group[];
}

export class Tally {
  readonly zones: ZoneWaits;
  readonly counts = { offers: 0, accepts: 0, declines: 0, refused: 0, hints: 0, held: 0 };
  readonly #from: EpochMs;
  readonly #to: EpochMs;
  readonly #utcOffsetMs: number;
  readonly #rides = new Map<RideId, RideRecord>();
  readonly #drivers = new Map<DriverId, DriverRecord>();
  readonly #hours = new Map<string, Group>();
  /** Minutes from becoming free to the next ride, to going home, or to the demand's end. */
  readonly #driverWaits: number[] = [];
  /** Kilometres from where a shift ended to where its driver lives. */
  readonly #waysHome: number[] = [];
  /** Of all drivers, without a rider. */
  #emptyMeters = 0;
  #open = 0;

  constructor(from: EpochMs, to: EpochMs, { utcOffsetMinutes, zones }: Pick<Market, "utcOffsetMinutes" | "zones">) {
    this.zones = new ZoneWaits(zones, to);
    this.#from = from;
    this.#to = to;
    this.#utcOffsetMs = utcOffsetMinutes * MINUTE_MS;
  }

  /** Rides that are not over yet. */
  get open(): number {
    return this.#open;
  }

  versionOf(rideId: RideId): number {
    return this.#rides.get(rideId)?.version ?? 0;
  }

  online(driverId: DriverId, at: EpochMs): void {
    const known = this.#drivers.get(driverId);
    if (known) Object.assign(known, { onlineSince: at, freeSince: at });
    else {
      const nothing = { onlineMs: 0, busyMs: 0, incomeCents: 0, busySince: null };
      this.#drivers.set(driverId, { ...nothing, onlineSince: at, freeSince: at });
    }
  }

  offline(driverId: DriverId, at: EpochMs): void {
    const driver = this.#drivers.get(driverId)!;
    driver.onlineMs += this.#spend("onlineMs", driver.onlineSince, at);
    driver.onlineSince = null;
    this.#waited(driver, at);
  }

  wentHome(meters: number): void {
    this.#waysHome.push(meters / 1_000);
  }

  droveEmpty(meters: number, at: EpochMs): void {
    if (at <= this.#to) this.#emptyMeters += meters;
  }

  changed(event: RideEvent, planned: boolean): void {
    const { type, rideId, version, at, ride } = event;
    this.zones.changed(event);
    if (version === 1) {
      const { pickup } = ride.request;
      this.#open += 1;
      this.#rides.set(rideId, {
        requestedAt: notBeforePickup(ride.request, at),
        planned,
        cell: cellOf(pickup.lat, pickup.lng, CELL_BITS),
        fareCents: ride.fareCents,
        state: ride.state,
        version,
        assignedAt: null,
        arrivedAt: null,
        driverId: null,
      });
      return;
    }
    const record = this.#rides.get(rideId)!;
    const wasOver = isTerminalState(record.state);
    record.state = ride.state;
    record.version = version;
    if ((type === "ride.assigned" || type === "ride.exchanged") && ride.state === "assigned") {
      if (type === "ride.exchanged") this.#freed(record, at);
      else record.assignedAt = at;
      record.driverId = ride.driverId;
      const driver = this.#drivers.get(ride.driverId)!;
      driver.busySince = at;
      this.#waited(driver, at);
    } else if (type === "ride.arrived") record.arrivedAt = at;
    if (type === "ride.redispatched" || isTerminal(ride)) this.#freed(record, at);
    if (isTerminal(ride) && !wasOver) this.#open -= 1;
    if (ride.state === "completed") this.#drivers.get(ride.driverId)!.incomeCents += ride.fareCents;
  }

  /** Ends the books. Whoever is still online is so until the demand's end. */
  result(): RunResult {
    for (const driver of this.#drivers.values()) {
      if (driver.onlineSince !== null) this.#waited(driver, this.#to);
      driver.onlineMs += this.#spend("onlineMs", driver.onlineSince, this.#to);
      driver.onlineSince = null;
    }
    const rides = [...this.#rides.values()];
    const waits = rides.flatMap(({ requestedAt, arrivedAt }) =>
      arrivedAt === null ? [] : [Math.max(0, arrivedAt - requestedAt) / MINUTE_MS],
    );
    waits.sort((a, b) => a - b);
    const incomes = [...this.#drivers.values()]
      .filter(({ onlineMs }) => onlineMs >= LEAST_ONLINE_MS)
      .map(({ incomeCents, onlineMs }) => incomeCents / 100 / (onlineMs / HOUR_MS))
      .sort((a, b) => a - b);
    const requests = rides.length + this.counts.refused;
    const byHour = this.#grouped(rides, this.#hours, ({ requestedAt }) => this.#hourOf(requestedAt));
    const byCell = this.#grouped(rides, new Map(), ({ cell }) => cell);
    return { requests, figures: this.#figures(rides, waits, incomes), waits, incomes, byHour, byCell };
  }

  #figures(rides: readonly RideRecord[], waits: readonly number[], incomes: readonly number[]): RunFigures {
    const share = (...states: readonly RideState[]) =>
      rides.filter(({ state }) => states.includes(state)).length / (rides.length + this.counts.refused);
    const assigned = rides.filter(({ assignedAt }) => assignedAt !== null);
    const arrived = rides.filter(({ arrivedAt }) => arrivedAt !== null);
    const drivers = [...this.#drivers.values()];
    const onlineMs = drivers.reduce((sum, driver) => sum + driver.onlineMs, 0);
    const busyMs = drivers.reduce((sum, driver) => sum + driver.busyMs, 0);
    return {
      servedShare: share("completed"),
      waitMinutes: meanOf(waits),
      waitMinutesP90: quantileOf(waits, 0.9),
      heldShare: this.counts.held / rides.length,
      matchSeconds: meanOf(assigned.map((ride) => Math.max(0, ride.assignedAt! - ride.requestedAt) / SECOND_MS)),
      approachMinutes: meanOf(arrived.map((ride) => (ride.arrivedAt! - ride.assignedAt!) / MINUTE_MS)),
      unservedShare: share("no_driver"),
      cancelledShare: share("cancelled_by_rider"),
      offersPerRequest: this.counts.offers / rides.length,
      acceptedShare: this.counts.accepts / this.counts.offers,
      idleShare: 1 - busyMs / onlineMs,
      driverWaitMinutesP90: quantileOf(
        this.#driverWaits.toSorted((a, b) => a - b),
        0.9,
      ),
      wayHomeKilometers: meanOf(this.#waysHome),
      emptyKilometersPerHour: this.#emptyMeters / 1_000 / (onlineMs / HOUR_MS),
      hintsPerHour: this.counts.hints / (onlineMs / HOUR_MS),
      incomePerHour: meanOf(incomes),
      incomeGini: gini(incomes),
      ...this.zones.figures(),
      ...this.#figuresOfPlanned(rides),
    };
  }

  /** Those who knew before, whether they could schedule their rides or had to ask when they wanted to go. */
  #figuresOfPlanned(rides: readonly RideRecord[]) {
    const servedOf = (planned: boolean) =>
      meanOf(rides.filter((ride) => ride.planned === planned).map(({ state }) => Number(state === "completed")));
    const apart = rides
      .filter(({ planned }) => planned)
      .flatMap(({ requestedAt, arrivedAt }) => (arrivedAt === null ? [] : [(arrivedAt - requestedAt) / MINUTE_MS]));
    const late = apart.map((minutes) => Math.max(0, minutes)).sort((a, b) => a - b);
    return {
      plannedServedShare: servedOf(true),
      unplannedServedShare: servedOf(false),
      plannedLateMinutes: meanOf(late),
      plannedLateMinutesP90: quantileOf(late, 0.9),
      plannedEarlyMinutes: meanOf(apart.map((minutes) => Math.max(0, -minutes))),
    };
  }

  #waited({ freeSince }: DriverRecord, until: EpochMs): void {
    if (freeSince < until && until <= this.#to) this.#driverWaits.push((until - freeSince) / MINUTE_MS);
  }

  #freed(record: RideRecord, at: EpochMs): void {
    if (record.driverId === null) return;
    const driver = this.#drivers.get(record.driverId)!;
    driver.busyMs += this.#spend("busyMs", driver.busySince, at);
    driver.busySince = null;
    driver.freeSince = at;
    record.driverId = null;
  }

  /** Time between two moments that falls into the demand's, also to the credit of its hours. */
  #spend(what: "onlineMs" | "busyMs", since: EpochMs | null, until: EpochMs): number {
    if (since === null) return 0;
    const [from, to] = [Math.max(since, this.#from), Math.min(until, this.#to)];
    for (let at = from; at < to; ) {
      const next = Math.min(to, (Math.floor(at / HOUR_MS) + 1) * HOUR_MS);
      groupOf(this.#hours, this.#hourOf(at))[what] += next - at;
      at = next;
    }
    return Math.max(0, to - from);
  }

  #grouped(rides: readonly RideRecord[], groups: Map<string, Group>, keyOf: (ride: RideRecord) => string): Group[] {
    for (const ride of rides) {
      const group = groupOf(groups, keyOf(ride));
      group.requests += 1;
      if (ride.state === "completed") group.completed += 1;
      if (ride.arrivedAt === null) continue;
      group.pickups += 1;
      group.waitMinutes += Math.max(0, ride.arrivedAt - ride.requestedAt) / MINUTE_MS;
    }
    return [...groups.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  /** Local day and hour, such as `2014-04-11 17`. */
  #hourOf(at: EpochMs): string {
    return new Date(at + this.#utcOffsetMs).toISOString().slice(0, 13).replace("T", " ");
  }
}

function groupOf(groups: Map<string, Group>, key: string): Group {
  let group = groups.get(key);
  if (group === undefined) {
    group = { key, requests: 0, completed: 0, pickups: 0, waitMinutes: 0, onlineMs: 0, busyMs: 0 };
    groups.set(key, group);
  }
  return group;
}

function isTerminalState(state: RideState): boolean {
  return !["scheduled", "matching", "assigned", "arrived", "on_trip"].includes(state);
}
