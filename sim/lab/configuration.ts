/** The product's own configuration, as wrangler.toml gives it to the Worker: what is compared is what would be deployed. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Market } from "../../src/domain/market.ts";
import type { LatLng } from "../../src/domain/place.ts";
import { Markets } from "../../src/protocol/market.ts";

export interface Configuration {
  readonly shardBits: number;
  readonly topSpeedMetersPerSecond: number;
  readonly fixEveryMs: number;
  marketAt(place: LatLng): Market;
}

const FILE = join(import.meta.dirname, "..", "..", "wrangler.toml");

/** Of the development environment, which comes first in the file and knows every city. */
export function readConfiguration(): Configuration {
  const text = readFileSync(FILE, "utf8");
  const find = (pattern: RegExp): string => {
    const found = pattern.exec(text)?.[1];
    if (found === undefined) throw new Error(`wrangler.toml: nothing is like ${pattern}`);
    return found;
  };
  const number = (name: string): number => Number(find(new RegExp(`^${name} = "([\\d.]+)"`, "m")));
  const areas = Markets.parse(JSON.parse(find(/^MARKETS = '''([\s\S]*?)'''/m)));
  return {
    shardBits: number("SHARD_BITS"),
    topSpeedMetersPerSecond: number("TOP_SPEED_METERS_PER_SECOND"),
    fixEveryMs: number("FIX_EVERY_MS"),
    marketAt({ lat, lng }) {
      const area = areas.find((m) => lat >= m.south && lat <= m.north && lng >= m.west && lng <= m.east);
      if (area === undefined) throw new Error(`no market serves ${lat},${lng}`);
      return area.market;
    },
  };
}
