/**
 * What an operator knows of days that are over: every request and how it ended, where drivers began, what each did. How
 * long a served rider would have waited is in no record, so his patience is estimated from those who gave up.
 */
import type { Passage } from "../../src/learning/value-function.ts";
import type { Random } from "../random.ts";
import { type Policy, playEpisode } from "./play.ts";
import { drawEpisode, type Episode, type Request, STEPS } from "./setting.ts";

interface Ending {
  readonly request: Request;
  readonly waitedSteps: number;
  readonly cancelled: boolean;
}

interface Day {
  readonly endings: readonly Ending[];
  readonly driverCells: readonly number[];
}

export interface History {
  readonly days: readonly Day[];
  readonly passages: readonly Passage[];
  /** Entry w: of the riders who had not given up before their w-th step of waiting, how many did not at it either. */
  readonly stays: readonly number[];
}

/** Days lived under a policy, and recorded. */
export function recordHistory(random: Random, drivers: number, episodes: number, policy: Policy): History {
  const days: Day[] = [];
  const passages: Passage[] = [];
  for (let day = 0; day < episodes; day++) {
    const episode = drawEpisode(random.fork(day), drivers);
    const endings: Ending[] = [];
    playEpisode(
      episode,
      policy,
      { orders: 0, served: 0, pickupCells: 0 },
      {
        passed: (cell, slot, nextCell, nextSlot, served) =>
          passages.push({ cell, slot, reward: served ? 1 : 0, nextCell, nextSlot }),
        left: (request, waitedSteps, cancelled) => endings.push({ request, waitedSteps, cancelled }),
      },
    );
    endings.sort((a, b) => a.request.step - b.request.step);
    days.push({ endings, driverCells: episode.driverCells });
  }
  return { days, passages, stays: estimateStays(days.flatMap(({ endings }) => endings)) };
}

/** Kaplan and Meier: who was served, or still waited at the end, was there to stay so far and says nothing of later. */
function estimateStays(endings: readonly Ending[]): number[] {
  const stayed = new Array<number>(STEPS + 1).fill(0);
  const gaveUp = new Array<number>(STEPS + 1).fill(0);
  for (const { waitedSteps, cancelled } of endings) {
    const stayedUntil = cancelled ? waitedSteps : waitedSteps + 1;
    for (let wait = 0; wait < stayedUntil; wait++) stayed[wait]!++;
    if (cancelled) gaveUp[waitedSteps]!++;
  }
  return stayed.map((count, wait) => (count === 0 ? 0 : count / (count + gaveUp[wait]!)));
}

/** How long a rider waits who has not given up before his `wait`-th step. */
export function drawPatience(random: Random, stays: readonly number[], wait: number): number {
  let patienceSteps = wait;
  while (patienceSteps < STEPS && random.next() < stays[patienceSteps]!) patienceSteps++;
  return patienceSteps;
}

/** The days again, to be lived under another policy: known patience as it was, unknown patience drawn. */
export function replays({ days, stays }: History, random: Random): Episode[] {
  return days.map(({ endings, driverCells }) => ({
    driverCells,
    orders: endings.map(({ request, waitedSteps, cancelled }) => ({
      request,
      patienceSteps: cancelled ? waitedSteps : drawPatience(random, stays, waitedSteps + 1),
    })),
  }));
}
