import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeDriverUp, type WireFix } from "../../../src/protocol/driver.ts";
import { encodeLocationFrame } from "../../../src/protocol/location-frame.ts";

const double = (min: number, max: number) => fc.double({ min, max, noNaN: true });
const anyFix: fc.Arbitrary<WireFix> = fc.record({
  seq: fc.integer({ min: 0, max: 0xffff_ffff }),
  lat: double(-90, 90),
  lng: double(-180, 180),
  headingDegrees: fc.option(double(0, 359.999999)),
  speedMetersPerSecond: fc.option(double(0, 200_000)),
  accuracyMeters: double(0, 10_000),
  ageMs: fc.integer({ min: 0, max: 600_000 }),
});
const anyFixes = fc.array(anyFix, { minLength: 1, maxLength: 20 });

/** What the format can hold of a fix. */
function rounded(fix: WireFix): WireFix {
  const speed = fix.speedMetersPerSecond === null ? null : Math.round(fix.speedMetersPerSecond * 100);
  return {
    seq: fix.seq,
    lat: Math.round(fix.lat * 1e7) / 1e7,
    lng: Math.round(fix.lng * 1e7) / 1e7,
    headingDegrees: fix.headingDegrees === null ? null : (Math.round(fix.headingDegrees * 100) % 36_000) / 100,
    speedMetersPerSecond: speed === null || speed >= 65_535 ? null : speed / 100,
    accuracyMeters: Math.min(Math.round(fix.accuracyMeters * 10), 65_534) / 10,
    ageMs: fix.ageMs,
  };
}

/** Integers have one zero; doubles have two. */
function positiveZero(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

describe("the binary location frame", () => {
  test("brings every fix back, to a centimetre, a hundredth of a degree and a decimetre of accuracy", () => {
    fc.assert(
      fc.property(anyFixes, (fixes) => {
        const decoded = decodeDriverUp(encodeLocationFrame(fixes));
        expect(positiveZero(decoded)).toEqual(
          positiveZero({ ok: true, message: { type: "location", fixes: fixes.map(rounded) } }),
        );
      }),
      { numRuns: 1_000 },
    );
  });

  test("is laid out as documented, byte for byte", () => {
    const fix = {
      seq: 0x01020304,
      lat: 1,
      lng: -1,
      headingDegrees: 359.999,
      speedMetersPerSecond: 700,
      accuracyMeters: 12.34,
      ageMs: 258,
    };
    const hex = Array.from(new Uint8Array(encodeLocationFrame([fix])), (byte) => byte.toString(16).padStart(2, "0"));
    expect(hex.join(" ")).toBe("01 01 04 03 02 01 80 96 98 00 80 69 67 ff 02 01 00 00 7b 00 00 00 ff ff");
  });

  test("cut short anywhere is refused", () => {
    fc.assert(
      fc.property(anyFixes, fc.nat(), (fixes, cut) => {
        const whole = encodeLocationFrame(fixes);
        const decoded = decodeDriverUp(whole.slice(0, cut % whole.byteLength));
        expect(decoded).toMatchObject({ ok: false, code: "bad_frame" });
      }),
    );
  });

  test("with a byte too many is refused", () => {
    const whole = new Uint8Array(encodeLocationFrame([rounded(sample)]));
    expect(decodeDriverUp(new Uint8Array([...whole, 0]).buffer)).toMatchObject({ ok: false, code: "bad_frame" });
  });

  test.each([
    ["format", 0, [9]],
    ["fixes", 1, [0]],
    ["fixes", 1, [21]],
    ["fixes.0.lat", 6, [0xff, 0xff, 0xff, 0x7f]],
    ["fixes.0.lng", 10, [0xff, 0xff, 0xff, 0x7f]],
    ["fixes.0.ageMs", 14, [0xff, 0xff, 0xff, 0xff]],
    ["fixes.0.headingDegrees", 20, [0xa0, 0x8c]],
  ])("with an impossible %s is refused by that name", (field, at, bytes) => {
    const frame = new Uint8Array(encodeLocationFrame([sample]));
    frame.set(bytes, at);
    const decoded = decodeDriverUp(frame.buffer);
    expect(decoded.ok || decoded.message).toMatch(new RegExp(`^${field}: `));
  });

  test("of any bytes at all is refused or holds only numbers within their bounds", () => {
    const bytes = fc
      .uint8Array({ maxLength: 500 })
      .map((tail) => new Uint8Array([1, 1 + ((tail[0] ?? 0) % 3), ...tail]));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 500 }), bytes), (raw) => {
        const decoded = decodeDriverUp(raw.slice().buffer);
        if (decoded.ok) expect(decodeDriverUp(JSON.stringify(decoded.message)).ok).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  test("of none or too many fixes is never built", () => {
    expect(() => encodeLocationFrame([])).toThrow(RangeError);
    expect(() => encodeLocationFrame(Array.from({ length: 21 }, () => sample))).toThrow(RangeError);
  });
});

const sample: WireFix = {
  seq: 1,
  lat: 40.7,
  lng: -74,
  headingDegrees: 10,
  speedMetersPerSecond: 3,
  accuracyMeters: 4,
  ageMs: 5,
};
