/** Why this driver, over HTTP: a real ride, ranked by the real model, asked about while it is open and after it is over. */
import { beforeAll, expect, test, vi } from "vitest";
import { currentModel, loadAcceptModel } from "../../durable-objects/ports/onnx-session.ts";
import golden from "../../models/accept/v1/golden.json";
import manifest from "../../models/accept/v1/manifest.json";
import model from "../../models/accept/v1/model.onnx";
import { type RideExplanation, RideExplanationBody } from "../../src/protocol/ops.ts";
import { FEATURES } from "../../src/ranking/feature-view.ts";
import { expectedCostSeconds } from "../../src/ranking/ranker.ts";
import { PATIENTLY } from "../patience.ts";
import { acrossBorder, newRide, rowsOf } from "./shard-tools.ts";
import { call, driverAt, migrateHistory, opsToken, problemOf, riderToken, type TestDriver } from "./support.ts";

beforeAll(migrateHistory);

const { here, beyond } = acrossBorder({ lat: 40.7549, lng: -73.984 });

async function explain(rideId: string): Promise<RideExplanation> {
  const response = await call(`/v1/ops/rides/${rideId}/decision`, { token: await opsToken() });
  expect(response.status).toBe(200);
  return RideExplanationBody.parse(await response.json());
}

/** A ride that the model ranked: on a busy machine it may miss its deadline, and then the next ride is asked for. */
async function rankedByModel(): Promise<string> {
  await loadAcceptModel(new Uint8Array(model), manifest, golden);
  for (let attempt = 0; attempt < 20; attempt++) {
    const rider = `rita-${attempt}`;
    const rideId = await newRide(rider, here);
    const { decisions } = await vi.waitFor(async () => {
      const explanation = await explain(rideId);
      expect(explanation.decisions).not.toEqual([]);
      return explanation;
    }, PATIENTLY);
    if (decisions[0]!.fallback === null && decisions[0]!.candidates.length === 3) return rideId;
    expect((await call(`/v1/rides/${rideId}/cancel`, { method: "POST", token: await riderToken(rider) })).status).toBe(
      200,
    );
  }
  throw new Error("the model never ranked");
}

async function offerOf(driver: TestDriver, rideId: string) {
  for (;;) {
    const offer = await driver.hear("offer");
    if (offer.rideId === rideId) return offer;
  }
}

test("[Y1] [Y3] [Y4] a ride's decision says what the ranker got, which the model answers bit for bit again, and what came of it", async () => {
  const drivers = {
    ann: await driverAt("ann", here),
    bob: await driverAt("bob", { ...here, lat: here.lat + 0.004 }),
    cat: await driverAt("cat", beyond),
  };
  const rideId = await rankedByModel();
  const [offer] = await Promise.all(Object.values(drivers).map((driver) => offerOf(driver, rideId)));
  const [decision] = (await explain(rideId)).decisions;
  const { candidates } = decision!;
  expect(decision).toMatchObject({ attempt: 1, wave: 1, ranker: "accept@1", connected: 2, found: 3, leftOut: [] });
  expect(candidates.map(({ rank }) => rank)).toEqual([0, 1, 2]);
  expect(candidates.map(({ driverId }) => driverId).sort()).toEqual(["ann", "bob", "cat"]);

  const rows = candidates.flatMap(({ features }) => FEATURES.map(({ name }) => features[name] ?? Number.NaN));
  const again = await currentModel()!.predict(Float32Array.from(rows), candidates.length);
  expect(candidates.map(({ acceptProbability }) => acceptProbability)).toEqual([...again]);
  expect(candidates.map(({ costSeconds }) => costSeconds)).toEqual(
    candidates.map(({ pickupSeconds }, rank) => expectedCostSeconds(pickupSeconds, again[rank]!)),
  );
  const costs = candidates.map(({ costSeconds }) => costSeconds);
  expect(costs).toEqual([...costs].sort((a, b) => a - b));

  drivers.ann.say({ type: "offer.accept", cid: "c", offerId: offer!.offerId });
  expect((await drivers.ann.hear("offer.verdict")).verdict.outcome).toBe("won");
  for (const step of ["arrive", "start", "complete"] as const) {
    drivers.ann.say({ type: "trip", cid: step, offerId: offer!.offerId, step });
    expect((await drivers.ann.hear("trip.verdict")).verdict.outcome).toBe("done");
  }
  await vi.waitFor(async () => {
    const waiting = `SELECT 1 FROM events WHERE archived = 0 AND ride_id = '${rideId}'
        UNION ALL SELECT 1 FROM offers WHERE released = 0 AND ride_id = '${rideId}'`;
    expect(await rowsOf(here, waiting)).toEqual([]);
  }, PATIENTLY);
  const { state, decisions } = await explain(rideId);
  expect(state).toBe("completed");
  const became = decisions[0]!.candidates.map(({ driverId, offer: made }) => [driverId, made?.state, made?.reason]);
  expect(became.sort()).toEqual([
    ["ann", "ended", null],
    ["bob", "dead", "superseded"],
    ["cat", "dead", "superseded"],
  ]);
  expect(decisions[0]!.candidates.map(({ features }) => features)).toEqual(candidates.map(({ features }) => features));
  for (const socket of Object.values(drivers)) socket.close();
});

test("[Y3] a ride that is not in the rows has no decisions to show", async () => {
  for (const cell of ["dr5ru", "dr5r", "zzzz~1"]) {
    const path = `/v1/ops/rides/${cell}.01J9Z3NDEKTSV4RRFFQ69G5FAV/decision`;
    const problem = await problemOf(await call(path, { token: await opsToken() }), 404);
    expect(problem.detail).toContain("a day");
  }
});
