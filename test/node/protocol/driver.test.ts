import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { DriverNotice } from "../../../src/domain/notice.ts";
import type { OfferId, RideId } from "../../../src/domain/ride.ts";
import { DriverDown, decodeDriverUp, encodeNotice, fixesOf, MAX_FRAME } from "../../../src/protocol/driver.ts";

const offerId = "dr5ru.01J9Z3NDEKTSV4RRFFQ69G5FAV#17";
const fix = {
  seq: 7,
  lat: 40.7128,
  lng: -74.006,
  headingDegrees: 90,
  speedMetersPerSecond: 8.5,
  accuracyMeters: 5,
  ageMs: 120,
};
const frame = (message: unknown) => decodeDriverUp(JSON.stringify(message));

describe("a driver's frame", () => {
  test.each([
    { type: "hello", protocol: 1, available: true },
    { type: "location", fixes: [fix, { ...fix, seq: 8, headingDegrees: null, speedMetersPerSecond: null }] },
    { type: "status", available: false },
    { type: "offer.accept", cid: "a-1_Z", offerId },
    { type: "offer.decline", cid: "x", offerId: "dr5ru~01.01J9Z3NDEKTSV4RRFFQ69G5FAV#999999999999" },
    { type: "trip", cid: "y", offerId, step: "complete" },
  ])("of type $type is read as it was sent", (message) => {
    expect(frame(message)).toEqual({ ok: true, message });
  });

  test.each([
    ["protocol", { type: "hello", protocol: 2, available: true }],
    ["available", { type: "hello", protocol: 1, available: "yes" }],
    ["zork", { type: "status", available: true, zork: 1 }],
    ["__proto__", JSON.parse('{"type":"status","available":true,"__proto__":{}}')],
    ["fixes", { type: "location", fixes: [] }],
    ["fixes", { type: "location", fixes: Array.from({ length: 21 }, () => ({ seq: 1 })) }],
    ["fixes.0.lat", { type: "location", fixes: [{ ...fix, lat: 90.000001 }] }],
    ["fixes.0.lat", { type: "location", fixes: [{ ...fix, lat: "40" }] }],
    ["fixes.0.lng", { type: "location", fixes: [{ ...fix, lng: -180.5 }] }],
    ["fixes.0.seq", { type: "location", fixes: [{ ...fix, seq: 1.5 }] }],
    ["fixes.0.seq", { type: "location", fixes: [{ ...fix, seq: 2 ** 32 }] }],
    ["fixes.0.headingDegrees", { type: "location", fixes: [{ ...fix, headingDegrees: 360 }] }],
    ["fixes.0.speedMetersPerSecond", { type: "location", fixes: [{ ...fix, speedMetersPerSecond: 200_001 }] }],
    ["fixes.0.accuracyMeters", { type: "location", fixes: [{ ...fix, accuracyMeters: -1 }] }],
    ["fixes.0.ageMs", { type: "location", fixes: [{ ...fix, ageMs: 600_001 }] }],
    ["fixes.1.at", { type: "location", fixes: [fix, { ...fix, at: 0 }] }],
    ["cid", { type: "offer.accept", cid: "", offerId }],
    ["cid", { type: "offer.accept", cid: "a b", offerId }],
    ["offerId", { type: "offer.accept", cid: "a", offerId: "dr5ru.01J9Z3NDEKTSV4RRFFQ69G5FAV" }],
    ["offerId", { type: "offer.decline", cid: "a", offerId: `${offerId}\n` }],
    ["step", { type: "trip", cid: "a", offerId, step: "fly" }],
    ["type", { type: "welcome" }],
    ["type", {}],
  ])("with a wrong %s is refused by that name", (field, message) => {
    const decoded = frame(message);
    expect(decoded).toMatchObject({ ok: false, code: "bad_frame" });
    expect(decoded.ok || decoded.message.startsWith(`${field}: `)).toBe(true);
  });

  test.each(["", "{", "undefined", "NaN", "[1,", "\u0000"])("that is not JSON, %j, is refused as such", (text) => {
    expect(decodeDriverUp(text)).toMatchObject({ ok: false, code: "not_json" });
  });

  test("with a number too large for a double is refused, not read as infinity", () => {
    const text = JSON.stringify({ type: "location", fixes: [fix] }).replace('"ageMs":120', '"ageMs":1e999');
    expect(decodeDriverUp(text)).toMatchObject({ ok: false, code: "bad_frame" });
  });

  test("is judged by its size before it is parsed", () => {
    expect(decodeDriverUp("[".repeat(MAX_FRAME + 1))).toMatchObject({ ok: false, code: "too_large" });
    expect(decodeDriverUp(new ArrayBuffer(MAX_FRAME + 1))).toMatchObject({ ok: false, code: "too_large" });
    expect(decodeDriverUp("[".repeat(MAX_FRAME))).toMatchObject({ ok: false, code: "not_json" });
  });

  test("gets a short answer however long the field's name was", () => {
    const decoded = frame({ type: "status", available: true, ["k".repeat(3_000)]: 1 });
    expect(decoded.ok || decoded.message.length).toBeLessThan(400);
  });

  test("that is any JSON at all gets an answer and never an exception", () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 4 }), (text) => {
        expect(typeof decodeDriverUp(text).ok).toBe("boolean");
      }),
      { numRuns: 2_000 },
    );
  });

  test("with one value replaced by anything else is refused or read, never half-read", () => {
    const good = { type: "location", fixes: [fix] };
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(fix)), fc.jsonValue(), (key, value) => {
        const message = { ...good, fixes: [{ ...fix, [key]: value }] };
        const decoded = frame(message);
        // What is read is what was sent (JSON has one zero).
        if (decoded.ok) expect(decoded.message).toEqual(JSON.parse(JSON.stringify(message)));
      }),
      { numRuns: 2_000 },
    );
  });
});

test("a fix is stamped with the server's time less its age, whatever the device's clock says", () => {
  const { lat, lng, ageMs, ...rest } = fix;
  expect(fixesOf([fix], 1_000_000)).toEqual([{ ...rest, position: { lat, lng }, at: 1_000_000 - ageMs }]);
});

describe("a notice", () => {
  const ride = {
    offerId: offerId as OfferId,
    rideId: "dr5ru.01J9Z3NDEKTSV4RRFFQ69G5FAV" as RideId,
    state: "assigned",
    version: 2,
    pickup: { lat: 40.7, lng: -74 },
    dropoff: { lat: 40.8, lng: -73.9 },
    fareCents: 1_234,
    currency: "USD",
  } as const;
  const notices: DriverNotice[] = [
    { type: "welcome", epoch: 3, fixEveryMs: 4_000, status: { state: "available" }, holding: { kind: "none" } },
    {
      type: "welcome",
      epoch: 4,
      fixEveryMs: 4_000,
      status: { state: "unlocated", reason: "no-fix" },
      holding: { kind: "ride", ride },
    },
    { type: "offer.closed", offerId: ride.offerId, reason: "superseded" },
    { type: "offer.verdict", cid: "c", offerId: ride.offerId, verdict: { outcome: "won", ride } },
    { type: "offer.verdict", cid: "c", offerId: ride.offerId, verdict: { outcome: "pending", retryAfterMs: 500 } },
    { type: "trip.verdict", cid: "c", offerId: ride.offerId, step: "start", verdict: { outcome: "done", ride } },
    {
      type: "trip.verdict",
      cid: "c",
      offerId: ride.offerId,
      step: "start",
      verdict: { outcome: "refused", reason: "wrong_state", state: "completed" },
    },
    { type: "trip.changed", ride: { ...ride, state: "matching", exchanged: true, next: ride } },
    {
      type: "trip.verdict",
      cid: "c",
      offerId: ride.offerId,
      step: "arrive",
      verdict: { outcome: "refused", reason: "wrong_state", state: "matching", next: ride },
    },
    { type: "fault", code: "flood", message: "slower" },
  ];

  test.each(notices)("of type $type is heard by a client as it was said", (notice) => {
    expect(DriverDown.parse(JSON.parse(encodeNotice(notice)))).toEqual(notice);
  });

  test("of a kind that was never agreed is not understood by a client", () => {
    expect(DriverDown.safeParse({ type: "status", status: { state: "available", mood: "fine" } }).success).toBe(false);
  });
});
