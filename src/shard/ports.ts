/** What a shard needs of the world. Each port has two implementations: the platform's and the simulator's. */
import type { DriverId } from "../domain/driver.ts";
import type { RideEvent } from "../domain/event.ts";
import type { ConfiguredMarket } from "../domain/market-hours.ts";
import type { Offer, Ride, RideId, RiderId } from "../domain/ride.ts";
import type { EpochMs } from "../domain/time.ts";
import type { Command, Message, PriorReply, Write } from "../matching/commands.ts";
import type { Decision } from "../matching/decision.ts";
import type { LookAheadMemory } from "../matching/look-ahead.ts";
import type { QueuePlace } from "../matching/queue-zones.ts";
import type { TravelTimesMemory } from "../matching/travel-times.ts";

export interface ShardStorage {
  /** Open rides with all their offers, every offer whose release is not acknowledged, and the highest offer seq. */
  restore(): RestoredShard;
  /** All or nothing, durable before anything said after it is heard. Throws when the rows contradict the schema. */
  commit(writes: readonly Write[]): void;
  /** A settled ride and its offers, for a late question; null when it was never here or is past retention. */
  recall(rideId: RideId): RecalledRide | null;
  /** Of one ride, in the order in which they were taken. */
  readDecisions(rideId: RideId): Decision[];
  findReply(riderId: RiderId, key: string): PriorReply | null;
  /** When this rider asked for the rides that were made for him after `since`, oldest first. */
  requestsSince(riderId: RiderId, since: EpochMs): EpochMs[];
  /** Events of one ride with a version above `afterVersion`, in order. */
  readEvents(rideId: RideId, afterVersion: number): RideEvent[];
  /** Deletes what settled before `before` and is archived and released; true while settled rides remain. */
  prune(before: EpochMs): boolean;
  /** In place of what was kept before; losing it loses no promise. */
  keepLearned(learned: Learned): void;
}

/** What a shard knows of its city that it was not told. What an older version did not learn is missing. */
export interface Learned {
  readonly travelTimes: TravelTimesMemory;
  readonly lookAhead?: LookAheadMemory;
}

export interface RecalledRide {
  readonly ride: Ride;
  readonly offers: readonly Offer[];
}

export interface RestoredShard {
  readonly rides: readonly Ride[];
  readonly offers: readonly Offer[];
  readonly highestSeq: number;
  readonly unarchived: readonly RideEvent[];
  readonly places: readonly { readonly driverId: DriverId; readonly place: QueuePlace }[];
  readonly learned: Learned | null;
  /** Null where no version was ever heard of, or it cannot be read any more. */
  readonly market: ConfiguredMarket | null;
}

export interface ShardOutside {
  /** Says it. Where the message has an answer, `submit` is called with it later, never before this returns. */
  perform(message: Message, submit: (command: Command) => void): void;
  /** Hands events on; true once they are in somebody else's care, though not yet archived. */
  sendEvents(events: readonly RideEvent[], done: (sent: boolean) => void): void;
  /** One alarm: the object hears `clock.ticked` at or soon after this moment. */
  setAlarm(at: EpochMs): void;
}
