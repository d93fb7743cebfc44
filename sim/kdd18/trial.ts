/** One seed, one number of drivers: days to learn from, then the same new days under every policy. */
import { createRandom } from "../random.ts";
import { recordHistory } from "./history.ts";
import { kerbPolicy, learnPrices } from "./kerb-policy.ts";
import { type Policy, playEpisode, type Tally } from "./play.ts";
import { distancePolicy, evaluateHistory, myopicPolicy, nearestPair, valuePolicy } from "./policies.ts";
import { drawEpisode } from "./setting.ts";

export const POLICIES = ["nearest pair", "distance", "myopic", "value function", "kerb"] as const;
export type PolicyName = (typeof POLICIES)[number];

export interface Trial {
  readonly seed: number;
  readonly drivers: number;
  readonly historyEpisodes: number;
  readonly episodes: number;
}

export type TrialResult = Readonly<Record<PolicyName, Readonly<Tally>>>;

export function runTrial({ seed, drivers, historyEpisodes, episodes }: Trial): TrialResult {
  const random = createRandom(seed).fork(drivers);
  const history = recordHistory(random.fork("history"), drivers, historyEpisodes, myopicPolicy());
  const prices = learnPrices(history, random.fork("replays"));
  const policies: Record<PolicyName, Policy> = {
    "nearest pair": nearestPair,
    distance: distancePolicy(),
    myopic: myopicPolicy(),
    "value function": valuePolicy(evaluateHistory(history.passages)),
    kerb: kerbPolicy(prices, history, random.fork("kerb")),
  };
  const days = Array.from({ length: episodes }, (_, day) => drawEpisode(random.fork("evaluation").fork(day), drivers));
  const tallyOf = (name: PolicyName): Tally => {
    const tally = { orders: 0, served: 0, pickupCells: 0 };
    for (const day of days) playEpisode(day, policies[name], tally);
    return tally;
  };
  return Object.fromEntries(POLICIES.map((name) => [name, tallyOf(name)])) as Record<PolicyName, Tally>;
}
