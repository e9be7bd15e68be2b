/**
 * Stock from a CSV file.
 *
 * The file is read twice: first every row is checked, and nothing is written when one is wrong; then every row
 * becomes steps whose ids are made from the file's contents and the row's number. So the same file may be imported
 * again, whole or resumed, and each row takes effect once (within the idempotency window).
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { World } from "../../runtime/world.ts";
import { roundMax } from "../context/submitter.ts";
import { exits, Failure } from "../context/failure.ts";
import { type ImportMode, importRows, type NumberedRow, previewRows, type RowResult } from "./import_rows.ts";
import { removeState, resumeAt, writeState } from "./import_state.ts";
import { readStockFile } from "./stock_file.ts";
import type { Submit } from "./stock_steps.ts";
import type { Terminal } from "../context/terminal.ts";

export interface ImportOptions {
  readonly mode: ImportMode;
  /** Go on where an interrupted import stopped. */
  readonly resume: boolean;
  /** Check the file and print the result of each row, without a change. */
  readonly dryRun: boolean;
}

interface Refused {
  readonly line: number;
  readonly sku: string;
  readonly why: string;
}

/** A million refused rows must not fill memory or screen. */
const namedMax = 20;
/** After a crash, the rows of a second are imported again, which is harmless. */
const stateEveryMs = 1000;

/** Imports a file. Returns the exit code: 1 when any row was refused. `open` is called after the file was checked. */
export async function importCsv(
  world: World,
  terminal: Terminal,
  path: string,
  options: ImportOptions,
  open: () => Promise<Submit>,
): Promise<number> {
  const { mode, dryRun } = options;
  const { rows: total, sha256 } = await check(path);
  const skipped = options.resume ? await resumeAt(path, sha256, mode) : 0;
  const submit = await open();
  const file = sha256.slice(0, 16);
  const progress = terminal.progress(dryRun ? "check" : "import", total);
  const counts = { created: 0, changed: 0, repeated: 0, refused: 0 };
  const refused: Refused[] = [];
  const startedMs = world.elapsedMs();
  let done = 0;
  let savedMs = startedMs;
  for await (const rows of rounds(path, skipped)) {
    const results: RowResult[] = dryRun
      ? await previewRows(submit, mode, rows)
      : await importRows(submit, mode, file, rows);
    rows.forEach(({ row }, i) => {
      const result = results[i] ?? { kind: "refused", why: "has no result" };
      counts[result.kind]++;
      if (result.kind === "refused" && refused.length < namedMax) {
        refused.push({ line: row.line, sku: row.sku, why: result.why });
      }
    });
    done += rows.length;
    progress.show(skipped + done);
    if (dryRun || world.elapsedMs() - savedMs < stateEveryMs) continue;
    savedMs = world.elapsedMs();
    await writeState(path, { sha256, mode, rows: skipped + done });
  }
  progress.end();
  if (!dryRun) await removeState(path);
  const ms = Math.round(world.elapsedMs() - startedMs);
  const text = summary(total, skipped, counts, ms);
  terminal.result(
    { rows: total, skipped, ...counts, ms, dry_run: dryRun, refusals: refused },
    dryRun ? `Dry run, nothing was written. The import would have: ${text}` : text,
  );
  for (const { line, sku, why } of refused) terminal.note(`line ${line}: '${sku}' ${why}`);
  if (counts.refused > refused.length) terminal.note(`and ${counts.refused - refused.length} more`);
  return counts.refused > 0 ? exits.failed : exits.ok;
}

function summary(
  total: number,
  skipped: number,
  counts: Readonly<Record<string, number>>,
  ms: number,
): string {
  const numbers = Object.entries(counts).map(([name, value]) => `${value} ${name}`).join(", ");
  const resumed = skipped > 0 ? `, ${skipped} done before` : "";
  return `${total} rows in ${(ms / 1000).toFixed(1)} s: ${numbers}${resumed}`;
}

/** Reads the file once: its digest, its number of rows, and all errors. */
async function check(path: string): Promise<{ rows: number; sha256: string }> {
  const hash = createHash("sha256");
  let rows = 0;
  const wrong: string[] = [];
  try {
    using file = await Deno.open(path, { read: true });
    for await (const bytes of file.readable) hash.update(bytes);
    for await (const row of readStockFile(path)) {
      if (row.kind === "row") rows++;
      else wrong.push(`line ${row.line} ${row.why}`);
      if (wrong.length === namedMax) break;
    }
  } catch (cause) {
    throw new Failure(`Cannot read ${path}`, "failed", { cause });
  }
  if (wrong.length === 0) return { rows, sha256: hash.digest("hex") };
  throw new Failure(
    `Cannot import ${path} as some rows are wrong; nothing was written:\n  ${wrong.join("\n  ")}`,
  );
}

async function* rounds(path: string, skip: number): AsyncGenerator<NumberedRow[]> {
  let number = 0;
  let round: NumberedRow[] = [];
  for await (const row of readStockFile(path)) {
    if (row.kind !== "row") {
      throw new Failure(`Cannot continue as ${path} has changed: line ${row.line} ${row.why}`);
    }
    if (number++ < skip) continue;
    round.push({ row, number });
    if (round.length < roundMax) continue;
    yield round;
    round = [];
  }
  if (round.length > 0) yield round;
}
