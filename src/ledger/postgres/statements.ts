/**
 * The ledger's SQL: one statement a file in `sql/`, each with its contract in its header.
 *
 * @module
 */

/** The files. Order does not matter. */
export const statementNames = [
  "add_cursors",
  "add_missing_stock",
  "audit_stock",
  "claim_deployment",
  "close_compensations",
  "close_dead_letter",
  "compare_buyers",
  "compare_holds",
  "compare_lines",
  "compare_quotas",
  "compare_recent",
  "compare_stock",
  "close_recovery",
  "count_dead_letters",
  "count_skus",
  "create_migrations",
  "drop_scripts",
  "extend_lines",
  "find_changes",
  "find_event_figures",
  "find_events",
  "find_first_line",
  "find_jumps",
  "find_low_stock",
  "find_order",
  "find_return",
  "find_returned_lines",
  "find_schema",
  "find_strays",
  "forget_lines",
  "insert_compensations",
  "insert_corrections",
  "insert_dead_letter",
  "insert_movements",
  "insert_order_lines",
  "issue_epoch",
  "keep_script",
  "lock_cursor",
  "lock_migrations",
  "move_cursor",
  "note_head",
  "note_jump",
  "note_migration",
  "note_seen",
  "page_compensations",
  "page_dead_numbers",
  "page_jumps",
  "page_lines",
  "page_quotas",
  "page_stock",
  "read_cursor",
  "read_deployment",
  "read_migrations",
  "read_progress",
  "read_recovery",
  "read_scripts",
  "read_server",
  "remove_order_lines",
  "request_recovery",
  "return_units",
  "set_policies",
  "set_stock",
  "settle_lines",
  "sum_later",
  "verify_compensations",
  "verify_ends",
  "verify_holds",
  "verify_lines",
  "verify_movements",
  "verify_order_lines",
  "verify_stock",
] as const;

/** Name of a statement: its file's, without the ending. */
export type StatementName = typeof statementNames[number];

/** Every statement's text. */
export type Statements = Readonly<Record<StatementName, string>>;

const texts = new Map<string, string>();

/** Reads a file of `sql/`, once. Not a text import: Deno 2.5, which Deploy runs, does not know them. */
export async function readSql(file: string): Promise<string> {
  const text = texts.get(file) ?? await Deno.readTextFile(new URL(`sql/${file}`, import.meta.url));
  texts.set(file, text);
  return text;
}

/** Reads all statements. */
export async function loadStatements(): Promise<Statements> {
  const pairs = await Promise.all(
    statementNames.map(async (name) => [name, await readSql(`${name}.sql`)] as const),
  );
  return Object.freeze(Object.fromEntries(pairs) as Record<StatementName, string>);
}
