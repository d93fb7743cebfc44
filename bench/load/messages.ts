/** What the benchmark and its load process say to each other. */
import type { Keys } from "./keys.ts";

export interface LoadSetting {
  readonly url: string;
  readonly keys: Keys;
  readonly drivers: number;
  readonly seed: number;
}

export interface Phase {
  readonly seconds: number;
  readonly fixesPerSecond: number;
  readonly ridesPerSecond: number;
  /** Fixes are confirmed by probes and none is sent while too many are not: how many the server can take. */
  readonly saturate: boolean;
}

export interface PhaseResult {
  readonly seconds: number;
  readonly fixesSent: number;
  /** Followed by a probe's answer on the same socket; 0 unless saturating. */
  readonly fixesConfirmed: number;
  readonly ridesAsked: number;
  readonly ridesCompleted: number;
  /** HTTP: sent to answered. */
  readonly requestToAnswerMs: readonly number[];
  /** Sent to the first offer at a driver's socket. */
  readonly requestToOfferMs: readonly number[];
  readonly acceptToWonMs: readonly number[];
  readonly acceptToLostMs: readonly number[];
  /** What went wrong, by kind. */
  readonly errors: Readonly<Record<string, number>>;
  /** Processor time of the load process itself. */
  readonly loadCpuSeconds: number;
}

export type ToLoad =
  | { readonly type: "connect"; readonly setting: LoadSetting }
  | { readonly type: "run"; readonly phase: Phase }
  | { readonly type: "stop" };

export type FromLoad =
  | { readonly type: "connected" }
  | { readonly type: "done"; readonly result: PhaseResult }
  | { readonly type: "failed"; readonly reason: string };
