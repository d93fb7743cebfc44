/**
 * What every client was told, and when: the only witness, besides D1, that the history checker believes. One line of
 * JSON per happening, in the order in which this process saw them.
 */
import { createWriteStream, readFileSync } from "node:fs";
import type { TripStep } from "../../src/domain/notice.ts";
import type { OfferId, RideId, RideState } from "../../src/domain/ride.ts";

/** An operation: said, then its outcome. `info` is an outcome nobody heard; `fail` one that changed nothing. */
export type HistoryRecord = { readonly t: number; readonly who: string } & (
  | { readonly op: "request"; readonly type: "invoke"; readonly key: string }
  | {
      readonly op: "request";
      readonly type: "ok";
      readonly key: string;
      readonly rideId: RideId;
      readonly version: number;
    }
  | { readonly op: "request"; readonly type: "fail" | "info"; readonly key: string; readonly reason: string }
  | { readonly op: "cancel"; readonly type: "invoke"; readonly rideId: RideId }
  | {
      readonly op: "cancel";
      readonly type: "ok";
      readonly rideId: RideId;
      readonly version: number;
      readonly state: RideState;
    }
  | { readonly op: "cancel"; readonly type: "fail" | "info"; readonly rideId: RideId; readonly reason: string }
  | { readonly op: "rate"; readonly type: "invoke"; readonly rideId: RideId }
  | { readonly op: "rate"; readonly type: "ok"; readonly rideId: RideId; readonly version: number }
  | { readonly op: "rate"; readonly type: "fail" | "info"; readonly rideId: RideId; readonly reason: string }
  | { readonly op: "accept" | "decline"; readonly type: "invoke"; readonly offerId: OfferId; readonly rideId: RideId }
  | {
      readonly op: "accept" | "decline";
      readonly type: "ok";
      readonly offerId: OfferId;
      readonly rideId: RideId;
      readonly outcome: "won" | "lost";
      readonly reason?: string;
    }
  | { readonly op: "accept" | "decline"; readonly type: "info"; readonly offerId: OfferId; readonly rideId: RideId }
  | {
      readonly op: "step";
      readonly type: "invoke" | "info";
      readonly step: TripStep;
      readonly offerId: OfferId;
      readonly rideId: RideId;
    }
  | {
      readonly op: "step";
      readonly type: "ok";
      readonly step: TripStep;
      readonly offerId: OfferId;
      readonly rideId: RideId;
      readonly version: number;
      readonly state: RideState;
    }
  | {
      readonly op: "step";
      readonly type: "fail";
      readonly step: TripStep;
      readonly offerId: OfferId;
      readonly rideId: RideId;
      readonly reason: string;
    }
  /** To a driver: this ride is his, in this state; from a welcome or a change. */
  | {
      readonly op: "told";
      readonly type: "engaged";
      readonly offerId: OfferId;
      readonly rideId: RideId;
      readonly version: number;
      readonly state: RideState;
    }
  /** To a driver: what he held is over. */
  | { readonly op: "told"; readonly type: "free"; readonly offerId: OfferId; readonly rideId: RideId }
  | { readonly op: "told"; readonly type: "offer"; readonly offerId: OfferId; readonly rideId: RideId }
  | { readonly op: "told"; readonly type: "closed"; readonly offerId: OfferId; readonly reason: string }
  /** To a rider: how the ride stands. */
  | {
      readonly op: "told";
      readonly type: "ride";
      readonly rideId: RideId;
      readonly version: number;
      readonly state: RideState;
      readonly driverId: string | null;
    }
);

type WithoutStamp<T> = T extends unknown ? Omit<T, "t" | "who"> : never;
export type Happening = WithoutStamp<HistoryRecord>;

export interface HistoryLog {
  write(who: string, happening: Happening): void;
  close(): Promise<void>;
}

/** Appends, so that a city that goes on with an older state keeps its whole history. */
export function openHistoryLog(file: string): HistoryLog {
  const stream = createWriteStream(file, { flags: "a" });
  return {
    write(who, happening) {
      // Where not every ride ended in time, somebody still waits for an answer. What he hears now is judged by nobody.
      if (stream.writableEnded) return;
      stream.write(`${JSON.stringify({ t: Date.now(), who, ...happening })}\n`);
    },
    close: () => new Promise((resolve) => stream.end(() => resolve())),
  };
}

export function readHistoryLog(file: string): HistoryRecord[] {
  return readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as HistoryRecord);
}
