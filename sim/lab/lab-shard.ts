/**
 * One shard in the laboratory: the real runtime and core over rows in memory. What it says reaches its hearer in the same
 * millisecond of city time and never gets lost: faults are the business of sim/world, here only decisions are compared.
 */

import { assertNever } from "../../src/domain/assert.ts";
import type { RideEvent } from "../../src/domain/event.ts";
import type { ShardName } from "../../src/domain/place.ts";
import type { EpochMs } from "../../src/domain/time.ts";
import type { Answer, Command, Message } from "../../src/matching/commands.ts";
import { reserveOutcomeOf } from "../../src/matching/driver-lock.ts";
import { shardOfRide, shardsAround } from "../../src/routing/shard-map.ts";
import type { ShardOutside } from "../../src/shard/ports.ts";
import { ShardRuntime } from "../../src/shard/shard-runtime.ts";
import { MemoryStorage } from "../world/memory-storage.ts";
import type { LabCity } from "./lab-city.ts";

/** Until history has confirmed an event. */
const ARCHIVE_MS = 200;

type Say<T extends Message["type"]> = Extract<Message, { type: T }>;

export class LabShard implements ShardOutside {
  readonly name: ShardName;
  readonly runtime: ShardRuntime;
  readonly #city: LabCity;
  #alarm: { readonly at: EpochMs } | null = null;

  constructor(city: LabCity, setting: ConstructorParameters<typeof ShardRuntime>[0]) {
    this.#city = city;
    this.name = setting.name;
    this.runtime = new ShardRuntime(setting, new MemoryStorage(), this, () => city.loop.now);
    this.runtime.start();
  }

  submit(command: Command): Answer | null {
    this.#city.counts.shardCommands += 1;
    return this.runtime.submit(command);
  }

  perform(message: Message): void {
    const city = this.#city;
    switch (message.type) {
      case "count":
        if (message.name === "search" && message.label === "held") city.tally.counts.held += 1;
        return;
      case "publish.position":
      case "remember":
        return;
      // Nobody here loses his line or has a second device: a session that ends was ended by its driver.
      case "close":
        return;
      case "publish.ride":
        return city.rideChanged(message.event);
      case "tell":
        return city.driver(message.driverId).hear(message.notice, message.epoch);
      case "rehome":
        return city.driver(message.driverId).moveTo(message.position, message.epoch);
      case "rank":
        return this.#later({
          type: "candidates.ranked",
          rideId: message.rideId,
          searchId: message.searchId,
          ranked: city.rank(message.candidates, message.context),
        });
      case "find.neighbours":
        return this.#findNeighbours(message);
      case "reserve":
        return this.#reserve(message);
      case "release":
        return this.#release(message);
      case "push":
        return this.#push(message);
      case "detach": {
        const { driverId, epoch } = message;
        return city.soon(() => void city.lock(driverId).submit({ type: "detach", shard: this.name, epoch }));
      }
      case "abandon": {
        const { offerId, driverId, from } = message;
        return city.soon(() => this.#shardOf(offerId).submit({ type: "offer.abandoned", offerId, driverId, from }));
      }
      case "track":
        return this.#track(message);
      default:
        return assertNever(message);
    }
  }

  sendEvents(events: readonly RideEvent[], done: (sent: boolean) => void): void {
    const { loop } = this.#city;
    this.#city.soon(() => done(true));
    const eventIds = events.map(({ id }) => id);
    loop.after(ARCHIVE_MS, () => this.submit({ type: "events.archived", eventIds }));
  }

  setAlarm(at: EpochMs): void {
    const alarm = { at };
    this.#alarm = alarm;
    this.#city.loop.at(at, () => {
      if (this.#alarm !== alarm) return;
      this.#city.counts.shardCommands += 1;
      this.runtime.tick();
    });
  }

  #findNeighbours({ rideId, searchId, query, around }: Say<"find.neighbours">): void {
    const city = this.#city;
    city.soon(() => {
      const names = shardsAround(this.name, around.center, around.radiusMeters, city.shardBits);
      // A cell where nobody ever was has no shard to ask.
      const candidates = names.flatMap((name) => city.knownShard(name)?.runtime.nearby(query) ?? []);
      city.counts.neighbourSearches += names.length;
      this.submit({ type: "neighbours.found", rideId, searchId, candidates });
    });
  }

  #reserve({ offerId, seq, driverId }: Say<"reserve">): void {
    const city = this.#city;
    city.soon(() => {
      const answer = city.lock(driverId).submit({ type: "reserve", offerId, seq, shard: this.name });
      this.submit({ type: "reserve.answered", offerId, ...reserveOutcomeOf(answer) });
    });
  }

  #release({ driverId, ...released }: Say<"release">): void {
    this.#city.soon(() => {
      this.#city.lock(driverId).submit({ ...released, shard: this.name });
      this.submit({ type: "release.acknowledged", offerId: released.offerId });
    });
  }

  #push({ driverId, to, offerId, notice }: Say<"push">): void {
    this.#city.soon(() => {
      const answer = this.#city.shard(to.shard).submit({ type: "driver.told", driverId, epoch: to.epoch, notice });
      const outcome = answer?.type === "pushed" ? answer.outcome : "no_socket";
      this.submit({ type: "push.answered", offerId, outcome });
    });
  }

  #track({ offerId, driverId, fix, from }: Say<"track">): void {
    this.#city.soon(() => {
      const answer = this.#shardOf(offerId).submit({ type: "driver.tracked", offerId, driverId, fix, from });
      if (answer?.type !== "tracked") return;
      const { engaged, ride } = answer;
      this.submit({ type: "track.answered", driverId, offerId, engaged, ride });
    });
  }

  #shardOf(offerId: Say<"track">["offerId"]): LabShard {
    return this.#city.shard(shardOfRide(offerId, this.#city.shardBits)!);
  }

  #later(command: Command): void {
    this.#city.soon(() => this.submit(command));
  }
}
