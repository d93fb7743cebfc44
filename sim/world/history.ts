/** The queue and the history behind it, with what a queue may do: refuse, lose, repeat, reorder, take its time. */
import type { RideEvent } from "../../src/domain/event.ts";
import type { Ride, RideId } from "../../src/domain/ride.ts";
import type { Random } from "../random.ts";
import type { EventLoop } from "./event-loop.ts";
import type { Faults } from "./faults.ts";

/** Stands for D1: an event once by its id, a ride by its highest version, as src/history/write-events.ts writes them. */
export class MemoryHistory {
  readonly events = new Map<string, RideEvent>();
  readonly rides = new Map<RideId, { readonly version: number; readonly ride: Ride }>();

  write(events: readonly RideEvent[]): void {
    for (const event of events) {
      if (!this.events.has(event.id)) this.events.set(event.id, event);
      const known = this.rides.get(event.rideId);
      if (known === undefined || event.version > known.version) {
        this.rides.set(event.rideId, { version: event.version, ride: event.ride });
      }
    }
  }
}

/** After this many failures the platform moves a message aside; the shard, unanswered, sends the event again. */
const DELIVERIES = 10;
const RETRY_MS = 5_000;

export class EventQueue {
  readonly #loop: EventLoop;
  readonly #random: Random;
  readonly #faults: () => Faults;
  readonly #consume: (events: readonly RideEvent[]) => void;
  readonly #count: (name: string) => void;
  /** Everything it was ever given. */
  readonly given = new Set<string>();
  /** Events taken and not yet delivered. */
  depth = 0;

  /** `consume` throws when the history is away; the batch then comes again. */
  constructor(
    loop: EventLoop,
    random: Random,
    faults: () => Faults,
    consume: (events: readonly RideEvent[]) => void,
    count: (name: string) => void,
  ) {
    this.#count = count;
    this.#loop = loop;
    this.#random = random;
    this.#faults = faults;
    this.#consume = consume;
  }

  /** False when it says no; that may be said of events it has taken all the same. */
  send(events: readonly RideEvent[]): boolean {
    const random = this.#random;
    const { queueLost, queueRepeated, queueRefused } = this.#faults();
    const refused = random.next() < queueRefused;
    if (refused && random.next() < 0.5) return false;
    let batch: RideEvent[] = [];
    for (const event of shuffled(events, random)) {
      const lost = random.next() < queueLost;
      const repeated = random.next() < queueRepeated;
      this.given.add(event.id);
      if (lost) this.#count("queue lost an event");
      else batch.push(event);
      if (repeated) this.#count("queue repeated an event");
      if (repeated) this.#deliverLater([event], DELIVERIES);
      if (random.next() < 0.2) {
        this.#deliverLater(batch, DELIVERIES);
        batch = [];
      }
    }
    this.#deliverLater(batch, DELIVERIES);
    return !refused;
  }

  #deliverLater(batch: readonly RideEvent[], left: number): void {
    if (batch.length === 0 || left === 0) return;
    this.depth += batch.length;
    this.#loop.after(1 + this.#random.exponential(this.#faults().queueDelayMs), () => {
      this.depth -= batch.length;
      if (this.#random.next() < this.#faults().historyFailed) {
        this.#loop.after(RETRY_MS, () => this.#deliverLater(batch, left - 1));
      } else this.#consume(batch);
    });
  }
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const copy = [...items];
  for (let i = copy.length - 1; i > 0; i--) {
    const j = random.int(i + 1);
    [copy[i], copy[j]] = [copy[j]!, copy[i]!];
  }
  return copy;
}
