/** A driver's app that never gives up: it reconnects, says its commands until they are answered, and keeps what it heard. */
import type { TripStep, TripVerdict, Verdict } from "../../src/domain/notice.ts";
import type { LatLng } from "../../src/domain/place.ts";
import type { OfferId, RideId } from "../../src/domain/ride.ts";
import { DriverDown, type DriverUp } from "../../src/protocol/driver.ts";
import { fixAt, ticketFor, upgrade } from "./support.ts";

type Heard = Extract<DriverDown, { type: "offer.verdict" | "trip.verdict" }>["verdict"];

/** Shorter than the product's own apps take, so that a crash costs a test little. */
const RECONNECT_MS = 50;
const WELCOME_MS = 10_000;
const REPEAT_MS = 1_500;
const TRIES = 40;

export class PersistentDriver {
  readonly name: string;
  /** Every offer he was ever shown, in order. */
  readonly offers: OfferId[] = [];
  /** Every verdict on an accept he ever heard: `{offer} won`, `{offer} lost`. */
  readonly verdicts = new Set<string>();
  readonly #place: LatLng;
  readonly #commands = new Map<string, DriverUp>();
  readonly #answers = new Map<string, Heard>();
  readonly #over = new Set<OfferId>();
  /** By which he has a ride, as he was last told. */
  #riding: OfferId | null = null;
  #socket: WebSocket | null = null;
  #live = false;
  #stopped = false;
  #spoken = 0;
  #fixes = 0;
  #wake: (() => void)[] = [];

  constructor(name: string, place: LatLng) {
    this.name = name;
    this.#place = place;
  }

  /** Resolves with the first welcome. */
  async start(): Promise<void> {
    this.#connect();
    await this.#until(() => this.#live, 30_000);
  }

  stop(): void {
    this.#stopped = true;
    this.#socket?.close(1_000, "test over");
    this.#changed();
  }

  /** An offer for this ride that is not over, as soon as he is shown one; null when patience ends first. */
  async offered(rideId: RideId, patienceMs: number): Promise<OfferId | null> {
    const open = () => this.offers.findLast((id) => id.startsWith(`${rideId}#`) && !this.#over.has(id));
    return (await this.#until(open, patienceMs)) ?? null;
  }

  async accept(offerId: OfferId): Promise<Verdict> {
    const verdict = (await this.#say((cid) => ({ type: "offer.accept", cid, offerId }))) as Verdict;
    this.verdicts.add(`${offerId} ${verdict.outcome}`);
    return verdict;
  }

  /** By which he has another ride than that of this offer, as soon as he is told. */
  async swapped(from: OfferId, patienceMs: number): Promise<OfferId> {
    const now = await this.#until(() => (this.#riding === from ? null : this.#riding) ?? undefined, patienceMs);
    if (now === undefined) throw new Error(`${this.name} was never told of another ride than that of ${from}`);
    return now;
  }

  locate(): void {
    this.#send({ type: "location", fixes: [fixAt(this.#place, ++this.#fixes)] });
  }

  async step(offerId: OfferId, step: TripStep): Promise<TripVerdict> {
    return (await this.#say((cid) => ({ type: "trip", cid, offerId, step }))) as TripVerdict;
  }

  async #say(frameFor: (cid: string) => DriverUp): Promise<Heard> {
    const cid = `c${++this.#spoken}`;
    this.#commands.set(cid, frameFor(cid));
    for (let tries = 0; tries < TRIES; tries++) {
      this.#send(frameFor(cid));
      const answer = await this.#until(() => this.#answers.get(cid), REPEAT_MS);
      if (answer !== undefined && answer.outcome !== "pending") {
        this.#commands.delete(cid);
        return answer;
      }
    }
    throw new Error(`${this.name} was never answered: ${JSON.stringify(frameFor(cid))}`);
  }

  #send(frame: DriverUp): void {
    if (this.#live) this.#socket?.send(JSON.stringify(frame));
  }

  #connect(): void {
    if (this.#stopped) return;
    const again = () => setTimeout(() => this.#connect(), RECONNECT_MS);
    ticketFor(this.name, this.#place)
      .then(upgrade)
      .then(({ webSocket }) => (webSocket === null ? again() : this.#open(webSocket)), again);
  }

  #open(socket: WebSocket): void {
    let ended = false;
    const lost = () => {
      if (ended) return;
      ended = true;
      clearTimeout(patience);
      this.#live = false;
      setTimeout(() => this.#connect(), RECONNECT_MS);
    };
    const patience = setTimeout(lost, WELCOME_MS);
    socket.addEventListener("close", lost);
    socket.addEventListener("error", lost);
    socket.addEventListener("message", ({ data }) => {
      if (ended) return;
      const notice = DriverDown.parse(JSON.parse(String(data)));
      if (notice.type === "welcome") clearTimeout(patience);
      this.#hear(notice);
    });
    socket.accept();
    this.#socket = socket;
    socket.send(JSON.stringify({ type: "hello", protocol: 1, available: true }));
  }

  #hear(notice: DriverDown): void {
    switch (notice.type) {
      case "welcome":
        this.#live = true;
        this.locate();
        if (notice.holding.kind === "offer") this.#show(notice.holding.offer.offerId);
        if (notice.holding.kind === "ride") this.#riding = notice.holding.ride.offerId;
        for (const command of this.#commands.values()) this.#send(command);
        break;
      case "offer":
        this.#show(notice.offerId);
        break;
      case "offer.closed":
        this.#over.add(notice.offerId);
        break;
      case "trip.changed":
        if (notice.ride.next !== undefined) this.#riding = notice.ride.next.offerId;
        break;
      case "offer.verdict":
        if (notice.verdict.outcome === "won") this.#riding = notice.verdict.ride.offerId;
        this.#answers.set(notice.cid, notice.verdict);
        break;
      case "trip.verdict":
        this.#answers.set(notice.cid, notice.verdict);
        break;
    }
    this.#changed();
  }

  #show(offerId: OfferId): void {
    if (!this.offers.includes(offerId)) this.offers.push(offerId);
  }

  #changed(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }

  /** What `find` finds, looked for after everything he hears; undefined when patience ends first. */
  async #until<T>(find: () => T | undefined, patienceMs: number): Promise<T | undefined> {
    const { promise: patience, resolve: end } = Promise.withResolvers<void>();
    let ended = false;
    const timer = setTimeout(() => {
      ended = true;
      end();
    }, patienceMs);
    try {
      for (;;) {
        const found = find();
        if ((found !== undefined && found !== false) || ended || this.#stopped) return found;
        await Promise.race([patience, new Promise<void>((resolve) => this.#wake.push(resolve))]);
      }
    } finally {
      clearTimeout(timer);
    }
  }
}
