/**
 * A driver's app and the person behind it. It connects, moves, answers offers and walks its rides to the end, repeats a
 * command under the same name until it is judged, and does on the way what real ones do: lose the line, come back
 * elsewhere, tap twice, keep two sockets, speak on the old one.
 */
import type { DriverId, DriverProfile } from "../../src/domain/driver.ts";
import type { DriverNotice, DriverRide, NextRide } from "../../src/domain/notice.ts";
import type { LatLng, ShardName } from "../../src/domain/place.ts";
import type { OfferId } from "../../src/domain/ride.ts";
import type { EpochMs } from "../../src/domain/time.ts";
import { shardAt } from "../../src/routing/shard-map.ts";
import { bearingDegrees, destinationPoint, haversineMeters } from "../../src/spatial/distance.ts";
import type { Random } from "../random.ts";
import { wordOfDriver } from "./races.ts";
import { Socket, type SocketEnd, type SocketPeer } from "./socket.ts";
import { anyButton, type Deed, nextStep } from "./temper.ts";
import { brief } from "./trace.ts";
import type { World } from "./world.ts";

const BEAT_MS = 4_000;
const LONG_WAY = 5;
const DETOURS = 0.7;
const METERS_PER_BEAT = 400;
const WELCOME_WITHIN_MS = 12_000;
const RECONNECT_MS = 4_000;
const GONE_MS = 60_000;
/** Of those whose phone dies; the first driver always comes back, or there would be worlds without any. */
const GONE_FOREVER = 0.3;
/** As src/protocol/ticket.ts and token.ts have them. */
const TICKET_MS = 30_000;
const TOKEN_MS = 15 * 60_000;
const PROFILE: DriverProfile = { vehicleType: "economy", seats: 4, accessible: false, rating: 4.8, payments: ["card"] };

export class ScriptedDriver implements SocketPeer {
  readonly id: DriverId;
  /** When his phone comes to life again, if it died. */
  goneUntil: EpochMs = 0;
  readonly #world: World;
  readonly #random: Random;
  /** A stream of its own, so that a phone that never dies lives as it would have without this. */
  readonly #fate: Random;
  readonly #detours: Random;
  #position: LatLng;
  #target: LatLng;
  /** The newest socket that was welcomed. */
  #live: Socket | null = null;
  #opening: Socket | null = null;
  #old: Socket[] = [];
  #reconnectAt = 0;
  /** A socket failed before its welcome: the lock may think it the newest, so another must take its place. */
  #unsure = false;
  #sockets = 0;
  #seq = 0;
  #cids = 0;
  #available = true;
  readonly #cards = new Map<OfferId, DriverNotice & { type: "offer" }>();
  /** Everything ever offered: a thumb may find an old card. */
  readonly #seen: OfferId[] = [];
  #ride: DriverRide | null = null;
  /** Said and not judged yet. */
  readonly #deeds = new Map<string, { readonly deed: Deed; readonly saidAt: EpochMs }>();

  constructor(world: World, id: DriverId, random: Random) {
    this.#world = world;
    this.id = id;
    this.#random = random;
    this.#fate = random.fork("phone");
    this.#detours = random.fork("detours");
    this.#position = world.place(random);
    this.#target = world.place(random);
    world.loop.after(random.int(BEAT_MS), () => this.#beat());
  }

  get socket(): Socket | null {
    return this.#live;
  }

  /** Nothing said is waiting for its verdict and no ride is under way; or nobody is there any more. */
  get idle(): boolean {
    if (this.goneUntil === Number.POSITIVE_INFINITY) return true;
    return this.#ride === null && this.#deeds.size === 0;
  }

  hears(socket: Socket, notice: DriverNotice): void {
    const { loop, auditor, trace } = this.#world;
    trace.add(loop.now, this.id, `hears ${brief(notice)}`);
    auditor.hearing.heard(this.id, notice);
    // Frames of an older socket may arrive after the newer one's welcome; what they tell of is past.
    if (socket !== this.#live && socket !== this.#opening) return;
    switch (notice.type) {
      case "welcome":
        return this.#welcomed(socket, notice);
      case "offer":
        return this.#offered(notice);
      case "offer.closed":
        this.#cards.delete(notice.offerId);
        return;
      case "offer.verdict":
        if (notice.verdict.outcome === "pending") return;
        this.#deeds.delete(notice.cid);
        this.#cards.delete(notice.offerId);
        if (notice.verdict.outcome === "won") this.#takes(notice.verdict.ride);
        return;
      case "trip.verdict": {
        const { verdict } = notice;
        if (verdict.outcome === "pending") return;
        this.#deeds.delete(notice.cid);
        // A refusal may be older than what he has heard since: how his ride stands is told him, or by a welcome.
        if (verdict.outcome === "done") this.#takes(verdict.ride);
        else this.#goesOnWith(notice.offerId, verdict.next);
        return;
      }
      case "trip.changed":
        return this.#takes(notice.ride);
      case "hint":
        if (this.#ride === null) this.#target = notice.to;
        return;
      case "status":
        if (notice.status.state === "paused" && this.#available) this.#sayAvailable();
        return;
      case "rehome":
        this.#connect(notice.ticket as ShardName);
    }
  }

  closed(socket: Socket, why: SocketEnd): void {
    const { loop, trace } = this.#world;
    trace.add(loop.now, this.id, `socket ${socket.name} closed: ${why}`);
    this.#old = this.#old.filter((other) => other !== socket);
    if (this.#opening === socket) this.#giveUp();
    if (this.#live === socket) this.#live = null;
    this.#reconnectAt = loop.now + this.#random.int(RECONNECT_MS);
  }

  /** The line goes dead. */
  cutLine(): void {
    const { faults } = this.#world;
    const unnoticed = this.#random.next() < faults.cutUnnoticed;
    this.#live?.cut(unnoticed ? Number.POSITIVE_INFINITY : this.#random.int(5_000), this.#random.int(8_000));
  }

  #beat(): void {
    const { loop, temper } = this.#world;
    loop.after(BEAT_MS - 200 + this.#random.int(400), () => this.#beat());
    if (this.#isGone()) return;
    this.#move();
    const wanting = (this.#live === null || this.#unsure) && this.#opening === null;
    if (wanting && loop.now >= this.#reconnectAt) this.#connect(this.#somewhere());
    else if (this.#live !== null && this.#random.next() < temper.driver.secondSockets) this.#connect(this.#somewhere());
    if (this.#random.next() < temper.driver.pauses || !(this.#available || temper.driver.pauses > 0)) {
      this.#available = !this.#available;
      this.#sayAvailable();
    }
    this.#sendFix();
    for (const said of this.#deeds.values()) if (loop.now - said.saidAt >= BEAT_MS) this.#say(said.deed);
    if (this.#random.next() < temper.driver.fumbles && this.#seen.length > 0) {
      // Any button on any card he has ever seen.
      this.#say(anyButton(this.#random, this.#random.pick(this.#seen.slice(-3)), this.#cid()));
    }
    this.#goOn();
  }

  /** A dead phone says nothing, hears nothing and closes nothing; the server finds out for itself. */
  #isGone(): boolean {
    const { loop, temper } = this.#world;
    if (loop.now < this.goneUntil) return true;
    if (this.#fate.next() >= temper.driver.vanishes) return false;
    const forever = this.#fate.next() < GONE_FOREVER && this !== this.#world.drivers[0];
    this.goneUntil = forever ? Number.POSITIVE_INFINITY : loop.now + this.#fate.exponential(GONE_MS);
    this.#world.trace.add(loop.now, this.id, "vanishes");
    for (const socket of [this.#live, this.#opening, ...this.#old]) socket?.cut(Number.POSITIVE_INFINITY, 0);
    return true;
  }

  #somewhere(): ShardName {
    const { temper, shardBits } = this.#world;
    const strays = this.#random.next() < temper.driver.strays;
    return shardAt(strays ? this.#world.place(this.#random) : this.#position, shardBits);
  }

  /** Make before break: the old socket serves until the new one is welcomed. */
  #connect(shard: ShardName): void {
    const { auditor, loop, network, temper, trace } = this.#world;
    const host = this.#world.shard(shard);
    const old = this.#random.next() < temper.driver.oldTickets && this.#sockets > 0;
    const number = old ? this.#sockets : ++this.#sockets;
    const ticket = {
      ticketId: `${this.id}.t${number}`,
      ticketExpiresAt: loop.now + TICKET_MS,
      profile: PROFILE,
      sessionEndsAt: loop.now + TOKEN_MS,
    };
    const socket = new Socket(`${this.id}.s${number}`, this.id, ticket, {
      loop,
      delayMs: () => network.delayMs("frame"),
      client: this,
      server: host,
    });
    trace.add(loop.now, this.id, `connects to ${shard} with ${ticket.ticketId}`);
    if (this.#opening !== null) this.#opening.closeFromClient();
    this.#opening = socket;
    this.#unsure = false;
    auditor.races.said({ about: this.id, by: ticket.ticketId, kind: "attach" });
    loop.after(network.delayMs("connect"), () => host.open(socket, this.#available));
    loop.after(WELCOME_WITHIN_MS, () => {
      if (this.#opening !== socket) return;
      socket.closeFromClient();
      this.#giveUp();
    });
  }

  #giveUp(): void {
    this.#opening = null;
    this.#unsure = true;
  }

  #welcomed(socket: Socket, { holding, status }: DriverNotice & { type: "welcome" }): void {
    if (this.#opening === socket) this.#opening = null;
    if (this.#live !== null && this.#live !== socket) this.#old.push(this.#live);
    this.#live = socket;
    if (status.state === "paused" && this.#available) this.#sayAvailable();
    this.#sendFix();
    if (holding.kind === "offer") this.#offered({ type: "offer", ...holding.offer });
    if (holding.kind === "ride") this.#takes(holding.ride);
    else this.#ride = null;
    for (const { deed } of this.#deeds.values()) this.#say(deed);
  }

  #offered(card: DriverNotice & { type: "offer" }): void {
    const { loop, temper } = this.#world;
    const { accepts, declines, reactionMs } = temper.driver;
    const { offerId, ttlMs } = card;
    if (!this.#seen.includes(offerId)) this.#seen.push(offerId);
    const [mind, second] = [this.#random.next(), this.#random.next()];
    const afterMs = 100 + this.#random.exponential(reactionMs);
    if (this.#ride !== null || this.#cards.has(offerId)) return;
    this.#cards.set(offerId, card);
    loop.after(ttlMs + 1_000, () => this.#cards.delete(offerId));
    if (mind >= accepts && second >= declines) return;
    loop.after(afterMs, () => {
      if (this.#ride !== null || (!this.#cards.has(offerId) && this.#random.next() < 0.5)) return;
      this.#say({ type: mind < accepts ? "offer.accept" : "offer.decline", cid: this.#cid(), offerId });
    });
  }

  /** The next step of the trip, when he has got that far. */
  #goOn(): void {
    const ride = this.#ride;
    if (ride === null || [...this.#deeds.values()].some(({ deed }) => deed.type === "trip")) return;
    const luck = this.#random.next();
    const cancels = this.#random.next() < this.#world.temper.driver.cancels;
    const step = nextStep(ride.state, luck, cancels, this.#way);
    if (step !== null) this.#say({ type: "trip", cid: this.#cid(), offerId: ride.offerId, step });
  }

  #takes(ride: DriverRide): void {
    if (ride.state === "assigned" || ride.state === "arrived" || ride.state === "on_trip") {
      // Word of an older version may overtake that of a newer one, and an ended ride does not begin again.
      if (this.#ride?.offerId === ride.offerId && this.#ride.version > ride.version) return;
      this.#ride = ride;
      this.#target = ride.state === "on_trip" ? ride.dropoff : this.#wayTo(ride.pickup);
    } else if (ride.next) this.#goesOnWith(ride.offerId, ride.next);
    else if (this.#ride?.offerId === ride.offerId) this.#ride = null;
  }

  /** The ride that he has for the one of this offer, unless he has had others since. */
  #goesOnWith(offerId: OfferId, next: NextRide | undefined): void {
    if (next && (this.#ride === null || this.#ride.offerId === offerId)) this.#takes(next);
  }

  #sayAvailable(): void {
    this.#live?.up({ type: "status", available: this.#available });
  }

  /** Also again: a command is repeated under the same name until it is judged. */
  #say(deed: Deed): void {
    const { auditor, loop, temper, trace } = this.#world;
    const old = this.#old.at(-1);
    const stale = old !== undefined && this.#random.next() < temper.driver.staleSocket;
    const socket = stale ? old : this.#live;
    this.#deeds.set(deed.cid, { deed, saidAt: loop.now });
    if (socket === null) return;
    trace.add(loop.now, this.id, `says ${brief(deed)} on ${socket.name}`);
    const kind = deed.type === "trip" ? deed.step : deed.type === "offer.accept" ? "accept" : "decline";
    auditor.races.said(wordOfDriver({ offerId: deed.offerId, driverId: this.id }, kind));
    socket.up(deed);
  }

  #sendFix(): void {
    const { lat, lng } = this.#position;
    const fix = { lat, lng, headingDegrees: null, speedMetersPerSecond: 10, accuracyMeters: 10, ageMs: 0 };
    this.#live?.up({ type: "location", fixes: [{ seq: this.#seq++, ...fix }] });
  }

  /** Where rides are exchanged, ways are so many times as long that somebody nearer may come free. */
  get #way(): number {
    return this.#world.market.dispatch.replanning ? LONG_WAY : 1;
  }

  /** Where rides are exchanged some lose their way, and come nearer to another's rider than to their own. */
  #wayTo(pickup: LatLng): LatLng {
    return this.#way > 1 && this.#detours.next() < DETOURS ? this.#world.place(this.#detours) : pickup;
  }

  #move(): void {
    const meters = haversineMeters(this.#position, this.#target);
    const beatMeters = METERS_PER_BEAT / this.#way;
    if (meters <= beatMeters) {
      this.#position = this.#target;
      if (this.#ride === null) this.#target = this.#world.place(this.#random);
    } else {
      this.#position = destinationPoint(this.#position, bearingDegrees(this.#position, this.#target), beatMeters);
    }
  }

  #cid(): string {
    return `c${++this.#cids}`;
  }
}
