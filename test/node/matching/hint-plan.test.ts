import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { CellPrefix, LatLng } from "../../../src/domain/place.ts";
import { balanceOf, type HintQuestion, planHints, type WaitingDriver } from "../../../src/matching/hint-plan.ts";
import { LIMITS } from "../../../src/matching/limits.ts";
import { haversineMeters } from "../../../src/spatial/distance.ts";
import { boundsOf, cellOf, centerOf, childrenOf } from "../../../src/spatial/geohash.ts";
import { CELL, driverId } from "./shard-kit.ts";

/** All geohash-6 cells of one shard. */
const CELLS = [1, 2, 3, 4, 5].reduce<CellPrefix[]>((cells) => cells.flatMap(childrenOf), [CELL]);
const seconds = (from: LatLng, to: LatLng) => haversineMeters(from, to) / 4;

const Share = fc.integer({ min: 0, max: 99 }).map((hundredths) => hundredths / 100);

/** A driver somewhere in a cell of the south, who may be told or has just come; riders are everywhere. */
const Driver = fc.record({
  at: fc.integer({ min: 0, max: 11 }),
  north: Share,
  east: Share,
  idleMs: fc.integer({ min: 0, max: 5 }),
  due: fc.boolean(),
});
const Demand = fc.record({
  at: fc.integer({ min: 0, max: CELLS.length - 1 }),
  riders: fc.integer({ min: 1, max: 6 }),
  drivers: fc.integer({ min: 0, max: 60 }).map((tenths) => tenths / 10),
});

const Question = fc
  .record({
    free: fc.array(Driver, { minLength: 3, maxLength: 25 }),
    coming: fc.array(fc.integer({ min: 0, max: CELLS.length - 1 }), { maxLength: 5 }),
    wanted: fc.uniqueArray(Demand, { minLength: 2, maxLength: 8, selector: ({ at }) => at }),
  })
  .map(({ free, coming, wanted }): HintQuestion => {
    const supply = new Map<CellPrefix, number>();
    for (const at of [...free.map((driver) => driver.at), ...coming]) {
      supply.set(CELLS[at]!, (supply.get(CELLS[at]!) ?? 0) + 1);
    }
    const waiting = free.flatMap(({ at, north, east, idleMs, due }, index): WaitingDriver[] => {
      const { south, north: top, west, east: right } = boundsOf(CELLS[at]!);
      const position = { lat: south + north * (top - south), lng: west + east * (right - west) };
      return due ? [{ driverId: driverId(`d${index}`), cell: CELLS[at]!, position, idleMs }] : [];
    });
    const demand = new Map(wanted.map(({ at, riders, drivers }) => [CELLS[at]!, { riders, drivers }]));
    return { demand, supply, waiting, seconds };
  });

const countBy = <T>(items: readonly T[], key: (item: T) => CellPrefix) => Map.groupBy(items, key);

describe("a plan of hints", () => {
  test("[D21] sends nobody twice, to no cell more than it is short of, and from none more than are to spare", () => {
    let hints = 0;
    fc.assert(
      fc.property(Question, (question) => {
        const { demand, supply, waiting } = question;
        const choices = planHints(question);
        hints += choices.length;
        const { short, spare } = balanceOf(question);
        const byId = new Map(waiting.map((driver) => [driver.driverId, driver]));
        expect(new Set(choices.map((choice) => choice.driverId)).size).toBe(choices.length);
        for (const [cell, sent] of countBy(choices, (choice) => choice.cell)) {
          expect(sent.length).toBeLessThanOrEqual(short.get(cell)!);
          expect(sent.length).toBeLessThanOrEqual(demand.get(cell)!.drivers - (supply.get(cell) ?? 0));
        }
        for (const [cell, gone] of countBy(choices, (choice) => byId.get(choice.driverId)!.cell)) {
          expect(gone.length).toBeLessThanOrEqual(Math.round(spare.get(cell)!));
        }
      }),
      { numRuns: 500 },
    );
    expect(hints).toBeGreaterThan(50);
  });

  test("[D21] sends only who is sooner there than he is expected to be needed where he is", () => {
    fc.assert(
      fc.property(Question, (question) => {
        const { spare } = balanceOf(question);
        for (const choice of planHints(question)) {
          const { cell, position } = question.waiting.find((driver) => driver.driverId === choice.driverId)!;
          expect(choice.seconds).toBe(seconds(position, centerOf(choice.cell)));
          const idle = spare.get(cell)! / question.supply.get(cell)!;
          expect(choice.seconds).toBeLessThan(LIMITS.hintHorizonSeconds * idle);
        }
      }),
    );
  });

  test("[D22] never names a cell of fewer than three riders, whatever it is short of", () => {
    fc.assert(
      fc.property(Question, (question) => {
        for (const { cell } of planHints(question)) expect(question.demand.get(cell)!.riders).toBeGreaterThanOrEqual(3);
      }),
    );
  });

  test("[D21] is the same in whatever order drivers and cells come", () => {
    fc.assert(
      fc.property(Question, (question) => {
        const turned = {
          demand: new Map([...question.demand].reverse()),
          supply: new Map([...question.supply].reverse()),
          waiting: question.waiting.toReversed(),
          seconds,
        };
        expect(planHints(turned)).toEqual(planHints(question));
      }),
    );
  });

  test("[D21] covers riders by who is near, each driver once and nobody from beyond reach", () => {
    fc.assert(
      fc.property(Question, (question) => {
        const { demand, supply } = question;
        const { short, spare } = balanceOf(question);
        const sum = (numbers: Iterable<number>) => [...numbers].reduce((a, b) => a + b, 0);
        const covered = sum([...short].map(([cell, left]) => demand.get(cell)!.drivers - left));
        expect(covered).toBeCloseTo(sum([...spare].map(([cell, left]) => supply.get(cell)! - left)), 6);
        for (const left of [...short.values(), ...spare.values()]) expect(left).toBeGreaterThanOrEqual(0);
        for (const [to, lacking] of short) {
          for (const [from, left] of spare) {
            if (lacking === 0 || left === 0) continue;
            expect(seconds(centerOf(from), centerOf(to))).toBeGreaterThan(LIMITS.hintReachSeconds);
          }
        }
      }),
    );
  });

  test("[D21] lets all of them together drive least", () => {
    const [north, south] = [centerOf(CELL), centerOf(CELL)].map((place, at) => ({
      ...place,
      lat: place.lat + (at === 0 ? 0.02 : -0.02),
    })) as [LatLng, LatLng];
    const [a, b] = [north, south].map(({ lat, lng }) => cellOf(lat, lng, 30)) as [CellPrefix, CellPrefix];
    /** Both are nearer to the north; ann hardly, bob by far. Ann has waited longest and would choose first. */
    const ann = { lat: centerOf(a).lat * 0.52 + centerOf(b).lat * 0.48, lng: north.lng };
    const bob = { lat: centerOf(a).lat * 0.6 + centerOf(b).lat * 0.4, lng: north.lng };
    const waiting = [
      { driverId: driverId("ann"), position: ann, idleMs: 9 },
      { driverId: driverId("bob"), position: bob, idleMs: 5 },
    ].map((driver) => ({ ...driver, cell: cellOf(driver.position.lat, driver.position.lng, 30) }));
    const demand = new Map([a, b].map((cell) => [cell, { riders: 3, drivers: 1 }]));
    const supply = new Map([[waiting[0]!.cell, 2]]);
    expect(waiting[1]!.cell).toBe(waiting[0]!.cell);
    const choices = planHints({ demand, supply, waiting, seconds });
    expect(choices.map((choice) => [choice.driverId, choice.cell])).toEqual([
      ["ann", b],
      ["bob", a],
    ]);
  });
});
