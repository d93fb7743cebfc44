/** The table of an exploration and the stories of its counterexamples, as text. */
import { type Case, verdictOf } from "./cases.ts";
import type { Exploration, Finding } from "./explore.ts";

const TITLE_COLUMNS = 64;
const digits = new Intl.NumberFormat("en-US");

const HEADINGS: Readonly<Record<Case["kind"], string>> = {
  protocol: "The protocol: S1-S5 and liveness must hold",
  mutation: "Mutations: each must be caught",
  weakening: "Weakenings: each belt alone must hold",
};

export function rowOf({ title, expected }: Case, result: Exploration, seconds: number): string {
  const verdict = verdictOf(result);
  const length = result.finding?.trace.length;
  const steps = length === undefined ? "" : ` in ${length} ${length === 1 ? "step" : "steps"}`;
  const surprise = verdict === expected ? "" : `  <- expected ${expected}`;
  return [
    `  ${title.padEnd(TITLE_COLUMNS)}`,
    digits.format(result.states).padStart(11),
    digits.format(result.transitions).padStart(12),
    `${seconds.toFixed(1)} s`.padStart(9),
    `  ${verdict}${steps}${surprise}`,
  ].join("");
}

export function headingOf(kind: Case["kind"]): string {
  const columns = ["states".padStart(11), "transitions".padStart(12), "time".padStart(9), "  verdict"];
  return `\n${HEADINGS[kind].padEnd(TITLE_COLUMNS + 2)}${columns.join("")}`;
}

export function storyOf(title: string, { rule, message, trace }: Finding): string {
  const lines = trace.map((step, i) => `  ${`${i + 1}`.padStart(2)}. ${step}`);
  return [`\n${title}`, ...lines, `  => ${rule}: ${message}`].join("\n");
}

/** What was tried, by kind of step (`o` an offer, `d` its driver): a table of OKs means nothing where nothing happened. */
export function stepsTable(taken: ReadonlyMap<string, number>): string {
  const rows = [...taken].sort(([, a], [, b]) => b - a);
  const plain = (name: string) => name.replaceAll("%", "");
  return rows
    .map(([name, count]) => `  ${plain(name).padEnd(TITLE_COLUMNS)}${digits.format(count).padStart(11)}`)
    .join("\n");
}
