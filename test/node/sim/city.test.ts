import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, expect, test } from "vitest";
import type { Demand, Trip } from "../../../sim/city/demand.ts";
import { createFleet } from "../../../sim/city/fleet.ts";
import { createGeneratedDemand } from "../../../sim/city/generated-demand.ts";
import { advance, createCar } from "../../../sim/city/movement.ts";
import { CITY_PLANS, isOnLand, placeIn } from "../../../sim/city/places.ts";
import { createReplayedDemand, readRealTrips } from "../../../sim/city/replayed-demand.ts";
import { busiestHour, pickupsWithin, readPickups } from "../../../sim/city/requests-file.ts";
import { createRandom } from "../../../sim/random.ts";
import { destinationPoint, haversineMeters } from "../../../src/spatial/distance.ts";

const folder = mkdtempSync(join(tmpdir(), "kerb-test-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function fileOf(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, name.endsWith(".gz") ? gzipSync(text) : text);
  return file;
}

function firstTrips(demand: Demand, count: number): (Trip | null)[] {
  return Array.from({ length: count }, () => demand.next());
}

test("both published forms of the pickups, plain or gzip, are read alike", async () => {
  const epochs = fileOf("epochs.csv", "t_epoch,lat,lon,base\n1396324860,40.7,-74,B1\n1396324800,40.71,-74.01,B2\n");
  const local =
    '"Date/Time","Lat","Lon","Base"\r\n"4/1/2014 0:01:00",40.7,-74,"B1"\r\n4/1/2014 0:00:00,40.71,-74.01,"B2"\r\n';
  const expected = [
    { at: 1_396_324_800, lat: 40.71, lng: -74.01 },
    { at: 1_396_324_860, lat: 40.7, lng: -74 },
  ];
  expect(await readPickups(epochs)).toEqual(expected);
  expect(await readPickups(fileOf("local.csv.gz", local))).toEqual(expected);
});

test("a file of whole trips is replayed with the drop-offs that it tells", async () => {
  const head = "cab,pickup_t,dropoff_t,pickup_lat,pickup_lon,dropoff_lat,dropoff_lon,path_km,n_fixes\n";
  const file = fileOf("trips.csv", `${head}7,1211018453,1211018718,37.79,-122.4,37.77,-122.41,1.78,6\n`);
  const pickups = await readPickups(file);
  expect(pickups).toEqual([{ at: 1_211_018_453, lat: 37.79, lng: -122.4, dropoff: { lat: 37.77, lng: -122.41 } }]);
  const trip = createReplayedDemand(pickups, 1_211_018_400, [], createRandom(1)).next()!;
  expect(trip.atMs).toBe(53_000);
  expect(trip.request.dropoff).toEqual({ lat: 37.77, lng: -122.41 });
  expect(haversineMeters(trip.request.pickup, pickups[0]!)).toBeLessThan(100);
});

test.each([
  ["when,where\n", 'line 1: expected the header "t_epoch,lat,lon,base"'],
  [
    "t_epoch,lat,lon,base\n1396324800,40.7,-74,B\n1396324800,north,-74,B\n",
    'line 3, lat: expected degrees within ±90, got "north"',
  ],
  ["t_epoch,lat,lon,base\n1396324800,40.7\n", 'line 2, lon: expected degrees within ±180, got ""'],
  ["t_epoch,lat,lon,base\nsoon,40.7,-74,B\n", 'line 2, t_epoch: expected Unix seconds, got "soon"'],
  ["Date/Time,Lat,Lon,Base\n2014-04-01,40.7,-74,B\n", "line 2, Date/Time: expected"],
  ["t_epoch,lat,lon,base\n", "holds no requests"],
])("a file that is none of them is refused with its line and field: %j", async (text, words) => {
  await expect(readPickups(fileOf("bad.csv", text))).rejects.toThrow(words);
});

test("a file that is not there, or not gzip, is refused with words", async () => {
  await expect(readPickups(join(folder, "none.csv"))).rejects.toThrow("cannot be read");
  const file = join(folder, "fake.csv.gz");
  writeFileSync(file, "t_epoch,lat,lon,base\n");
  await expect(readPickups(file)).rejects.toThrow("cannot be read");
});

test("the busiest hour is that of the fullest day, in New York's time", () => {
  const localMidnight = Date.UTC(2014, 3, 2, 4) / 1_000;
  const at = (day: number, hour: number, count: number) =>
    Array.from({ length: count }, (_, n) => ({
      at: localMidnight + day * 86_400 + hour * 3_600 + n,
      lat: 40.7,
      lng: -74,
    }));
  // The second day is fuller; the single fullest hour of all lies on the first.
  const pickups = [...at(0, 9, 6), ...at(1, 8, 4), ...at(1, 22, 5)];
  const hour = busiestHour(pickups);
  expect(hour).toEqual({ from: localMidnight + 86_400 + 22 * 3_600, seconds: 3_600 });
  expect(pickupsWithin(pickups, hour)).toHaveLength(5);
});

test("the same seed gives the same wishes, another seed others", () => {
  const trips = (seed: number) => firstTrips(createGeneratedDemand(CITY_PLANS.sf!, 500, createRandom(seed)), 50);
  expect(trips(1)).toEqual(trips(1));
  expect(trips(1)).not.toEqual(trips(2));
});

test("generated trips come in order, at the asked rate, and no pickup is its own drop-off", () => {
  const trips = firstTrips(createGeneratedDemand(CITY_PLANS.nyc!, 3_600, createRandom(3)), 2_000).map((trip) => trip!);
  expect(trips.every(({ atMs }, index) => index === 0 || atMs >= trips[index - 1]!.atMs)).toBe(true);
  // 2,000 arrivals at one a second: the standard error of their mean gap is 22 ms.
  expect(trips.at(-1)!.atMs / trips.length).toBeGreaterThan(900);
  expect(trips.at(-1)!.atMs / trips.length).toBeLessThan(1_100);
  for (const { request } of trips) expect(haversineMeters(request.pickup, request.dropoff)).toBeGreaterThan(50);
});

test.each(Object.keys(CITY_PLANS))("everybody in %s is on land", (name) => {
  const plan = CITY_PLANS[name]!;
  const random = createRandom(4);
  for (const hotspot of plan.hotspots) expect(isOnLand(plan, hotspot)).toBe(true);
  for (let n = 0; n < 500; n++) expect(isOnLand(plan, placeIn(plan, random))).toBe(true);
});

test("the middle of the Hudson and of San Francisco Bay is not land", () => {
  expect(isOnLand(CITY_PLANS.nyc!, { lat: 40.75, lng: -74.018 })).toBe(false);
  expect(isOnLand(CITY_PLANS.sf!, { lat: 37.8, lng: -122.37 })).toBe(false);
});

test("a larger fleet begins with the same drivers", () => {
  const fleet = (size: number) => createFleet(size, (random) => placeIn(CITY_PLANS.nyc!, random), createRandom(5));
  const withoutStream = ({ random: _, ...driver }: ReturnType<typeof fleet>[number]) => driver;
  expect(fleet(40).slice(0, 10).map(withoutStream)).toEqual(fleet(10).map(withoutStream));
});

test("a replayed pickup borrows the drop-off of a real trip from nearby, and else goes where pickups are", () => {
  const pickups = [
    { at: 100, lat: 40.7505, lng: -73.9905 },
    { at: 160, lat: 40.6, lng: -73.95 },
  ];
  const dropoff = { lat: 40.78, lng: -73.95 };
  const trips = [
    { pickup: { lat: 40.7515, lng: -73.9915 }, dropoff },
    // Many trips begin in the next square; those of the pickup's own come first.
    ...Array.from({ length: 50 }, () => ({
      pickup: { lat: 40.7565, lng: -73.9915 },
      dropoff: { lat: 40.7, lng: -74 },
    })),
  ];
  const demand = createReplayedDemand(pickups, 100, trips, createRandom(6));
  const [first, second, end] = firstTrips(demand, 3);
  expect(first).toMatchObject({ atMs: 0, request: { dropoff } });
  expect(haversineMeters(first!.request.pickup, pickups[0]!)).toBeLessThan(100);
  expect(second!.atMs).toBe(60_000);
  expect(Math.min(...pickups.map((pickup) => haversineMeters(pickup, second!.request.dropoff)))).toBeLessThan(100);
  expect(end).toBeNull();
});

test("pickups published to the minute are spread over it in their order", () => {
  const pickups = [120, 120, 120, 180].map((at) => ({ at, lat: 40.75, lng: -73.99 }));
  const times = firstTrips(createReplayedDemand(pickups, 120, [], createRandom(7)), 4).map((trip) => trip!.atMs);
  expect(times).toEqual([0, 20_000, 40_000, 60_000]);
});

test("a car drives straight at its speed and stops at its target", () => {
  const start = { lat: 40.75, lng: -73.98 };
  const target = destinationPoint(start, 30, 1_000);
  const car = { ...createCar(start), target };
  expect(advance(car, 10, 60)).toBe(false);
  expect(haversineMeters(start, car.position)).toBeCloseTo(600, 3);
  expect(car.headingDegrees).toBeCloseTo(30, 1);
  expect(advance(car, 10, 60)).toBe(true);
  expect(car.position).toEqual(target);
  expect(advance(car, 10, 60)).toBe(false);
  expect(car.speedMetersPerSecond).toBe(0);
});

const DATA = process.env.KERB_DATA ?? join(import.meta.dirname, "..", "..", "..", "..", "shared", "data");
const REAL = join(DATA, "nyc-uber-2014-04.csv.gz");

test("a real month replays: its busiest hour, with real drop-offs", async ({ skip }) => {
  if (!existsSync(REAL)) console.log(`skipped: ${REAL} not found`);
  skip(!existsSync(REAL), `${REAL} not found`);
  const pickups = await readPickups(REAL);
  expect(pickups).toHaveLength(99_997);
  const hour = busiestHour(pickups);
  const due = pickupsWithin(pickups, hour);
  const trips = await readRealTrips(REAL);
  expect(trips).toHaveLength(30_340);
  const wishes = firstTrips(createReplayedDemand(due, hour.from, trips, createRandom(8)), due.length).map(
    (trip) => trip!,
  );
  expect(wishes.at(-1)!.atMs).toBeLessThan(3_600_000);
  const borrowed = new Set(trips.map(({ dropoff }) => `${dropoff.lat},${dropoff.lng}`));
  const real = wishes.filter(({ request: { dropoff } }) => borrowed.has(`${dropoff.lat},${dropoff.lng}`));
  expect(real.length / wishes.length).toBeGreaterThan(0.95);
});
