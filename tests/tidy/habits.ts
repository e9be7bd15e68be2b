/**
 * House rules about single files: size, leftovers, skipped tests, traces of one machine.
 *
 * @module
 */
import { codeOnly, commentsOf, isTestCode, type SourceFile } from "./files.ts";

/** Most lines of a file of the product. A test file is a list, and may be longer. */
export const linesMax = 300;

/** Most lines of a file that wires a process together: what it decides belongs elsewhere. */
export const wiringLinesMax = 120;

const wiring = /^(?:main|worker|inventory)\.ts$|^src\/compose\//;

/** Files that are too long to read in one go. */
export function tooLong({ path, text }: SourceFile): string[] {
  if (isTestCode(path) || !/\.(ts|lua|sql)$/.test(path)) return [];
  const lines = text.trimEnd().split("\n").length;
  const max = wiring.test(path) ? wiringLinesMax : linesMax;
  return lines > max ? [`${path} has ${lines} lines: at most ${max}`] : [];
}

/** What git leaves where two branches changed the same lines. */
export function unmerged({ path, text }: SourceFile): string[] {
  return /^(?:<{7} |>{7} )/m.test(text) ? [`${path} has marks of a conflict that are not resolved`] : [];
}

/** Notes to oneself that no issue remembers. */
export function untaggedNotes(file: SourceFile): string[] {
  const whole = /\.(md|json|sh|yaml|yml)$/.test(file.path) ? [file.text] : commentsOf(file);
  return whole.flatMap((comment) =>
    [...comment.matchAll(/\b(TODO|FIXME|XXX|HACK)\b(?!\(#\d+\))/g)].map(([note]) =>
      `${file.path} has a ${note} without an issue's number`
    )
  );
}

// What stands in comments and is no sentence. Statements only: a name with brackets is prose here.
const statements: Readonly<Record<string, RegExp>> = {
  ts: new RegExp(
    [
      String.raw`^(?:export )?(?:const|let|var) [\w{[].*=.*`,
      String.raw`^import .* from ".*";?$`,
      String.raw`^(?:if|for|while|switch) \(.*\)(?: \{| .*;)$`,
      String.raw`^(?:return|throw|await)\b.*;$`,
      String.raw`^(?:[\w$#]+\.)+[\w$#]+\(.*\);$`,
      String.raw`^[\w$#]+(?:[.[][\w$#\]]+)* (?:[-+*|&?]{0,2})= .*;$`,
      String.raw`^(?:export )?(?:async )?function \w+\(`,
      String.raw`^[})\]]+;$`,
    ].join("|"),
  ),
  lua: /^local \w+(?:, \w+)* = |^local function |^(?:if|elseif) .* then$|^redis\.call\(.*\)$|^end$/,
  sql: /^(?:select|insert into|update|delete from|where|on conflict)\b.*[;,]$/i,
};

/** Code that was switched off and left lying about. */
export function commentedOutCode(file: SourceFile): string[] {
  const statement = statements[file.path.split(".").at(-1) ?? ""];
  if (!statement) return [];
  const lines = commentsOf(file).filter((comment) => !comment.includes("\n"));
  return lines.filter((line) => statement.test(line)).map((line) =>
    `${file.path} has code in a comment: ${line}`
  );
}

/** Tests that are skipped, or that skip all others. */
export function skippedTests({ path, text }: SourceFile): string[] {
  if (!path.endsWith(".ts")) return [];
  const skipping = /\b(?:ignore|only):\s*true\b|\btest\.(?:ignore|only|skip)\b/g;
  return [...codeOnly(text).matchAll(skipping)].map(([found]) => `${path} skips tests: ${found}`);
}

/** Paths that lead somewhere on one machine only. */
export function machinePaths({ path, text }: SourceFile): string[] {
  const foreign =
    /(?<![\w.\])])\/(?:home|Users|root|work|workspace|mnt)\/[\w.]+|\b[A-Z]:\\\w+|\.\.\/shared\b(?!\.ts)/g;
  return [...text.matchAll(foreign)].map(([found]) => `${path} names a place of one machine: ${found}`);
}
