/** The supply index and those it is measured against, behind one small interface. Used by index.bench.ts alone. */
import { around } from "geokdbush";
import KDBush from "kdbush";
import { cosDegrees, metersBetween } from "../src/spatial/distance.ts";
import { createNearestResult, SupplyIndex } from "../src/spatial/supply-index.ts";

/** Positions and filterable fields of entries 0 to n - 1, as arrays of numbers. */
export interface Fleet {
  readonly lat: Float64Array;
  readonly lng: Float64Array;
  readonly traits: Uint32Array;
  readonly rating: Float64Array;
}

export interface Ask {
  readonly lat: number;
  readonly lng: number;
  readonly limit: number;
  readonly requiredTraits: number;
  readonly minimumRating: number;
}

export interface Engine {
  readonly name: string;
  move(slot: number, lat: number, lng: number): void;
  /** Slots of the nearest, in order. */
  nearest(ask: Ask): ArrayLike<number>;
  /** Present where moves do not show until a rebuild. */
  readonly rebuild?: () => void;
}

export type EngineOf = (fleet: Fleet) => Engine;

export const ENGINES: Readonly<Record<"kerb" | "kdbush" | "brute", EngineOf>> = {
  kerb: (fleet) => kerbEngine(fleet),
  kdbush: kdbushEngine,
  brute: bruteEngine,
};

export function kerbEngine(fleet: Fleet, cellMeters?: number): Engine {
  const index = new SupplyIndex(cellMeters === undefined ? {} : { cellMeters });
  const expiresAtMs = 1e12;
  for (let slot = 0; slot < fleet.lat.length; slot++) {
    index.upsert(slot, fleet.lat[slot]!, fleet.lng[slot]!, expiresAtMs, fleet.traits[slot]!, fleet.rating[slot]!, 4);
  }
  const out = createNearestResult(20);
  return {
    name: "kerb",
    move: (slot, lat, lng) => index.move(slot, lat, lng, expiresAtMs),
    nearest({ lat, lng, limit, requiredTraits, minimumRating }) {
      const found = index.nearest(
        { lat, lng, limit, maxMeters: 1e8, nowMs: 1e11, requiredTraits, minimumRating, minimumSeats: 1 },
        out,
      );
      return out.slots.subarray(0, found);
    },
  };
}

/** A static tree: exact on the sphere, filters by callback, blind to moves until it is built again. */
function kdbushEngine({ lat, lng, traits, rating }: Fleet): Engine {
  const lats = lat.slice();
  const lngs = lng.slice();
  let tree = new KDBush(0);
  const rebuild = (): void => {
    tree = new KDBush(lats.length);
    for (let slot = 0; slot < lats.length; slot++) tree.add(lngs[slot]!, lats[slot]!);
    tree.finish();
  };
  rebuild();
  return {
    name: "kdbush",
    rebuild,
    move(slot, newLat, newLng) {
      lats[slot] = newLat;
      lngs[slot] = newLng;
    },
    nearest: ({ lat, lng, limit, requiredTraits, minimumRating }) =>
      around(tree, lng, lat, limit, Number.POSITIVE_INFINITY, (slot) => {
        return (traits[slot]! & requiredTraits) === requiredTraits && rating[slot]! >= minimumRating;
      }),
  };
}

/** Every entry measured; the fewest tricks that keep it honest as a baseline. */
function bruteEngine({ lat, lng, traits, rating }: Fleet): Engine {
  const lats = lat.slice();
  const lngs = lng.slice();
  const cosines = lats.map(cosDegrees);
  return {
    name: "brute",
    move(slot, newLat, newLng) {
      lats[slot] = newLat;
      lngs[slot] = newLng;
      cosines[slot] = cosDegrees(newLat);
    },
    nearest({ lat, lng, limit, requiredTraits, minimumRating }) {
      const cosine = cosDegrees(lat);
      const slots: number[] = [];
      const meters: number[] = [];
      for (let slot = 0; slot < lats.length; slot++) {
        if ((traits[slot]! & requiredTraits) !== requiredTraits || rating[slot]! < minimumRating) continue;
        const distance = metersBetween(lat, lng, cosine, lats[slot]!, lngs[slot]!, cosines[slot]!);
        if (slots.length === limit && distance >= meters[limit - 1]!) continue;
        let at = slots.length < limit ? slots.length : limit - 1;
        for (; at > 0 && meters[at - 1]! > distance; at--) {
          meters[at] = meters[at - 1]!;
          slots[at] = slots[at - 1]!;
        }
        meters[at] = distance;
        slots[at] = slot;
      }
      return slots;
    },
  };
}
