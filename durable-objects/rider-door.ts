/** A rider's way in to the shard that has his ride: its events, from wherever he left off. */
import { RideIdField } from "../src/protocol/fields.ts";
import { readSubject } from "../src/protocol/internal-headers.ts";
import type { ShardRuntime } from "../src/shard/shard-runtime.ts";
import { type RiderStreams, rideEventText } from "./ports/rider-streams.ts";

/** A ride's events since the version that the reader has, then as they happen. */
export function openRideStream(
  request: Request,
  rideText: string | null,
  runtime: ShardRuntime,
  streams: RiderStreams,
): Response {
  const subject = readSubject(request.headers);
  const rideId = RideIdField.safeParse(rideText);
  if (subject === null || !rideId.success) return new Response("bad request", { status: 400 });
  const seen = Number(request.headers.get("Last-Event-ID") ?? "0");
  const history = runtime.history(rideId.data, subject, Number.isSafeInteger(seen) ? seen : 0);
  if (history === null) return new Response("not found", { status: 404 });
  const past = history.events.map(({ event, view }) => rideEventText(event, view));
  const body = streams.open(rideId.data, past, history.over);
  if (body === null) return new Response("too many streams of this ride", { status: 429 });
  return new Response(body, { headers: { "Content-Type": "text/event-stream", "Cache-Control": "no-store" } });
}
