/** From when to when a ride had a driver: once as the clients know it, once as D1 does. */
import type { RideEvent } from "../../src/domain/event.ts";
import { isEngaged } from "../../src/domain/ride.ts";
import type { HistoryRecord } from "./history-log.ts";

export interface Engagement {
  readonly driverId: string;
  readonly rideId: string;
  readonly offerId: string;
  readonly from: number;
  /** Infinity while it lasts. */
  readonly until: number;
}

/**
 * From the moment the driver heard that the ride is his to the earliest moment at which it may have ended: when
 * somebody *said* a word that ends it, or D1 says it ended. Shorter than the truth, so an overlap is never an accident
 * of the messages' travel time.
 */
export function engagementsHeard(records: readonly HistoryRecord[], events: readonly RideEvent[]): Engagement[] {
  const ends = new Map<string, number>();
  const end = (key: string, at: number): void =>
    void ends.set(key, Math.min(at, ends.get(key) ?? Number.POSITIVE_INFINITY));
  for (const record of records) {
    if (record.op === "step" && record.type === "invoke" && (record.step === "complete" || record.step === "cancel")) {
      end(record.offerId, record.t);
    }
    if (record.op === "told" && record.type === "free") end(record.offerId, record.t);
    if (record.op === "cancel" && record.type === "invoke") end(record.rideId, record.t);
  }
  for (const { offerId, until } of engagementsKept(events)) if (Number.isFinite(until)) end(offerId, until);

  const begins = new Map<string, Engagement>();
  for (const record of records) {
    const won = record.op === "accept" && record.type === "ok" && record.outcome === "won";
    const told = record.op === "told" && record.type === "engaged";
    if (!(won || told) || begins.has(record.offerId)) continue;
    const until = Math.min(
      ends.get(record.offerId) ?? Number.POSITIVE_INFINITY,
      ends.get(record.rideId) ?? Number.POSITIVE_INFINITY,
    );
    const { who: driverId, rideId, offerId, t: from } = record;
    begins.set(offerId, { driverId, rideId, offerId, from, until });
  }
  return [...begins.values()].filter(({ from, until }) => from < until);
}

/** By the events' own times, which the shards gave them. */
export function engagementsKept(events: readonly RideEvent[]): Engagement[] {
  const engagements: Engagement[] = [];
  for (const ofRide of Map.groupBy(events, ({ rideId }) => rideId).values()) {
    let current: Engagement | null = null;
    for (const { ride, at } of [...ofRide].sort((a, b) => a.version - b.version)) {
      const offerId = isEngaged(ride) ? ride.offerId : null;
      if (current && current.offerId !== offerId) {
        engagements.push({ ...current, until: at });
        current = null;
      }
      if (!current && isEngaged(ride)) {
        current = {
          driverId: ride.driverId,
          rideId: ride.id,
          offerId: ride.offerId,
          from: at,
          until: Number.POSITIVE_INFINITY,
        };
      }
    }
    if (current) engagements.push(current);
  }
  return engagements;
}

/**
 * Offers that nobody was asked about, each with the one that its driver had until that moment: drivers on their way who
 * swapped rides. Told by the events: whoever has a ride from another at the moment at which his own went to a third.
 */
export function swapsKept(events: readonly RideEvent[]): ReadonlyMap<string, string> {
  const rideOfVersion = new Map(events.map(({ id, ride }) => [id, ride]));
  const left = new Map<string, string>();
  const exchanged = events.filter(({ type }) => type === "ride.exchanged");
  for (const { rideId, version, at } of exchanged) {
    const before = rideOfVersion.get(`${rideId}:${version - 1}`);
    if (before && isEngaged(before)) left.set(`${before.driverId} ${at}`, before.offerId);
  }
  return new Map(
    exchanged.flatMap(({ ride, at }) => {
      const had = isEngaged(ride) ? left.get(`${ride.driverId} ${at}`) : undefined;
      return isEngaged(ride) && had !== undefined ? [[ride.offerId, had]] : [];
    }),
  );
}

/** Pairs that share `same`, differ in `other`, and were on at the same time. */
export function overlaps(
  engagements: readonly Engagement[],
  same: "rideId" | "driverId",
  other: "rideId" | "driverId",
): [Engagement, Engagement][] {
  const pairs: [Engagement, Engagement][] = [];
  for (const group of Map.groupBy(engagements, (engagement) => engagement[same]).values()) {
    const inOrder = group.sort((a, b) => a.from - b.from);
    let longest: Engagement | null = null;
    for (const engagement of inOrder) {
      if (longest && longest[other] !== engagement[other] && engagement.from < longest.until) {
        pairs.push([longest, engagement]);
      }
      if (!longest || engagement.until > longest.until) longest = engagement;
    }
  }
  return pairs;
}
