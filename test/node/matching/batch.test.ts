import { describe, expect, test } from "vitest";
import { createRandom, type Random } from "../../../sim/random.ts";
import {
  type BatchLimits,
  type BatchPlan,
  BatchPlanner,
  type BatchRide,
  type BatchWindow,
  type PickupEstimate,
  unservedCostSeconds,
} from "../../../src/matching/batch.ts";
import { LIMITS } from "../../../src/matching/limits.ts";

const FREELY: BatchLimits = { ...LIMITS, exchangesPerRide: Infinity, exchangesPerDriver: Infinity };

interface Scene {
  /** Pickup seconds of every ride (rows) with every driver; null where he may not take it. */
  readonly seconds: readonly (readonly (number | null)[])[];
  /** The driver of each ride that has one. */
  readonly drivers?: readonly (number | null)[];
  readonly rides?: readonly Partial<BatchRide>[];
  readonly driverExchanges?: readonly number[];
  readonly worth?: readonly number[];
  readonly estimate?: (ride: number, driver: number) => Partial<PickupEstimate>;
}

function windowOf({
  seconds,
  drivers = [],
  rides = [],
  driverExchanges = [],
  worth = [],
  estimate,
}: Scene): BatchWindow {
  const all = [...(seconds[0] ?? [])].map((_, driver) => driver);
  return {
    rides: seconds.map((_, ride) => ({
      driver: drivers[ride] ?? null,
      waitedSeconds: 60,
      exchanges: 0,
      turnoverSeconds: Number.POSITIVE_INFINITY,
      candidates: all,
      ...rides[ride],
    })),
    drivers: all.map((driver) => ({
      exchanges: driverExchanges[driver] ?? 0,
      worthSeconds: worth[driver] ?? 0,
    })),
    unservedSeconds: unservedCostSeconds(600, 300),
    estimate: (ride, driver) => {
      const pickupSeconds = seconds[ride]![driver]!;
      return pickupSeconds === null ? null : { pickupSeconds, ...estimate?.(ride, driver) };
    },
  };
}

function plan(scene: Scene, limits?: BatchLimits): BatchPlan {
  return new BatchPlanner(limits).plan(windowOf(scene));
}

/** `ride<driver`, with `!` and the driver it had where it is exchanged. */
function said({ choices }: BatchPlan): string {
  return choices
    .map(({ ride, driver, instead }) => `${ride}<${driver}${instead === null ? "" : `!${instead}`}`)
    .join(" ");
}

describe("rides that wait", () => {
  test("are given drivers so that all together wait least, not the first of them", () => {
    expect(
      said(
        plan({
          seconds: [
            [100, 110],
            [120, 400],
          ],
        }),
      ),
    ).toBe("0<1 1<0");
  });

  test("stay where nobody may take them, and where there are too few the nearest is taken", () => {
    expect(said(plan({ seconds: [[null], [300], [200]] }))).toBe("2<0");
  });

  test("get a driver who is unwilling rather than none, but a willing one rather than a near one", () => {
    const refusing = (ride: number, driver: number) => ({ refusalSeconds: ride === 0 && driver === 0 ? 5_000 : 0 });
    expect(said(plan({ seconds: [[100]], estimate: refusing }))).toBe("0<0");
    expect(said(plan({ seconds: [[100, 500]], estimate: refusing }))).toBe("0<1");
  });
});

describe("a driver who is worth much where he is", () => {
  test("is spared where another costs the rider less than he is worth", () => {
    expect(said(plan({ seconds: [[100, 150]], worth: [40, 0] }))).toBe("0<0");
    expect(said(plan({ seconds: [[100, 150]], worth: [60, 0] }))).toBe("0<1");
  });

  test("is sent all the same, at once, where nobody else may take the ride", () => {
    expect(said(plan({ seconds: [[100]], worth: [5_000] }))).toBe("0<0");
  });

  test("is let go from his way, and taken from where he stands, at what he is worth there", () => {
    const exchanged = (worth: readonly number[]) => said(plan({ seconds: [[300, 250]], drivers: [0], worth }));
    expect(exchanged([0, 0])).toBe("0<1!0");
    expect(exchanged([0, 50])).toBe("");
    expect(exchanged([50, 50])).toBe("0<1!0");
  });
});

describe("the window", () => {
  const few = (waitedSeconds: number, turnoverSeconds: number) =>
    plan({ seconds: [[400]], rides: [{ waitedSeconds, turnoverSeconds }] });

  test("is none while a free driver is as near as whoever comes free next", () => {
    expect(few(0, 400)).toMatchObject({ choices: [{ ride: 0, driver: 0 }], againSeconds: null });
  });

  test("is the longer the farther they all are, and says when to plan again", () => {
    expect(few(0, 300)).toMatchObject({ choices: [], againSeconds: LIMITS.windowSeconds / 4 });
    expect(few(0, 100)).toMatchObject({ choices: [], againSeconds: (LIMITS.windowSeconds * 3) / 4 });
    expect(few(3, 100).againSeconds).toBe((LIMITS.windowSeconds * 3) / 4 - 3);
  });

  test("ends", () => {
    expect(said(few(LIMITS.windowSeconds, 1))).toBe("0<0");
  });

  test("is over at once when somebody comes free nearby", () => {
    expect(said(plan({ seconds: [[400, 50]], rides: [{ waitedSeconds: 0, turnoverSeconds: 100 }] }))).toBe("0<1");
  });
});

describe("a driver on his way", () => {
  test("is exchanged for a free one who is nearer by more than an exchange costs", () => {
    const scene = (free: number) => plan({ seconds: [[300, free]], drivers: [0] });
    expect(said(scene(300 - LIMITS.exchangeSeconds - 1))).toBe("0<1!0");
    expect(said(scene(300 - LIMITS.exchangeSeconds + 1))).toBe("");
  });

  test("changes rides with another where both together gain", () => {
    expect(
      said(
        plan({
          seconds: [
            [300, 100],
            [100, 300],
          ],
          drivers: [0, 1],
        }),
      ),
    ).toBe("0<1!0 1<0!1");
    expect(
      said(
        plan({
          seconds: [
            [300, 100],
            [400, 210],
          ],
          drivers: [0, 1],
        }),
      ),
    ).toBe("");
  });

  test("takes a ride that waits when a free driver can take his", () => {
    const seconds = [
      [300, 320],
      [100, null],
    ];
    expect(said(plan({ seconds, drivers: [0] }))).toBe("0<1!0 1<0");
  });

  test("is not taken from his ride for one that waits, whatever that would save, unless another comes", () => {
    expect(
      said(
        plan(
          {
            seconds: [
              [590, null],
              [40, null],
            ],
            drivers: [0],
          },
          FREELY,
        ),
      ),
    ).toBe("");
  });

  test("is not exchanged for what costs the others more than the ride that waits is worth", () => {
    const chain = (free: number) =>
      said(
        plan({
          seconds: [
            [50, free],
            [500, null],
          ],
          drivers: [0],
        }),
      );
    expect(chain(190)).toBe("0<1!0 1<0");
    expect(chain(210)).toBe("");
  });

  test("is left alone when he is nearly there", () => {
    const scene = (own: number) => plan({ seconds: [[own, 1]], drivers: [0] }, { ...LIMITS, exchangeSeconds: 0 });
    expect(said(scene(LIMITS.nearlyThereSeconds))).toBe("");
    expect(said(scene(LIMITS.nearlyThereSeconds + 1))).toBe("0<1!0");
  });

  test("is exchanged once per ride and once per driver, or as often as the limits say", () => {
    const seconds = [[300, 50]];
    const ofRide: Scene = { seconds, drivers: [0], rides: [{ exchanges: 1 }] };
    const ofDriver: Scene = { seconds, drivers: [0], driverExchanges: [1, 0] };
    for (const scene of [ofRide, ofDriver]) {
      expect(said(plan(scene))).toBe("");
      expect(said(plan(scene, FREELY))).toBe("0<1!0");
    }
    const never = { ...LIMITS, exchangesPerRide: 0 };
    expect(said(plan({ seconds, drivers: [0] }, never))).toBe("");
  });

  test("who may be exchanged only once is kept for a better moment where drivers often come free", () => {
    const scene = (turnoverSeconds: number) =>
      plan({ seconds: [[400, 250]], drivers: [0], rides: [{ turnoverSeconds }] });
    expect(said(scene(Number.POSITIVE_INFINITY))).toBe("0<1!0");
    expect(said(scene(200))).toBe("");
  });
});

describe("in any window", () => {
  function randomScene(random: Random): Scene {
    const [rideCount, driverCount] = [1 + random.int(9), 1 + random.int(9)];
    const order = Array.from({ length: driverCount }, (_, driver) => driver);
    const drivers = Array.from({ length: rideCount }, () =>
      random.next() < 0.5 && order.length > 0 ? order.splice(random.int(order.length), 1)[0]! : null,
    );
    return {
      seconds: drivers.map((own) =>
        Array.from({ length: driverCount }, (_, driver) =>
          driver !== own && random.next() < 0.3 ? null : random.next() * 600,
        ),
      ),
      drivers,
      rides: drivers.map(() => ({
        exchanges: random.int(2),
        waitedSeconds: random.next() * 10,
        turnoverSeconds: random.next() < 0.5 ? Number.POSITIVE_INFINITY : random.next() * 500,
      })),
      driverExchanges: Array.from({ length: driverCount }, () => random.int(2)),
      worth: Array.from({ length: driverCount }, () => random.int(3) * 100),
    };
  }

  const total = ({ seconds }: Scene, has: readonly (number | null)[]): number =>
    has.reduce(
      (sum: number, driver, ride) => sum + (driver === null ? unservedCostSeconds(600, 300) : seconds[ride]![driver]!),
      0,
    );

  test.each([
    ["the product's limits", LIMITS],
    ["no limits", FREELY],
  ])("nobody has two, nobody loses a driver without another, and no limit is broken, under %s", (_, limits) => {
    const random = createRandom(1);
    const planner = new BatchPlanner(limits);
    let exchanged = 0;
    for (let round = 0; round < 3_000; round++) {
      const scene = randomScene(random);
      const window = windowOf(scene);
      const has = window.rides.map(({ driver }) => driver);
      const { choices, againSeconds } = planner.plan(window);
      for (const { ride, driver, instead } of choices) {
        expect(instead).toBe(window.rides[ride]!.driver);
        expect(scene.seconds[ride]![driver]).not.toBeNull();
        has[ride] = driver;
        if (instead === null) continue;
        exchanged++;
        expect(window.rides[ride]!.exchanges).toBeLessThan(limits.exchangesPerRide);
        expect(window.drivers[instead]!.exchanges).toBeLessThan(limits.exchangesPerDriver);
        expect(scene.seconds[ride]![instead]!).toBeGreaterThan(limits.nearlyThereSeconds);
      }
      const taken = has.filter((driver) => driver !== null);
      expect(new Set(taken).size).toBe(taken.length);
      expect(window.rides.every(({ driver }, ride) => driver === null || has[ride] !== null)).toBe(true);
      const before = window.rides.map(({ driver }) => driver);
      const free = [...window.drivers.keys()].filter((driver) => !taken.includes(driver) && !before.includes(driver));
      const idle = free.some((driver) =>
        has.some((had, ride) => had === null && scene.seconds[ride]![driver] !== null),
      );
      if (againSeconds === null) expect(idle).toBe(false);
    }
    expect(exchanged).toBeGreaterThan(500);
  });

  test("without limits and hopes all together wait no longer than if nothing were exchanged", () => {
    const random = createRandom(2);
    const [planner, still] = [new BatchPlanner(FREELY), new BatchPlanner({ ...FREELY, exchangesPerRide: 0 })];
    let saved = 0;
    for (let round = 0; round < 1_000; round++) {
      const { rides: _, worth: __, ...scene } = randomScene(random);
      const waitsUnder = (by: BatchPlanner): number => {
        const window = windowOf(scene);
        const has = window.rides.map(({ driver }) => driver);
        for (const { ride, driver } of by.plan(window).choices) has[ride] = driver;
        return total(scene, has);
      };
      const [exchanged, kept] = [waitsUnder(planner), waitsUnder(still)];
      expect(exchanged).toBeLessThanOrEqual(kept + 1e-6);
      saved += kept - exchanged;
    }
    expect(saved).toBeGreaterThan(1_000);
  });
});
