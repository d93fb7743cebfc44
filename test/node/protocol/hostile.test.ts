/**
 * Every schema that reads what somebody else wrote, under one set of attacks: anything at all, a field too many at any
 * depth, a field missing, a value of another kind. None may throw, and none may take in what it was not asked for.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type * as z from "zod";
import { decodeDriverUp, MAX_FRAME } from "../../../src/protocol/driver.ts";
import { readRide, readRideEvent } from "../../../src/protocol/event.ts";
import { ProfileField } from "../../../src/protocol/fields.ts";
import { readSession, readSubject } from "../../../src/protocol/internal-headers.ts";
import { encodeLocationFrame } from "../../../src/protocol/location-frame.ts";
import { DryRunBody, MarketConfigurationBody } from "../../../src/protocol/market-configuration.ts";
import { DevTokenRequestBody, PromoteBody } from "../../../src/protocol/ops.ts";
import { RatingBody, RidePageQuery, RideRequestBody, TicketRequestBody } from "../../../src/protocol/rider.ts";

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
interface Door {
  /** Whether the door takes it in. */
  readonly takes: (value: unknown) => boolean;
  readonly sample: Json;
  /** Fields that may be left out. */
  readonly optional?: readonly string[];
}

const rideId = "dr5ru.01J9Z3NDEKTSV4RRFFQ69G5FAV";
const offerId = `${rideId}#17`;
const place = { lat: 40.7, lng: -74 };
const profile = { vehicleType: "xl", seats: 6, accessible: true, rating: 4.7, payments: ["card"] };
const wish = { pickup: place, dropoff: place, vehicleType: "xl", payment: "cash", minimumRating: 4.5, seats: 2 };
const fix = { seq: 7, ...place, headingDegrees: 90, speedMetersPerSecond: 8.5, accuracyMeters: 5, ageMs: 120 };
const ride = {
  id: rideId,
  version: 2,
  riderId: "rita",
  request: { ...wish, accessible: false },
  tripMeters: 13_900.5,
  fareCents: 3_100,
  redispatches: 0,
  createdAt: 1_790_000_000_000,
  ratings: { driver: 5 },
  driverId: "ann",
  offerId,
  assignedAt: 1_790_000_010_000,
  state: "assigned",
};

const schema = (of: z.ZodType) => (value: unknown) => of.safeParse(value).success;
const frame = (value: unknown) => decodeDriverUp(textOf(value)).ok;
/** As it would travel: what JSON has no word for becomes null. */
const textOf = (value: unknown) => JSON.stringify(value) ?? "undefined";
const header = (name: string, read: (headers: Headers) => unknown) => (value: unknown) =>
  read(new Headers({ [name]: textOf(value).replaceAll(/[^\x20-\x7e]/g, "?") })) !== null;

const DOORS: Readonly<Record<string, Door>> = {
  "a request for a ride": {
    takes: schema(RideRequestBody),
    sample: { ...wish, accessible: true },
    optional: ["vehicleType", "payment", "minimumRating", "seats", "accessible"],
  },
  "a rating": { takes: schema(RatingBody), sample: { stars: 5 } },
  "a request for a ticket": { takes: schema(TicketRequestBody), sample: place },
  "a promotion": { takes: schema(PromoteBody), sample: { digest: "builtin", version: "v1", epoch: 3 } },
  "a market's configuration": {
    takes: schema(MarketConfigurationBody),
    sample: {
      settings: { dispatch: { kind: "batched", waveSize: 4 }, tariff: { surgeMaximum: 1.5 } },
      hours: [{ days: ["fri", "sat"], fromHour: 22, toHour: 4, settings: { tariff: { baseCents: 300 } } }],
    },
    optional: ["settings", "hours", "dispatch", "kind", "waveSize", "tariff", "surgeMaximum", "baseCents"],
  },
  "a market's dry run": {
    takes: schema(DryRunBody),
    sample: { configuration: { settings: {}, hours: [] } },
    optional: ["settings", "hours"],
  },
  "a request for a token": {
    takes: schema(DevTokenRequestBody),
    sample: { role: "driver", sub: "ann", profile },
  },
  "a page": {
    takes: schema(RidePageQuery),
    sample: { limit: "20", cursor: `1790000000000_${rideId}` },
    optional: ["limit", "cursor"],
  },
  "a token's profile": { takes: schema(ProfileField), sample: profile },
  "a hello": {
    takes: frame,
    sample: { type: "hello", protocol: 1, available: true, destination: place },
    optional: ["destination"],
  },
  "a location": { takes: frame, sample: { type: "location", fixes: [fix, { ...fix, headingDegrees: null }] } },
  "a status": {
    takes: frame,
    sample: { type: "status", available: false, destination: place },
    optional: ["destination"],
  },
  "an accept": { takes: frame, sample: { type: "offer.accept", cid: "a-1_Z", offerId } },
  "a decline": { takes: frame, sample: { type: "offer.decline", cid: "a", offerId } },
  "a step": { takes: frame, sample: { type: "trip", cid: "a", offerId, step: "complete" } },
  "a socket's session": {
    takes: header("x-kerb-session", readSession),
    sample: {
      driverId: "ann",
      profile,
      ticketId: "t1",
      ticketExpiresAt: 1_790_000_000_000,
      sessionEndsAt: 1_790_000_000_000,
    },
  },
  "a caller's name": { takes: header("x-kerb-subject", readSubject), sample: { role: "driver", driverId: "ann" } },
  "an event": {
    takes: (value) => readRideEvent(value).ok,
    sample: { id: `${rideId}:2`, type: "ride.assigned", rideId, version: 2, at: 1_790_000_000_000, ride },
    optional: ["driver"],
  },
  "a stored ride": { takes: (value) => readRide(textOf(value)) !== null, sample: ride, optional: ["driver"] },
};

/** A copy of `value` with the object or field at `path` changed. */
function changed(value: Json, path: readonly string[], change: (holder: Record<string, Json>) => void): Json {
  const copy = structuredClone(value);
  let holder = copy as Record<string, Json>;
  for (const key of path) holder = holder[key] as Record<string, Json>;
  change(holder);
  return copy;
}

/** The way to every object in it, lists not counted. */
function objectsIn(value: Json, path: readonly string[] = []): string[][] {
  if (value === null || typeof value !== "object") return [];
  const inside = Object.entries(value).flatMap(([key, part]) => objectsIn(part, [...path, key]));
  return Array.isArray(value) ? inside : [[...path], ...inside];
}

function fieldsIn(value: Json): { readonly path: string[]; readonly key: string }[] {
  return objectsIn(value).flatMap((path) => {
    let holder = value as Record<string, Json>;
    for (const key of path) holder = holder[key] as Record<string, Json>;
    return Object.keys(holder).map((key) => ({ path, key }));
  });
}

/** What no field of ours may hold, whatever it is called. */
const WRONG: readonly unknown[] = [
  Number.NaN,
  Number.POSITIVE_INFINITY,
  -1e308,
  { stranger: 1 },
  [[]],
  [null],
  "",
  "\u0000",
  "../../etc/passwd",
  "' OR 1=1 --",
  "x".repeat(100_000),
  { $ne: null },
];

describe.each(Object.entries(DOORS))("%s", (_, { takes, sample, optional = [] }) => {
  test("is taken in as it should be", () => {
    expect(takes(sample)).toBe(true);
  });

  test("that is anything at all is never an exception", () => {
    fc.assert(
      fc.property(fc.anything({ withNullPrototype: true, withBigInt: false }), (value) => {
        expect(typeof takes(value)).toBe("boolean");
      }),
      { numRuns: 300 },
    );
  });

  test("with a field too many, in any of its objects, is refused", () => {
    const keys = fc.oneof(
      fc.string(),
      fc.constantFrom("__proto__", "constructor", "role", "riderId", "fareCents", "v"),
    );
    fc.assert(
      fc.property(fc.constantFrom(...objectsIn(sample)), keys, fc.jsonValue({ maxDepth: 1 }), (path, key, value) => {
        const more = changed(sample, path, (holder) => {
          fc.pre(
            !Object.hasOwn(holder, key) && !optional.includes(key) && !(key === "rider" && path.at(-1) === "ratings"),
          );
          Object.defineProperty(holder, key, { value, enumerable: true });
        });
        expect(takes(more)).toBe(false);
      }),
      { numRuns: 300 },
    );
  });

  test("without one of its fields is refused", () => {
    for (const { path, key } of fieldsIn(sample)) {
      const less = changed(sample, path, (holder) => delete holder[key]);
      expect(takes(less), [...path, key].join(".")).toBe(optional.includes(key));
    }
  });

  test("with any value of another kind is refused", () => {
    for (const { path, key } of fieldsIn(sample)) {
      for (const wrong of WRONG) {
        const bent = changed(sample, path, (holder) => {
          holder[key] = wrong as Json;
        });
        // Over JSON, what is no number becomes null, and two fields of a fix may be null.
        const unknown = ["headingDegrees", "speedMetersPerSecond"].includes(key) && textOf(wrong) === "null";
        expect(takes(bent), `${[...path, key].join(".")} = ${textOf(wrong).slice(0, 40)}`).toBe(unknown);
      }
    }
  });
});

describe("a binary frame", () => {
  const good = new Uint8Array(encodeLocationFrame([fix, { ...fix, seq: 8 }]));

  test("of any bytes is never an exception, and what is taken in is what was sent", () => {
    const any = fc.uint8Array({ maxLength: MAX_FRAME + 10 });
    const almost = fc.tuple(fc.nat(good.length - 1), fc.nat(255)).map(([at, byte]) => good.with(at, byte));
    fc.assert(
      fc.property(fc.oneof(any, almost), (bytes) => {
        const decoded = decodeDriverUp(bytes.slice().buffer);
        if (!decoded.ok || decoded.message.type !== "location") return;
        expect([...new Uint8Array(encodeLocationFrame(decoded.message.fixes))]).toEqual([...bytes]);
      }),
      { numRuns: 2_000 },
    );
  });

  test("cut short or drawn out is refused at every length", () => {
    for (let length = 0; length < good.length; length++) {
      expect(decodeDriverUp(good.slice(0, length).buffer).ok, `${length} bytes`).toBe(false);
    }
    for (const more of [1, 21, 22, 100]) {
      expect(decodeDriverUp(new Uint8Array([...good, ...new Uint8Array(more)]).buffer).ok).toBe(false);
    }
    expect(decodeDriverUp(good.buffer).ok).toBe(true);
  });
});
