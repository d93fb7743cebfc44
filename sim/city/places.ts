/** The cities that can be generated: where land is, and where people want to go. Outlines are coarse and drawn by hand. */
import type { LatLng } from "../../src/domain/place.ts";
import { destinationPoint } from "../../src/spatial/distance.ts";
import type { Random } from "../random.ts";

export interface Hotspot extends LatLng {
  /** Share of all trips that touch it, relative to the others. */
  readonly weight: number;
  readonly spreadMeters: number;
}

export interface CityPlan {
  readonly name: string;
  /** Median straight-line speed, detours and lights included; what `MARKETS` says of the same place. */
  readonly citySpeedMetersPerSecond: number;
  readonly utcOffsetMinutes: number;
  /** Closed outlines of where cars can be, as [lat, lng]. */
  readonly land: readonly (readonly (readonly [number, number])[])[];
  readonly hotspots: readonly Hotspot[];
}

// biome-ignore format: outlines read as runs of points
const MANHATTAN = [
  [40.7015, -74.0155], [40.7075, -74.017], [40.725, -74.0105], [40.748, -74.0075], [40.772, -73.9925],
  [40.8, -73.972], [40.83, -73.95], [40.85, -73.944], [40.835, -73.935], [40.8, -73.931], [40.78, -73.943],
  [40.756, -73.962], [40.743, -73.9715], [40.726, -73.973], [40.711, -73.978], [40.708, -74.0], [40.7015, -74.009],
] as const;

// biome-ignore format: outlines read as runs of points
const BROOKLYN_AND_QUEENS = [
  [40.7385, -73.956], [40.72, -73.961], [40.705, -73.97], [40.702, -73.992], [40.69, -74.0], [40.678, -74.01],
  [40.665, -74.005], [40.645, -74.02], [40.62, -74.033], [40.608, -74.025], [40.59, -73.99], [40.582, -73.96],
  [40.6, -73.915], [40.63, -73.885], [40.655, -73.82], [40.64, -73.79], [40.66, -73.75], [40.73, -73.76],
  [40.765, -73.81], [40.755, -73.845], [40.764, -73.865], [40.775, -73.875], [40.78, -73.91], [40.765, -73.935],
  [40.748, -73.955],
] as const;

// biome-ignore format: outlines read as runs of points
const SAN_FRANCISCO = [
  [37.806, -122.475], [37.8045, -122.43], [37.8075, -122.41], [37.795, -122.3945], [37.778, -122.3895],
  [37.75, -122.384], [37.73, -122.38], [37.708, -122.395], [37.708, -122.5], [37.735, -122.504], [37.778, -122.511],
  [37.787, -122.488],
] as const;

// biome-ignore format: outlines read as runs of points
const PARIS = [
  [48.9, 2.315], [48.9, 2.395], [48.868, 2.412], [48.835, 2.41], [48.818, 2.36], [48.828, 2.3], [48.84, 2.255],
  [48.872, 2.275],
] as const;

// biome-ignore format: outlines read as runs of points
const BERLIN = [
  [52.565, 13.33], [52.565, 13.45], [52.52, 13.52], [52.465, 13.5], [52.45, 13.4], [52.465, 13.29], [52.51, 13.26],
] as const;

function spot(lat: number, lng: number, weight: number, spreadMeters: number): Hotspot {
  return { lat, lng, weight, spreadMeters };
}

export const CITY_PLANS: Readonly<Record<string, CityPlan>> = {
  nyc: {
    name: "nyc",
    citySpeedMetersPerSecond: 3.4,
    utcOffsetMinutes: -240,
    land: [MANHATTAN, BROOKLYN_AND_QUEENS],
    hotspots: [
      spot(40.7549, -73.984, 6, 900),
      spot(40.7308, -73.9973, 4, 800),
      spot(40.7127, -74.0059, 3, 600),
      spot(40.7736, -73.9566, 3, 900),
      spot(40.787, -73.9754, 2, 800),
      spot(40.7181, -73.9571, 2, 900),
      spot(40.6892, -73.9857, 2, 900),
      spot(40.7644, -73.9235, 1, 1_000),
      spot(40.771, -73.872, 1, 400),
    ],
  },
  sf: {
    name: "sf",
    citySpeedMetersPerSecond: 4.76,
    utcOffsetMinutes: -420,
    land: [SAN_FRANCISCO],
    hotspots: [
      spot(37.7897, -122.4011, 5, 700),
      spot(37.7786, -122.4056, 3, 700),
      spot(37.7599, -122.4148, 3, 800),
      spot(37.8, -122.41, 2, 600),
      spot(37.7833, -122.433, 2, 900),
      spot(37.7694, -122.4527, 1, 800),
      spot(37.7502, -122.4337, 1, 900),
    ],
  },
  paris: {
    name: "paris",
    citySpeedMetersPerSecond: 4.5,
    utcOffsetMinutes: 0,
    land: [PARIS],
    hotspots: [
      spot(48.8606, 2.3376, 4, 800),
      spot(48.8738, 2.295, 3, 800),
      spot(48.8809, 2.3553, 3, 600),
      spot(48.8448, 2.3735, 2, 600),
      spot(48.8422, 2.3219, 2, 700),
      spot(48.8867, 2.3431, 1, 600),
    ],
  },
  berlin: {
    name: "berlin",
    citySpeedMetersPerSecond: 4.5,
    utcOffsetMinutes: 0,
    land: [BERLIN],
    hotspots: [
      spot(52.525, 13.3694, 3, 800),
      spot(52.5219, 13.4132, 4, 900),
      spot(52.5076, 13.3326, 3, 900),
      spot(52.4996, 13.4262, 2, 900),
      spot(52.5409, 13.4126, 2, 900),
      spot(52.4736, 13.4017, 1, 800),
    ],
  },
};

/** Even and odd crossings of a ray to the east; exact enough for outlines of a few kilometres. */
export function isOnLand(plan: CityPlan, { lat, lng }: LatLng): boolean {
  return plan.land.some((outline) => {
    let inside = false;
    outline.forEach(([latA, lngA], index) => {
      const [latB, lngB] = outline[(index + 1) % outline.length]!;
      if (latA > lat !== latB > lat && lng < lngA + ((lat - latA) / (latB - latA)) * (lngB - lngA)) inside = !inside;
    });
    return inside;
  });
}

const TRIES = 200;

/** A place where people are: near a hotspot, on land. Falls back to the hotspot's own middle. */
export function placeIn(plan: CityPlan, random: Random): LatLng {
  const hotspot = pickHotspot(plan, random);
  for (let tried = 0; tried < TRIES; tried++) {
    const meters = Math.abs(random.normal()) * hotspot.spreadMeters * 1.4;
    const place = destinationPoint(hotspot, random.next() * 360, meters);
    if (isOnLand(plan, place)) return place;
  }
  return { lat: hotspot.lat, lng: hotspot.lng };
}

function pickHotspot(plan: CityPlan, random: Random): Hotspot {
  let left = random.next() * plan.hotspots.reduce((sum, { weight }) => sum + weight, 0);
  for (const hotspot of plan.hotspots) {
    left -= hotspot.weight;
    if (left < 0) return hotspot;
  }
  return plan.hotspots.at(-1)!;
}
