/** Puts a report's figures between their two marks in docs/BENCHMARKS.md; the words around them are written by people. */
import type { Report, Table } from "./report.ts";

/** Throws when the document has no place for this report. */
export function withFigures(document: string, report: Report): string {
  const [open, close] = [`<!-- figures: ${report.name} -->`, `<!-- end: ${report.name} -->`];
  const from = document.indexOf(open);
  const to = document.indexOf(close);
  if (from < 0 || to < from) throw new Error(`docs/BENCHMARKS.md has no marks for ${report.name}`);
  return `${document.slice(0, from + open.length)}\n\n${figuresOf(report)}\n${document.slice(to)}`;
}

function figuresOf({ command, date, machine, seed, notes, tables }: Report): string {
  const facts = [`\`${command}\``, `${date}; seed ${seed}; ${machine}`, ...notes];
  return [facts.map((fact) => `- ${fact}`).join("\n"), ...tables.map(markdownOf), ""]
    .join("\n\n")
    .trimEnd()
    .concat("\n");
}

function markdownOf({ title, head, rows }: Table): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  const rule = line(head.map((_, column) => (column === 0 ? "---" : "--:")));
  const heading = `**${title.slice(0, 1).toUpperCase()}${title.slice(1)}**`;
  return [heading, "", line(head), rule, ...rows.map(line)].join("\n");
}
