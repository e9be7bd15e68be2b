/**
 * What a failed random test prints: the shrunk case, and the first place where expected and actual differ, before
 * anything longer.
 *
 * @module
 */
import type fc from "fast-check";

/** Where two values differ first, and what each has there. */
export interface FirstDifference {
  /** e.g. `.outcomes[3].seq`; empty when the values themselves differ. */
  readonly path: string;
  readonly expected: unknown;
  readonly actual: unknown;
}

/** Longest text of a case, and of a value that differs, characters. */
const CASE_MAX = 4_000;
const VALUE_MAX = 500;

/** `reporter` of `fc.assert`. */
export function shrunkCaseFirst<T>(details: fc.RunDetails<T>): void {
  if (!details.failed) return;
  throw new Error(describeFailure(details), { cause: details.errorInstance });
}

/** The message of a failed run. */
export function describeFailure<T>(details: fc.RunDetails<T>): string {
  const { seed, numRuns, numShrinks, counterexample, errorInstance: error, counterexamplePath } = details;
  const lines = [
    `Failed in run ${numRuns} (TEST_SEED=${seed}), and shrunk ${numShrinks} times`,
    `Case:     ${cut(textOf(counterexample), CASE_MAX)}`,
  ];
  const difference = differenceIn(error);
  if (difference) {
    const at = difference.path === "" ? "" : ` at ${difference.path}`;
    lines.push(`Expected${at}: ${cut(textOf(difference.expected), VALUE_MAX)}`);
    lines.push(`Actual${at}:   ${cut(textOf(difference.actual), VALUE_MAX)}`);
  } else lines.push(`Error:    ${cut(error instanceof Error ? error.message : String(error), CASE_MAX)}`);
  lines.push(`Path:     ${counterexamplePath}`);
  return lines.join("\n");
}

function differenceIn(error: unknown): FirstDifference | undefined {
  if (!(error instanceof Error) || !("expected" in error) || !("actual" in error)) return undefined;
  return firstDifference(error.expected, error.actual);
}

/** Where `actual` first differs from `expected`, member by member; undefined when it does not. */
export function firstDifference(expected: unknown, actual: unknown, path = ""): FirstDifference | undefined {
  if (Object.is(expected, actual)) return undefined;
  if (!isContainer(expected) || !isContainer(actual) || Array.isArray(expected) !== Array.isArray(actual)) {
    return { path, expected, actual };
  }
  for (const name of new Set([...Object.keys(expected), ...Object.keys(actual)])) {
    const inner = Array.isArray(expected) ? `${path}[${name}]` : `${path}.${name}`;
    const found = firstDifference(expected[name], actual[name], inner);
    if (found) return found;
  }
  return undefined;
}

function isContainer(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function textOf(value: unknown): string {
  try {
    return JSON.stringify(value, (_, member) => typeof member === "bigint" ? String(member) : member) ??
      String(value);
  } catch {
    return Deno.inspect(value);
  }
}

function cut(text: string, max: number): string {
  return text.length > max ? `${text.slice(0, max)}… (${text.length} characters)` : text;
}
