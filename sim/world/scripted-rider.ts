/** A rider's app: asks for a ride under a key until it is answered, looks at it, sometimes cancels, rates, asks again. */
import type { RideView } from "../../src/domain/notice.ts";
import type { RideId, RideRequest, RiderId, RideState } from "../../src/domain/ride.ts";
import { type EpochMs, MINUTE_MS } from "../../src/domain/time.ts";
import type { Answer, Command } from "../../src/matching/commands.ts";
import { LIMITS } from "../../src/matching/limits.ts";
import { newRideId, shardAt, shardOfRide } from "../../src/routing/shard-map.ts";
import type { Random } from "../random.ts";
import type { Callee, CallLimits } from "./network.ts";
import { wordOf } from "./races.ts";
import type { World } from "./world.ts";

/** The Worker asks once; it is the rider's app that asks again. */
const CALL: CallLimits = { deadlineMs: 3_000, attempts: 1 };
const AGAIN_MS = 2_000;
const REPEAT_MS = 20_000;
/** Of the rides where the market takes them for later; how far ahead, besides what it takes or where none are free. */
const SCHEDULED_SHARE = 0.4;
const AHEAD_MS = 4 * MINUTE_MS;
/** For a clock that is wrong, and a request that is late. */
const SLACK_MS = 20_000;

export class ScriptedRider {
  readonly id: RiderId;
  readonly #world: World;
  readonly #random: Random;
  #keys = 0;

  constructor(world: World, id: RiderId, random: Random) {
    this.#world = world;
    this.id = id;
    this.#random = random;
    world.loop.after(random.int(world.temper.rider.pauseMs), () => this.ask());
  }

  /** One ride from the first word to the last, then the next while the world takes new ones. */
  ask(): void {
    const { temper, place } = this.#world;
    const key = `k${++this.#keys}`;
    const request: RideRequest = {
      pickup: place(this.#random),
      dropoff: place(this.#random),
      vehicleType: "economy",
      payment: "card",
      minimumRating: 1,
      seats: 1,
      accessible: false,
      ...this.#pickupTime(key),
    };
    this.#request(key, request);
    if (this.#random.next() < temper.rider.repeats) {
      this.#world.loop.after(this.#random.int(REPEAT_MS), () => this.#say(key, request, () => {}));
    }
    if (this.#random.next() < temper.rider.reusesKey) {
      this.#world.loop.after(this.#random.int(REPEAT_MS), () => this.#say(key, { ...request, seats: 2 }, () => {}));
    }
  }

  /** From a stream of its own: where nothing is scheduled, everything is as it was. */
  #pickupTime(key: string): { readonly pickupAt?: EpochMs } {
    const { loop, market } = this.#world;
    const random = this.#random.fork(`pickup time of ${key}`);
    if (!market.dispatch.scheduledRides || random.next() > SCHEDULED_SHARE) return {};
    const leastMs = random.pick([LIMITS.scheduledLeastMs + SLACK_MS, LIMITS.leadMostMs]);
    return { pickupAt: loop.now + leastMs + random.int(AHEAD_MS) };
  }

  #request(key: string, request: RideRequest): void {
    this.#say(key, request, (answer) => {
      const { loop } = this.#world;
      if (answer === null) loop.after(AGAIN_MS, () => this.#request(key, request));
      else if (answer.type === "ride" && answer.view.state === "scheduled") this.#leaveForLater(answer.view.id);
      else if (answer.type === "ride") this.#watch(answer.view.id);
      // Another ride of his is open there: an earlier one he had given up on.
      else if (answer.type === "refused" && "view" in answer && answer.view !== undefined) this.#watch(answer.view.id);
      else this.#next();
    });
  }

  #say(key: string, request: RideRequest, done: (answer: Answer | null) => void): void {
    const { shardBits } = this.#world;
    const rideId = newRideId(request.pickup, shardBits, this.#world.newUlid());
    const bodyHash = `seats ${request.seats}`;
    const read = { prior: null, recent: [], quoted: null };
    const command = { type: "ride.requested", rideId, riderId: this.id, request, key, bodyHash, ...read } as const;
    this.#call("request", this.#world.shard(shardAt(request.pickup, shardBits)).ask(command, same), done);
  }

  #watch(rideId: RideId): void {
    const { loop, temper } = this.#world;
    const { cancels, leaves, rates } = temper.rider;
    const [cancel, leave] = [this.#random.next() < cancels, this.#random.next() < leaves / 10];
    if (leave) return this.#next();
    loop.after(temper.rider.lookMs, () => {
      if (cancel) this.#toRide("cancel", rideId, { type: "ride.cancelled", rideId, riderId: this.id }, () => {});
      this.#look(rideId, (view) => {
        if (view === null || !isOver(view.state)) return this.#watch(rideId);
        if (view.state === "completed" && this.#random.next() < rates) this.#rate(rideId);
        this.#next();
      });
    });
  }

  /** He goes on asking for others, and cancels this one perhaps: while it is scheduled, being dispatched, or driven. */
  #leaveForLater(rideId: RideId): void {
    const { loop, temper } = this.#world;
    const random = this.#random.fork(`later ${rideId}`);
    const cancelled = { type: "ride.cancelled", rideId, riderId: this.id } as const;
    const cancel = () => this.#toRide("cancel", rideId, cancelled, () => {});
    if (random.next() < 5 * temper.rider.cancels) loop.after(random.int(AHEAD_MS), cancel);
    this.#next();
  }

  #look(rideId: RideId, done: (view: RideView | null) => void): void {
    const host = this.#world.shard(shardOfRide(rideId, this.#world.shardBits)!);
    const callee = host.serve((runtime) => runtime.view(rideId, { role: "rider", riderId: this.id }));
    this.#call("look", callee, done);
  }

  #rate(rideId: RideId): void {
    const by = { role: "rider", riderId: this.id } as const;
    const stars = 1 + this.#random.int(5);
    this.#toRide("rate", rideId, { type: "ride.rated", rideId, by, stars }, (answer) => {
      if (answer === null) this.#rate(rideId);
    });
  }

  #toRide(name: string, rideId: RideId, command: Command, done: (answer: Answer | null) => void): void {
    const host = this.#world.shard(shardOfRide(rideId, this.#world.shardBits)!);
    const word = wordOf(command);
    if (word !== null) this.#world.auditor.races.said(word);
    this.#call(name, host.ask(command, same), done);
  }

  #call<T>(name: string, callee: Callee<T | null>, done: (answer: T | null) => void): void {
    this.#world.network.call<T | null>(name, CALL, callee, () => true, done);
  }

  #next(): void {
    const { loop, temper } = this.#world;
    loop.after(1_000 + this.#random.exponential(temper.rider.pauseMs), () => {
      if (this.#world.takesRequests()) this.ask();
    });
  }
}

function same(answer: Answer | null): Answer | null {
  return answer;
}

function isOver(state: RideState): boolean {
  return (
    state !== "scheduled" && state !== "matching" && state !== "assigned" && state !== "arrived" && state !== "on_trip"
  );
}
