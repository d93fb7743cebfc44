import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseCityOptions } from "../../sim/live/options.ts";
import type { Report } from "../../sim/live/report.ts";
import { BUILD_DIR, knock, runCity } from "../../sim/live/run-city.ts";
import { buildWorker, startServer } from "../../sim/live/server-process.ts";
import { PATIENTLY } from "../patience.ts";
import { familyOf, isAlive, startProgram, temporaryFolder } from "./support.ts";

const SMALL = ["--drivers", "30", "--speed", "20", "--rate", "1.5", "--port", "0"];

test("a city survives kill -9 of workerd: nothing promised is lost, every ride ends, logs and D1 agree", async () => {
  const options = parseCityOptions([...SMALL, "--duration", "20", "--state", temporaryFolder()])!;
  let killed = 0;
  let survivor = 0;
  const report = await runCity(options, {
    signal: new AbortController().signal,
    onOpen: (figures, server) => {
      const watching = setInterval(() => {
        survivor = server.runtimePid();
        // In the middle of things: some rides are matched, and some people wait for an answer.
        if (killed > 0 || figures().rides.matched < 3) return;
        killed = server.runtimePid();
        process.kill(killed, "SIGKILL");
      }, 50);
      watching.unref();
    },
  });
  expect(report.violations).toEqual([]);
  expect(report.complete).toBe(true);
  expect(report.restarts).toBe(1);
  expect(report.rides.reconnects).toBeGreaterThan(0);
  expect(report.rides.completed).toBeGreaterThan(0);
  expect(report.history.rides).toBeGreaterThanOrEqual(report.rides.requests - report.rides.refused);
  expect(survivor).not.toBe(killed);
  await expect.poll(() => [killed, survivor].filter(isAlive), PATIENTLY).toEqual([]);
});

test("Ctrl-C prints the report and leaves no process behind", async () => {
  const folder = temporaryFolder();
  const file = join(folder, "report.json");
  const city = startProgram("bin/start.ts", [...SMALL, "--state", join(folder, "state"), "--report", file]);
  await city.says("matched");
  const family = familyOf(city.child.pid!);
  expect(family.length).toBeGreaterThan(2);
  city.child.kill("SIGINT");
  expect(await city.ended, city.output()).toBe(0);
  expect(city.output()).toContain("cut short");
  expect((JSON.parse(readFileSync(file, "utf8")) as Report).violations).toEqual([]);
  await expect.poll(() => family.filter(isAlive), PATIENTLY).toEqual([]);
});

test("a city on a server without usable configuration does not begin, and says which variable is wrong", async () => {
  const workerDir = join(BUILD_DIR, "worker");
  buildWorker(workerDir);
  const vars = { TICKET_SECRET: "short" };
  const server = await startServer({ workerDir, stateDir: temporaryFolder(), fresh: true, port: 0, vars });
  try {
    await expect(knock(server.url)).rejects.toThrow(/Configuration refused.*TICKET_SECRET/);
  } finally {
    await server.stop();
  }
});
