/**
 * City time: `speed` times as fast as the wall's. People and cars live in it; the server has only the wall's clock, so
 * whatever the server measures must be told to be that much shorter, and what it computes must not.
 */
import type { DispatchPolicy, Market } from "../../src/domain/market.ts";

export interface CityClock {
  readonly speed: number;
  /** Runs `action` after this much city time, unless the city is stopped first. */
  after(cityMs: number, action: () => void): NodeJS.Timeout;
  /** Cars drive this many times as fast as usual: the end of a run need not take a whole ride. */
  hurry: number;
}

export function createCityClock(speed: number): CityClock {
  return { speed, hurry: 1, after: (cityMs, action) => setTimeout(action, cityMs / speed) };
}

/** A server's top speed for a car, metres per second of city time; faster fixes are held as impossible. */
const TOP_SPEED = 70;
const FIX_EVERY = { naturalMs: 4_000, shortestMs: 1_000 };

/**
 * Durations by which people act, with the shortest that still leaves the network and a restart their time. The city's
 * own speed is not among them: fares, and the ETA the ranking model learned from, are in city time already.
 */
const SHORTEST = {
  batchWindowMs: 100,
  offerTtlMs: 1_500,
  matchDeadlineMs: 8_000,
  searchEveryMs: 250,
  noShowMs: 4_000,
  pickupWatchMs: 10_000,
  tripWatchMs: 600_000,
} as const satisfies Partial<Record<keyof Market["dispatch"], number>>;

/**
 * What the variables of a server must be for a city of this speed. `markets` is the server's own MARKETS, as JSON; they
 * dispatch as they say unless another kind is given.
 */
export function serverVars(markets: string, speed: number, kind?: DispatchPolicy["kind"]): Record<string, string> {
  const entries = JSON.parse(markets) as MarketEntry[];
  const asked = kind === undefined ? entries : entries.map((one) => ({ ...one, dispatch: { ...one.dispatch, kind } }));
  return {
    TOP_SPEED_METERS_PER_SECOND: String(TOP_SPEED * speed),
    FIX_EVERY_MS: String(fixEveryMs(speed)),
    CLOCK_SPEED: String(speed),
    MARKETS: JSON.stringify(asked.map((market) => quickened(market, speed))),
  };
}

/** Often enough that a car does not jump over a cell between two fixes. */
export function fixEveryMs(speed: number): number {
  return Math.round(Math.min(FIX_EVERY.naturalMs, Math.max(FIX_EVERY.shortestMs, FIX_EVERY.naturalMs / speed)));
}

/** As configuration writes a market: what it leaves out takes the server's default. */
type MarketEntry = { readonly dispatch?: Partial<Market["dispatch"]> };

/** The defaults of the server's configuration, which a market may leave out. */
const NATURAL: Record<keyof typeof SHORTEST, number> = {
  batchWindowMs: 2_000,
  offerTtlMs: 15_000,
  matchDeadlineMs: 120_000,
  searchEveryMs: 1_500,
  noShowMs: 300_000,
  pickupWatchMs: 300_000,
  tripWatchMs: 21_600_000,
};

function quickened(market: MarketEntry, speed: number): MarketEntry {
  const names = Object.keys(SHORTEST) as (keyof typeof SHORTEST)[];
  const durations = names.map((name) => {
    const naturalMs = market.dispatch?.[name] ?? NATURAL[name];
    return [name, Math.round(Math.min(naturalMs, Math.max(SHORTEST[name], naturalMs / speed)))] as const;
  });
  return { ...market, dispatch: { ...market.dispatch, ...Object.fromEntries(durations) } };
}
