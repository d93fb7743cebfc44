/** What a process has used, as Linux tells it in /proc; nothing is known of processes elsewhere. */
import { readFileSync } from "node:fs";

export interface Usage {
  /** User and system time of all its threads. */
  readonly cpuSeconds: number;
  readonly residentMegabytes: number;
}

/** Clock ticks per second and bytes per page, as on every Linux that Node supports on x64 and arm64 servers. */
const TICKS = 100;
const PAGE_BYTES = 4_096;

/** Null when the process has gone, or this is not Linux. */
export function usageOf(pid: number): Usage | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name may hold anything, so fields are counted from its closing bracket; utime and stime are 14 and 15.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const pages = Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]);
    return {
      cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS,
      residentMegabytes: (pages * PAGE_BYTES) / 2 ** 20,
    };
  } catch {
    return null;
  }
}
