/**
 * Linearizability by search, after Wing and Gong with Lowe's memory of what was tried: is there an order of the
 * operations, each somewhere between its call and its return, in which one object alone could have given these answers?
 */

export interface Operation<Call> {
  readonly call: Call;
  readonly invokedAt: number;
  /** Infinity when nobody heard the outcome: it may take effect at any time from its call on. */
  readonly returnedAt: number;
  /** False for what may also never have happened at all. */
  readonly required: boolean;
  /** As it is shown in a trace. */
  readonly label: string;
}

/** An object that handles one call at a time. States are compared by their JSON. */
export interface SequentialObject<State, Call> {
  readonly initial: State;
  /** The state afterwards; null when the object would not have given this answer in this state. */
  readonly apply: (state: State, call: Call) => State | null;
}

export type Finding =
  | { readonly kind: "linearizable" }
  /** `explained` is the longest prefix that some order explains; `stuck` what could not come next. */
  | { readonly kind: "impossible"; readonly explained: readonly string[]; readonly stuck: readonly string[] }
  /** The search gave up: nothing is known. */
  | { readonly kind: "undecided"; readonly steps: number };

const STEPS = 500_000;

export function findOrder<State, Call>(
  operations: readonly Operation<Call>[],
  object: SequentialObject<State, Call>,
  maximumSteps = STEPS,
): Finding {
  return new Search(operations, object, maximumSteps).run();
}

class Search<State, Call> {
  readonly #operations: readonly Operation<Call>[];
  readonly #object: SequentialObject<State, Call>;
  readonly #maximumSteps: number;
  readonly #done: boolean[];
  readonly #order: Operation<Call>[] = [];
  /** What was done and the state it led to: from there nothing was found. */
  readonly #failed = new Set<string>();
  #steps = 0;
  #longest: readonly string[] = [];
  #stuck: readonly string[] = [];

  constructor(operations: readonly Operation<Call>[], object: SequentialObject<State, Call>, maximumSteps: number) {
    this.#operations = [...operations].sort((a, b) => a.invokedAt - b.invokedAt);
    this.#object = object;
    this.#maximumSteps = maximumSteps;
    this.#done = this.#operations.map(() => false);
  }

  run(): Finding {
    if (this.#from(this.#object.initial)) return { kind: "linearizable" };
    if (this.#steps > this.#maximumSteps) return { kind: "undecided", steps: this.#steps };
    return { kind: "impossible", explained: this.#longest, stuck: this.#stuck };
  }

  #from(state: State): boolean {
    if (this.#operations.every(({ required }, index) => !required || this.#done[index])) return true;
    this.#steps += 1;
    if (this.#steps > this.#maximumSteps) return false;
    const place = this.#done.map((done) => (done ? "1" : "0")).join("") + JSON.stringify(state);
    if (this.#failed.has(place)) return false;
    const next = this.#mayComeNext();
    this.#remember(next);
    for (const index of next) {
      const operation = this.#operations[index]!;
      const after = this.#object.apply(state, operation.call);
      if (after === null) continue;
      this.#done[index] = true;
      this.#order.push(operation);
      if (this.#from(after)) return true;
      this.#order.pop();
      this.#done[index] = false;
    }
    this.#failed.add(place);
    return false;
  }

  /** Nobody may come after one who was called only when he had already returned. */
  #mayComeNext(): number[] {
    let firstReturn = Number.POSITIVE_INFINITY;
    for (const [index, { returnedAt }] of this.#operations.entries()) {
      if (!this.#done[index]) firstReturn = Math.min(firstReturn, returnedAt);
    }
    const next: number[] = [];
    for (const [index, { invokedAt }] of this.#operations.entries()) {
      if (invokedAt > firstReturn) break;
      if (!this.#done[index]) next.push(index);
    }
    return next;
  }

  #remember(next: readonly number[]): void {
    if (this.#order.length < this.#longest.length || (this.#order.length === 0 && this.#stuck.length > 0)) return;
    this.#longest = this.#order.map(({ label }) => label);
    this.#stuck = next.map((index) => this.#operations[index]!.label);
  }
}
