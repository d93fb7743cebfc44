import { decodeJwt, SignJWT } from "jose";
import { describe, expect, test } from "vitest";
import type { DriverId, DriverProfile } from "../../../src/domain/driver.ts";
import type { ShardName } from "../../../src/domain/place.ts";
import { readSession, readSubject, sessionHeader, subjectHeader } from "../../../src/protocol/internal-headers.ts";
import { mintTicket, readTicket, TICKET_TTL_MS } from "../../../src/protocol/ticket.ts";

const secret = new TextEncoder().encode("a secret of at least thirty-two bytes");
const profile: DriverProfile = {
  vehicleType: "economy",
  seats: 4,
  accessible: false,
  rating: 4.9,
  payments: ["card", "cash"],
};
const driverId = "ann" as DriverId;
const shard = "cell:dr5ru" as ShardName;
const now = 1_790_000_000_000;
const sessionEndsAt = now + 600_000;
const mint = () => mintTicket(secret, { driverId, shard, profile, ticketId: "t1", sessionEndsAt }, now);

/** A ticket with the same content, signed however the test wants. */
function forged(change: { alg?: string; audience?: string; key?: Uint8Array; claims?: Record<string, unknown> }) {
  return new SignJWT({
    sub: driverId,
    shard,
    profile,
    jti: "t1",
    exp: now / 1_000 + 30,
    expiresAt: now + TICKET_TTL_MS,
    sessionEndsAt,
    ...change.claims,
  })
    .setProtectedHeader({ alg: change.alg ?? "HS256" })
    .setAudience(change.audience ?? "kerb-socket")
    .sign(change.key ?? secret);
}

describe("a socket ticket", () => {
  test("says who, where and what he drives, for half a minute", async () => {
    expect(await readTicket(secret, await mint(), now + TICKET_TTL_MS - 1_001)).toEqual({
      ok: true,
      ticket: { driverId, shard, profile, ticketId: "t1", expiresAt: now + TICKET_TTL_MS, sessionEndsAt },
    });
    expect(await readTicket(secret, await mint(), now + TICKET_TTL_MS)).toEqual({ ok: false, reason: "expired" });
  });

  test("[K4] of a later millisecond is known to be newer", async () => {
    const [first, second] = await Promise.all(
      [now, now + 1].map(async (at) => {
        const holder = { driverId, shard, profile, ticketId: "t1", sessionEndsAt };
        const reading = await readTicket(secret, await mintTicket(secret, holder, at), at);
        return reading.ok && reading.ticket.expiresAt;
      }),
    );
    expect([first, second]).toEqual([now + TICKET_TTL_MS, now + TICKET_TTL_MS + 1]);
  });

  test.each([
    ["another key", forged({ key: new TextEncoder().encode("some other secret of thirty-two bytes") })],
    ["another algorithm", forged({ alg: "HS512" })],
    ["another audience", forged({ audience: "kerb" })],
    ["no expiry", forged({ claims: { exp: undefined } })],
    ["no moment", forged({ claims: { expiresAt: undefined } })],
    ["no end of its session", forged({ claims: { sessionEndsAt: undefined } })],
    ["no ticket id", forged({ claims: { jti: undefined } })],
    ["an object's name that is no shard", forged({ claims: { shard: "fleet" } })],
    ["a profile that is none", forged({ claims: { profile: { ...profile, seats: 99 } } })],
    ["a driver's name that is none", forged({ claims: { sub: "../ann" } })],
  ])("with %s is refused", async (_, text) => {
    expect(await readTicket(secret, await text, now)).toEqual({ ok: false, reason: "invalid" });
  });

  test("without a signature is refused", async () => {
    const payload = (await mint()).split(".")[1];
    const header = Buffer.from('{"alg":"none"}').toString("base64url");
    expect(await readTicket(secret, `${header}.${payload}.`, now)).toEqual({ ok: false, reason: "invalid" });
  });

  test("changed in any one place is refused", async () => {
    const text = await mint();
    for (let at = 0; at < text.length; at += 7) {
      // The last character of a part carries unused bits, so only a change of its value counts as one.
      const changed = text.slice(0, at) + (text[at] === "A" ? "B" : "A") + text.slice(at + 1);
      expect((await readTicket(secret, changed, now)).ok, `at ${at}`).toBe(false);
    }
  });

  test.each(["", ".", "a.b.c", "x".repeat(5_000), "é.é.é"])(
    "that is no ticket at all, %j, is refused",
    async (text) => {
      expect(await readTicket(secret, text, now)).toEqual({ ok: false, reason: "invalid" });
    },
  );

  test("fits beside the protocol's name in one header", async () => {
    expect((await mint()).length).toBeLessThan(600);
    expect(decodeJwt(await mint()).jti).toBe("t1");
  });
});

describe("what the Worker tells a shard about a request", () => {
  const session = { driverId, profile, ticketId: "t1", ticketExpiresAt: now, sessionEndsAt };

  test("comes out as it went in", () => {
    expect(readSession(new Headers(sessionHeader(session)))).toEqual(session);
    expect(readSubject(new Headers(subjectHeader({ role: "driver", driverId })))).toEqual({ role: "driver", driverId });
  });

  test.each(["", "{", "null", "[]", '{"role":"root"}', '{"role":"ops","driverId":"ann"}', '{"role":"rider"}'])(
    "is nothing when it is %j",
    (text) => {
      expect(readSubject(new Headers({ "x-kerb-subject": text }))).toBeNull();
      expect(readSession(new Headers({ "x-kerb-session": text }))).toBeNull();
    },
  );
});
