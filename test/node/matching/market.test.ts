import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DISPATCH_KINDS } from "../../../src/domain/market.ts";
import {
  changesBetween,
  DAYS,
  hourOfWeek,
  type MarketConfiguration,
  marketInHour,
} from "../../../src/domain/market-hours.ts";
import { HOUR_MS } from "../../../src/domain/time.ts";
import { MarketConfigurationBody } from "../../../src/protocol/market-configuration.ts";
import { answerIn, DISPATCH, driverId, MARKET, ofType, ShardKit, START } from "./shard-kit.ts";

const DEPLOYED = { ...MARKET, dispatch: DISPATCH };
const HOURS = Array.from({ length: 168 }, (_, hour) => hour);

const Settings = fc.record(
  {
    dispatch: fc.record(
      { kind: fc.constantFrom(...DISPATCH_KINDS), waveSize: fc.integer({ min: 1, max: 10 }) },
      { requiredKeys: [] },
    ),
    tariff: fc.record({ baseCents: fc.integer({ min: 0, max: 900 }) }, { requiredKeys: [] }),
  },
  { requiredKeys: [] },
);
const Configuration: fc.Arbitrary<MarketConfiguration> = fc.record({
  settings: Settings,
  hours: fc.array(
    fc
      .record({
        days: fc.uniqueArray(fc.constantFrom(...DAYS), { minLength: 1 }),
        fromHour: fc.integer({ min: 0, max: 23 }),
        toHour: fc.integer({ min: 1, max: 24 }),
        settings: Settings,
      })
      .filter(({ fromHour, toHour }) => fromHour !== toHour),
    { maxLength: 5 },
  ),
});

/** What holds in an hour, by walking through every override hour by hour. */
function byHand({ settings, hours }: MarketConfiguration, hour: number) {
  const found = { ...DISPATCH, ...DEPLOYED.tariff, ...settings.dispatch, ...settings.tariff };
  for (const override of hours) {
    for (const day of override.days) {
      let at = DAYS.indexOf(day) * 24 + override.fromHour;
      do {
        if (at % 168 === hour) Object.assign(found, override.settings.dispatch, override.settings.tariff);
        at++;
      } while (at % 24 !== override.toHour % 24);
    }
  }
  return found;
}

describe("a market's hours", () => {
  test("are counted by the market's own clock, from Sunday midnight", () => {
    const sunday = Date.UTC(2026, 10, 22);
    expect([sunday, sunday + 30 * HOUR_MS, sunday - 1].map((at) => hourOfWeek(at, 0))).toEqual([0, 30, 167]);
    expect(hourOfWeek(sunday, -240)).toBe(164);
    expect(hourOfWeek(sunday + 3.5 * HOUR_MS, 60)).toBe(4);
  });

  test("[C1] every hour has what the last override says that holds then, setting by setting", () => {
    fc.assert(
      fc.property(Configuration, fc.integer({ min: 0, max: 167 }), (configuration, hour) => {
        const { dispatch, tariff, ...rest } = marketInHour(DEPLOYED, configuration, hour);
        expect({ ...dispatch, ...tariff }).toEqual(byHand(configuration, hour));
        expect(rest).toEqual({ name: "test", zones: [], utcOffsetMinutes: -240, citySpeedMetersPerSecond: 4 });
      }),
    );
  });

  test("[C1] a night that ends before it begins ends on the following day, also on Saturday", () => {
    const settings = { dispatch: { waveSize: 9 } };
    const night = { settings: {}, hours: [{ days: ["fri", "sat"] as const, fromHour: 22, toHour: 4, settings }] };
    const held = HOURS.filter((hour) => marketInHour(DEPLOYED, night, hour).dispatch.waveSize === 9);
    const friday = 5 * 24;
    const six = [22, 23, 24, 25, 26, 27].map((hour) => friday + hour);
    expect(held).toEqual([0, 1, 2, 3, ...six, 166, 167]);
  });

  test("[C3] what would change is told for exactly the hours in which it would", () => {
    fc.assert(
      fc.property(Configuration, Configuration, (before, after) => {
        const told = changesBetween(DEPLOYED, before, after).flatMap((change) =>
          change.hours.flatMap(({ day, fromHour, toHour }) =>
            Array.from({ length: toHour - fromHour }, (_, at) => {
              const hour = DAYS.indexOf(day) * 24 + fromHour + at;
              return `${hour} ${change.setting} ${change.before} ${change.after}`;
            }),
          ),
        );
        const found = HOURS.flatMap((hour) => {
          const [old, next] = [marketInHour(DEPLOYED, before, hour), marketInHour(DEPLOYED, after, hour)];
          return [
            ["dispatch.kind", old.dispatch.kind, next.dispatch.kind],
            ["dispatch.waveSize", old.dispatch.waveSize, next.dispatch.waveSize],
            ["tariff.baseCents", old.tariff.baseCents, next.tariff.baseCents],
          ].flatMap(([setting, was, is]) => (was === is ? [] : [`${hour} ${setting} ${was} ${is}`]));
        });
        expect(told.sort()).toEqual(found.sort());
      }),
      { numRuns: 50 },
    );
  });

  test("[C3] whatever these configurations are, the schema takes them as they are", () => {
    fc.assert(
      fc.property(Configuration, (configuration) => {
        expect(MarketConfigurationBody.parse(JSON.parse(JSON.stringify(configuration)))).toEqual(configuration);
      }),
    );
  });

  test.each([
    [{ settings: { dispatch: { waveSise: 3 } } }, "settings.dispatch"],
    [{ settings: { tariff: { currency: "EUR" } } }, "settings.tariff"],
    [{ settings: { citySpeedMetersPerSecond: 9 } }, "settings"],
    [{ settings: { dispatch: { waveSize: 0 } } }, "settings.dispatch.waveSize"],
    [{ settings: { tariff: { surgeMaximum: 6 } } }, "settings.tariff.surgeMaximum"],
    [{ hours: [{ days: [], fromHour: 1, toHour: 2, settings: {} }] }, "hours.0.days"],
    [{ hours: [{ days: ["mon"], fromHour: 24, toHour: 2, settings: {} }] }, "hours.0.fromHour"],
    [{ hours: [{ days: ["mon"], fromHour: 5, toHour: 5, settings: {} }] }, "hours.0.toHour"],
  ])("[C3] %j is refused at %s", (wrong, path) => {
    const { error } = MarketConfigurationBody.safeParse(wrong);
    expect(error?.issues.map((issue) => issue.path.join("."))).toEqual([path]);
  });
});

describe("a shard whose market is changed", () => {
  const sequential = { settings: { dispatch: { kind: "sequential" } } } as const;

  test("[C5] decides its next ride by the new version, and the decision says so", () => {
    const kit = new ShardKit({ waveSize: 2 });
    kit.driver("ann", 100);
    kit.driver("bob", 200);
    kit.driver("cat", 300);
    kit.request("rita");
    expect(ofType(kit.configure(sequential), "save.market")).toHaveLength(1);
    kit.request("rolf");
    expect([kit.offersOf(0).length, kit.offersOf(1).length]).toEqual([2, 1]);
    const decisions = [...kit.rows.decisions.values()].map(({ policy, marketVersion }) => [policy, marketVersion]);
    expect(decisions).toEqual([
      ["broadcast", 0],
      ["sequential", 1],
    ]);
  });

  test("[C4] hears nothing new in an older version, or in the one it has", () => {
    const kit = new ShardKit();
    const { settings } = sequential;
    const said = (version: number, wave: object) =>
      kit.say({ type: "market.configured", configured: { version, configuration: { settings: wave, hours: [] } } });
    said(4, settings);
    expect([...said(3, {}), ...said(4, {})]).toEqual([]);
    expect(kit.shard.setting.market.dispatch.kind).toBe("sequential");
  });

  test("[C4] goes on with the last version after it has died", () => {
    const kit = new ShardKit();
    kit.configure(sequential);
    kit.restart();
    expect(kit.shard.configured.version).toBe(1);
    expect(kit.shard.setting.market.dispatch.kind).toBe("sequential");
  });

  test("[C5] takes an hour's settings up at its first moment and lays them down at its last", () => {
    const kit = new ShardKit();
    // START is a Thursday, 16:26 in a market four hours behind Greenwich.
    const hours = [{ days: ["thu"], fromHour: 17, toHour: 18, settings: { tariff: { minimumCents: 9_900 } } }] as const;
    kit.configure({ hours });
    const fare = () => answerIn(kit.request(`rider-${kit.now}`), "ride").view.fareCents;
    const end = Date.UTC(2026, 4, 28, 21);
    expect(fare()).toBeLessThan(9_900);
    kit.wait(end - START - 1);
    expect(fare()).toBeLessThan(9_900);
    kit.wait(1);
    expect(fare()).toBe(9_900);
    kit.wait(HOUR_MS);
    expect(fare()).toBeLessThan(9_900);
  });

  test("[C5] keeps the fares and deadlines that it has given", () => {
    const kit = new ShardKit();
    kit.request("rita");
    const { fareCents, ...before } = kit.ride();
    kit.configure({ settings: { dispatch: { matchDeadlineMs: 300_000 }, tariff: { minimumCents: 9_900 } } });
    kit.wait(119_999);
    expect(kit.ride()).toEqual({ ...before, fareCents });
    kit.wait(1);
    expect(kit.ride()).toMatchObject({ state: "no_driver", fareCents });
  });
});

describe("the kinds of dispatch", () => {
  const pairs = DISPATCH_KINDS.flatMap((from) => DISPATCH_KINDS.map((to) => [from, to] as const));

  test.each(pairs)("[C6] rides that were being decided by %s are served by %s", (from, to) => {
    const kit = new ShardKit({ kind: from, startRadiusMeters: 3_000 });
    const [drivers, riders] = [
      ["ann", "bob", "cat"],
      ["rita", "rolf", "rose"],
    ];
    kit.world.ranks = false;
    for (const [at, name] of drivers.entries()) kit.driver(name, 100 + 200 * at);
    const ranks = riders.flatMap((rider) => ofType(kit.request(rider), "rank"));
    kit.world.ranks = true;
    kit.configure({ settings: { dispatch: { kind: to } } });
    expect(ranks).toHaveLength(3);
    for (let second = 0; second < 60; second++) {
      for (const name of drivers) {
        const shown = [...kit.rows.offers.values()].filter(({ state }) => state === "offered");
        const mine = shown.find((offer) => offer.driverId === name);
        if (mine !== undefined) kit.accept(name, mine.id);
        kit.locate(name, kit.shard.supply.sessions.get(driverId(name))!.fix!.position);
      }
      kit.wait(1_000);
    }
    expect([0, 1, 2].map((ride) => kit.ride(ride).state)).toEqual(["assigned", "assigned", "assigned"]);
  });
});
