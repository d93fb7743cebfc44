/**
 * How wrong the estimate of a way's time is, against real trips: the market's speed alone, and what a shard has learned
 * from the ways its drivers drove. `node bench/eta.bench.ts [--quick] [--json FILE]`; needs KERB_DATA.
 *
 * San Francisco learns as the Worker does: the positions of every cab, in the order in which they came, on a Tuesday and
 * a Saturday; a way is what a cab drove from taking up a fare to setting it down. It is asked about trips of the days
 * after. New York has only trips: the first days teach, the others ask. Every shard's cell has a table of its own.
 */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { TravelTimes, type TravelTimesPrior, type Way } from "../src/matching/travel-times.ts";
import { shardAt } from "../src/routing/shard-map.ts";
import { haversineMeters } from "../src/spatial/distance.ts";
import { formatNumber, quantile, timeMs } from "./measure.ts";
import { readOptions } from "./options.ts";
import { createReporter, type Reporter } from "./report.ts";

interface Trip extends Way {
  readonly seconds: number;
  readonly meters: number;
}

interface City {
  readonly name: string;
  readonly prior: TravelTimesPrior;
  readonly teaches: readonly Trip[];
  readonly asks: readonly Trip[];
}

const SHARD_BITS = 25;
const FOLDER = process.env.KERB_DATA ?? fileURLToPath(new URL("../../shared/data", import.meta.url));
const FIX_DAYS = ["2008-05-20", "2008-05-24"];
/** Midnight in San Francisco after the last day that teaches. */
const ASKED_FROM_SECONDS = Date.parse("2008-05-25T07:00Z") / 1_000;
const NYC_TEACHING_DAYS = 12;
/** A cab that is silent for longer has had its radio off: what it drove meanwhile is not one way. */
const SILENCE_SECONDS = 600;

const { json, quick } = readOptions("eta");

function rowsOf(file: string): string[][] {
  const text = gunzipSync(readFileSync(`${FOLDER}/${file}`)).toString("utf8");
  const rows = text.trimEnd().split("\n").slice(1);
  return (quick ? rows.slice(0, 40_000) : rows).map((row) => row.split(","));
}

function tripOf(at: number, seconds: number, [a, b, c, d]: readonly number[]): Trip {
  const [from, to] = [
    { lat: a!, lng: b! },
    { lat: c!, lng: d! },
  ];
  return { from, to, at: at * 1_000, seconds, meters: haversineMeters(from, to) };
}

/** One way per run of positions of a cab with a fare, as its shard sees them begin and end. */
function waysIn(file: string): Trip[] {
  const begun = new Map<string, { readonly t: number; last: number; lastPlace: number[]; readonly place: number[] }>();
  const ways: Trip[] = [];
  for (const [time, cab, lat, lng, occupied] of rowsOf(file)) {
    const [t, place] = [Number(time), [Number(lat), Number(lng)]];
    const way = begun.get(cab!);
    if (way && (occupied !== "1" || t - way.last > SILENCE_SECONDS)) {
      ways.push(tripOf(way.t, way.last - way.t, [...way.place, ...way.lastPlace]));
      begun.delete(cab!);
    }
    if (occupied !== "1") continue;
    const open = begun.get(cab!);
    if (open) Object.assign(open, { last: t, lastPlace: place });
    else begun.set(cab!, { t, place, last: t, lastPlace: place });
  }
  return ways;
}

function sanFrancisco(): City {
  const asks = rowsOf("sf-cab-trips-2008-05-17_31.csv.gz")
    .map(([, at, until, ...places]) => tripOf(Number(at), Number(until) - Number(at), places.map(Number)))
    .filter((trip) => quick || trip.at >= ASKED_FROM_SECONDS * 1_000);
  const teaches = FIX_DAYS.flatMap((day) => waysIn(`sf-cab-traj-${day}.csv.gz`));
  const prior = { citySpeedMetersPerSecond: 4.76, utcOffsetMinutes: -420 };
  return { name: "San Francisco 2008", prior, teaches, asks };
}

function newYork(): City {
  const trips = rowsOf("nyc-taxi-od-month-d01_18.csv.gz").flatMap(([day, hour, minute, , ...rest]) => {
    const [a, b, c, d, seconds] = rest.map(Number);
    // The month is not told, nor which weekday it began with; 2013-01 had as many days.
    const at = Date.UTC(2013, 0, Number(day), Number(hour) + 5, Number(minute)) / 1_000;
    const trip = tripOf(at, seconds!, [a!, b!, c!, d!]);
    return seconds! >= 60 && seconds! <= 7_200 && trip.meters >= 200 ? [{ day: Number(day), trip }] : [];
  });
  const prior = { citySpeedMetersPerSecond: 3.4, utcOffsetMinutes: -300 };
  const those = (teach: boolean) =>
    trips.filter(({ day }) => day <= NYC_TEACHING_DAYS === teach).map(({ trip }) => trip);
  return { name: "New York taxis", prior, teaches: those(true), asks: those(false) };
}

/** Each way is learned and asked about in the shard where it begins, as drivers' shards do. */
function tablesOf({ prior, teaches }: City): (way: Way) => TravelTimes {
  const tables = new Map<string, TravelTimes>();
  const tableOf = ({ from }: Way): TravelTimes => {
    const shard = shardAt(from, SHARD_BITS);
    const known = tables.get(shard) ?? new TravelTimes(prior);
    tables.set(shard, known);
    return known;
  };
  for (const way of teaches) tableOf(way).learn(way, way.seconds);
  return tableOf;
}

const LENGTHS: readonly (readonly [string, number, number])[] = [
  ["all", 0, Number.POSITIVE_INFINITY],
  ["under 2 km", 0, 2_000],
  ["2 to 5 km", 2_000, 5_000],
  ["over 5 km", 5_000, Number.POSITIVE_INFINITY],
];

function errorsOf(asks: readonly Trip[], estimate: (trip: Trip) => number): string[] {
  const errors = Float64Array.from(asks, (trip) => Math.abs(estimate(trip) - trip.seconds) / trip.seconds).sort();
  const ratios = Float64Array.from(asks, (trip) => estimate(trip) / trip.seconds).sort();
  const percent = (share: number) => `${(100 * quantile(errors, share)).toFixed(1)} %`;
  return [percent(0.5), percent(0.9), formatNumber(quantile(ratios, 0.5))];
}

function judge(city: City, reporter: Reporter): void {
  const tableOf = tablesOf(city);
  const untaught = new TravelTimes(city.prior);
  const rows = LENGTHS.flatMap(([length, from, to]) => {
    const asks = city.asks.filter(({ meters }) => meters >= from && meters < to);
    const count = asks.length.toLocaleString("en-US");
    return [
      [length, "prior only", count, ...errorsOf(asks, (trip) => untaught.seconds(trip))],
      [length, "learned", count, ...errorsOf(asks, (trip) => tableOf(trip).seconds(trip))],
    ];
  });
  const head = ["trips", "estimate", "count", "median error", "p90 error", "median of estimate / truth"];
  const title = `${city.name}: ${city.teaches.length.toLocaleString("en-US")} ways learned, speed ${city.prior.citySpeedMetersPerSecond} m/s before`;
  reporter.table(title, head, rows);
}

function measureCost({ prior, teaches, asks }: City, reporter: Reporter): void {
  const table = new TravelTimes(prior);
  const learnUs = (timeMs(() => teaches.forEach((way) => void table.learn(way, way.seconds))) * 1e3) / teaches.length;
  let sum = 0;
  const askUs =
    (timeMs(() => {
      for (const trip of asks) sum += table.seconds(trip, trip.meters);
    }) *
      1e3) /
    asks.length;
  const kilobytes = JSON.stringify(table.memory()).length / 1_024;
  if (!(sum > 0)) throw new Error("nothing was estimated");
  reporter.table(
    "what it costs",
    ["learn us", "estimate us", "kilobytes kept by a shard at most"],
    [[formatNumber(learnUs), formatNumber(askUs), formatNumber(kilobytes)]],
  );
}

const reporter = createReporter("eta", 0, json);
const needed = "sf-cab-trips-2008-05-17_31.csv.gz";
if (existsSync(`${FOLDER}/${needed}`)) {
  reporter.note("Error: |estimate - truth| / truth of trips that were not learned from; straight-line distances only.");
  const cities = [sanFrancisco(), newYork()];
  for (const city of cities) judge(city, reporter);
  measureCost(cities[0]!, reporter);
} else reporter.note(`skipped: ${needed} not found in ${FOLDER}`);
reporter.end();
