/** How operators change a market while the city runs, and what they are told of it. */
import * as z from "zod";
import type { DispatchPolicy, Tariff } from "../domain/market.ts";
import { type ConfiguredMarket, DAYS, type MarketConfiguration, type SettingChange } from "../domain/market-hours.ts";
import { pinned, type Same, SubjectText, WholeField } from "./fields.ts";
import { DISPATCH_FIELDS, TARIFF_FIELDS } from "./market.ts";

const { currency: _, ...pricing } = TARIFF_FIELDS;

const Settings = z
  .strictObject({ dispatch: z.strictObject(DISPATCH_FIELDS).partial(), tariff: z.strictObject(pricing).partial() })
  .partial()
  .meta({ id: "MarketSettings" });

const Override = z
  .strictObject({
    days: z.array(z.enum(DAYS)).min(1).max(DAYS.length).readonly(),
    fromHour: z.int().min(0).max(23),
    toHour: z.int().min(1).max(24),
    settings: Settings.default({}),
  })
  .refine(({ fromHour, toHour }) => fromHour !== toHour, {
    path: ["toHour"],
    message: "is where it begins; a whole day is 0 to 24",
  });

export const MarketConfigurationBody = z
  .strictObject({ settings: Settings.default({}), hours: z.array(Override).max(100).readonly().default([]) })
  .meta({ id: "MarketConfiguration" });
pinned<Same<z.infer<typeof MarketConfigurationBody>, MarketConfiguration>>();

const Configured = z.strictObject({ version: WholeField, configuration: MarketConfigurationBody });

/** One that was kept or came from another object; null where code that knew other settings wrote it. */
export function parseConfigured(value: unknown): ConfiguredMarket | null {
  return Configured.safeParse(value).data ?? null;
}

/** `/v1/ops/markets/{market}/…`; that there is such a market is for the configuration to say. */
export const MarketParams = z.object({ market: z.string().min(1).max(40) });

export const HistoryQuery = z.strictObject({ below: z.coerce.number().int().min(1).optional() });

export const ChangeMarketBody = z
  .strictObject({
    /** The version the caller saw; refused when somebody else was faster. */
    version: WholeField,
    why: z
      .string()
      .trim()
      .min(1)
      .max(500)
      .regex(/^\P{Cc}*$/u, "is no line of text"),
    configuration: MarketConfigurationBody,
  })
  .meta({ id: "MarketChange" });

export const DryRunBody = z.strictObject({ configuration: MarketConfigurationBody }).meta({ id: "MarketDryRun" });

const Dispatch = z.strictObject(DISPATCH_FIELDS).meta({ id: "DispatchPolicy" });
pinned<Same<z.infer<typeof Dispatch>, DispatchPolicy>>();
const TariffInForce = z.strictObject(TARIFF_FIELDS).meta({ id: "Tariff" });
pinned<Same<z.infer<typeof TariffInForce>, Tariff>>();

export const MarketBody = z
  .strictObject({
    market: z.string(),
    version: WholeField,
    configuration: MarketConfigurationBody,
    /** What holds in this hour, whatever it comes from. */
    inForce: z.strictObject({ dispatch: Dispatch, tariff: TariffInForce }),
    /** Newest first, twenty at most; `below` asks for older ones. */
    history: z.array(
      z.strictObject({
        version: WholeField,
        at: WholeField,
        by: SubjectText,
        why: z.string(),
        before: MarketConfigurationBody,
        after: MarketConfigurationBody,
      }),
    ),
  })
  .meta({ id: "Market" });

const SettingField = z.union([z.string(), z.number(), z.boolean()]);
const Change = z.strictObject({
  setting: z.string(),
  before: SettingField,
  after: SettingField,
  /** By the market's own clock; `toHour` is exclusive. */
  hours: z.array(z.strictObject({ day: z.enum(DAYS), fromHour: WholeField, toHour: WholeField })).readonly(),
});
pinned<Same<z.infer<typeof Change>, SettingChange>>();

export const DryRunReportBody = z
  .strictObject({
    market: z.string(),
    /** With which the candidate was compared. */
    version: WholeField,
    changes: z.array(Change),
  })
  .meta({ id: "MarketDryRunReport" });
