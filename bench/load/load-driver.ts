/**
 * One scripted driver on a real WebSocket: stays around his place, accepts whatever he is offered after a short pause,
 * and drives it to its end. Much less than client/driver-client.ts on purpose: a thousand of them must cost little.
 */
import { WebSocket } from "ws";
import type { DriverNotice } from "../../src/domain/notice.ts";
import type { LatLng } from "../../src/domain/place.ts";
import { SUBPROTOCOL, TICKET_PREFIX } from "../../src/protocol/driver.ts";
import { encodeLocationFrame } from "../../src/protocol/location-frame.ts";
import { PROTOCOL_VERSION } from "../../src/protocol/version.ts";
import type { Tally } from "./tally.ts";

/** Between an offer and its accept, and between two steps of a trip. */
const PAUSE_MS = 200;
/** About 30 m: near enough that no shard asks him to move. */
const WANDER_DEGREES = 2.7e-4;
/** While saturating, this many fixes and then one probe. */
const FIXES_PER_PROBE = 8;
const FIXES_IN_FLIGHT = 2 * FIXES_PER_PROBE;
const PROBE = "probe";

export class LoadDriver {
  readonly #place: LatLng;
  readonly #probe: string;
  readonly #tally: () => Tally;
  readonly #accepts = new Map<string, number>();
  #socket: WebSocket | null = null;
  #seq = 0;
  #unconfirmed = 0;

  /** `cell` makes the offer id of a probe one that his own shard looks up and does not find. */
  constructor(place: LatLng, cell: string, tally: () => Tally) {
    this.#place = place;
    this.#tally = tally;
    const offerId = `${cell}.${"0".repeat(26)}#1`;
    this.#probe = JSON.stringify({ type: "offer.accept", cid: PROBE, offerId });
  }

  /** Resolves when the server has welcomed him and he has said where he is. */
  connect(url: string, ticket: string): Promise<void> {
    const socket = new WebSocket(url, [SUBPROTOCOL, `${TICKET_PREFIX}${ticket}`], { perMessageDeflate: false });
    this.#socket = socket;
    return new Promise((resolve, reject) => {
      socket.on("open", () => {
        socket.send(JSON.stringify({ type: "hello", protocol: PROTOCOL_VERSION, available: true }));
      });
      socket.on("message", (data) => {
        const notice = JSON.parse(String(data)) as DriverNotice;
        if (notice.type === "welcome") {
          this.sendFix();
          resolve();
        } else this.#hear(notice);
      });
      socket.on("error", reject);
      socket.on("close", (code) => {
        if (code !== 1000) this.#tally().wrong(`socket closed with ${code}`);
        reject(new Error(`the server closed a socket with ${code}`));
      });
    });
  }

  sendFix(): void {
    this.#seq++;
    this.#tally().fixesSent++;
    const angle = this.#seq / 10;
    const lat = this.#place.lat + WANDER_DEGREES * Math.sin(angle);
    const lng = this.#place.lng + WANDER_DEGREES * Math.cos(angle);
    const fix = { seq: this.#seq, lat, lng, ageMs: 0, accuracyMeters: 8, headingDegrees: 90, speedMetersPerSecond: 4 };
    this.#socket?.send(new Uint8Array(encodeLocationFrame([fix])));
  }

  /** Sends unless too many are under way: the server decides how fast this goes. */
  sendConfirmedFix(): void {
    if (this.#unconfirmed >= FIXES_IN_FLIGHT) return;
    this.sendFix();
    this.#unconfirmed++;
    if (this.#unconfirmed % FIXES_PER_PROBE === 0) this.#socket?.send(this.#probe);
  }

  close(): void {
    this.#socket?.close(1000);
  }

  #hear(notice: DriverNotice): void {
    const tally = this.#tally();
    switch (notice.type) {
      case "offer":
        tally.offerSeen(notice.rideId);
        setTimeout(() => this.#accept(notice.offerId), PAUSE_MS);
        return;
      case "offer.verdict":
        if (notice.cid === PROBE) {
          tally.fixesConfirmed += FIXES_PER_PROBE;
          this.#unconfirmed -= FIXES_PER_PROBE;
          return;
        }
        return this.#judged(notice);
      case "trip.verdict":
        if (notice.verdict.outcome !== "done") return tally.wrong(`trip ${notice.verdict.outcome}`);
        if (notice.step === "arrive") return this.#step(notice.offerId, "start");
        if (notice.step === "start") return this.#step(notice.offerId, "complete");
        return tally.rideCompleted(notice.verdict.ride.rideId);
      case "fault":
        return tally.wrong(`fault ${notice.code}`);
      default:
        return;
    }
  }

  #judged({ offerId, verdict }: Extract<DriverNotice, { type: "offer.verdict" }>): void {
    const saidAt = this.#accepts.get(offerId);
    if (saidAt === undefined) return this.#tally().wrong("verdict on nothing");
    this.#accepts.delete(offerId);
    if (verdict.outcome === "pending") return this.#tally().wrong("verdict pending");
    this.#tally().verdictHeard(verdict.outcome === "won", saidAt);
    if (verdict.outcome === "won") this.#step(offerId, "arrive");
  }

  /** Also when the offer was closed meanwhile: that is what a race is. */
  #accept(offerId: string): void {
    this.#accepts.set(offerId, performance.now());
    this.#socket?.send(JSON.stringify({ type: "offer.accept", cid: `accept-${this.#seq}`, offerId }));
  }

  #step(offerId: string, step: "arrive" | "start" | "complete"): void {
    setTimeout(() => this.#socket?.send(JSON.stringify({ type: "trip", cid: step, offerId, step })), PAUSE_MS);
  }
}
