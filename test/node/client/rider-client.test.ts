import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { RefusedError, UnansweredError } from "../../../client/http.ts";
import { createRiderClient, type RiderClient, type SeenRide } from "../../../client/rider-client.ts";
import type { RideId } from "../../../src/domain/ride.ts";

const ID = "dr5ru.01ARZ3NDEKTSV4RRFFQ69G5FAV" as RideId;
const WISH = { pickup: { lat: 40.75, lng: -73.98 }, dropoff: { lat: 40.76, lng: -73.98 } };

function ride(version: number, state: SeenRide["state"]): SeenRide {
  return {
    id: ID,
    state,
    version,
    ...WISH,
    vehicleType: "economy",
    tripMeters: 1_112,
    fareCents: 700,
    currency: "USD",
    redispatches: 0,
    createdAt: 0,
    ratings: {},
  };
}

function streamed(version: number, state: SeenRide["state"]): string {
  return `id: ${version}\nevent: ride.changed\ndata: ${JSON.stringify(ride(version, state))}\n\n`;
}

let server: Server;
let client: RiderClient;
let asked: IncomingMessage[];
/** What the server does with its first, second, third request. */
let script: ((response: ServerResponse) => void)[];

beforeEach(async () => {
  asked = [];
  script = [];
  server = createServer((request, response) => {
    script[asked.push(request) - 1]?.(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  client = createRiderClient({ baseUrl, token: async () => "token", random: () => 0 });
});

afterEach(() => {
  server.closeAllConnections();
  server.close();
});

const answer =
  (status: number, body: unknown, headers = {}) =>
  (response: ServerResponse) =>
    void response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
const cutOff = (response: ServerResponse) => void response.destroy();

test("a request that got no answer, or a 503, is said again under the same key", async () => {
  const busy = { type: "about:blank", title: "busy", status: 503, retryAfterMs: 5 };
  script = [cutOff, answer(503, busy, { "retry-after": "0" }), answer(201, ride(1, "matching"))];
  expect(await client.request(WISH, "key-1")).toMatchObject({ id: ID, version: 1 });
  expect(asked.map(({ headers }) => headers["idempotency-key"])).toEqual(["key-1", "key-1", "key-1"]);
});

test("a refusal is not repeated and carries the field that was wrong", async () => {
  const problem = {
    type: "about:blank",
    title: "invalid",
    status: 422,
    errors: [{ field: "seats", message: "too many" }],
  };
  script = [answer(422, problem)];
  const refused = client.request(WISH, "key-1");
  await expect(refused).rejects.toBeInstanceOf(RefusedError);
  await expect(refused).rejects.toThrow("422 invalid: seats: too many");
  expect(asked).toHaveLength(1);
});

test("silence until the end is told apart from a no", async () => {
  const ending = new AbortController();
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const leaving = createRiderClient({ baseUrl, token: async () => "token", random: () => 0, signal: ending.signal });
  script = [() => ending.abort()];
  await expect(leaving.cancel(ID)).rejects.toBeInstanceOf(UnansweredError);
});

test("a stream that broke goes on after the last event that was heard, and ends with the ride", async () => {
  const open = (text: string, then: (response: ServerResponse) => void) => (response: ServerResponse) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(text, () => then(response));
  };
  const position = 'event: driver.position\ndata: {"lat":1,"lng":2}\n\n';
  script = [
    open(streamed(1, "matching") + position + streamed(2, "assigned"), cutOff),
    // Repeats what was heard, then breaks in the middle of an event.
    open(streamed(2, "assigned") + streamed(3, "on_trip").slice(0, 40), (response) => void response.end()),
    open(`: still here\n\n${streamed(3, "on_trip")}${streamed(4, "completed")}`, () => {}),
  ];
  const seen: string[] = [];
  await client.follow(ID, ({ version, state }) => seen.push(`${version} ${state}`));
  expect(seen).toEqual(["1 matching", "2 assigned", "3 on_trip", "4 completed"]);
  expect(asked.map(({ headers }) => headers["last-event-id"])).toEqual([undefined, "2", "2"]);
});

test("[P6] a stream that ended in good order is asked for again when the server said, or never when he leaves before", async () => {
  const ended = (retryMs: number, text: string) => (response: ServerResponse) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.end(`retry: ${retryMs}\n\n${text}`);
  };
  script = [ended(20, streamed(1, "scheduled")), ended(3_600_000, streamed(2, "matching"))];
  const ending = new AbortController();
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const leaving = createRiderClient({ baseUrl, token: async () => "token", random: () => 0, signal: ending.signal });
  const seen: string[] = [];
  await leaving.follow(ID, ({ version, state }) => {
    seen.push(`${version} ${state}`);
    // Once he waits for the hour to pass.
    if (version === 2) setTimeout(() => ending.abort(), 50);
  });
  expect(seen).toEqual(["1 scheduled", "2 matching"]);
  expect(asked.map(({ headers }) => headers["last-event-id"])).toEqual([undefined, "1"]);
});

test("a stream that the server refuses is not asked for again", async () => {
  script = [answer(404, {})];
  await expect(client.follow(ID, () => {})).rejects.toMatchObject({ status: 404 });
  expect(asked).toHaveLength(1);
});
