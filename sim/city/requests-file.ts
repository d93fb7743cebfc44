/**
 * Real pickups from a file, plain or gzip, in one of three forms told apart by their header:
 *   `t_epoch,lat,lon,base`         Unix seconds
 *   `Date/Time,Lat,Lon,Base`       `4/1/2014 0:11:00`, New York's summer time, as the source published it
 *   `cab,pickup_t,dropoff_t,pickup_lat,pickup_lon,dropoff_lat,dropoff_lon,…`   Unix seconds; the ways are known whole
 */
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { createGunzip } from "node:zlib";
import type { LatLng } from "../../src/domain/place.ts";
import { UsageError } from "../arguments.ts";

export interface Pickup extends LatLng {
  /** Unix seconds. */
  readonly at: number;
  /** Where the source tells it. */
  readonly dropoff?: LatLng;
}

export interface Window {
  /** Unix seconds. */
  readonly from: number;
  readonly seconds: number;
}

const HOUR_SECONDS = 3_600;
const DAY_SECONDS = 86_400;
/** Daylight time held from the first day of the published months to the last. */
const NEW_YORK_OFFSET_SECONDS = -4 * HOUR_SECONDS;

/** All pickups, in order of time. Throws `UsageError` naming the line and the field. */
export async function readPickups(file: string): Promise<Pickup[]> {
  const pickups: Pickup[] = [];
  let parse: ((cells: string[], line: number) => Pickup) | null = null;
  let line = 0;
  try {
    for await (const text of linesOf(file)) {
      line += 1;
      if (text === "") continue;
      const cells = text.split(",");
      if (parse) pickups.push(parse(cells, line));
      else parse = parserFor(text);
    }
  } catch (error) {
    if (error instanceof UsageError) throw new UsageError(`${file}: ${error.message}`);
    throw new UsageError(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (pickups.length === 0) throw new UsageError(`${file} holds no requests`);
  return pickups.sort((a, b) => a.at - b.at);
}

/** The fullest hour of the fullest day: what a city must be able to carry. `pickups` are in order of time. */
export function busiestHour(pickups: readonly Pickup[]): Window {
  const day = fullest(pickups, DAY_SECONDS);
  const ofDay = pickups.filter(({ at }) => Math.floor((at + NEW_YORK_OFFSET_SECONDS) / DAY_SECONDS) === day);
  return { from: fullest(ofDay, HOUR_SECONDS) * HOUR_SECONDS - NEW_YORK_OFFSET_SECONDS, seconds: HOUR_SECONDS };
}

export function pickupsWithin(pickups: readonly Pickup[], { from, seconds }: Window): Pickup[] {
  return pickups.filter(({ at }) => at >= from && at < from + seconds);
}

/** Lines of a plain or gzip text file; the compression is recognised by the file's name. */
export function linesOf(file: string): AsyncIterable<string> {
  const raw = createReadStream(file);
  if (!file.endsWith(".gz")) return createInterface({ input: raw, crlfDelay: Number.POSITIVE_INFINITY });
  const input = raw.pipe(createGunzip());
  raw.on("error", (error) => input.destroy(error));
  return createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
}

/** Index, in local time, of the span that holds the most pickups; the first of equals. */
function fullest(pickups: readonly Pickup[], spanSeconds: number): number {
  const counts = new Map<number, number>();
  for (const { at } of pickups) {
    const span = Math.floor((at + NEW_YORK_OFFSET_SECONDS) / spanSeconds);
    counts.set(span, (counts.get(span) ?? 0) + 1);
  }
  let best: [number, number] = [0, 0];
  for (const [span, count] of counts) if (count > best[1]) best = [span, count];
  return best[0];
}

function parserFor(header: string): (cells: string[], line: number) => Pickup {
  const names = header
    .replace(/^\uFEFF/, "")
    .replaceAll('"', "")
    .trim()
    .toLowerCase();
  if (names.startsWith("t_epoch,lat,lon")) return (cells, line) => pickup(epochOf(cells[0], line), cells, line);
  if (names.startsWith("date/time,lat,lon")) return (cells, line) => pickup(localOf(cells[0], line), cells, line);
  if (names.startsWith("cab,pickup_t,dropoff_t,pickup_lat,pickup_lon,dropoff_lat,dropoff_lon")) return wholeTrip;
  throw new UsageError(
    `line 1: expected the header "t_epoch,lat,lon,base" or "Date/Time,Lat,Lon,Base", got "${header.slice(0, 80)}"`,
  );
}

function wholeTrip(cells: string[], line: number): Pickup {
  const [, at, , lat, lng, toLat, toLng] = cells;
  const dropoff = { lat: degrees(toLat, 90, "dropoff_lat", line), lng: degrees(toLng, 180, "dropoff_lon", line) };
  return { ...pickup(epochOf(at, line), ["", lat ?? "", lng ?? ""], line), dropoff };
}

function pickup(at: number, cells: string[], line: number): Pickup {
  return { at, lat: degrees(cells[1], 90, "lat", line), lng: degrees(cells[2], 180, "lon", line) };
}

function degrees(text: string | undefined, limit: number, field: string, line: number): number {
  const value = text === undefined || text.trim() === "" ? Number.NaN : Number(text);
  if (!(Math.abs(value) <= limit)) {
    throw new UsageError(`line ${line}, ${field}: expected degrees within ±${limit}, got "${text ?? ""}"`);
  }
  return value;
}

function epochOf(text: string | undefined, line: number): number {
  const value = text === undefined || text === "" ? Number.NaN : Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new UsageError(`line ${line}, t_epoch: expected Unix seconds, got "${text ?? ""}"`);
}

function localOf(text: string | undefined, line: number): number {
  const parts = /^"?(\d{1,2})\/(\d{1,2})\/(\d{4}) (\d{1,2}):(\d{2}):(\d{2})"?$/.exec(text ?? "");
  if (!parts) throw new UsageError(`line ${line}, Date/Time: expected "4/1/2014 0:11:00", got "${text ?? ""}"`);
  const [month, day, year, hour, minute, second] = parts.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return Date.UTC(year, month - 1, day, hour, minute, second) / 1_000 - NEW_YORK_OFFSET_SECONDS;
}
