/** A rider's way in to the shard that has his ride, or would have it: what it is like, how it stands, what happens. */
import type { Quote } from "../src/domain/quote.ts";
import type { Answer } from "../src/matching/commands.ts";
import type { TooManyQuotes } from "../src/matching/quote-rate.ts";
import { RideIdField } from "../src/protocol/fields.ts";
import { readSubject } from "../src/protocol/internal-headers.ts";
import type { DispatchShardApi } from "../src/protocol/peer.ts";
import type { ShardRuntime } from "../src/shard/shard-runtime.ts";
import { type RiderStreams, rideEventText } from "./ports/rider-streams.ts";
import type { ObjectOutside } from "./ports/shard-outside.ts";

/** A reader whose line breaks is back so soon. */
const RETRY_MS = 1_000;

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
  const { over, quietMs } = history;
  const body = streams.open(rideId.data, past, over || quietMs !== null, quietMs ?? RETRY_MS);
  if (body === null) return new Response("too many streams of this ride", { status: 429 });
  return new Response(body, { headers: { "Content-Type": "text/event-stream", "Cache-Control": "no-store" } });
}

export function viewRide(
  { rideId, subject }: Parameters<DispatchShardApi["viewRide"]>[0],
  runtime: ShardRuntime,
): Answer {
  const view = runtime.view(rideId, subject);
  return view === null ? { type: "refused", reason: "not_found" } : { type: "ride", view, replayed: false };
}

/** The shard's draft, and the neighbours' drivers where one of them may be nearer. */
export async function quoteRide(
  draft: Answer,
  runtime: ShardRuntime,
  outside: ObjectOutside,
): Promise<Quote | TooManyQuotes | null> {
  if (draft.type === "too_many_quotes") return draft;
  if (draft.type !== "quote") return null;
  const { beyond } = draft.draft;
  if (beyond === null) return runtime.quote(draft.draft, []);
  const around = { center: beyond.pickup, radiusMeters: beyond.radiusMeters };
  return runtime.quote(draft.draft, await outside.nearbyElsewhere(beyond, around));
}
