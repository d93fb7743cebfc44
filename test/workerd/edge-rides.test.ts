import { beforeAll, describe, expect, test, vi } from "vitest";
import type { RideView } from "../../src/domain/notice.ts";
import { PATIENTLY } from "../patience.ts";
import {
  call,
  DOWNTOWN,
  driverAt,
  driverToken,
  fixAt,
  MIDTOWN,
  migrateHistory,
  opsToken,
  problemOf,
  requestRide,
  riderToken,
  rideWish,
  type TestDriver,
} from "./support.ts";

beforeAll(migrateHistory);

/** Each in his own corner of the market, so that one test's driver is never another's candidate. */
const corner = (index: number) => ({ lat: 40.4 + index * 0.06, lng: -74.5 });
const from = (index: number) => ({ pickup: corner(index), dropoff: { ...corner(index), lng: -74.45 } });

async function post(path: string, token: string, body?: unknown, key?: string): Promise<Response> {
  return call(path, {
    method: "POST",
    token,
    ...(body !== undefined && { body }),
    ...(key !== undefined && { headers: { "idempotency-key": key } }),
  });
}

async function accept(driver: TestDriver) {
  const { offerId, rideId } = await driver.hear("offer");
  driver.say({ type: "offer.accept", cid: "c1", offerId });
  const { verdict } = await driver.hear("offer.verdict");
  expect(verdict.outcome).toBe("won");
  return { offerId, rideId };
}

async function step(
  driver: TestDriver,
  offerId: Awaited<ReturnType<typeof accept>>["offerId"],
  name: "arrive" | "start" | "complete",
) {
  driver.say({ type: "trip", cid: name, offerId, step: name });
  const { verdict } = await driver.hear("trip.verdict");
  expect(verdict.outcome).toBe("done");
}

describe("asking for a ride", () => {
  test("makes one, says where it is, and fills in what was not said", async () => {
    const response = await post("/v1/rides", await riderToken("rita"), rideWish(), "one");
    expect(response.status).toBe(201);
    const ride = await response.json<RideView>();
    expect(ride).toMatchObject({ state: "matching", vehicleType: "economy", currency: "USD", pickup: MIDTOWN });
    expect(response.headers.get("location")).toBe(`/v1/rides/${ride.id}`);
    expect(response.headers.get("idempotent-replayed")).toBeNull();
  });

  test("twice under one key gives one ride, also when fields come in another order and defaults are spelled out", async () => {
    const token = await riderToken("remy");
    const first = await post("/v1/rides", token, rideWish(), "k");
    const again = await post(
      "/v1/rides",
      token,
      { seats: 1, dropoff: { lng: DOWNTOWN.lng, lat: DOWNTOWN.lat }, payment: "card", pickup: MIDTOWN },
      "k",
    );
    expect(again.status).toBe(201);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    expect((await again.json<RideView>()).id).toBe((await first.json<RideView>()).id);
  });

  test("under a used key with another body is refused", async () => {
    const token = await riderToken("rolf");
    await post("/v1/rides", token, rideWish(), "k");
    const problem = await problemOf(await post("/v1/rides", token, rideWish({ seats: 3 }), "k"), 422);
    expect(problem.type).toBe("/problems/key-reused");
  });

  test("a second time, under a new key, names the ride that stands in the way", async () => {
    const standing = await requestRide("ruth");
    const problem = await problemOf(await post("/v1/rides", await riderToken("ruth"), rideWish(), "other"), 409);
    expect(problem).toMatchObject({ type: "/problems/rider-busy", rideId: standing.id });
  });

  test("under a key that another rider used makes a ride of one's own", async () => {
    const ours = await requestRide("rhea", {}, "shared");
    const theirs = await requestRide("rosa", {}, "shared");
    expect(theirs.id).not.toBe(ours.id);
  });

  test("[R12] and cancelling it again and again is slowed down to five a minute, for this rider only", async () => {
    const token = await riderToken("rory");
    const asked = async (key: string) => post("/v1/rides", token, from(9), key);
    for (const key of ["1", "2", "3", "4", "5"]) {
      const { id } = await (await asked(key)).json<RideView>();
      expect((await post(`/v1/rides/${id}/cancel`, token)).status).toBe(200);
    }
    const sixth = await asked("6");
    const waitSeconds = Number(sixth.headers.get("retry-after"));
    const problem = await problemOf(sixth, 429);
    expect(problem.type).toBe("/problems/too-many-rides");
    expect(Math.ceil((problem.retryAfterMs ?? 0) / 1_000)).toBe(waitSeconds);
    expect(waitSeconds >= 1 && waitSeconds <= 60).toBe(true);
    expect((await asked("5")).headers.get("idempotent-replayed")).toBe("true");
    expect((await post("/v1/rides", await riderToken("ruby"), from(9), "1")).status).toBe(201);
  });

  test.each([
    ["to the same kerb", { dropoff: { lat: MIDTOWN.lat + 0.0002, lng: MIDTOWN.lng } }, "dropoff"],
    ["to another region", { dropoff: { lat: MIDTOWN.lat + 3, lng: MIDTOWN.lng } }, "dropoff"],
  ])("%s is refused by the field", async (_, change, field) => {
    const response = await post("/v1/rides", await riderToken("remo"), rideWish(change), "k");
    expect((await problemOf(response, 422)).errors).toEqual([{ field, message: expect.any(String) }]);
  });
});

describe("a ride's life over HTTP", () => {
  test("[T1] [S7] goes from request to rating, and history shows the same ride as the shard does", async () => {
    const driver = await driverAt("dora", corner(1));
    const { id } = await requestRide("rex", from(1));
    const { offerId, rideId } = await accept(driver);
    expect(rideId).toBe(id);
    driver.say({ type: "location", fixes: [fixAt(corner(1), 2)] });
    await vi.waitFor(async () => {
      const assigned = await call(`/v1/rides/${id}`, { token: await riderToken("rex") });
      expect(await assigned.json()).toMatchObject({
        state: "assigned",
        driver: { id: "dora", position: { ...corner(1), stale: false } },
      });
    }, PATIENTLY);
    for (const name of ["arrive", "start", "complete"] as const) await step(driver, offerId, name);
    driver.close();

    const rated = await post(`/v1/rides/${id}/ratings`, await riderToken("rex"), { stars: 5 });
    expect(await rated.json()).toMatchObject({ state: "completed", ratings: { driver: 5 } });
    const both = await post(`/v1/rides/${id}/ratings`, await driverToken("dora"), { stars: 4 });
    expect(await both.json()).toMatchObject({ ratings: { driver: 5, rider: 4 } });
    const twice = await post(`/v1/rides/${id}/ratings`, await riderToken("rex"), { stars: 1 });
    expect((await problemOf(twice, 409)).type).toBe("/problems/already-rated");

    const live = await (await call(`/v1/rides/${id}`, { token: await riderToken("rex") })).json<RideView>();
    await vi.waitFor(async () => {
      const page = await call("/v1/riders/me/rides", { token: await riderToken("rex") });
      expect((await page.json<{ rides: RideView[] }>()).rides).toEqual([live]);
    }, PATIENTLY);
    const driven = await call("/v1/drivers/me/rides", { token: await driverToken("dora") });
    expect((await driven.json<{ rides: RideView[] }>()).rides).toEqual([live]);
  });

  test("ends when its rider cancels, once, whatever is said after", async () => {
    const { id } = await requestRide("roy", from(2));
    const token = await riderToken("roy");
    expect(await (await post(`/v1/rides/${id}/cancel`, token)).json()).toMatchObject({ state: "cancelled_by_rider" });
    // A repeat of what was done is not an error.
    expect((await post(`/v1/rides/${id}/cancel`, token)).status).toBe(200);
    expect(await (await call(`/v1/rides/${id}`, { token })).json()).toMatchObject({ state: "cancelled_by_rider" });
  });

  test("is not rated while it lasts", async () => {
    const { id } = await requestRide("ray", from(3));
    const response = await post(`/v1/rides/${id}/ratings`, await riderToken("ray"), { stars: 5 });
    expect((await problemOf(response, 409)).type).toBe("/problems/wrong-state");
  });
});

describe("a ride's events", () => {
  test("[H9] come as they happen, and a reader who comes back is told what he missed and no more", async () => {
    const { id } = await requestRide("rob", from(4));
    const token = await riderToken("rob");
    const stream = await call(`/v1/rides/${id}/events`, { token });
    expect(stream.headers.get("content-type")).toMatch(/^text\/event-stream/);
    expect(stream.headers.get("x-content-type-options")).toBe("nosniff");
    await post(`/v1/rides/${id}/cancel`, token);
    const told = await stream.text();
    const names = (text: string) => [...text.matchAll(/^event: (.+)$/gm)].map((match) => match[1]);
    expect(names(told)).toEqual(["ride.requested", "ride.cancelled"]);

    const [firstId] = [...told.matchAll(/^id: (\d+)$/gm)].map((match) => match[1]!);
    const rest = await call(`/v1/rides/${id}/events`, { token, headers: { "last-event-id": firstId! } });
    expect(names(await rest.text())).toEqual(["ride.cancelled"]);
  });

  test("are an operator's to read, and nobody else's", async () => {
    const { id } = await requestRide("rea", from(5));
    await post(`/v1/rides/${id}/cancel`, await riderToken("rea"));
    expect((await call(`/v1/rides/${id}/events`, { token: await opsToken() })).status).toBe(200);
    await problemOf(await call(`/v1/rides/${id}/events`, { token: await riderToken("mallory") }), 404);
  });

  test("are not resumed after something that is no event", async () => {
    const { id } = await requestRide("rio", from(6));
    const response = await call(`/v1/rides/${id}/events`, {
      token: await riderToken("rio"),
      headers: { "last-event-id": "-1; DROP" },
    });
    expect((await problemOf(response, 400)).errors?.[0]?.field).toBe("last-event-id");
  });
});
