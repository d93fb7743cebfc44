import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { buildWorker, type ServerProcess, startServer } from "../../sim/live/server-process.ts";
import { startProgram } from "./support.ts";

const folder = mkdtempSync(join(tmpdir(), "kerb-test-"));
let server: ServerProcess;

beforeAll(async () => {
  buildWorker(join(folder, "worker"));
  const vars = { FIX_EVERY_MS: "500" };
  server = await startServer({
    workerDir: join(folder, "worker"),
    stateDir: join(folder, "state"),
    fresh: true,
    port: 0,
    vars,
  });
});

afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

test("a driver and a rider meet by hand, from two terminals", async () => {
  const { url } = server;
  const driver = startProgram("bin/kerb-driver.ts", ["--url", url, "--name", "ann", "--speed", "5000"]);
  await driver.says("online as ann");
  await driver.says("you are available");

  const rider = startProgram("bin/kerb-rider.ts", ["--url", url]);
  await rider.says("quote: ");
  await rider.says("asked for ride");
  await driver.says("OFFER");
  driver.type("a");
  await driver.says("WON");
  await rider.says("ride is assigned by ann");
  await driver.says("at the pickup");
  driver.type("arrive");
  await rider.says("ride is arrived");
  driver.type("start");
  await rider.says("ride is on_trip");
  await driver.says("at the destination");
  driver.type("complete");
  await rider.says("ride is completed");
  rider.type("rate 6");
  await rider.says("rate takes 1 to 5");
  rider.type("rate 5");
  await rider.says("you gave 5 stars");
  rider.type("quit");
  expect(await rider.ended).toBe(0);
  driver.type("status");
  await driver.says("nothing to do");
  driver.type("quit");
  expect(await driver.ended).toBe(0);
});

test("a rider who cancels takes the offer off the driver's screen", async () => {
  const { url } = server;
  const driver = startProgram("bin/kerb-driver.ts", ["--url", url]);
  await driver.says("you are available");
  const rider = startProgram("bin/kerb-rider.ts", ["--url", url]);
  await driver.says("OFFER");
  rider.type("cancel");
  await rider.says("ride is cancelled_by_rider");
  await driver.says("offer closed: cancelled");
  driver.type("a");
  await driver.says("there is no offer");
});

test("a second server on the same state is refused", async () => {
  const second = { workerDir: join(folder, "worker"), stateDir: join(folder, "state"), fresh: true, port: 0, vars: {} };
  await expect(startServer(second)).rejects.toThrow("is in use by another server");
});
