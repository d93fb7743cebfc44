/** What the programs share: how they end, places and commands as people type them, and a prompt that notices do not garble. */
import { createInterface } from "node:readline";
import { choiceOf, runProgram, UsageError } from "../sim/arguments.ts";
import { VEHICLE_TYPES, type VehicleType } from "../src/domain/driver.ts";
import type { LatLng } from "../src/domain/place.ts";

export const DEFAULT_URL = "http://127.0.0.1:8787";

/** `40.75,-73.98` to a place. Throws UsageError that names the option. */
export function readPlace(option: string, text: string): LatLng {
  const [lat, lng, ...rest] = text.split(",").map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
  if (rest.length === 0 && Math.abs(lat ?? Number.NaN) <= 90 && Math.abs(lng ?? Number.NaN) <= 180) {
    return { lat: lat!, lng: lng! };
  }
  throw new UsageError(`${option}: expected a place as LAT,LNG such as 40.75,-73.98, got "${text}"`);
}

/** A time as people write it, without a zone by their own clock. Throws UsageError that names the option. */
export function readMoment(option: string, text: string): number {
  const at = Date.parse(text);
  if (Number.isNaN(at)) throw new UsageError(`${option}: expected a time such as 2026-12-24T08:30, got "${text}"`);
  return at;
}

export function readVehicle(text: string): VehicleType {
  return choiceOf("vehicle", text, VEHICLE_TYPES);
}

/** The address of a server. Throws UsageError. */
export function readUrl(text: string): string {
  if (/^https?:\/\//.test(text) && URL.canParse(text)) return text;
  throw new UsageError(`--url: expected an address such as ${DEFAULT_URL}, got "${text}"`);
}

export interface Command {
  readonly help: string;
  readonly run: (argument: string) => void | Promise<void>;
}

export interface Prompt {
  /** A line about something that happened, above what is being typed. */
  say(line: string): void;
  close(): void;
}

/** Reads commands line by line, from a person or a pipe. `onEnd` when the input ends. */
export function openPrompt(commands: Readonly<Record<string, Command>>, onEnd: () => void): Prompt {
  const terminal = process.stdin.isTTY === true;
  const lines = createInterface({ input: process.stdin, ...(terminal && { output: process.stdout, prompt: "> " }) });

  function say(line: string): void {
    if (terminal) process.stdout.write("\r\x1b[K");
    console.log(line);
    if (terminal) lines.prompt(true);
  }

  lines.on("line", (line) => {
    const [name = "", ...rest] = line.trim().split(/\s+/);
    const command = commands[name];
    if (name === "") return lines.prompt();
    if (!command) {
      return say(
        `no command "${name}". ${Object.entries(commands)
          .map(([key, { help }]) => `${key}: ${help}`)
          .join("; ")}`,
      );
    }
    Promise.resolve(command.run(rest.join(" "))).catch((error: unknown) => {
      say(error instanceof Error ? error.message : String(error));
    });
  });
  lines.on("close", () => {
    // A pipe that was read from keeps the process alive, even when nobody listens any more.
    process.stdin.destroy();
    onEnd();
  });
  return { say, close: () => lines.close() };
}

/** Runs a program that people live with: what the world around it does wrong they hear in a line too, with code 1. */
export function runApp(app: () => Promise<void>): Promise<void> {
  return runProgram(async () => {
    try {
      await app();
    } catch (error) {
      if (error instanceof UsageError) throw error;
      console.error(error instanceof Error ? error.message : String(error));
      process.exitCode = 1;
    }
  });
}

/** The first Ctrl-C asks for an orderly end, which `onEnding` announces; the second time somebody means it. */
export function endOnSignal(onEnding: () => void): AbortSignal {
  const ending = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.on(name, () => {
      if (ending.signal.aborted) process.exit(130);
      onEnding();
      ending.abort();
    });
  }
  return ending.signal;
}
