/**
 * The small city of Xu et al., "Large-Scale Order Dispatch in On-Demand Ride-Hailing Platforms: A Learning and Planning
 * Approach" (KDD 2018), section 6.1: a grid, a morning in one quarter and an evening in another. What the paper says and
 * what it leaves open is told apart in docs/decisions/0007-what-a-driver-is-worth.md.
 */
import type { Random } from "../random.ts";

const SIDE = 9;
export const CELLS = SIDE * SIDE;
export const STEPS = 20;
const ORDERS = 100;
/** A driver may be given an order at most this many cells away, by streets. */
export const REACH_CELLS = 2;
/** Of the paper's value function, per step. */
export const DISCOUNT = 0.9;

/** Means and deviations of x, y and step, counted from 1. */
const PEAKS = [
  { share: 1 / 3, means: [3, 3, 5], deviations: [2, 2, 3] },
  { share: 2 / 3, means: [6, 6, 15], deviations: [2, 2, 3] },
] as const;
const PATIENCE = { mean: 2.5, deviation: 2, most: 5 } as const;

/** What a dispatcher sees of an order. */
export interface Request {
  readonly step: number;
  readonly origin: number;
  readonly destination: number;
  readonly tripCells: number;
}

export interface Order {
  readonly request: Request;
  /** At how many steps it can be served, its own the first; after 0 it is gone before anybody looks. Nobody knows it. */
  readonly patienceSteps: number;
}

export interface Episode {
  /** By the step in which they come. */
  readonly orders: readonly Order[];
  readonly driverCells: readonly number[];
}

const DISTANCES = Int8Array.from({ length: CELLS * CELLS }, (_, pair) => {
  const [from, to] = [Math.floor(pair / CELLS), pair % CELLS];
  return Math.abs((from % SIDE) - (to % SIDE)) + Math.abs(Math.floor(from / SIDE) - Math.floor(to / SIDE));
});

/** By streets. */
export function cellsBetween(from: number, to: number): number {
  return DISTANCES[from * CELLS + to]!;
}

/** One step is the decision itself; then a cell a step, to the rider and with him. */
export function stepsTaken(pickupCells: number, tripCells: number): number {
  return 1 + pickupCells + tripCells;
}

export function drawEpisode(random: Random, drivers: number): Episode {
  const orders = Array.from({ length: ORDERS }, () => drawOrder(random));
  orders.sort((a, b) => a.request.step - b.request.step);
  return { orders, driverCells: Array.from({ length: drivers }, () => random.int(CELLS)) };
}

function drawOrder(random: Random): Order {
  const { means, deviations } = random.next() < PEAKS[0].share ? PEAKS[0] : PEAKS[1];
  const [x, y, step] = [SIDE, SIDE, STEPS].map((size, axis) =>
    drawWhole(random, means[axis]! - 1, deviations[axis]!, 0, size - 1),
  ) as [number, number, number];
  const origin = y * SIDE + x;
  const destination = random.int(CELLS);
  const patienceSteps = Math.round(drawWithin(random, PATIENCE.mean, PATIENCE.deviation, 0, PATIENCE.most));
  return { request: { step, origin, destination, tripCells: cellsBetween(origin, destination) }, patienceSteps };
}

/** Drawn again until it rounds to a number from `least` to `most`. */
function drawWhole(random: Random, mean: number, deviation: number, least: number, most: number): number {
  // Rounding would make a -0 of what is just below zero.
  return Math.abs(Math.round(drawWithin(random, mean, deviation, least - 0.499, most + 0.499)));
}

function drawWithin(random: Random, mean: number, deviation: number, least: number, most: number): number {
  for (;;) {
    const value = mean + deviation * random.normal();
    if (value >= least && value <= most) return value;
  }
}
