/** Other people's rides and offers: whatever a stranger tries, he hears what a wrong guess hears, and nothing changes. */
import { runInDurableObject } from "cloudflare:test";
import { beforeAll, describe, expect, test, vi } from "vitest";
import type { LatLng } from "../../src/domain/place.ts";
import type { OfferId, RideId } from "../../src/domain/ride.ts";
import type { DriverUp } from "../../src/protocol/driver.ts";
import { PATIENTLY } from "../patience.ts";
import { acrossBorder, insideOf, lockOf, rowsOf, welcomed } from "./shard-tools.ts";
import { call, driverAt, driverToken, migrateHistory, requestRide, riderToken, type TestDriver } from "./support.ts";

beforeAll(migrateHistory);

const STATES = ["matching", "offered", "assigned", "on_trip", "completed"] as const;
type Stage = (typeof STATES)[number];

interface Scene {
  readonly here: LatLng;
  readonly beyond: LatLng;
  readonly driver: string;
  readonly rideId: RideId;
  readonly offerId: OfferId | null;
}

let scenes = 0;

/** A ride of its own place and people, brought so far. */
async function sceneOf(stage: Stage): Promise<Scene> {
  const { here, beyond } = acrossBorder({ lat: 20 + scenes++ * 0.5, lng: 60 });
  const driver = `honest-${scenes}`;
  const socket = stage === "matching" ? null : await driverAt(driver, here);
  const dropoff = { ...here, lat: here.lat + 0.03 };
  const { id } = await requestRide(`victim-${scenes}`, { pickup: here, dropoff });
  const offerId = socket === null ? null : (await socket.hear("offer")).offerId;
  if (socket !== null && offerId !== null && stage !== "offered") await drive(socket, offerId, stage);
  return { here, beyond, driver, rideId: id, offerId };
}

async function drive(socket: TestDriver, offerId: OfferId, stage: Stage): Promise<void> {
  socket.say({ type: "offer.accept", cid: "mine", offerId });
  expect((await socket.hear("offer.verdict")).verdict.outcome).toBe("won");
  const steps =
    stage === "completed" ? ["arrive", "start", "complete"] : stage === "on_trip" ? ["arrive", "start"] : [];
  for (const step of steps as ("arrive" | "start" | "complete")[]) {
    socket.say({ type: "trip", cid: step, offerId, step });
    expect((await socket.hear("trip.verdict")).verdict.outcome).toBe("done");
  }
}

/** All there is to change: rows, sockets and candidates of the ride's shard, and its driver's lock. */
async function truthOf({ here, driver }: Scene) {
  await vi.waitFor(async () => {
    const owed = await rowsOf(here, "SELECT 1 FROM offers WHERE state IN ('dead', 'ended') AND released = 0");
    expect(owed).toEqual([]);
  }, PATIENTLY);
  const lock = await runInDurableObject(lockOf(driver), (_, state) => state.storage.kv.get("lock") ?? null);
  return { lock, shard: await insideOf(here) };
}

/** Status and words, without what every response has of its own. */
async function heard(path: string, token: string, method = "GET", body?: object) {
  const response = await call(path, { method, token, ...(body && { body }) });
  return { status: response.status, text: await response.text() };
}

describe.each(STATES)("a ride that is %s", (stage) => {
  test("[E6] [R9] is not there for strangers on any verb, word for word like one that never was", async () => {
    const scene = await sceneOf(stage);
    const before = await truthOf(scene);
    const never = `${scene.rideId.slice(0, -4)}0000`;
    const [rider, driver] = await Promise.all([riderToken("mallory"), driverToken("mallory")]);
    const verbs: readonly [who: string, path: string, method?: string, body?: object][] = [
      [rider, ""],
      [driver, ""],
      [rider, "/events"],
      [driver, "/events"],
      [rider, "/cancel", "POST"],
      [rider, "/ratings", "POST", { stars: 1 }],
      [driver, "/ratings", "POST", { stars: 1 }],
    ];
    for (const [who, rest, method, body] of verbs) {
      const theirs = await heard(`/v1/rides/${scene.rideId}${rest}`, who, method, body);
      expect(theirs.status).toBe(404);
      expect(theirs).toEqual(await heard(`/v1/rides/${never}${rest}`, who, method, body));
    }
    expect(await truthOf(scene)).toEqual(before);
  });
});

const DEEDS = ["offer.accept", "offer.decline", "arrive", "start", "complete", "cancel"] as const;

function frameOf(deed: (typeof DEEDS)[number], offerId: OfferId): DriverUp {
  if (deed === "offer.accept" || deed === "offer.decline") return { type: deed, cid: deed.replace(".", "-"), offerId };
  return { type: "trip", cid: deed, offerId, step: deed };
}

async function tryEverything(thief: TestDriver, offerId: OfferId): Promise<void> {
  for (const deed of DEEDS) {
    thief.say(frameOf(deed, offerId));
    if (deed === "offer.accept" || deed === "offer.decline") {
      expect((await thief.hear("offer.verdict")).verdict).toEqual({ outcome: "lost", reason: "unknown" });
    } else {
      expect((await thief.hear("trip.verdict")).verdict).toEqual({ outcome: "refused", reason: "unknown" });
    }
  }
}

describe.each(STATES.slice(1))("another driver's offer whose ride is %s", (stage) => {
  test("[A4] [T3] is unknown to a thief on every frame, from the same cell and from the next", async () => {
    const scene = await sceneOf(stage);
    const offerId = scene.offerId!;
    const thieves = [
      await welcomed(`thief-${scenes}-here`, scene.here, false),
      await welcomed(`thief-${scenes}-beyond`, scene.beyond, false),
    ];
    const before = await truthOf(scene);
    for (const { socket } of thieves) await tryEverything(socket, offerId);
    expect(await truthOf(scene)).toEqual(before);
    for (const { socket } of thieves) socket.close();
  });
});

test("[A4] [R9] who was asked too and lost has no part in the ride, nor in the winner's offer", async () => {
  const { here, beyond } = acrossBorder({ lat: 19, lng: 60 });
  const [winner, loser] = [await driverAt("winner", here), await driverAt("loser", here)];
  const { id } = await requestRide("victim", { pickup: here, dropoff: { ...here, lat: here.lat + 0.03 } });
  const [{ offerId }, lost] = [await winner.hear("offer"), await loser.hear("offer")];
  await drive(winner, offerId, "assigned");
  expect((await loser.hear("offer.closed")).reason).toBe("superseded");
  const scene = { here, beyond, driver: "winner", rideId: id, offerId };
  const before = await truthOf(scene);
  await tryEverything(loser, offerId);
  loser.say({ type: "offer.accept", cid: "late", offerId: lost.offerId });
  expect((await loser.hear("offer.verdict")).verdict).toEqual({ outcome: "lost", reason: "superseded" });
  expect(await heard(`/v1/rides/${id}`, await driverToken("loser"))).toMatchObject({ status: 404 });
  expect((await heard(`/v1/rides/${id}`, await driverToken("winner"))).status).toBe(200);
  expect(await truthOf(scene)).toEqual(before);
  for (const socket of [winner, loser]) socket.close();
});
