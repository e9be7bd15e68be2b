/**
 * Writes docs/faults.md from the rows of a run.
 *
 * @module
 */
import type { Row } from "./trial.ts";

/** What a row was measured on. */
export interface Measured {
  /** Year, month and day. */
  readonly date: string;
  readonly cores: number;
  /** The load average when it ended: below the number of cores on a machine that had nothing else to do. */
  readonly load: number;
  /** Whether it is one of the long faults. */
  readonly isLong: boolean;
}

/** A row of the document, as `docs/faults.json` has it. */
export type MeasuredRow = Row & Measured;

/**
 * The rows of the document after a part of the tests ran again: a new row takes the place of the one with the same
 * fault. Long and short faults are not mixed.
 */
export function replaceRows(stored: readonly MeasuredRow[], rows: readonly MeasuredRow[]): MeasuredRow[] {
  const keyOf = ({ group, what, isLong }: MeasuredRow) => `${group} ${what} ${isLong}`;
  const isLong = rows[0]?.isLong;
  const kept = stored.filter((row) => row.isLong === isLong);
  const fresh = new Map(rows.map((row) => [keyOf(row), row]));
  const known = new Set(kept.map(keyOf));
  return [
    ...kept.map((row) => fresh.get(keyOf(row)) ?? row),
    ...rows.filter((row) => !known.has(keyOf(row))),
  ];
}

const COLUMNS: readonly (readonly [string, (row: Row) => string | number])[] = [
  ["fault", ({ what }) => what],
  ["struck", ({ times }) => times],
  ["orders", ({ operations }) => operations],
  ["accepted", ({ accepted }) => accepted],
  ["of undisturbed", ({ acceptedShare }) => acceptedShare.toFixed(2)],
  ["unknown", ({ unknown }) => unknown],
  ["503, no effect", ({ unavailable }) => unavailable],
  ["without a sale, s", ({ pauseMs }) => (pauseMs / 1000).toFixed(1)],
  ["lost", ({ lost }) => lost],
  ["doubled", ({ doubled }) => doubled],
  ["oversold", ({ oversold }) => oversold],
  ["undersold", ({ undersold }) => undersold],
];

/** The document, before `deno fmt`. */
export function faultsDocument(rows: readonly MeasuredRow[]): string {
  const groups = Map.groupBy(rows, ({ group }) => group);
  const command = rows.some(({ isLong }) => isLong) ? "deno task faults" : "deno task faults --short";
  const [dates, cores, loads] = [
    range(rows.map(({ date }) => date)),
    range(rows.map(({ cores }) => cores)),
    range(rows.map(({ load }) => Math.round(load))),
  ];
  return [
    "# Faults",
    `\`${command}\` wrote this file on ${dates}, on ${cores} cores with a load average of ${loads}. Each row is one fault that struck a sale. After it the ` +
    "outcome of every order was asked for, and four quantities were compared: accepted responses, rows of the ledger, " +
    "the sum of movements, and initial units − units left. The history of all clients was checked " +
    "([tools/checker](../tools/checker/README.md)).",
    [
      "- **orders**: sent from the beginning of the fault until a second after every SKU was sold again",
      "- **of undisturbed**: accepted orders, of those that the same buyers get accepted in that time without a fault; the " +
      "rate is measured before each fault, for 2 to 5 s, so it is ± 0.2. Each test has a least value. Before a failover of Redis orders wait for " +
      "the replica, and after it there is none: more than 1 may be accepted",
      "- **unknown**: responses `outcome_unknown`; each was settled by sending the order again",
      "- **without a sale**: the longest time without a sale of any one SKU, with a bound in each test",
      "- **lost**: accepted orders that the ledger lacks; **doubled**: lines that it has twice; **oversold** and " +
      "**undersold**: units that are sold and left, or neither",
    ].join("\n"),
    "What happens in each case, and the test that shows it, is in [failures](failures.md).",
    ...[...groups].flatMap(([group, some]) => [`## ${group}`, table(some), ...details(some)]),
  ].join("\n\n") + "\n";
}

/** The lowest and the highest; one value when they are the same. */
function range(values: readonly (string | number)[]): string {
  const sorted = values.toSorted((a, b) => a < b ? -1 : 1);
  const [low, high] = [sorted[0], sorted.at(-1)];
  return low === high ? String(low) : `${low} to ${high}`;
}

function table(rows: readonly Row[]): string {
  const line = (cells: readonly (string | number)[]) => `| ${cells.join(" | ")} |`;
  return [
    line(COLUMNS.map(([name]) => name)),
    line(COLUMNS.map((_, i) => i === 0 ? "---" : "--:")),
    ...rows.map((row) => line(COLUMNS.map(([, value]) => value(row)))),
  ].join("\n");
}

function details(rows: readonly Row[]): string[] {
  return rows.flatMap(({ what, detail }) => detail === undefined ? [] : [`${what}: ${detail}.`]);
}
