/** Programs as a person starts them: what they print, what they are told, and what they leave behind. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

const ROOT = join(import.meta.dirname, "..", "..");

export interface Program {
  readonly child: ChildProcess;
  output(): string;
  /** Resolves when the output since the last call holds `text`; rejects when the program ends without it. */
  says(text: string): Promise<void>;
  type(line: string): void;
  ended: Promise<number | null>;
}

/** Killed when the test is over, whatever became of it. */
export function startProgram(file: string, args: readonly string[]): Program {
  const child = spawn(process.execPath, [join(ROOT, file), ...args], { stdio: ["pipe", "pipe", "pipe"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  let output = "";
  let readTo = 0;
  const listeners = new Set<() => void>();
  const heard = (text: Buffer): void => {
    output += text.toString();
    for (const listener of listeners) listener();
  };
  child.stdout.on("data", heard);
  child.stderr.on("data", heard);
  const ended = new Promise<number | null>((resolve) => child.once("close", (code) => resolve(code)));
  return {
    child,
    output: () => output,
    ended,
    type: (line) => void child.stdin.write(`${line}\n`),
    says: (text) =>
      new Promise<void>((resolve, reject) => {
        const look = (): void => {
          const at = output.indexOf(text, readTo);
          if (at < 0) return;
          readTo = at + text.length;
          listeners.delete(look);
          resolve();
        };
        listeners.add(look);
        void ended.then(() => reject(new Error(`ended without saying "${text}":\n${output}`)));
        look();
      }),
  };
}

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "kerb-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The process and everything it started, directly or not. */
export function familyOf(pid: number): number[] {
  const table = execFileSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" });
  const rows = table
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number) as [number, number]);
  const family = [pid];
  for (let index = 0; index < family.length; index++) {
    family.push(...rows.filter(([, parent]) => parent === family[index]).map(([child]) => child));
  }
  return family;
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
