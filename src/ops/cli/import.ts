/**
 * Stock from a CSV file.
 *
 * The file is read twice: first every row is checked, and nothing is written when one is wrong; then every row
 * becomes one command whose id is made from the file's contents and the row's number. So the same file may be
 * imported again, whole or from where it stopped, and each row takes effect once (within the idempotency window).
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { Adjust, SetStock } from "../../inventory/command.ts";
import type { Decided } from "../../inventory/outcome.ts";
import { type CsvRow, readStockFile } from "./csv.ts";
import { Decider, roundMax } from "./decider.ts";
import { exits, Failure } from "./failure.ts";
import { removeState, resumeAt, writeState } from "./import_state.ts";
import type { Reach } from "./reach.ts";
import type { Terminal } from "./terminal.ts";

/** What a row does: make a SKU that must not exist yet, or add a delivery to one that may. */
export const importModes = ["create", "add"] as const;

/** One of {@link importModes}. */
export type ImportMode = typeof importModes[number];

/** What is asked. */
export interface ImportOptions {
  /** What a row does. */
  readonly mode: ImportMode;
  /** Go on where an interrupted import stopped. */
  readonly resume: boolean;
  /** For people; goes into the ledger with every row. */
  readonly reason: string;
}

/** A row that the store refused, and why. */
interface Refused {
  readonly line: number;
  readonly sku: string;
  readonly why: string;
}

type Row = Extract<CsvRow, { kind: "row" }>;

/** A million rows that are all refused must not fill memory or screen. */
const namedMax = 20;
/** A second of rows is imported again after a crash: harmless. */
const stateEveryMs = 1000;

/** Imports a file. Returns the exit code: 1 when any row was refused. */
export async function importCsv(
  reach: Reach,
  terminal: Terminal,
  path: string,
  options: ImportOptions,
): Promise<number> {
  const { world, config } = reach;
  const { rows: total, sha256 } = await check(path);
  const skipped = options.resume ? await resumeAt(path, sha256, options.mode) : 0;
  const decider = new Decider(await reach.store(), world, config.shards);
  const commandOf = commandMaker(options, sha256, reach.actor);
  const progress = terminal.progress("import", total);
  const counts = { created: 0, changed: 0, repeated: 0, refused: 0 };
  const refused: Refused[] = [];
  const startedMs = world.elapsedMs();
  let done = 0;
  let savedMs = startedMs;
  for await (const rows of rounds(path, skipped)) {
    const outcomes = await decider.decideAll(rows.map(({ row, number }) => commandOf(row, number)), skuOf);
    rows.forEach(({ row }, i) => {
      const result = count(outcomes[i], counts);
      if (result !== undefined && refused.length < namedMax) {
        refused.push({ line: row.line, sku: row.sku, why: result });
      }
    });
    done += rows.length;
    progress.show(skipped + done);
    if (world.elapsedMs() - savedMs < stateEveryMs) continue;
    savedMs = world.elapsedMs();
    await writeState(path, { sha256, mode: options.mode, rows: skipped + done });
  }
  progress.end();
  await removeState(path);
  const ms = Math.round(world.elapsedMs() - startedMs);
  terminal.result(
    { rows: total, skipped, ...counts, ms, refusals: refused },
    summary(total, skipped, counts, ms),
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
  const figures = Object.entries(counts).map(([name, value]) => `${value} ${name}`).join(", ");
  const resumed = skipped > 0 ? `, ${skipped} done before` : "";
  return `${total} rows in ${(ms / 1000).toFixed(1)} s: ${figures}${resumed}`;
}

/** Reads the file once: its digest, its rows, and everything that is wrong with it. */
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

async function* rounds(path: string, skip: number): AsyncGenerator<{ row: Row; number: number }[]> {
  let number = 0;
  let round: { row: Row; number: number }[] = [];
  for await (const row of readStockFile(path)) {
    if (row.kind !== "row") {
      throw new Failure(`Cannot go on as ${path} has changed: line ${row.line} ${row.why}`);
    }
    if (number++ < skip) continue;
    round.push({ row, number });
    if (round.length < roundMax) continue;
    yield round;
    round = [];
  }
  if (round.length > 0) yield round;
}

function commandMaker(
  { mode, reason }: ImportOptions,
  sha256: string,
  actor: string,
): (row: Row, number: number) => Adjust | SetStock {
  const file = sha256.slice(0, 16);
  return ({ sku, available }, number) => {
    const common = {
      sku,
      adjustmentId: `import:${file}:${number}`,
      reason,
      reference: "",
      actor,
      traceparent: "",
    };
    return mode === "create"
      ? { ...common, kind: "set", available, expected: null }
      : { ...common, kind: "adjust", delta: available };
  };
}

function skuOf({ sku }: { readonly sku: string }): string {
  return sku;
}

/** Counts an outcome; returns why when it is a refusal. */
function count(
  outcome: Decided | undefined,
  counts: { created: number; changed: number; repeated: number; refused: number },
): string | undefined {
  if (outcome?.kind === "accepted") {
    if (outcome.replayed) counts.repeated++;
    else if (outcome.created) counts.created++;
    else counts.changed++;
    return undefined;
  }
  counts.refused++;
  if (outcome?.kind === "stale") return `exists already, with ${outcome.available} available`;
  if (outcome?.kind === "stock_limit") return `would pass the most units a SKU can have`;
  return `was refused: ${outcome?.kind ?? "no answer"}`;
}
