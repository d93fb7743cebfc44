/**
 * Ends real objects in the middle of what they do. The product's own methods are watched from here, on their prototypes:
 * before and after every call that an object hears, and between a shard's commit and each word that follows from it. At
 * the moment that a crash point names the victim goes, once; everything else passes untouched.
 */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect } from "vitest";
import { ObjectOutside } from "../../durable-objects/ports/shard-outside.ts";
import type { RideEvent } from "../../src/domain/event.ts";
import type { DriverNotice } from "../../src/domain/notice.ts";
import type { Message } from "../../src/matching/commands.ts";
import type { LockState } from "../../src/matching/driver-lock.ts";
import worker, { DispatchShard, DriverLock } from "../../src/worker.ts";
import type { CrashPoint, Part } from "./crash-steps.ts";
import { debtsOf } from "./shard-tools.ts";

/** One crash point on its way: whose objects it is about, and what became of it. */
export interface Crash {
  readonly point: Pick<CrashPoint, "moment" | "victim">;
  readonly names: Readonly<Record<Part, string>>;
  /** Moments count from here on. */
  armed: boolean;
  reached: boolean;
  /** The incarnation that went. */
  victim: object | null;
  /** What the victim owed with no alarm that would have brought it back, or did not set one for when it came back. */
  readonly unwatched: string[];
  gone: boolean;
  /** Why the victim could not be ended. */
  failure: unknown;
  /** The lock's alarm is ringing: none stands, and should the lock die the platform rings it again. */
  ringing: boolean;
  /** No release reaches a lock. */
  losesReleases: boolean;
}

const crashes = new Map<string, Crash>();
/** What has gone says nothing more, though its event may run on for a moment. */
const silenced = new WeakSet<object>();
/** The longest that anything but a driven ride may wait: a search's deadline. */
const SOON_MS = 125_000;
const LOOK_MS = 2;
const RINGING_LOOK_MS = 50;
const RINGING_LOOKS = 300;

/** A crash point of these objects; drivers and rides whose names are given belong to it too. */
export function newCrash(point: Crash["point"], names: Crash["names"], ...others: readonly string[]): Crash {
  const crash: Crash = {
    point,
    names,
    armed: false,
    reached: false,
    victim: null,
    unwatched: [],
    gone: false,
    failure: null,
    ringing: false,
    losesReleases: false,
  };
  for (const name of [...Object.values(names), ...others]) crashes.set(name, crash);
  return crash;
}

/** The crash point was reached, its victim went, and what it owed would have brought it back by itself. */
export async function expectStruck(crash: Crash): Promise<void> {
  expect(crash.reached, `"${crash.point.moment}" never came`).toBe(true);
  expect(crash.failure, "the victim could not be ended").toBeNull();
  const now = await runInDurableObject(stubOf(crash.names[crash.point.victim]), (instance) => instance);
  expect(now === crash.victim, "the victim never went").toBe(false);
  expect(crash.unwatched, "would not have come back by itself").toEqual([]);
}

export function stubOf(name: string) {
  return name.startsWith("drv:") ? env.DRIVER_LOCK.getByName(name) : env.DISPATCH_SHARD.getByName(name);
}

/** Who this object is in its crash. */
function roleOf(crash: Crash, name: string): Part {
  const { names } = crash;
  if (name === names.lock) return "lock";
  if (name === names["other lock"]) return "other lock";
  return name === names["ride's shard"] ? "ride's shard" : "socket's shard";
}

/** True when it is this moment's turn: the crash point is reached, and only once. */
function strikes(crash: Crash | undefined, moment: string): crash is Crash {
  if (crash === undefined || !crash.armed || crash.reached || crash.point.moment !== moment) return false;
  crash.reached = true;
  return true;
}

const orders: Crash[] = [];

/**
 * Carries out what the objects' calls below order. Both sides look for each other's word by their own timers: whoever
 * awaits a promise that an object resolves goes on inside that object's event, and to end an object out of its own event
 * either leaves one waiting for ever or takes all of workerd along (kj: "Promise callback destroyed itself").
 */
async function serveOrders(): Promise<never> {
  for (;;) {
    for (const crash of orders.splice(0)) void carryOut(crash);
    await pause(LOOK_MS);
  }
}

async function carryOut(crash: Crash): Promise<void> {
  try {
    await end(crash);
  } catch (error) {
    crash.failure = error;
  }
  crash.gone = true;
}

/** Resolves when the victim has gone. */
async function order(crash: Crash): Promise<void> {
  orders.push(crash);
  while (!crash.gone) await pause(LOOK_MS);
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Its rows are what was committed, its memory is gone, and all its sockets are closed. A shard loses its alarm too, as if
 * the platform had given it up: what it owes must have had one, and must have one again as soon as anything wakes it.
 */
async function end(crash: Crash): Promise<void> {
  const name = crash.names[crash.point.victim];
  const withoutAlarm = name.startsWith("drv:") ? heldWithoutAlarm : debtsWithoutAlarm;
  crash.victim = await runInDurableObject(stubOf(name), async (instance, { storage }) => {
    await storage.sync();
    // While the platform rings an alarm it says that none stands; then the object is about to set the next.
    let debts = crash.ringing ? [] : await withoutAlarm(storage);
    for (let looks = 0; debts.length > 0 && looks < RINGING_LOOKS; looks++) {
      await pause(RINGING_LOOK_MS);
      debts = await withoutAlarm(storage);
    }
    crash.unwatched.push(...debts.map((debt) => `as it died: ${debt}`));
    if (withoutAlarm === debtsWithoutAlarm) await storage.deleteAlarm();
    return instance;
  });
  await runInDurableObject(stubOf(name), (_, state) => state.abort("crash point")).catch(() => {});
  const debts = await runInDurableObject(stubOf(name), (_, { storage }) => withoutAlarm(storage));
  crash.unwatched.push(...debts.map((debt) => `as it came back: ${debt}`));
}

async function debtsWithoutAlarm(storage: DurableObjectStorage): Promise<string[]> {
  const debts = debtsOf(storage);
  const at = await storage.getAlarm();
  const late = at === null ? Number.POSITIVE_INFINITY : at - Date.now();
  return Object.entries(debts)
    .filter(([debt, count]) => count > 0 && late > (debt === "engaged" ? Number.MAX_VALUE : SOON_MS))
    .map(([debt, count]) => `${count} ${debt}, alarm in ${late} ms`);
}

async function heldWithoutAlarm(storage: DurableObjectStorage): Promise<string[]> {
  const holder = storage.kv.get<LockState>("lock")?.holder;
  return holder && (await storage.getAlarm()) === null ? [`${holder.offerId} held, no alarm`] : [];
}

/** The moment of a call: the victim goes, and a call within a victim that was aborted never ends. */
async function pass(name: string, did: string): Promise<void> {
  const crash = crashes.get(name);
  if (crash === undefined) return;
  const role = roleOf(crash, name);
  if (!strikes(crash, `${role} ${did}`)) return;
  await order(crash);
  if (role === crash.point.victim) await new Promise(() => {});
}

type Call = (this: { readonly ctx: DurableObjectState }, ...args: never[]) => unknown;

function watchCalls(prototype: object, calls: Readonly<Record<string, (...args: never[]) => string>>): void {
  for (const [method, nameOf] of Object.entries(calls)) {
    const real = Reflect.get(prototype, method) as Call;
    const watched: Call = async function (...args) {
      const name = this.ctx.id.name!;
      const call = nameOf(...args);
      const crash = crashes.get(name);
      if (crash !== undefined && call === "alarm") crash.ringing = true;
      await pass(name, `hears ${call}`);
      if (call === "release" && crash?.losesReleases) throw new Error("lost on its way");
      const answer = await real.apply(this, args);
      await pass(name, `has done ${call}`);
      if (crash !== undefined && call === "alarm") crash.ringing = false;
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
  const own = role === crash.point.victim;
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
  watchCalls(DriverLock.prototype, Object.fromEntries(["attach", "reserve", "release", "alarm"].map(itself)));
  watchWords();
  watchQueue();
  void serveOrders();
}
