/**
 * What a benchmark leaves behind: tables on the screen as they become known, and the same tables as a file, together
 * with everything somebody needs to make them again: command, machine, date, seed.
 */
import { writeFileSync } from "node:fs";
import { cpus, loadavg, totalmem } from "node:os";

export interface Table {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export interface Report {
  readonly name: string;
  readonly command: string;
  readonly date: string;
  readonly machine: string;
  readonly seed: number;
  /** How it was measured, a sentence each. */
  readonly notes: readonly string[];
  readonly tables: readonly Table[];
}

export interface Reporter {
  table(title: string, head: readonly string[], rows: readonly (readonly string[])[]): void;
  note(sentence: string): void;
  /** A line about how far it is; not part of the report. */
  progress(line: string): void;
  /** Writes the report where `--json` asked for it. */
  end(): void;
}

export function createReporter(name: string, seed: number, jsonFile: string | undefined): Reporter {
  const machine = describeMachine();
  const notes: string[] = [];
  const tables: Table[] = [];
  console.log(`${name}: seed ${seed}\n${machine}`);
  return {
    table(title, head, rows) {
      tables.push({ title, head, rows });
      printTable({ title, head, rows });
    },
    note(sentence) {
      notes.push(sentence);
      console.log(sentence);
    },
    progress: (line) => console.log(`  ${line}`),
    end() {
      if (jsonFile === undefined) return;
      const date = new Date().toISOString().slice(0, 10);
      const report: Report = { name, command: commandOf(name), date, machine, seed, notes, tables };
      writeFileSync(jsonFile, `${JSON.stringify(report, null, 2)}\n`);
    },
  };
}

/** Without `--json FILE`, which changes no figure. */
function commandOf(name: string): string {
  const given = process.argv.slice(2);
  const at = given.indexOf("--json");
  return ["npm run bench --", name, ...given.filter((_, i) => at < 0 || (i !== at && i !== at + 1))].join(" ");
}

/** First column to the left, the others to the right, as numbers want to stand. */
function printTable({ title, head, rows }: Table): void {
  const widths = head.map((name, column) => Math.max(name.length, ...rows.map((row) => (row[column] ?? "").length)));
  const line = (cells: readonly string[]): string =>
    cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join("  ");
  console.log(`\n${title}`);
  console.log(line(head));
  console.log(widths.map((width) => "-".repeat(width)).join("  "));
  for (const row of rows) console.log(line(row));
}

/** The class of machine, never its name. The load average tells a reader whether it was busy with something else. */
function describeMachine(): string {
  const processors = cpus();
  const model = processors[0]?.model.trim() ?? "unknown processor";
  const gigabytes = Math.round(totalmem() / 2 ** 30);
  const load = loadavg()[0]!.toFixed(1);
  return `${processors.length} x ${model}, ${gigabytes} GB, ${process.platform}, Node ${process.version}, load ${load}`;
}
