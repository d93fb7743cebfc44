import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { RideId } from "../../../src/domain/ride.ts";
import { digestOf, type RideVersion } from "../../../src/protocol/ride-digest.ts";

const rides = fc.uniqueArray(
  fc.record({ rideId: fc.nat(99_999).map((n) => `dr5ru.${n}` as RideId), version: fc.integer({ min: 1, max: 9 }) }),
  { selector: ({ rideId }) => rideId, minLength: 1, maxLength: 40 },
);

describe("the digest of many rides", () => {
  test("[W4] does not depend on their order, and is that of no rides for none", () => {
    fc.assert(
      fc.property(rides, (list) => {
        expect(digestOf(list.toReversed())).toEqual(digestOf(list));
      }),
    );
    expect(digestOf([])).toEqual({ count: 0, hash: 0 });
  });

  test("[W4] is another when any two rides are one version older: no two steps of version cancel out", () => {
    const steps = Array.from({ length: 2_000 }, (_, n) => {
      const rideId = `dr5ru.01J9Z3NDEKTSV4RRFFQ6${String(n).padStart(6, "0")}` as RideId;
      return digestOf([{ rideId, version: 4 }]).hash ^ digestOf([{ rideId, version: 5 }]).hash;
    });
    expect(new Set(steps).size).toBe(2_000);
  });

  test("[W4] is another when one ride is missing, or some are at an older version", () => {
    fc.assert(
      fc.property(rides, fc.nat(), fc.integer({ min: 1, max: 40 }), (list, pick, several) => {
        const at = pick % list.length;
        expect(digestOf(list.toSpliced(at, 1))).not.toEqual(digestOf(list));
        const older = (one: RideVersion, index: number) =>
          index < several ? { ...one, version: one.version + 1 } : one;
        expect(digestOf(list.map(older)).hash).not.toBe(digestOf(list).hash);
      }),
    );
  });
});
