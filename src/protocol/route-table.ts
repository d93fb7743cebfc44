/** The words of a road network's router: the table service of OSRM's HTTP API, version 1, durations in seconds. */
import * as z from "zod";
import type { LatLng } from "../domain/place.ts";

/** Six decimals are a decimetre. */
const DECIMALS = 6;

const RouteTable = z.object({
  code: z.literal("Ok"),
  /** One row for each place of departure, with the one destination in it; null where no road leads there. */
  durations: z.array(z.tuple([z.number().min(0).nullable()])),
});

/** Asks for the time from each of `from` to `to`, in one call. `base` ends with the profile, such as `.../v1/driving`. */
export function routeTableUrl(base: string, from: readonly LatLng[], to: LatLng): string {
  const coordinates = [...from, to].map(({ lat, lng }) => `${lng.toFixed(DECIMALS)},${lat.toFixed(DECIMALS)}`);
  const sources = from.map((_, index) => index).join(";");
  return `${base}/${coordinates.join(";")}?sources=${sources}&destinations=${from.length}&annotations=duration`;
}

/** Seconds in the order of the places asked for. Null where the answer is not one to that question. */
export function parseRouteTable(body: unknown, places: number): (number | null)[] | null {
  const { success, data } = RouteTable.safeParse(body);
  return success && data.durations.length === places ? data.durations.map(([seconds]) => seconds) : null;
}
