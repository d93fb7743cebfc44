import { beforeAll, describe, expect, test, vi } from "vitest";
import type { DriverId } from "../../src/domain/driver.ts";
import { CLOSE } from "../../src/protocol/driver.ts";
import { encodeLocationFrame } from "../../src/protocol/location-frame.ts";
import { PATIENTLY } from "../patience.ts";
import { acrossBorder, insideOf, lockOf, newRide, shardNameAt, shardOf, welcomed } from "./shard-tools.ts";
import { driverAt, fixAt, MIDTOWN, migrateHistory, openSocket, ticketFor } from "./support.ts";

beforeAll(migrateHistory);

const { here } = acrossBorder({ lat: 48.85, lng: 2.3 });
const good = fixAt(here, 7);

const binary = (change: (view: DataView) => void): ArrayBuffer => {
  const frame = encodeLocationFrame([good]);
  change(new DataView(frame));
  return frame;
};
const location = (change: object) => JSON.stringify({ type: "location", fixes: [{ ...good, ...change }] });

describe("a hostile frame", () => {
  test.each<[string, string | ArrayBuffer]>([
    ["cut short", location({}).slice(0, -3)],
    ["cut short in binary", encodeLocationFrame([good]).slice(0, 20)],
    ["with a byte too many", new Uint8Array([...new Uint8Array(encodeLocationFrame([good])), 0]).buffer],
    ["of another format", binary((view) => view.setUint8(0, 9))],
    ["that promises more fixes than it has", binary((view) => view.setUint8(1, 20))],
    ["off the globe in binary", binary((view) => view.setInt32(6, 2_000_000_000, true))],
    ["too long", JSON.stringify({ type: "status", available: true, pad: "x".repeat(5_000) })],
    ["with NaN", location({}).replace(/"lat":[^,]+/, '"lat":NaN')],
    ["with infinity", location({}).replace(/"lat":[^,]+/, '"lat":1e999')],
    ["with an unknown field", location({ mock: true })],
    ["with an unknown field beside the fixes", JSON.stringify({ type: "location", fixes: [good], mock: true })],
    ["with a number as text", location({ lat: String(here.lat) })],
    ["with null for a number", location({ accuracyMeters: null })],
    ["with too many fixes", JSON.stringify({ type: "location", fixes: Array(21).fill(good) })],
    ["with no fix", JSON.stringify({ type: "location", fixes: [] })],
    ["of an unknown type", JSON.stringify({ type: "offer.steal", offerId: "x" })],
    ["with an id that is none", JSON.stringify({ type: "offer.accept", cid: "c", offerId: "' OR 1=1 --" })],
    ["with the prototype in it", '{"type":"status","available":true,"__proto__":{"admin":true}}'],
    ["that is an array", "[]"],
  ])("[D14] %s is answered with a fault and changes nothing", async (what, frame) => {
    const driver = await driverAt("victim", here);
    await driver.hear("status");
    const before = await insideOf(here);
    driver.sayRaw(frame);
    expect((await driver.hear("fault")).message.length, what).toBeGreaterThan(0);
    expect(await insideOf(here)).toEqual(before);
    driver.close();
    await driver.closed();
  });

  test("[D14] in another version of the protocol, or a second hello, opens nothing anew", async () => {
    const old = await openSocket(await ticketFor("old", here));
    old.sayRaw(JSON.stringify({ type: "hello", protocol: 0, available: true }));
    expect((await old.hear("fault")).code).toBe("bad_frame");
    old.close();
    await old.closed();
    const { socket } = await welcomed("twice", here);
    const before = await insideOf(here);
    socket.say({ type: "hello", protocol: 1, available: false });
    socket.say({ type: "location", fixes: [{ ...good, accuracyMeters: 9_000 }] });
    await vi.waitFor(async () => expect(await insideOf(here)).toEqual(before), PATIENTLY);
    socket.close();
    await socket.closed();
  });

  test("[A4] [D14] about offers that are not the driver's is answered and changes nothing", async () => {
    const driver = await driverAt("nosy", here);
    await driver.hear("status");
    const before = await insideOf(here);
    const offerId = `u09tv.${"0".repeat(26)}#1` as Parameters<typeof driver.say>[0] extends { offerId: infer T }
      ? T
      : never;
    for (const type of ["offer.accept", "offer.decline"] as const) {
      driver.say({ type, cid: "guess", offerId });
      expect((await driver.hear("offer.verdict")).verdict).toEqual({ outcome: "lost", reason: "unknown" });
    }
    driver.say({ type: "trip", cid: "guess", offerId, step: "complete" });
    expect((await driver.hear("trip.verdict")).verdict).toEqual({ outcome: "refused", reason: "unknown" });
    expect(await insideOf(here)).toEqual(before);
    driver.close();
    await driver.closed();
  });
});

test("[D15] a binary location frame says the same as a JSON one", async () => {
  const [json, compact] = [await welcomed("json", here), await welcomed("compact", here)];
  const fix = { ...good, headingDegrees: 90, speedMetersPerSecond: 5 };
  json.socket.say({ type: "location", fixes: [fix] });
  compact.socket.sayRaw(encodeLocationFrame([fix]));
  for (const { socket } of [json, compact]) await socket.hear("status");
  const wish = { vehicleType: "economy", payment: "card", minimumRating: 0, seats: 1, accessible: false } as const;
  const request = { ...wish, dropoff: here };
  const found = await shardOf(here).nearby({ pickup: here, request, radiusMeters: 100, limit: 20, exclude: [] });
  const seen = found.filter(({ driverId }) => ["json", "compact"].includes(driverId));
  expect(seen).toHaveLength(2);
  for (const { position, headingDegrees, speedMetersPerSecond } of seen) {
    expect(position.lat).toBeCloseTo(here.lat, 6);
    expect(position.lng).toBeCloseTo(here.lng, 6);
    expect([headingDegrees, speedMetersPerSecond]).toEqual([90, 5]);
  }
  for (const { socket } of [json, compact]) socket.close();
});

test("[D3] a socket that says no hello within five seconds is closed", async () => {
  const socket = await openSocket(await ticketFor("mute", MIDTOWN));
  expect(await socket.closed()).toMatchObject({ code: CLOSE.noHello });
});

test("[D19] where a driver is going is kept with his socket, until he says otherwise", async () => {
  const destination = { lat: 48.9, lng: 2.35 };
  const kept = async () => (await insideOf(here)).memories.some((memory) => memory.includes('"lat":48.9'));
  const socket = await openSocket(await ticketFor("dora", here));
  socket.say({ type: "hello", protocol: 1, available: true, destination });
  await socket.hear("welcome");
  expect(await kept()).toBe(true);
  socket.say({ type: "status", available: false });
  await socket.hear("status");
  expect(await kept()).toBe(false);
  socket.say({ type: "status", available: true, destination });
  await socket.hear("status");
  expect(await kept()).toBe(true);
  socket.close();
});

test("[D1] an older socket whose shard never heard of the newer one is closed at the first ride that finds it", async () => {
  const { here: home, beyond } = acrossBorder({ lat: 48.85, lng: 9.2 });
  const old = await driverAt("dolly", home);
  await old.hear("status");
  // The answer is lost, and with it the name of the shard that is to be told.
  const ticket = { ticketId: "of her other phone", ticketExpiresAt: Date.now() + 60_000 };
  await lockOf("dolly").attach({ driverId: "dolly" as DriverId, shard: shardNameAt(beyond), ...ticket });
  await newRide("rudi", home);
  expect((await old.closed()).code).toBe(CLOSE.superseded);
  expect((await insideOf(home)).candidates).toEqual([]);
});
