/**
 * Tries everything: breadth first from the initial state through every step that the protocol allows, so the first
 * state found to be wrong has the shortest story. Nothing here knows what an offer is.
 */
import { type Invariant, violated } from "./invariants.ts";
import { steps } from "./protocol.ts";
import type { Rules } from "./rules.ts";
import {
  copyOf,
  decode,
  describe,
  driverName,
  encode,
  initialState,
  isClosed,
  offerName,
  rideName,
  type Scope,
  type State,
} from "./state.ts";

export interface Finding {
  /** The id of the broken rule, or `liveness`. */
  readonly rule: string;
  readonly message: string;
  /** The shortest way there, one readable step a line. */
  readonly trace: readonly string[];
}

export interface Exploration {
  readonly states: number;
  /** Steps that changed something; a message that arrives and does nothing is not counted. */
  readonly transitions: number;
  /** How often each kind of step was taken: a world in which nothing happens is safe too. */
  readonly taken: ReadonlyMap<string, number>;
  /** Null: nothing wrong in any reachable state. */
  readonly finding: Finding | null;
}

/** The graph as it is found. States are numbered in the order of discovery and expanded in that order. */
interface Graph {
  readonly keys: string[];
  readonly numberOf: Map<string, number>;
  readonly parents: number[];
  /** Fair steps out of state `n` are `fairTo[fairFrom[n]..fairFrom[n + 1]]`. */
  readonly fairFrom: number[];
  readonly fairTo: number[];
}

/** Stops at the first unsafe state; with none, judges whether every state closes by the servers' steps alone. */
export function explore(rules: Rules, scope: Scope, invariants: readonly Invariant[]): Exploration {
  const first = encode(initialState(scope));
  const graph: Graph = { keys: [first], numberOf: new Map([[first, 0]]), parents: [-1], fairFrom: [], fairTo: [] };
  const { keys, numberOf, parents, fairFrom, fairTo } = graph;
  const taken = new Map<string, number>();
  let transitions = 0;
  let finding: Finding | null = null;
  for (let at = 0; at < keys.length && finding === null; at++) {
    const key = keys[at]!;
    const state = decode(key, scope);
    fairFrom.push(fairTo.length);
    steps(rules, scope, state, (name, _offer, fair, change) => {
      const next = copyOf(state);
      change(next);
      const nextKey = encode(next);
      if (nextKey === key) return;
      transitions++;
      taken.set(name, (taken.get(name) ?? 0) + 1);
      let to = numberOf.get(nextKey);
      if (to === undefined) {
        to = keys.length;
        keys.push(nextKey);
        numberOf.set(nextKey, to);
        parents.push(at);
        const broken = violated(invariants, next, scope);
        if (broken !== null) finding ??= { ...broken, trace: story(rules, scope, graph, to) };
      }
      if (fair) fairTo.push(to);
    });
  }
  fairFrom.push(fairTo.length);
  return { states: keys.length, transitions, taken, finding: finding ?? unclosed(rules, scope, graph) };
}

/**
 * Liveness, stricter than asked: from every reachable state *every* order of the servers' own steps comes to the end
 * where each ride is over and each lock is free. A state closes if it is closed, or if it has fair steps and all of
 * them lead to states that close; computed as the least fixpoint, so a round of steps without end does not count.
 */
function unclosed(rules: Rules, scope: Scope, graph: Graph): Finding | null {
  const { keys, fairFrom, fairTo } = graph;
  const closes = new Uint8Array(keys.length);
  const stuck = (n: number) => fairFrom[n] === fairFrom[n + 1];
  for (const [n, key] of keys.entries()) if (isClosed(decode(key, scope))) closes[n] = 1;
  // Steps mostly lead to states discovered later, so from the back one or two rounds are enough.
  for (let changed = true; changed; ) {
    changed = false;
    for (let n = keys.length - 1; n >= 0; n--) {
      if (closes[n] === 1 || stuck(n)) continue;
      let all = true;
      for (let edge = fairFrom[n]!; all && edge < fairFrom[n + 1]!; edge++) all = closes[fairTo[edge]!] === 1;
      if (!all) continue;
      closes[n] = 1;
      changed = true;
    }
  }
  const open = (_: string, n: number) => closes[n] === 0;
  const dead = keys.findIndex((key, n) => open(key, n) && stuck(n));
  const found = dead >= 0 ? dead : keys.findIndex(open);
  if (found < 0) return null;
  const where = describe(decode(keys[found]!, scope), scope);
  const message =
    dead >= 0 ? `the servers have nothing left to do: ${where}` : `the servers go round for ever: ${where}`;
  return { rule: "liveness", message, trace: story(rules, scope, graph, found) };
}

/** Only parents are kept; what the steps were called is found out by taking them again. */
function story(rules: Rules, scope: Scope, { keys, parents }: Graph, end: number): string[] {
  const path: number[] = [];
  for (let n = end; n >= 0; n = parents[n]!) path.unshift(n);
  return path.slice(1).map((to, i) => stepBetween(rules, scope, keys[path[i]!]!, keys[to]!));
}

function stepBetween(rules: Rules, scope: Scope, from: string, to: string): string {
  const state = decode(from, scope);
  let found = "";
  steps(rules, scope, state, (name, offer, _fair, change) => {
    const next = copyOf(state);
    change(next);
    if (found === "" && encode(next) === to) found = inWords(name, next, scope, offer);
  });
  return found;
}

function inWords(name: string, state: State, scope: Scope, i: number): string {
  const offer = state.offers[i];
  if (offer === undefined) return name;
  return name
    .replaceAll("%o", offerName(state, scope, i))
    .replaceAll("%d", driverName(offer.driver))
    .replaceAll("%r", `ride ${rideName(offer.ride)}`);
}
