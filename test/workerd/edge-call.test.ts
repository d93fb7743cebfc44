import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, test } from "vitest";
import type { LatLng } from "../../src/domain/place.ts";
import { callShard } from "../../src/edge/call.ts";
import { Refusal } from "../../src/edge/problem.ts";
import { shardAt } from "../../src/routing/shard-map.ts";
import { call, driverToken, migrateHistory, problemOf, requestRide, riderToken, rideWish } from "./support.ts";

beforeAll(migrateHistory);

/** The platform's errors carry what they mean as properties. */
const broken = (flags: object) => Object.assign(new Error("broken"), flags);

/** Calls the shard of this place in vain; answers with the refusal. */
async function callInVain(place: LatLng, error: Error): Promise<Refusal> {
  const refused = await callShard(env, shardAt(place, Number(env.SHARD_BITS)), () => Promise.reject(error)).then(
    () => null,
    (reason: unknown) => reason,
  );
  if (refused instanceof Refusal) return refused;
  throw new Error(`expected a refusal, got ${String(refused)}`);
}

/** A shard of its own for each test: the circuits are the isolate's. */
const at = (lat: number, lng: number) => ({ pickup: { lat, lng }, dropoff: { lat: lat + 0.03, lng } });

describe("a shard that does not answer", () => {
  test("[V6] is a refusal that says when to come back, and after five it is left alone but for cancellations", async () => {
    const place = at(43.6, 1.44);
    const ride = await requestRide("rita", place);
    expect(await callInVain(place.pickup, broken({}))).toMatchObject({ kind: "unavailable" });
    for (let i = 0; i < 5; i++) await callInVain(place.pickup, broken({ overloaded: true }));
    let said = false;
    const seen = callShard(env, shardAt(place.pickup, Number(env.SHARD_BITS)), async () => {
      said = true;
    });
    await expect(seen).rejects.toMatchObject({ kind: "overloaded" });
    expect(said).toBe(false);
    const token = await riderToken("rita");
    const refused = await call(`/v1/rides/${ride.id}`, { token });
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    expect((await problemOf(refused, 503)).type).toBe("/problems/overloaded");
    const asked = await call("/v1/rides", {
      token: await riderToken("ralf"),
      headers: { "idempotency-key": "k" },
      body: rideWish(place),
    });
    await problemOf(asked, 503);
    expect((await call(`/v1/rides/${ride.id}/cancel`, { method: "POST", token })).status).toBe(200);
    // The cancellation was heard, so the shard is well.
    expect((await call(`/v1/rides/${ride.id}`, { token })).status).toBe(200);
  });

  test("[V6] keeps nobody away from other shards", async () => {
    for (let i = 0; i < 6; i++) await callInVain(at(44.8, -0.57).pickup, broken({ overloaded: true }));
    await requestRide("rosa", at(45.75, 4.85));
    const ticket = await call("/v1/ws-ticket", { token: await driverToken("dora"), body: at(44.8, -0.57).pickup });
    expect(ticket.status).toBe(201);
  });
});
