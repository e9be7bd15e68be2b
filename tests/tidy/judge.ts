/**
 * A rule that cannot fail is no rule: each is shown what it forbids, and what it must let pass.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { SourceFile } from "./files.ts";

/** A file that is only imagined. */
export function file(path: string, text: string): SourceFile {
  return { path, text };
}

/** Runs a rule on files that must pass, and on files that must each break it once. */
export function judges(
  rule: (file: SourceFile) => string[],
  { fine, broken }: { fine: readonly SourceFile[]; broken: readonly SourceFile[] },
): void {
  for (const sample of fine) assert.deepEqual(rule(sample), []);
  for (const sample of broken) assert.equal(rule(sample).length, 1, `${sample.path}: ${sample.text}`);
}
