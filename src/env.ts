/** Bindings, and configuration parsed once into a typed record with units. */
import * as z from "zod";
import type { RideEvent } from "./domain/event.ts";
import type { Market } from "./domain/market.ts";
import type { LatLng, ShardName } from "./domain/place.ts";
import type { OfferId, RideId } from "./domain/ride.ts";
import { type MarketArea, Markets } from "./protocol/market.ts";
import type {
  DispatchShardApi,
  DriverLockApi,
  MarketControlApi,
  OpsFeedApi,
  RolloutControlApi,
} from "./protocol/peer.ts";
import { centerOfShard, shardOfRide } from "./routing/shard-map.ts";
import { refusalOfZones } from "./routing/zone-bounds.ts";

type Branded<T> = T & Rpc.DurableObjectBranded;

export interface Env {
  readonly DISPATCH_SHARD: DurableObjectNamespace<Branded<DispatchShardApi>>;
  readonly DRIVER_LOCK: DurableObjectNamespace<Branded<DriverLockApi>>;
  readonly ROLLOUT_CONTROL: DurableObjectNamespace<Branded<RolloutControlApi>>;
  readonly MARKET_CONTROL: DurableObjectNamespace<Branded<MarketControlApi>>;
  readonly OPS_FEED: DurableObjectNamespace<Branded<OpsFeedApi>>;
  readonly HISTORY: D1Database;
  readonly MODELS: R2Bucket;
  readonly RIDE_EVENTS: Queue<RideEvent>;
  readonly ENVIRONMENT: string;
  readonly SHARD_BITS: string;
  readonly TOP_SPEED_METERS_PER_SECOND: string;
  readonly FIX_EVERY_MS: string;
  /** Set by a simulated city that lives faster than the clock. */
  readonly CLOCK_SPEED?: string;
  readonly MARKETS: string;
  /** Public keys (JWKS JSON) that sign riders', drivers' and operators' tokens. */
  readonly AUTH_JWKS: string;
  /** HMAC key of the one-time socket tickets, at least 32 characters. */
  readonly TICKET_SECRET: string;
  /** Origins, separated by spaces, whose pages may call us besides our own; none when it is not set. */
  readonly ALLOWED_ORIGINS?: string;
  /** Of a road network's router, up to and with its profile: `https://router.example/table/v1/driving`. None when empty. */
  readonly ROUTER_URL?: string;
  /** Private JWK of the development issuer. Never set in production, where the parser refuses to start with it. */
  readonly DEV_ISSUER_JWK?: string;
}

export interface Config {
  readonly environment: "development" | "production";
  /** Precision of a shard's cell, in geohash bits. */
  readonly shardBits: number;
  /** Faster than this is not driving: the jump is held until confirmed. */
  readonly topSpeedMetersPerSecond: number;
  /** Cadence at which drivers are asked to send their position. */
  readonly fixEveryMs: number;
  /** Seconds that cars live through in one of the clock's. */
  readonly clockSpeed: number;
  readonly markets: readonly MarketArea[];
  readonly authJwks: { readonly keys: readonly Readonly<Record<string, unknown>>[] };
  readonly ticketSecret: Uint8Array;
  readonly allowedOrigins: ReadonlySet<string>;
  readonly routerUrl: string | null;
  readonly devIssuerJwk: Readonly<Record<string, unknown>> | null;
}

const jsonText = z.string().transform((text, context) => {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    context.addIssue({ code: "custom", message: "is not JSON" });
    return z.NEVER;
  }
});

/** As a browser says it: scheme, host and port, without a path. `null`, a sandboxed page, is nobody's origin. */
const Origin = z.string().refine((text) => URL.canParse(text) && new URL(text).origin === text, "is not an origin");

/** The question is put behind it, so it ends with the profile. */
const isRouterUrl = (text: string) => URL.canParse(text) && /^https?:[^?#]*[^/?#]$/.test(text);

const Variables = z
  .object({
    ENVIRONMENT: z.enum(["development", "production"]),
    SHARD_BITS: z.coerce.number().int().min(10).max(40),
    TOP_SPEED_METERS_PER_SECOND: z.coerce.number().min(10).max(100_000),
    FIX_EVERY_MS: z.coerce.number().int().min(200).max(10_000),
    CLOCK_SPEED: z.coerce.number().min(0.1).max(60).default(1),
    MARKETS: jsonText.pipe(Markets).superRefine((areas, context) => {
      for (const [at, area] of areas.entries()) {
        const message = refusalOfZones(area.market.zones, area);
        if (message !== null) context.addIssue({ code: "custom", path: [at, "zones"], message });
      }
    }),
    AUTH_JWKS: jsonText.pipe(z.object({ keys: z.array(z.record(z.string(), z.unknown())).min(1) })),
    TICKET_SECRET: z.string().min(32),
    ALLOWED_ORIGINS: z
      .string()
      .default("")
      .transform((text) => text.split(" ").filter((origin) => origin !== ""))
      .pipe(z.array(Origin).max(100)),
    ROUTER_URL: z
      .string()
      .default("")
      .refine((text) => text === "" || isRouterUrl(text), "is not like https://router.example/table/v1/driving"),
    DEV_ISSUER_JWK: jsonText.pipe(z.record(z.string(), z.unknown())).optional(),
  })
  .refine((v) => v.ENVIRONMENT !== "production" || v.DEV_ISSUER_JWK === undefined, {
    path: ["DEV_ISSUER_JWK"],
    message: "a private signing key must not exist in production; remove the secret",
  })
  .refine((v) => v.AUTH_JWKS.keys.every((key) => !("d" in key)), {
    path: ["AUTH_JWKS"],
    message: "holds a private key; put only public keys here",
  });

const parsed = new WeakMap<object, Config>();

/** Parses the variables of this environment, once per isolate. Throws with every field that is wrong and why. */
export function configOf(env: Env): Config {
  const known = parsed.get(env);
  if (known) return known;
  const result = Variables.safeParse(env);
  if (!result.success) {
    const reasons = result.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
    throw new Error(`configuration refused: ${reasons.join("; ")}`);
  }
  const v = result.data;
  const config: Config = {
    environment: v.ENVIRONMENT,
    shardBits: v.SHARD_BITS,
    topSpeedMetersPerSecond: v.TOP_SPEED_METERS_PER_SECOND,
    fixEveryMs: v.FIX_EVERY_MS,
    clockSpeed: v.CLOCK_SPEED,
    markets: v.MARKETS,
    authJwks: v.AUTH_JWKS,
    ticketSecret: new TextEncoder().encode(v.TICKET_SECRET),
    allowedOrigins: new Set(v.ALLOWED_ORIGINS),
    routerUrl: v.ROUTER_URL === "" ? null : v.ROUTER_URL,
    devIssuerJwk: v.DEV_ISSUER_JWK ?? null,
  };
  parsed.set(env, config);
  return config;
}

/** The market that serves a point; null where no market does. */
export function marketAt(config: Config, { lat, lng }: LatLng): Market | null {
  const area = config.markets.find((m) => lat >= m.south && lat <= m.north && lng >= m.west && lng <= m.east);
  return area?.market ?? null;
}

/** The shard of a ride or an offer. Null for an id that no shard can have given: it must not bring an object into being. */
export function shardServing(config: Config, id: RideId | OfferId): ShardName | null {
  const shard = shardOfRide(id, config.shardBits);
  return shard !== null && marketAt(config, centerOfShard(shard)) !== null ? shard : null;
}
