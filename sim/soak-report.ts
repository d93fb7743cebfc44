/** What many worlds came to, as a table: what happened how often, and what was broken where. */
import { ACROSS_SHARDS } from "./world/races.ts";
import { replayCommand } from "./world/violation.ts";

export interface Tally {
  worlds: number;
  steps: number;
  readonly counts: Map<string, number>;
  readonly failures: { readonly seed: number; readonly invariant: string; readonly message: string }[];
}

const SAFETY = Array.from({ length: 10 }, (_, i) => `S${i + 1}`);
const LIVENESS = Array.from({ length: 5 }, (_, i) => `L${i + 1}`);
const SEEDS_SHOWN = 20;

/** Every count is under the first heading that knows it. */
const GROUPS: readonly (readonly [heading: string, knows: RegExp])[] = [
  ["races: a word was on its way when another's changed what it is about", /^race /],
  ["reconnects", /^welcomed /],
  ["deaths", /^(?:shard|lock) /],
  ["messages and events", /^(?:message|queue) /],
  ["rides", /^(?:ride\.|search )/],
  ["offers", /^offer /],
  ["said and heard", /./],
];

/** One race of two words; that both sides spoke through different shards is said beside it. */
export function isRace(name: string): boolean {
  return name.startsWith("race ") && name !== ACROSS_SHARDS;
}

export function soakLines({ worlds, steps, counts, failures }: Tally, seconds: number, crowded: boolean): string[] {
  const lines: string[] = [];
  const left = new Map([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
  let races = 0;
  for (const [heading, knows] of GROUPS) {
    lines.push("", heading);
    for (const [name, count] of left) {
      if (!knows.test(name)) continue;
      left.delete(name);
      lines.push(row(name, count));
      if (isRace(name)) races += count;
    }
  }
  lines.push("", "violations of each promise");
  const broken = failures.map(({ invariant }) => invariant);
  for (const promise of new Set([...SAFETY, ...LIVENESS, ...broken])) {
    lines.push(row(promise, broken.filter((invariant) => invariant === promise).length));
  }
  const perSecond = (count: number) => Math.round(count / seconds).toLocaleString("en");
  lines.push(
    "",
    `${worlds.toLocaleString("en")} worlds, ${steps.toLocaleString("en")} steps in ${seconds.toFixed(0)} s`,
  );
  lines.push(`${races.toLocaleString("en")} races, ${perSecond(races)} a second; violations: ${failures.length}`);
  for (const { seed, invariant } of failures.slice(0, SEEDS_SHOWN)) {
    lines.push(`${invariant} broken: ${replayCommand(seed, crowded)}`);
  }
  return lines;
}

function row(name: string, count: number): string {
  return `  ${name.padEnd(44)} ${count.toLocaleString("en").padStart(12)}`;
}
