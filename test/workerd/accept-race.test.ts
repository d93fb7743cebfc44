import { beforeAll, expect, test } from "vitest";
import type { RiderId } from "../../src/domain/ride.ts";
import { acrossBorder, broadcastElsewhere, newRide, rowsOf, shardOf, untilConfigured } from "./shard-tools.ts";
import { driverAt, fixAt, migrateHistory, type TestDriver } from "./support.ts";

beforeAll(async () => {
  await migrateHistory();
  await broadcastElsewhere();
});

const AREAS = 10;
const ROUNDS = 100;

/** Often enough that nobody's place grows old, however long a round takes. */
const FIX_EVERY_MS = 4_000;

interface Racer {
  readonly name: string;
  readonly socket: TestDriver;
  readonly reporting: ReturnType<typeof setInterval>;
}

/** A new one for every ride: one rider alone may not ask so often. */
const riderOf = (index: number, round: number) => `rider-${index}-${round}` as RiderId;

/** Far from all the others. Every second area lies on a border, one driver on either side of it. */
async function areaOf(index: number) {
  const middle = { lat: 20 + index * 0.5, lng: 10 };
  const { here, beyond } = acrossBorder(middle);
  const places = [here, index % 2 === 0 ? { ...here, lat: here.lat + 0.002 } : beyond];
  const racers = await Promise.all(
    places.map(async (place, i): Promise<Racer> => {
      const name = `racer-${index}-${i}`;
      const socket = await driverAt(name, place);
      if (place === here) await untilConfigured(socket, here);
      let seq = 2_000;
      const reporting = setInterval(() => socket.say({ type: "location", fixes: [fixAt(place, seq++)] }), FIX_EVERY_MS);
      return { name, socket, reporting };
    }),
  );
  return { index, pickup: here, racers };
}

/** One ride offered to both, accepted by both at once, then given up. Returns who heard what. */
async function race({ index, pickup, racers }: Awaited<ReturnType<typeof areaOf>>, round: number) {
  const riderId = riderOf(index, round);
  const rideId = await newRide(riderId, pickup);
  const offers = await Promise.all(racers.map(({ socket }) => socket.hear("offer")));
  for (const offer of offers) expect(offer.rideId).toBe(rideId);
  const cid = `accept-${round}`;
  for (const [i, { socket }] of racers.entries())
    socket.say({ type: "offer.accept", cid, offerId: offers[i]!.offerId });
  const verdicts = await Promise.all(
    racers.map(async ({ socket }) => {
      const { verdict } = await socket.hear("offer.verdict");
      return verdict.outcome === "lost" ? `lost: ${verdict.reason}` : verdict.outcome;
    }),
  );
  // The rider lets the ride go, so that the same two can race for the next one.
  await shardOf(pickup).cancelRide({ rideId, riderId });
  await racers[verdicts.indexOf("won")]?.socket.hear("trip.changed");
  return verdicts.sort();
}

test("[A1] [A2] [S1] [S5] two drivers accept in the same moment, a thousand times, in one cell and across a border: one wins", async () => {
  const areas = await Promise.all(Array.from({ length: AREAS }, (_, index) => areaOf(index)));
  const verdicts = await Promise.all(
    areas.map(async (area) => {
      const heard: string[][] = [];
      for (let round = 0; round < ROUNDS; round++) heard.push(await race(area, round));
      return heard;
    }),
  );
  const all = verdicts.flat();
  expect(all).toHaveLength(1_000);
  expect(all.filter(([first, second]) => first !== "lost: superseded" || second !== "won")).toEqual([]);

  const winners = await Promise.all(
    areas.map(({ pickup }) =>
      rowsOf<{ n: number }>(
        pickup,
        "SELECT count(*) AS n FROM events WHERE json_extract(body, '$.type') = 'ride.assigned' GROUP BY ride_id",
      ),
    ),
  );
  expect(winners.flat().map(({ n }) => n)).toEqual(Array(1_000).fill(1));
  for (const { socket, reporting } of areas.flatMap(({ racers }) => racers)) {
    clearInterval(reporting);
    socket.close();
  }
});
