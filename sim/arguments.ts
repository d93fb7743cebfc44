/** Reading a program's options strictly: what is wrong is said with the option's name and what it takes. */
import { type ParseArgsOptionsConfig, parseArgs } from "node:util";

/** What somebody typed is wrong, in words for him. */
export class UsageError extends Error {}

export function readArgs<Options extends ParseArgsOptionsConfig>(args: readonly string[], options: Options) {
  try {
    return parseArgs({ args: [...args], options, strict: true }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

export function numberOf(name: string, text: string, from: number, to: number, whole = false): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (value >= from && value <= to && (!whole || Number.isInteger(value))) return value;
  throw new UsageError(
    `--${name}: expected a ${whole ? "whole number" : "number"} from ${from} to ${to}, got "${text}"`,
  );
}
