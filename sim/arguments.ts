/** Reading a program's options strictly: what is wrong is said in one line, with the option's name and what it takes. */
import { type ParseArgsOptionsConfig, parseArgs } from "node:util";

/** What somebody typed is wrong, in words for him. */
export class UsageError extends Error {}

/** Runs a whole program: wrong words end it with code 2, as `refuse` says. */
export async function runProgram(main: () => void | Promise<void>): Promise<void> {
  try {
    await main();
  } catch (error) {
    refuse(error);
  }
}

/** Who typed something wrong hears one line, not where in the code it was noticed. Anything else is a fault of the program. */
export function refuse(error: unknown): never {
  if (!(error instanceof UsageError)) throw error;
  console.error(error.message);
  process.exit(2);
}

export function readArgs<Options extends ParseArgsOptionsConfig>(args: readonly string[], options: Options) {
  return readArgsAndNames(args, options, []).values;
}

/** The same, for a program that takes names among its options. */
export function readArgsAndNames<Options extends ParseArgsOptionsConfig, Name extends string>(
  args: readonly string[],
  options: Options,
  names: readonly Name[],
) {
  requireKnown(args, options, names);
  const { values, positionals } = parseArgs({ args: [...args], options, strict: true, allowPositionals: true });
  return { values, names: names.filter((name) => positionals.includes(name)) };
}

/** Node refuses the same, in several lines about its own conventions and without a word about what there is. */
function requireKnown(args: readonly string[], options: ParseArgsOptionsConfig, names: readonly string[]): void {
  const known = Object.keys(options).map((name) => `--${name}`);
  const { tokens } = parseArgs({ args: [...args], options, strict: false, allowPositionals: true, tokens: true });
  for (const token of tokens) {
    if (token.kind === "positional" && !names.includes(token.value)) {
      throw new UsageError(`${token.value}: expected one of ${[...names, ...known].join(", ")}`);
    }
    if (token.kind !== "option") continue;
    const { name, rawName, value, inlineValue } = token;
    const option = Object.hasOwn(options, name) ? options[name] : undefined;
    if (option === undefined) throw new UsageError(`${rawName}: no such option, expected one of ${known.join(", ")}`);
    if (option.type === "boolean") {
      if (value !== undefined) throw new UsageError(`${rawName}: expected no value, got "${value}"`);
    } else if (value === undefined) throw new UsageError(`${rawName}: expected a value`);
    else if (!inlineValue && /^-./.test(value)) {
      throw new UsageError(`${rawName}: expected a value; one with a dash in front is written ${rawName}=${value}`);
    }
  }
}

export function numberOf(name: string, text: string, from: number, to: number, whole = false): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (value >= from && value <= to && (!whole || Number.isInteger(value))) return value;
  throw new UsageError(
    `--${name}: expected a ${whole ? "whole number" : "number"} from ${from} to ${to}, got "${text}"`,
  );
}

export function choiceOf<Choice extends string>(name: string, text: string, choices: readonly Choice[]): Choice {
  const found = choices.find((choice) => choice === text);
  if (found !== undefined) return found;
  throw new UsageError(`--${name}: expected one of ${choices.join(", ")}, got "${text}"`);
}
