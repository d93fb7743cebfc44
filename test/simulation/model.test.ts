/** Every state of the assignment protocol, in worlds small enough to try them all (`node sim/model/run.ts`). */
import { describe, expect, test } from "vitest";
import { CASES, type Case, exploreCase, verdictOf } from "../../sim/model/cases.ts";
import { type Exploration, explore } from "../../sim/model/explore.ts";
import { SAFETY, SAFETY_AND_LEMMA, SAFETY_WITHOUT_LOCKS } from "../../sim/model/invariants.ts";
import { steps } from "../../sim/model/protocol.ts";
import { KERB } from "../../sim/model/rules.ts";
import {
  copyOf,
  has,
  initialState,
  Message,
  NO_OFFER,
  NOBODY,
  numberOf,
  Row,
  type Scope,
} from "../../sim/model/state.ts";
import type { ShardName } from "../../src/domain/place.ts";
import type { OfferId } from "../../src/domain/ride.ts";
import type { EpochMs } from "../../src/domain/time.ts";
import { applyToLock, type LockCommand, type LockState, NEW_LOCK } from "../../src/matching/driver-lock.ts";

const casesOf = (kind: Case["kind"]) => CASES.filter((item) => item.kind === kind && !item.long);
const caseOf = (title: string) => CASES.find((item) => item.title === title)!;

/** Several tests ask about the same world. */
const explored = new Map<Case, Exploration>();
function resultOf(item: Case): Exploration {
  const result = explored.get(item) ?? exploreCase(item);
  explored.set(item, result);
  return result;
}

describe("no state of the protocol breaks S1 to S5, and from each the servers alone bring it to an end:", () => {
  test.each(casesOf("protocol"))("$title", (item) => {
    const { finding, states } = resultOf(item);
    expect(finding).toBeNull();
    expect(states).toBeGreaterThan(90_000);
  });
});

describe("a protocol with this fault is caught:", () => {
  test.each(casesOf("mutation"))("[$expected] $title", (item) => {
    const result = resultOf(item);
    expect(verdictOf(result)).toBe(item.expected);
    // Where the rides have their drivers from the beginning, a swap may be all that it takes.
    expect(result.finding!.trace.length).toBeGreaterThan(item.scope.underWay > 0 ? 0 : 2);
    expect(result.finding!.trace).not.toContain("");
  });
});

describe("a protocol with one belt less still holds:", () => {
  test.each(casesOf("weakening"))("$title", (item) => {
    expect(resultOf(item).finding).toBeNull();
  });
});

test("[S3] a counterexample reads as a story, and there is no shorter one", () => {
  const { finding } = resultOf(caseOf("a release matches by ride, not by offer"));
  expect(finding!.trace).toEqual([
    "shard: writes the intent A#1 and asks the lock of x to hold him",
    "shard: no answer about A#1 in time, so it is dead",
    "shard: writes the intent A#2 and asks the lock of x to hold him",
    "lock:  holds x for A#2",
    "lock:  lets x go: A#1 is released",
    "shard: hears that x is held, and offers him A#2",
    "driver x accepts A#2",
    "shard: judges the accept of A#2",
  ]);
  expect(finding!.message).toBe("x has ride A by A#2, and his lock does not hold him for it");
});

test("[lemma] whoever is offered a ride without being held for it is found before he accepts", () => {
  const { rules, scope } = caseOf("the lock is released by its own timer");
  const { finding } = explore(rules, scope, SAFETY_AND_LEMMA);
  expect(finding).toMatchObject({ rule: "lemma", message: "A#1 is offered, and its driver is not held for it" });
  expect(finding!.trace).toHaveLength(4);
});

test("[liveness] a round without end is no end: a lock that frees itself may be reserved again for ever", () => {
  const { rules, scope } = caseOf("the lock is released by its own timer");
  expect(explore(rules, scope, []).finding).toMatchObject({
    rule: "liveness",
    message: expect.stringMatching(/^the servers go round for ever: ride A matching/),
  });
});

// All but the lock's second "still held": in a network that forgets nothing it is a message that is there already.
test("everything that can happen does happen in the explored worlds", () => {
  const { taken } = resultOf(caseOf("1 ride, 1 driver, 2 attempts, redispatch"));
  expect([...taken.keys()].sort()).toEqual([
    "driver %d accepts %o",
    "driver %d declines %o",
    "lock:  has held %d for long, and asks about %o",
    "lock:  hears that %o is over, and raises its fence",
    "lock:  holds %d for %o",
    "lock:  holds %d for %o, by a late copy of its reserve",
    "lock:  lets %d go: %o is dead",
    "lock:  lets %d go: %o is released",
    "lock:  refuses %o as stale: its fence is there",
    "lock:  refuses %o: %d is held for another",
    "lock:  refuses %o: %d is offline",
    "shard: %o expires, or %d is out of reach",
    "shard: forgets %o",
    "shard: hears that %d is held, and offers him %o",
    "shard: hears that %o is released",
    "shard: hears that %o was refused, so it is dead",
    "shard: is asked about %o: it is dead",
    "shard: is asked about %o: it never heard of it, so it is dead",
    "shard: judges the accept of %o",
    "shard: judges the decline of %o",
    "shard: no answer about %o in time, so it is dead",
    "shard: ride A ends: driven, cancelled or abandoned",
    "shard: ride A is cancelled, or nobody took it in time",
    "shard: ride A is given back by its driver, or taken away",
    "shard: writes the intent %o and asks the lock of %d to hold him",
  ]);
});

test("[X3] a driver who was at the pickup keeps his ride: where nothing looks, one is found who does not", () => {
  const { finding } = resultOf(caseOf("an arrival leaves the offer open, and the accept does not look"));
  expect(finding!.trace.slice(-2)).toEqual([
    "shard: the driver of ride A is at the pickup",
    "shard: judges the accept of A#2",
  ]);
  expect(finding!.message).toBe("x was at the pickup of ride A by A#1, and another took it over");
});

test("[S2] a lock that lets go at a swap gives its driver to a ride of another shard", () => {
  const { rules } = caseOf("a lock lets go when a swapped offer is released");
  const { scope } = caseOf("the lock never asks: swap, a ride of another shard");
  const { finding } = explore(rules, scope, SAFETY_WITHOUT_LOCKS);
  expect(finding).toMatchObject({ rule: "S2", message: "driver x has two rides" });
  expect(finding!.trace).toHaveLength(7);
});

test("[X4] that a ride is swapped once is more than manners: a second swap's release lets a driver go who has a ride", () => {
  const { rules, scope } = caseOf("a ride is swapped twice");
  expect(explore(rules, scope, SAFETY).finding).toMatchObject({
    rule: "S3",
    message: "x has ride A by A#5, and his lock does not hold him for it",
    trace: [
      "shard: x, y swap their rides, each for that of the next",
      "shard: x, y swap their rides, each for that of the next",
      "lock:  hears that B#3 is over, and raises its fence",
      "lock:  lets x go: A#1 is released",
    ],
  });
});

test("two drivers swap, and their locks hear of it before and after the new ride has ended", () => {
  const { taken } = resultOf(caseOf("2 rides under way in 1 shard, 2 drivers, swap"));
  const { taken: ofThree } = resultOf(caseOf("the lock never asks: swaps of two or three"));
  expect([...taken.keys()]).toEqual(
    expect.arrayContaining([
      "lock:  hears that %o is over, and raises its fence",
      "lock:  holds %d on: %o is swapped",
      "lock:  lets %d go: %o is dead",
      "lock:  lets %d go: %o is released",
    ]),
  );
  expect([...ofThree.keys()].filter((name) => name.includes("swap their rides"))).toEqual([
    "shard: x, y swap their rides, each for that of the next",
    "shard: x, y, z swap their rides, each for that of the next",
    "shard: x, z swap their rides, each for that of the next",
    "shard: x, z, y swap their rides, each for that of the next",
    "shard: y, z swap their rides, each for that of the next",
  ]);
});

describe("the model's lock is the product's lock, for every state of it and every message", () => {
  const scope: Scope = {
    shardOfRide: [0, 1],
    drivers: 1,
    offersOfShard: [2, 2],
    wave: 1,
    redispatch: true,
    exchange: false,
    swap: false,
    underWay: 0,
  };
  const offers = [0, 1, 2, 3];
  const idOf = (offer: number) => `offer-${offer}` as OfferId;
  const placeOf = (offer: number) => {
    const { shard, seq } = numberOf(scope, offer);
    return { offerId: idOf(offer), seq, shard: `shard-${shard}` as ShardName };
  };
  /** Every holder beside every pair of fences, the impossible ones too. */
  const lockStates = [NOBODY, ...offers].flatMap((holder) =>
    [0, 1, 2].flatMap((first) => [0, 1, 2].map((second) => ({ holder, fences: [first, second] }))),
  );
  type Place = (typeof lockStates)[number];

  /** What the model may make of it: holder, fenced offers, answer. */
  function inModel({ holder, fences }: Place, offer: number, message: number, next: number): Set<string> {
    const state = initialState(scope);
    const fenced = offers.reduce((bits, i) => bits | (isFenced(fences, i) ? 1 << i : 0), 0);
    state.locks[0] = { holder, fenced };
    state.offers[offer] = { ...state.offers[offer]!, row: Row.intent, sent: message, next };
    const outcomes = new Set<string>();
    steps(KERB, scope, state, (name, _offer, _fair, change) => {
      if (!name.startsWith("lock:") || name.includes("asks about")) return;
      const next = copyOf(state);
      change(next);
      const after = next.offers[offer]!;
      const answer = has(after, Message.reserved) ? "reserved" : has(after, Message.refused) ? "refused" : "done";
      outcomes.add(`${next.locks[0]!.holder} ${next.locks[0]!.fenced} ${answer}`);
    });
    return outcomes;
  }

  /** The same of the product, with the driver there and with him offline. */
  function inProduct({ holder, fences }: Place, command: LockCommand): Set<string> {
    const held = holder === NOBODY ? null : { ...placeOf(holder), since: 0 as EpochMs };
    const state: LockState = {
      ...NEW_LOCK,
      holder: held,
      fences: Object.fromEntries(fences.map((seq, shard) => [`shard-${shard}`, seq])),
      ask: held && { at: 0 as EpochMs, count: 0 },
    };
    const session = { shard: "shard-0" as ShardName, epoch: 1 };
    const steps = [state, { ...state, session }].map((before) => applyToLock(before, 0 as EpochMs, command));
    return new Set(
      steps.map(({ state: after, answer }) => {
        const now = [0, 1].map((shard) => after.fences[`shard-${shard}` as ShardName] ?? 0);
        const fenced = offers.reduce((bits, i) => bits | (isFenced(now, i) ? 1 << i : 0), 0);
        const holderAfter = offers.find((i) => idOf(i) === after.holder?.offerId) ?? NOBODY;
        const word = ["busy", "offline", "stale"].includes(answer.type) ? "refused" : answer.type;
        return `${holderAfter} ${fenced} ${word}`;
      }),
    );
  }

  function isFenced(fences: readonly number[], offer: number): boolean {
    const { shard, seq } = numberOf(scope, offer);
    return seq <= fences[shard]!;
  }

  const releaseOf = (offer: number) => ({ type: "release", ...placeOf(offer), outcome: "none" }) as const;
  const messages: readonly [string, number, (offer: number) => LockCommand][] = [
    ["reserve", Message.reserve, (offer) => ({ type: "reserve", ...placeOf(offer) })],
    ["release", Message.release, releaseOf],
    ["a dead verdict", Message.dead, (offer) => ({ type: "asked", offerId: idOf(offer), verdict: "dead" })],
  ];

  test.each(messages)("%s", (_name, message, commandFor) => {
    expect(lockStates).toHaveLength(45);
    for (const place of lockStates) {
      for (const offer of offers) {
        const context = JSON.stringify({ ...place, offer });
        expect(inProduct(place, commandFor(offer)), context).toEqual(inModel(place, offer, message, NO_OFFER));
      }
    }
  });

  test("[K9] release of an offer that was swapped", () => {
    for (const place of lockStates) {
      // The first offer of each shard, and the second instead of it.
      for (const offer of [0, 2]) {
        const { offerId, seq } = placeOf(offer + 1);
        const command: LockCommand = { ...releaseOf(offer), next: { offerId, seq } };
        const inBoth = inModel(place, offer, Message.release, offer + 1);
        expect(inProduct(place, command), JSON.stringify({ ...place, offer })).toEqual(inBoth);
      }
    }
  });
});
