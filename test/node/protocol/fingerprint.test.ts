import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import * as z from "zod";
import { CLOSE, DriverDown, DriverUp, SUBPROTOCOL } from "../../../src/protocol/driver.ts";
import {
  IdempotencyKey,
  QuoteBody,
  RatingBody,
  RideOrderBody,
  RidePageBody,
  RidePageQuery,
  RideRequestBody,
  RideViewBody,
  TicketBody,
  TicketRequestBody,
} from "../../../src/protocol/rider.ts";
import { PROTOCOL_VERSION } from "../../../src/protocol/version.ts";

/**
 * What apps in people's pockets rely on. When this test fails, the wire has changed: add a line to the history in
 * src/protocol/version.ts, raise PROTOCOL_VERSION if an old app would break, then pin the new hash here.
 */
const PINNED = { version: 1, hash: "3991f51a8fa408a4" };

const WIRE = {
  DriverUp,
  DriverDown,
  RideRequestBody,
  RideOrderBody,
  QuoteBody,
  RideViewBody,
  RatingBody,
  RidePageBody,
  RidePageQuery,
  TicketRequestBody,
  TicketBody,
  IdempotencyKey,
};

test("[E12] the wire is the one that its version names", () => {
  const schemas = Object.entries(WIRE).map(([name, schema]) => [name, z.toJSONSchema(schema, { io: "input" })]);
  const text = JSON.stringify({ schemas, close: CLOSE, subprotocol: SUBPROTOCOL });
  const hash = createHash("sha256").update(text).digest("hex").slice(0, 16);
  expect({ version: PROTOCOL_VERSION, hash }).toEqual(PINNED);
});
