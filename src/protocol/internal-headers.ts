/**
 * What the Worker tells a shard about a request that it forwards as HTTP (a socket or an event stream cannot be a plain
 * RPC). Only the Worker reaches a shard's `fetch`, and it builds these headers from a verified token; the shard checks
 * their shape all the same.
 */
import * as z from "zod";
import type { DriverId, DriverProfile } from "../domain/driver.ts";
import type { EpochMs } from "../domain/time.ts";
import { DriverIdField, ProfileField, pinned, RiderIdField, type Same, TicketIdField, WholeField } from "./fields.ts";
import type { Subject } from "./peer.ts";

const SESSION_HEADER = "x-kerb-session";
const SUBJECT_HEADER = "x-kerb-subject";

/** Who is behind a new socket; from the ticket. */
export interface SocketSession {
  readonly driverId: DriverId;
  readonly profile: DriverProfile;
  readonly ticketId: string;
  readonly ticketExpiresAt: EpochMs;
  readonly sessionEndsAt: EpochMs;
}

const SessionField = z.strictObject({
  driverId: DriverIdField,
  profile: ProfileField,
  ticketId: TicketIdField,
  ticketExpiresAt: WholeField,
  sessionEndsAt: WholeField,
});
pinned<Same<z.infer<typeof SessionField>, SocketSession>>();

const SubjectField = z.discriminatedUnion("role", [
  z.strictObject({ role: z.literal("rider"), riderId: RiderIdField }),
  z.strictObject({ role: z.literal("driver"), driverId: DriverIdField }),
  z.strictObject({ role: z.literal("ops") }),
]);
pinned<Same<z.infer<typeof SubjectField>, Subject>>();

export function sessionHeader(session: SocketSession): Record<string, string> {
  return { [SESSION_HEADER]: JSON.stringify(session) };
}

export function subjectHeader(subject: Subject): Record<string, string> {
  return { [SUBJECT_HEADER]: JSON.stringify(subject) };
}

/** Null when the header is missing or not of the right shape. */
export function readSession(headers: Headers): SocketSession | null {
  return readHeader(headers.get(SESSION_HEADER), SessionField);
}

/** Null when the header is missing or not of the right shape. */
export function readSubject(headers: Headers): Subject | null {
  return readHeader(headers.get(SUBJECT_HEADER), SubjectField);
}

function readHeader<T>(text: string | null, schema: z.ZodType<T>): T | null {
  if (text === null) return null;
  try {
    return schema.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}
