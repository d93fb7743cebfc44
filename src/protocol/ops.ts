/** Operators' HTTP: rollout, health, and the error body that every route shares. */
import * as z from "zod";
import { DISPATCH_KINDS } from "../domain/market.ts";
import type { Watched as WatchedName } from "../matching/reconcile.ts";
import {
  DriverIdField,
  OfferIdField,
  ProfileField,
  pinned,
  RideIdField,
  RideStateField,
  type Same,
  ShardNameField,
  SubjectText,
  WholeField,
} from "./fields.ts";

/** RFC 9457. `errors` names the fields; `rideId` is the ride that stands in the way of a new one. */
export const ProblemBody = z
  .strictObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string().optional(),
    errors: z.array(z.strictObject({ field: z.string(), message: z.string() })).optional(),
    rideId: z.string().optional(),
    retryAfterMs: WholeField.optional(),
  })
  .meta({ id: "Problem" });
export type ProblemBody = z.infer<typeof ProblemBody>;

const ChampionBody = z
  .strictObject({ digest: z.string(), version: z.string(), epoch: WholeField })
  .meta({ id: "Champion" });

export const RolloutBody = z
  .strictObject({
    champion: ChampionBody,
    audit: z.array(z.strictObject({ at: WholeField, by: z.string(), champion: ChampionBody })),
  })
  .meta({ id: "Rollout" });

/** A model's name in the store, or one of the two that need no store. */
const ModelDigest = z.string().regex(/^(?:[0-9a-f]{64}|builtin|heuristic)$/);
const ModelVersion = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9.@+_-]{0,63}$/);

export function isModelDigest(text: string): boolean {
  return ModelDigest.safeParse(text).success;
}

export function isModelVersion(text: string): boolean {
  return ModelVersion.safeParse(text).success;
}

export const PromoteBody = z
  .strictObject({
    digest: ModelDigest,
    version: ModelVersion,
    /** The epoch the caller saw; refused when somebody else was faster. */
    epoch: WholeField,
  })
  .meta({ id: "Promotion" });

/** The promises that are watched while the city runs, by their names in docs/SPEC.md. */
export const Watched = z.enum(["S1", "S2", "S3", "S7", "L1"]);
pinned<Same<z.infer<typeof Watched>, WatchedName>>();

export const ReconcileQuery = z.strictObject({ shard: ShardNameField });

export const ReconcileReportBody = z
  .strictObject({
    shard: ShardNameField,
    /** Locks that answered, of the drivers whom rides have; a run asks at most 500, the next one goes on. */
    checked: WholeField,
    engaged: WholeField,
    unanswered: WholeField,
    /** Releases said again. */
    released: WholeField,
    violations: z.array(
      z.strictObject({
        name: Watched,
        rideId: RideIdField,
        offerId: OfferIdField.nullable(),
      }),
    ),
    /** Settled rides here and in history; those that history has lost, and how many of their events were sent again. */
    history: z.strictObject({
      shardCount: WholeField,
      historyCount: WholeField,
      missing: WholeField,
      resent: WholeField,
    }),
  })
  .meta({ id: "Reconciliation" });
export type ReconcileReport = z.infer<typeof ReconcileReportBody>;

const DecisionBody = z.strictObject({
  /** In plain words, here and below; the codes beside it are for programs. */
  why: z.string(),
  at: WholeField,
  attempt: WholeField,
  wave: WholeField,
  /** The offer of the driver on his way for whom a nearer one was looked for; null where the ride was waiting. */
  instead: OfferIdField.nullable(),
  /** The wait, now or before, for a driver who was about to end his trip; null where the ride was not held back. */
  hold: z
    .strictObject({
      why: z.string(),
      driverId: DriverIdField,
      /** When it began it was expected: the end of his trip, he at the pickup, and else the best who was free. */
      tripSeconds: z.number(),
      pickupSeconds: z.number(),
      freeSeconds: z.number(),
      since: WholeField,
      /** Null while the ride is held; `came`, `other` driver became free as near, or `late`. */
      ended: z.strictObject({ at: WholeField, why: z.enum(["came", "other", "late"]) }).nullable(),
    })
    .nullable(),
  radiusMeters: z.number(),
  /** Whose queue decided, longest waiting first; null where the cost did. */
  zone: z.string().nullable(),
  /** Of the market's configuration, by which it was taken; 0 is as deployed. */
  marketVersion: WholeField,
  policy: z.enum(DISPATCH_KINDS),
  waveSize: WholeField,
  /** A model's version, or `nearest@1`; and why it was not a model's. */
  ranker: z.string(),
  fallback: z.enum(["loading", "deadline", "error", "invalid", "off", "overload"]).nullable(),
  /** Drivers with a socket in the ride's shard, and those of them who were free and had a fresh position. */
  connected: WholeField,
  available: WholeField,
  /** Within the radius and what the ride asked for, neighbours' drivers too. */
  found: WholeField,
  candidates: z.array(
    z.strictObject({
      /** 0 first. */
      rank: WholeField,
      driverId: DriverIdField,
      outcome: z.enum(["offered", "taken", "reserve", "spent"]),
      why: z.string(),
      /** Why he costs what is neither way nor refusals, in words. */
      weighed: z.array(z.string()),
      /**
       * `pickupSeconds`, `refusalSeconds` and `lookAheadSeconds` together, less `fairnessSeconds`; the least comes first,
       * but in a queue.
       */
      costSeconds: z.number(),
      pickupSeconds: z.number(),
      refusalSeconds: z.number(),
      /** Because he had waited long. */
      fairnessSeconds: z.number(),
      /** Because more (above 0) or less is expected of where he is than of where the others are. */
      lookAheadSeconds: z.number(),
      /**
       * What the plan of a window counted besides, when it was decided whom each ride asks first: those who may ask next
       * where he is would wait so much longer without him.
       */
      worthSeconds: z.number(),
      /** In the queue that decided; null where none did. */
      queuedSeconds: z.number().nullable(),
      acceptProbability: z.number().nullable(),
      offer: z
        .strictObject({
          id: OfferIdField,
          state: z.enum(["intent", "offered", "won", "ended", "dead"]),
          reason: z.string().nullable(),
          /** After the decision; 0 where he was asked at once. */
          afterMs: WholeField,
        })
        .nullable(),
      /** What the ranker was given of him, null where unknown. */
      features: z.record(z.string(), z.number().nullable()),
    }),
  ),
  leftOut: z.array(
    z.strictObject({
      driverId: DriverIdField,
      reason: z.enum(["asked", "busy", "declined", "expired", "gave_back", "beyond_limit"]),
      why: z.string(),
    }),
  ),
  /** Left out and not named. */
  leftOutMore: WholeField,
  featureSet: z.string(),
});

export const RideExplanationBody = z
  .strictObject({
    rideId: RideIdField,
    state: RideStateField,
    /** In the order in which they were taken. */
    decisions: z.array(DecisionBody),
  })
  .meta({ id: "RideExplanation" });
export type RideExplanation = z.infer<typeof RideExplanationBody>;

export const RedriveBody = z
  .strictObject({
    /** Events that went to the queue again. */
    sent: WholeField,
    /** Some are left for the next call. */
    more: z.boolean(),
    /** Messages that cannot be read; they stay, with their reasons beside them in the store. */
    unreadable: WholeField,
  })
  .meta({ id: "Redrive" });

const Component = z.strictObject({ ok: z.boolean(), detail: z.string().optional() });
export const HealthBody = z
  .strictObject({ status: z.enum(["ok", "degraded"]), components: z.record(z.string(), Component) })
  .meta({ id: "Health" });

export const DevTokenRequestBody = z
  .discriminatedUnion("role", [
    z.strictObject({ role: z.literal("rider"), sub: SubjectText }),
    z.strictObject({ role: z.literal("driver"), sub: SubjectText, profile: ProfileField }),
    z.strictObject({ role: z.literal("ops"), sub: SubjectText }),
  ])
  .meta({ id: "DevelopmentTokenRequest" });

export const DevTokenBody = z
  .strictObject({ token: z.string(), expiresInMs: WholeField })
  .meta({ id: "DevelopmentToken" });
