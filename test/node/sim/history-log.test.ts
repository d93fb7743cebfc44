import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openHistoryLog, readHistoryLog } from "../../../sim/live/history-log.ts";

test("an answer that comes after a run was judged is in nobody's log, and stops nothing", async () => {
  const folder = mkdtempSync(join(tmpdir(), "kerb-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "clients.jsonl");
  const log = openHistoryLog(file);
  log.write("ruth", { op: "request", type: "invoke", key: "in time" });
  const closed = log.close();
  log.write("ruth", { op: "request", type: "invoke", key: "too late" });
  await closed;
  // An error of the stream would come in a later turn.
  await new Promise((resolve) => setImmediate(resolve));
  expect(readHistoryLog(file)).toMatchObject([{ who: "ruth", key: "in time" }]);
});
