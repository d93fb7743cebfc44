import { SignJWT } from "jose";
import { expect, test } from "vitest";
import type { RiderId } from "../../../src/domain/ride.ts";
import { mintQuote, type QuotedRide, readQuote } from "../../../src/protocol/quote.ts";
import { QuoteBody } from "../../../src/protocol/rider.ts";

const SECRET = new TextEncoder().encode("0123456789abcdef0123456789abcdef");
const QUOTED: QuotedRide = {
  riderId: "rita" as RiderId,
  market: "nyc",
  pickup: { lat: 40.75, lng: -73.98 },
  dropoff: { lat: 40.71, lng: -74 },
  vehicleType: "economy",
  fareCents: 1_234,
  expiresAt: 1_780_000_000_000,
};
const { riderId, ...CLAIMS } = QUOTED;

/** A text signed with our key that says the same, but for these changes. */
const signed = (claims: object, audience: string, alg = "HS256") =>
  new SignJWT({ ...CLAIMS, ...claims })
    .setProtectedHeader({ alg })
    .setSubject(riderId)
    .setAudience(audience)
    .sign(SECRET);

test("[Q6] a quote is read as it was minted, and its id fits the wire", async () => {
  const id = await mintQuote(SECRET, QUOTED);
  expect(await readQuote(SECRET, id)).toEqual(QUOTED);
  expect(QuoteBody.shape.id.safeParse(id).success).toBe(true);
  expect(await readQuote(SECRET, await signed({}, "kerb-quote"))).toEqual(QUOTED);
});

test("[Q6] what is signed for another purpose, by another key or of another shape is no quote", async () => {
  const id = await mintQuote(SECRET, QUOTED);
  const [head, body, signature] = id.split(".");
  const dearer = btoa(JSON.stringify({ ...CLAIMS, sub: riderId, aud: "kerb-quote", fareCents: 1 }));
  const texts = [
    await signed({}, "kerb-socket"),
    await signed({}, "kerb-quote", "HS384"),
    await signed({ fareCents: -1 }, "kerb-quote"),
    await signed({ pickup: { lat: 91, lng: 0 } }, "kerb-quote"),
    await mintQuote(new TextEncoder().encode("another secret, also 32 characters"), QUOTED),
    `${head}.${dearer.replaceAll("=", "")}.${signature}`,
    `${head}.${body}.`,
    "",
  ];
  for (const text of texts) expect(await readQuote(SECRET, text), text).toBeNull();
});
