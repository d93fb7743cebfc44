import { env } from "cloudflare:workers";
import { beforeAll, expect, test } from "vitest";
import type { RideView } from "../../src/domain/notice.ts";
import type { RiderId } from "../../src/domain/ride.ts";
import { configOf } from "../../src/env.ts";
import { mintQuote, type QuotedRide } from "../../src/protocol/quote.ts";
import { QuoteBody } from "../../src/protocol/rider.ts";
import { acrossBorder } from "./shard-tools.ts";
import { call, DOWNTOWN, driverAt, MIDTOWN, migrateHistory, problemOf, riderToken, rideWish } from "./support.ts";

beforeAll(migrateHistory);

/** Far from every other test's drivers. */
const QUIET = { lat: 40.42, lng: -74.41 };
const { here, beyond } = acrossBorder(QUIET);
const wish = { pickup: here, dropoff: { lat: here.lat, lng: here.lng + 0.05 } };

const quoteFor = async (rider: string, body: object = wish) =>
  call("/v1/quotes", { method: "POST", token: await riderToken(rider), body });

async function order(rider: string, body: object, key = crypto.randomUUID()): Promise<Response> {
  return call("/v1/rides", { token: await riderToken(rider), headers: { "idempotency-key": key }, body });
}

/** A quote as the Worker would have signed it, but for these claims. */
function promised(rider: string, change: Partial<QuotedRide> = {}): Promise<string> {
  const ride = { pickup: MIDTOWN, dropoff: DOWNTOWN, vehicleType: "economy", market: "nyc" } as const;
  const promise = { ...ride, riderId: rider as RiderId, fareCents: 777, expiresAt: Date.now() + 60_000 };
  return mintQuote(configOf(env).ticketSecret, { ...promise, ...change });
}

test("[Q5] a quote counts a driver here and one beyond the border, and says what the trip takes and costs", async () => {
  const nobody = QuoteBody.parse(await (await quoteFor("quinn")).json());
  expect(nobody).toMatchObject({ drivers: 0, pickupSeconds: null, surge: 1, currency: "USD", expiresInMs: 300_000 });
  expect(nobody.tripMeters).toBeGreaterThan(4_000);
  expect(nobody.tripSeconds).toBeCloseTo(nobody.tripMeters / 3.4, -1);

  const drivers = [await driverAt("qd-beyond", beyond), await driverAt("qd-here", { ...here, lat: here.lat + 0.01 })];
  // Another rider each time: one may not ask so often.
  await expect
    .poll(async () => QuoteBody.parse(await (await quoteFor(crypto.randomUUID())).json()))
    // The one beyond is nearer: 420 m.
    .toMatchObject({ drivers: 2, pickupSeconds: 150 });
  const other = await quoteFor("quinn", { ...wish, vehicleType: "xl" });
  expect(await other.json()).toMatchObject({ drivers: 0 });
  for (const driver of drivers) driver.close();
});

test("[Q5] who asks too often hears when to ask again, and nobody else does", async () => {
  const answers = await Promise.all(Array.from({ length: 31 }, async () => quoteFor("quickly")));
  const refused = answers.filter(({ status }) => status !== 200);
  expect(refused).toHaveLength(1);
  const problem = await problemOf(refused[0]!, 429);
  expect(problem.type).toBe("/problems/too-many-quotes");
  expect(Number(refused[0]!.headers.get("retry-after"))).toBeGreaterThan(0);
  expect((await quoteFor("quietly")).status).toBe(200);
});

test("[Q6] the quoted fare is the ride's, and the quote has made no ride", async () => {
  const quote = QuoteBody.parse(await (await quoteFor("quentin")).json());
  const plain = await (await order("quirin", wish)).json<RideView>();
  expect(quote.fareCents).toBe(plain.fareCents);
  const dearer = await promised("quentin", { ...wish, fareCents: quote.fareCents + 1_111 });
  const response = await order("quentin", { ...wish, quoteId: dearer });
  expect(response.status).toBe(201);
  expect(await response.json<RideView>()).toMatchObject({ state: "matching", fareCents: quote.fareCents + 1_111 });
});

test("[Q6] the quote that the Worker gave opens the ride it was given for, a corner away too", async () => {
  const quote = QuoteBody.parse(await (await quoteFor("quella")).json());
  const pickup = { ...here, lat: here.lat + 0.0008 };
  const ride = await order("quella", { ...wish, pickup, quoteId: quote.id });
  expect(await ride.json()).toMatchObject({ fareCents: quote.fareCents, pickup });
});

test.each<[string, Partial<QuotedRide> | string, object, string[]]>([
  ["forged", "abc.def.ghi", {}, ["quoteId"]],
  ["of another rider", { riderId: "eve" as RiderId }, {}, ["quoteId"]],
  ["expired", { expiresAt: Date.now() - 1 }, {}, ["quoteId"]],
  ["of another market", { market: "sf" }, {}, ["quoteId"]],
  ["of another vehicle type", {}, { vehicleType: "xl" }, ["vehicleType"]],
  [
    "of other places",
    {},
    { pickup: { ...MIDTOWN, lat: MIDTOWN.lat + 0.0011 }, dropoff: { ...DOWNTOWN, lng: DOWNTOWN.lng - 0.0013 } },
    ["pickup", "dropoff"],
  ],
])("[Q6] a quote that is %s is refused by the field's name, and no ride is made", async (_, claims, change, fields) => {
  const quoteId = typeof claims === "string" ? claims : await promised("quade", claims);
  const problem = await problemOf(await order("quade", { ...rideWish(change), quoteId }), 422);
  expect(problem.type).toBe("/problems/validation");
  expect(problem.errors?.map(({ field }) => field)).toEqual(fields);
  const rides = await call("/v1/riders/me/rides", { token: await riderToken("quade") });
  expect(await rides.json()).toMatchObject({ rides: [] });
});

test("[E1] a rider's token is no quote, and a quote is no token", async () => {
  const token = await riderToken("quade");
  const problem = await problemOf(await order("quade", { ...rideWish(), quoteId: token }), 422);
  expect(problem.errors?.map(({ field }) => field)).toEqual(["quoteId"]);
  await problemOf(await call("/v1/riders/me/rides", { token: await promised("quade") }), 401);
});

test("[Q6] a trip that nobody would drive is not quoted", async () => {
  const problem = await problemOf(await quoteFor("quade", { ...wish, dropoff: wish.pickup }), 422);
  expect(problem.errors?.map(({ field }) => field)).toEqual(["dropoff"]);
});
