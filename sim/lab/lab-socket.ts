/** A socket's opening as the product does it: first the driver's lock, then the shard, then a word to the shard he comes from. */
import { assert } from "../../src/domain/assert.ts";
import type { DriverId, DriverStats } from "../../src/domain/driver.ts";
import type { Holding } from "../../src/domain/notice.ts";
import type { ShardName } from "../../src/domain/place.ts";
import type { LockState } from "../../src/matching/driver-lock.ts";
import type { LabCity } from "./lab-city.ts";

const TICKET_MS = 30_000;

interface Opened {
  readonly epoch: number;
  readonly previous: LockState["session"];
  readonly stats: DriverStats;
  readonly holding: Holding;
}

/** `ticket` counts those of this driver. */
export function takeNewest(city: LabCity, driverId: DriverId, shard: ShardName, ticket: number): Opened {
  const lock = city.lock(driverId);
  const ticketExpiresAt = city.loop.now + TICKET_MS + ticket / 1_000_000;
  const answer = lock.submit({ type: "attach", shard, ticketId: `${driverId}/${ticket}`, ticketExpiresAt });
  assert(answer.type === "attached", `${driverId} was turned away`);
  const { epoch, previous } = answer;
  const { stats, holder } = lock.state;
  if (holder === null) return { epoch, previous, stats, holding: { kind: "none" } };
  const from = { shard, epoch };
  const viewed = city.shard(holder.shard).submit({ type: "offer.viewed", offerId: holder.offerId, driverId, from });
  return { epoch, previous, stats, holding: viewed?.type === "holding" ? viewed.holding : { kind: "none" } };
}

/** With his place in a queue, if he has one. */
export function leavePrevious(city: LabCity, driverId: DriverId, shard: ShardName, { epoch, previous }: Opened): void {
  if (previous === null || previous.shard === shard) return;
  const left = { type: "driver.superseded", driverId, epoch: previous.epoch } as const;
  const answer = city.shard(previous.shard).submit(left);
  const brought = answer?.type === "superseded" ? answer.brought : null;
  if (brought !== null) city.shard(shard).submit({ type: "place.brought", driverId, epoch, brought });
}
