/**
 * Where a test may put a known bug between the core and the world, to see that the auditor finds it. Without one,
 * everything passes through unchanged.
 */
import type { RideEvent } from "../../src/domain/event.ts";
import type { Answer, Command } from "../../src/matching/commands.ts";
import { applyToLock } from "../../src/matching/driver-lock.ts";
import type { ShardOutside, ShardStorage } from "../../src/shard/ports.ts";
import type { MemoryHistory } from "./history.ts";
import type { ShardHost } from "./shard-host.ts";

export interface Mutation {
  readonly applyToLock: typeof applyToLock;
  /** What a shard says instead of its answer. */
  answer(command: Command, answer: Answer): Answer;
  outside(outside: ShardOutside, host: ShardHost): ShardOutside;
  storage(storage: ShardStorage, host: ShardHost): ShardStorage;
  /** Writes a batch into the history; what it returns is acknowledged. */
  archive(history: MemoryHistory, events: readonly RideEvent[]): readonly RideEvent[];
}

export const FAITHFUL: Mutation = {
  applyToLock,
  answer: (_, answer) => answer,
  outside: (outside) => outside,
  storage: (storage) => storage,
  archive: (history, events) => {
    history.write(events);
    return events;
  },
};
