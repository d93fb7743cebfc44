/** What happened, one line each: the whole story for a reader, and byte for byte the same for the same seed. */
import type { EpochMs } from "../../src/domain/time.ts";

const TAIL_LINES = 30;
const ABOUT_LINES = 60;
const WHO_WIDTH = 12;

export class Trace {
  readonly lines: string[] = [];
  readonly #startAt: EpochMs;

  constructor(startAt: EpochMs) {
    this.#startAt = startAt;
  }

  add(now: EpochMs, who: string, what: string): void {
    const seconds = ((now - this.#startAt) / 1_000).toFixed(3).padStart(9);
    this.lines.push(`${seconds}  ${who.padEnd(WHO_WIDTH)} ${what}`);
  }

  /** The last lines, before them the last that name one of the rides or drivers of a complaint. */
  tail(complaint: string): string {
    const names = [...new Set(complaint.match(/\b(?:[a-z0-9~]+\.r\d+(?:#\d+)?|driver-\d+|rider-\d+)(?!\w)/g) ?? [])];
    const about = this.lines.filter((line) => names.some((name) => line.includes(name))).slice(-ABOUT_LINES);
    const last = this.lines.slice(-TAIL_LINES);
    const parts = about.length > 0 ? [`about ${names.join(", ")}:`, ...about, "and at last:", ...last] : last;
    return parts.join("\n");
  }
}

/** An object in one line: its own values and those of the few members that say what came of it. */
export function brief(thing: object): string {
  const words: string[] = [];
  for (const [key, value] of Object.entries(thing)) {
    if (key === "type") words.unshift(String(value));
    else if (typeof value === "string" || typeof value === "number" || typeof value === "boolean")
      words.push(`${key}=${value}`);
    else if (Array.isArray(value)) words.push(`${key}[${value.length}]`);
    else if (typeof value === "object" && value !== null && SHOWN.has(key)) words.push(`${key}(${brief(value)})`);
  }
  return words.join(" ");
}

const SHOWN = new Set(["verdict", "holding", "offer", "ride", "notice", "view", "from", "to", "session", "answer"]);
