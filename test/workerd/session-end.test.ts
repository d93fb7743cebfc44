import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import type { LatLng } from "../../src/domain/place.ts";
import { CLOSE } from "../../src/protocol/driver.ts";
import { readTicket } from "../../src/protocol/ticket.ts";
import {
  acrossBorder,
  broadcastElsewhere,
  fallAsleep,
  newRide,
  shardOf,
  untilConfigured,
  welcomed,
} from "./shard-tools.ts";
import { call, driverAt, fixAt, migrateHistory, openSocket, PROFILE, tokenWith } from "./support.ts";

beforeAll(migrateHistory);
afterEach(() => void vi.useRealTimers());

/** A shard of its own for each test. */
const place = (n: number) => acrossBorder({ lat: 46 + n / 5, lng: 6.1 });
const later = (ms: number) => vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + ms });
const ticketSecret = new TextEncoder().encode(env.TICKET_SECRET);

/** A driver on duty whose token is good for so many seconds. */
async function onDuty(driver: string, here: LatLng, seconds: number) {
  const expires = Math.floor(Date.now() / 1_000) + seconds;
  const token = await tokenWith({ role: "driver", sub: driver, profile: PROFILE, exp: expires });
  const response = await call("/v1/ws-ticket", { token, body: here });
  const { ticket } = await response.json<{ ticket: string }>();
  const socket = await openSocket(ticket);
  socket.say({ type: "hello", protocol: 1, available: true });
  await socket.hear("welcome");
  socket.say({ type: "location", fixes: [fixAt(here, 1)] });
  await socket.hear("status");
  return { socket, ticket, endsAt: expires * 1_000 };
}

describe("a driver's session", () => {
  test("[D17] ends with his token: after the object's sleep his next word closes it, and his offer waits for him", async () => {
    await broadcastElsewhere();
    const { here } = place(1);
    // Two more, so that the wave is full: a shard that still looks for somebody does not sleep.
    const others = [await driverAt("abe", here), await driverAt("ash", here)];
    await untilConfigured(others[0]!, here);
    const { socket, endsAt } = await onDuty("ada", here, 14);
    await newRide("rhea", here);
    const { offerId } = await socket.hear("offer");
    for (const other of others) await other.hear("offer");
    await fallAsleep(shardOf(here));
    later(endsAt - Date.now() + 1);
    socket.say({ type: "offer.accept", cid: "late", offerId });
    expect((await socket.closed()).code).toBe(CLOSE.expired);
    const again = await welcomed("ada", here);
    expect(again.welcome.holding).toMatchObject({ kind: "offer", offer: { offerId } });
    for (const other of [again.socket, ...others]) other.close();
  });

  test("[D17] is announced by the sweep, which also closes a silent one", async () => {
    const { here } = place(2);
    const { socket } = await onDuty("ivy", here, 65);
    later(16_000);
    await runDurableObjectAlarm(shardOf(here));
    expect((await socket.hear("session.ending")).endsInMs).toBeLessThanOrEqual(49_000);
    vi.useRealTimers();
    later(66_000);
    await runDurableObjectAlarm(shardOf(here));
    expect((await socket.closed()).code).toBe(CLOSE.expired);
  });

  test("[D17] is not made longer by being sent on to the next shard", async () => {
    const { here, beyond } = place(3);
    const { socket, ticket, endsAt } = await onDuty("eve", here, 300);
    expect(await readTicket(ticketSecret, ticket, Date.now())).toMatchObject({ ticket: { sessionEndsAt: endsAt } });
    // Three, or it would be a jump that nobody believes.
    for (const seq of [2, 3, 4]) socket.say({ type: "location", fixes: [fixAt(beyond, seq)] });
    const moved = await socket.hear("rehome");
    const reading = await readTicket(ticketSecret, moved.ticket, Date.now());
    expect(reading).toMatchObject({ ticket: { sessionEndsAt: endsAt } });
    socket.close();
  });
});
