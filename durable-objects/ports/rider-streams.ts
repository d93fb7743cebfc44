/** Server-sent events to the riders who watch. A stream holds no truth: whoever reconnects is told what he missed. */
import type { RideEvent } from "../../src/domain/event.ts";
import type { DriverPosition, RideView } from "../../src/domain/notice.ts";
import type { RideId } from "../../src/domain/ride.ts";

const HEARTBEAT_MS = 15_000;
/** A reader this many chunks behind is cut off; he comes back with Last-Event-ID. */
const CHUNKS_BEHIND = 64;
/** Streams of one ride: its rider on two devices, his driver, and an operator. */
const STREAMS_PER_RIDE = 5;

type Stream = ReadableStreamDefaultController<Uint8Array>;

export class RiderStreams {
  readonly #streams = new Map<RideId, Set<Stream>>();
  readonly #encoder = new TextEncoder();
  #heartbeat: ReturnType<typeof setInterval> | null = null;

  get size(): number {
    let size = 0;
    for (const streams of this.#streams.values()) size += streams.size;
    return size;
  }

  /**
   * A body that starts with `past` and goes on with what happens. It `ends` there where nothing will happen any more, or
   * for so long that an object would be kept awake for nothing; then `retryMs` says when to come back. Null when too many
   * watch.
   */
  open(rideId: RideId, past: readonly string[], ends: boolean, retryMs: number): ReadableStream<Uint8Array> | null {
    const known = this.#streams.get(rideId);
    if (!ends && (known?.size ?? 0) >= STREAMS_PER_RIDE) return null;
    let mine: Stream;
    return new ReadableStream<Uint8Array>(
      {
        start: (stream) => {
          mine = stream;
          // The first chunk opens the body at once, also where nothing has happened since.
          stream.enqueue(this.#encoder.encode(`retry: ${retryMs}\n\n${past.join("")}`));
          if (ends) stream.close();
          else this.#add(rideId, stream);
        },
        cancel: () => this.#remove(rideId, mine),
      },
      { highWaterMark: CHUNKS_BEHIND },
    );
  }

  publish(rideId: RideId, text: string, last: boolean): void {
    const streams = this.#streams.get(rideId);
    if (streams === undefined) return;
    const chunk = this.#encoder.encode(text);
    for (const stream of [...streams]) {
      const behind = (stream.desiredSize ?? 0) <= 0;
      if (!behind) stream.enqueue(chunk);
      if (!behind && !last) continue;
      this.#remove(rideId, stream);
      stream.close();
    }
  }

  #add(rideId: RideId, stream: Stream): void {
    const streams = this.#streams.get(rideId);
    if (streams) streams.add(stream);
    else this.#streams.set(rideId, new Set([stream]));
    this.#heartbeat ??= setInterval(() => {
      for (const id of [...this.#streams.keys()]) this.publish(id, ": alive\n\n", false);
    }, HEARTBEAT_MS);
  }

  #remove(rideId: RideId, stream: Stream): void {
    const streams = this.#streams.get(rideId);
    streams?.delete(stream);
    if (streams?.size === 0) this.#streams.delete(rideId);
    if (this.#streams.size > 0 || this.#heartbeat === null) return;
    clearInterval(this.#heartbeat);
    this.#heartbeat = null;
  }
}

/** The event's id is the ride's version: `Last-Event-ID` says which the reader has. */
export function rideEventText(event: RideEvent, view: RideView): string {
  return `id: ${event.version}\nevent: ${event.type}\ndata: ${JSON.stringify(view)}\n\n`;
}

/** Without an id: a position is worth nothing once the next is there. */
export function positionText(position: DriverPosition): string {
  return `event: driver.position\ndata: ${JSON.stringify(position)}\n\n`;
}
