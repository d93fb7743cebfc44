/**
 * Ends real objects in the middle of what they do. The product's own methods are watched from here, on their prototypes:
 * before and after every call that an object hears, and between a shard's commit and each word that follows from it. At
 * the moment that a crash point names the victim goes, once; everything else passes untouched.
 */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { ObjectOutside } from "../../durable-objects/ports/shard-outside.ts";
import type { RideEvent } from "../../src/domain/event.ts";
import type { DriverNotice } from "../../src/domain/notice.ts";
import type { Message } from "../../src/matching/commands.ts";
import worker, { DispatchShard, DriverLock } from "../../src/worker.ts";
import type { CrashPoint } from "./crash-steps.ts";

/** Who takes part in a ride that has a crash point. */
export type Part = "ride's shard" | "socket's shard" | "lock" | "loser's lock";

/** One crash point on its way: whose objects it is about, and what became of it. */
export interface Crash {
  readonly point: CrashPoint;
  readonly names: Readonly<Record<Part, string>>;
  /** Moments count from here on. */
  armed: boolean;
  reached: boolean;
  /** The incarnation that went. */
  victim: object | null;
}

const crashes = new Map<string, Crash>();
/** What has gone says nothing more, though its event may run on for a moment. */
const silenced = new WeakSet<object>();

/** From now on these names (objects, drivers, rides) belong to this crash. */
export function follow(crash: Crash, ...names: readonly string[]): void {
  for (const name of names) crashes.set(name, crash);
}

export function stubOf(name: string) {
  return name.startsWith("drv:") ? env.DRIVER_LOCK.getByName(name) : env.DISPATCH_SHARD.getByName(name);
}

/** Who this object is in its crash. */
function roleOf(crash: Crash, name: string): Part {
  const { names } = crash;
  if (name === names.lock) return "lock";
  if (name === names["loser's lock"]) return "loser's lock";
  return name === names["ride's shard"] ? "ride's shard" : "socket's shard";
}

/** True when it is this moment's turn: the crash point is reached, and only once. */
function strikes(crash: Crash | undefined, moment: string): crash is Crash {
  if (crash === undefined || !crash.armed || crash.reached || crash.point.moment !== moment) return false;
  crash.reached = true;
  return true;
}

interface Order {
  readonly crash: Crash;
  readonly done: () => void;
}
const orders: Order[] = [];
let wake = () => {};

/**
 * Carries out what the objects' calls below order. It runs in the context of the test: an object that is ended out of its
 * own event takes all of workerd with it (kj: "Promise callback destroyed itself").
 */
async function serveOrders(): Promise<never> {
  for (;;) {
    for (const { crash, done } of orders.splice(0)) {
      void end(crash).then(done, done);
    }
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
  }
}

/** Resolves when the ride's shard has gone. */
function order(crash: Crash): Promise<void> {
  return new Promise((done) => {
    orders.push({ crash, done });
    wake();
  });
}

/** Its rows are what was committed, its memory is gone, and all its sockets are closed. */
async function end(crash: Crash): Promise<void> {
  const stub = stubOf(crash.names["ride's shard"]);
  await runInDurableObject(stub, (instance, { storage }) => {
    crash.victim = instance;
    return storage.sync();
  });
  // A callback that has waited for anything before it aborts leaves its caller waiting for ever.
  await runInDurableObject(stub, (_, state) => state.abort("crash point")).catch(() => {});
}

/** The moment of a call: the victim goes, and a call within a victim that was aborted never ends. */
async function pass(name: string, did: string): Promise<void> {
  const crash = crashes.get(name);
  if (crash === undefined) return;
  const role = roleOf(crash, name);
  if (!strikes(crash, `${role} ${did}`)) return;
  await order(crash);
  if (role === "ride's shard") await new Promise(() => {});
}

type Call = (this: { readonly ctx: DurableObjectState }, ...args: never[]) => unknown;

function watchCalls(prototype: object, calls: Readonly<Record<string, (...args: never[]) => string>>): void {
  for (const [method, nameOf] of Object.entries(calls)) {
    const real = Reflect.get(prototype, method) as Call;
    const watched: Call = async function (...args) {
      const name = this.ctx.id.name!;
      const call = nameOf(...args);
      await pass(name, `hears ${call}`);
      const answer = await real.apply(this, args);
      await pass(name, `has done ${call}`);
      return answer;
    };
    Reflect.set(prototype, method, watched);
  }
}

function frameName(_: WebSocket, frame: string | ArrayBuffer): string {
  if (typeof frame !== "string") return "locations";
  const { type, step } = JSON.parse(frame) as { type: string; step?: string };
  return step === undefined ? type : `${type} ${step}`;
}

const noticeName = (notice: DriverNotice) =>
  notice.type === "trip.verdict" ? `${notice.type} ${notice.step}` : notice.type;

function messageName(message: Message): string {
  return message.type === "tell" || message.type === "push"
    ? `${message.type} ${noticeName(message.notice)}`
    : message.type;
}

/** A shard has committed and is about to speak. The word waits until the victim has gone; if that is itself, for ever. */
function hold(speaker: object, crash: Crash | undefined, word: string, speak: () => void): void {
  if (silenced.has(speaker)) return;
  const role = (["ride's shard", "socket's shard"] as const).find((shard) => strikes(crash, `${shard} says ${word}`));
  if (role === undefined || crash === undefined) return speak();
  const own = role === "ride's shard";
  if (own) silenced.add(speaker);
  void order(crash).then(() => (own ? undefined : speak()));
}

function watchWords(): void {
  const { perform, sendEvents } = ObjectOutside.prototype;
  ObjectOutside.prototype.perform = function (message, submit) {
    const about = "driverId" in message ? message.driverId : "rideId" in message ? message.rideId : "";
    hold(this, crashes.get(about), messageName(message), () => perform.call(this, message, submit));
  };
  ObjectOutside.prototype.sendEvents = function (events, done) {
    hold(this, crashes.get(events[0]!.rideId), "events", () => sendEvents.call(this, events, done));
  };
}

function watchQueue(): void {
  const { queue } = worker;
  worker.queue = async (batch, bindings) => {
    const about = new Set(batch.messages.map(({ body }) => crashes.get((body as RideEvent).rideId)));
    await Promise.all([...about].map((crash) => (strikes(crash, "queue hears events") ? order(crash) : undefined)));
    return queue(batch, bindings);
  };
}

/** Once per test file. */
export function watchObjects(): void {
  const itself = (name: string) => [name, () => name] as const;
  const plain = ["requestRide", "cancelRide", "nearby", "acceptOffer", "verdictOn", "eventsArchived"];
  watchCalls(DispatchShard.prototype, {
    ...Object.fromEntries(plain.map(itself)),
    stepTrip: ({ step }: { step: string }) => `stepTrip ${step}`,
    pushNotice: ({ notice }: { notice: DriverNotice }) => `push ${notice.type}`,
    webSocketMessage: frameName,
  });
  watchCalls(DriverLock.prototype, Object.fromEntries(["reserve", "release"].map(itself)));
  watchWords();
  watchQueue();
  void serveOrders();
}
