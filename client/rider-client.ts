/** A rider's app without its screen: asks for a ride, follows it to its end, cancels, rates. */
import type * as z from "zod";
import type { RideId } from "../src/domain/ride.ts";
import { QuoteBody, type RideOrderBody, type RideRequestBody, RideViewBody } from "../src/protocol/rider.ts";
import { readEventStream, type StreamEvent } from "./event-stream.ts";
import { callApi, fullJitterMs, type HttpOptions, RefusedError } from "./http.ts";
import type { TokenSource } from "./tokens.ts";

/** The ride as the server shows it to its rider. */
export type SeenRide = z.infer<typeof RideViewBody>;

export interface RiderClientOptions extends HttpOptions {
  readonly token: TokenSource;
  /** Ends every call and every stream. */
  readonly signal?: AbortSignal;
}

export type SeenQuote = z.infer<typeof QuoteBody>;

export interface RiderClient {
  /** What the ride would be like; with its id in the wish the fare holds. */
  quote(wish: z.input<typeof RideRequestBody>): Promise<SeenQuote>;
  /** The same key and wish give the same ride, however often it is said. */
  request(wish: z.input<typeof RideOrderBody>, key: string): Promise<SeenRide>;
  view(rideId: RideId): Promise<SeenRide>;
  cancel(rideId: RideId): Promise<SeenRide>;
  rate(rideId: RideId, stars: number): Promise<SeenRide>;
  /**
   * Calls `onChange` for every change of the ride, resuming after interruptions where it left off. Resolves when the
   * ride is over or the signal says stop; rejects when the server refuses the stream.
   */
  follow(rideId: RideId, onChange: (ride: SeenRide) => void): Promise<void>;
}

const FIRST_BACKOFF_MS = 500;
const OPEN_STATES: readonly SeenRide["state"][] = ["scheduled", "matching", "assigned", "arrived", "on_trip"];

export function isOpen({ state }: SeenRide): boolean {
  return OPEN_STATES.includes(state);
}

export function createRiderClient(options: RiderClientOptions): RiderClient {
  const { signal } = options;
  const ridePath = (rideId: RideId, rest = "") => `/v1/rides/${encodeURIComponent(rideId)}${rest}`;

  async function post(path: string, body?: unknown, headers?: Record<string, string>): Promise<SeenRide> {
    const token = await options.token();
    return callApi(options, {
      method: "POST",
      path,
      token,
      body,
      answer: RideViewBody,
      signal,
      ...(headers && { headers }),
    });
  }

  async function follow(rideId: RideId, onChange: (ride: SeenRide) => void): Promise<void> {
    let lastEventId: string | null = null;
    let heardVersion = 0;
    for (let failures = 0; !signal?.aborted; failures++) {
      let [askedMs, endedMs] = [0, 0];
      try {
        const events: AsyncIterable<StreamEvent> = await openStream(options, ridePath(rideId, "/events"), lastEventId);
        for await (const { id, data, retryMs } of events) {
          askedMs = retryMs ?? askedMs;
          failures = 0;
          lastEventId = id ?? lastEventId;
          const ride = readRide(data);
          if (!ride || ride.version <= heardVersion) continue;
          heardVersion = ride.version;
          onChange(ride);
          if (!isOpen(ride)) return;
        }
        // The server has ended it in good order: nothing is to be heard for so long. After a break he is back sooner.
        endedMs = askedMs;
      } catch (error) {
        if (error instanceof RefusedError && error.status < 500) throw error;
      }
      const jitterMs = fullJitterMs(failures, options.random ?? Math.random, FIRST_BACKOFF_MS);
      await pause(Math.max(jitterMs, endedMs), signal);
    }
  }

  return {
    async quote(wish) {
      const token = await options.token();
      return callApi(options, { method: "POST", path: "/v1/quotes", token, body: wish, answer: QuoteBody, signal });
    },
    request: (wish, key) => post("/v1/rides", wish, { "idempotency-key": key }),
    async view(rideId) {
      const token = await options.token();
      return callApi(options, { method: "GET", path: ridePath(rideId), token, answer: RideViewBody, signal });
    },
    cancel: (rideId) => post(ridePath(rideId, "/cancel")),
    rate: (rideId, stars) => post(ridePath(rideId, "/ratings"), { stars }),
    follow,
  };
}

/** Until then, or until the signal says stop. */
function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done);
    function done(): void {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    }
  });
}

async function openStream(options: RiderClientOptions, path: string, lastEventId: string | null) {
  const response = await fetch(new URL(path, options.baseUrl), {
    headers: {
      accept: "text/event-stream",
      authorization: `Bearer ${await options.token()}`,
      ...(lastEventId !== null && { "last-event-id": lastEventId }),
    },
    ...(options.signal && { signal: options.signal }),
  });
  if (response.ok && response.body) return readEventStream(response.body);
  await response.body?.cancel();
  throw new RefusedError(response.status, null);
}

/** Null for what is no view of the ride, such as the driver's position. */
function readRide(data: string): SeenRide | null {
  try {
    return RideViewBody.safeParse(JSON.parse(data)).data ?? null;
  } catch {
    return null;
  }
}
