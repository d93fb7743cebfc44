/**
 * What operators change of a market while the city runs: settings in place of those that were deployed, for all hours or
 * for hours of the week. Every change is a new version; version 0 is the market as it was deployed.
 */
import type { DispatchPolicy, Market, Tariff } from "./market.ts";
import { type EpochMs, localDayOfWeek, localHour } from "./time.ts";

/** As `localDayOfWeek` counts them. */
export const DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"] as const;
export type Day = (typeof DAYS)[number];

/** What is not in it stays as it is. */
type Some<T> = { readonly [K in keyof T]?: T[K] | undefined };

export type MarketSettings = Some<{
  readonly dispatch: Some<DispatchPolicy>;
  /** The currency is no policy. */
  readonly tariff: Some<Omit<Tariff, "currency">>;
}>;

/** Other settings for some hours of some days, by the market's own clock. */
export interface HoursOverride {
  readonly days: readonly Day[];
  readonly fromHour: number;
  /** Exclusive. Before `fromHour` it is an hour of the following day. */
  readonly toHour: number;
  readonly settings: MarketSettings;
}

export interface MarketConfiguration {
  readonly settings: MarketSettings;
  /** In order: where several hold for an hour, the later ones win, setting by setting. */
  readonly hours: readonly HoursOverride[];
}

export interface ConfiguredMarket {
  /** Rises by one with every change. */
  readonly version: number;
  readonly configuration: MarketConfiguration;
}

export const AS_DEPLOYED: ConfiguredMarket = { version: 0, configuration: { settings: {}, hours: [] } };

const HOURS_OF_DAY = 24;
const HOURS_OF_WEEK = DAYS.length * HOURS_OF_DAY;

/** Hour of the local week, 0 to 167; 0 is the one after midnight on Sunday. */
export function hourOfWeek(now: EpochMs, utcOffsetMinutes: number): number {
  return localDayOfWeek(now, utcOffsetMinutes) * HOURS_OF_DAY + Math.floor(localHour(now, utcOffsetMinutes));
}

/** The market as it is configured for this hour of its week. */
export function marketInHour(deployed: Market, { settings, hours }: MarketConfiguration, hour: number): Market {
  const holding = hours.filter((override) => holdsIn(override, hour));
  return holding.reduce((market, override) => under(market, override.settings), under(deployed, settings));
}

function under(market: Market, { dispatch, tariff }: MarketSettings): Market {
  return { ...market, dispatch: over(market.dispatch, dispatch), tariff: over(market.tariff, tariff) };
}

function over<T extends object>(base: T, some: object = {}): T {
  return { ...base, ...Object.fromEntries(Object.entries(some).filter(([, value]) => value !== undefined)) };
}

function holdsIn({ days, fromHour, toHour }: HoursOverride, hour: number): boolean {
  const lasts = toHour > fromHour ? toHour - fromHour : toHour + HOURS_OF_DAY - fromHour;
  return days.some((day) => {
    const begins = DAYS.indexOf(day) * HOURS_OF_DAY + fromHour;
    return (hour - begins + HOURS_OF_WEEK) % HOURS_OF_WEEK < lasts;
  });
}

type SettingValue = string | number | boolean;

/** One setting that another configuration would change, and in which hours of the week from this value to that. */
export interface SettingChange {
  /** Such as `dispatch.kind`. */
  readonly setting: string;
  readonly before: SettingValue;
  readonly after: SettingValue;
  readonly hours: readonly HourRange[];
}

/** Hours of one day that follow each other; `toHour` is exclusive. */
export interface HourRange {
  readonly day: Day;
  readonly fromHour: number;
  readonly toHour: number;
}

/** What would be different, hour by hour of the week, under another configuration; empty where nothing would. */
export function changesBetween(
  deployed: Market,
  before: MarketConfiguration,
  after: MarketConfiguration,
): SettingChange[] {
  const changes = new Map<string, Omit<SettingChange, "hours"> & { hours: HourRange[] }>();
  for (let hour = 0; hour < HOURS_OF_WEEK; hour++) {
    const old = flat(marketInHour(deployed, before, hour));
    for (const [setting, value] of flat(marketInHour(deployed, after, hour))) {
      const was = old.get(setting)!;
      if (was === value) continue;
      const key = JSON.stringify([setting, was, value]);
      const known = changes.get(key) ?? { setting, before: was, after: value, hours: [] };
      addHour(known.hours, hour);
      changes.set(key, known);
    }
  }
  return [...changes.values()].sort((a, b) => (a.setting < b.setting ? -1 : a.setting > b.setting ? 1 : 0));
}

function flat({ dispatch, tariff }: Market): Map<string, SettingValue> {
  const parts: Readonly<Record<string, object>> = { dispatch, tariff };
  return new Map(
    Object.entries(parts).flatMap(([part, settings]) =>
      Object.entries(settings).map(([name, value]) => [`${part}.${name}`, value as SettingValue] as const),
    ),
  );
}

/** The hours come in order. */
function addHour(ranges: HourRange[], hour: number): void {
  const day = DAYS[Math.floor(hour / HOURS_OF_DAY)]!;
  const fromHour = hour % HOURS_OF_DAY;
  const last = ranges.at(-1);
  if (last?.day === day && last.toHour === fromHour) ranges[ranges.length - 1] = { ...last, toHour: fromHour + 1 };
  else ranges.push({ day, fromHour, toHour: fromHour + 1 });
}
