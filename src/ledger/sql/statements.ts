/**
 * Names of the statements that every SQL database runs for the ledger, each with its own text.
 *
 * @module
 */

/** In alphabetical order. */
export const statementNames = [
  "add_missing_stock",
  "audit_stock",
  "begin_basket",
  "close_compensations",
  "close_dead_letter",
  "close_recovery",
  "commit_basket",
  "commit_lines",
  "count_baskets_of",
  "count_dead_letters",
  "count_skus",
  "drop_basket",
  "drop_folded",
  "drop_scripts",
  "end_baskets",
  "extend_lines",
  "extend_ranges",
  "find_event_stock",
  "find_events",
  "find_first_line",
  "find_foldable",
  "find_jumps",
  "find_low_stock",
  "find_nth_sku",
  "find_order",
  "find_at_home",
  "find_prepared",
  "find_prepared_twice",
  "find_adjustment",
  "find_return",
  "find_returned_lines",
  "find_strays",
  "fold_movements",
  "forget_aborted",
  "forget_dead_letters",
  "forget_lines",
  "forget_user",
  "insert_compensations",
  "insert_corrections",
  "insert_dead_letter",
  "insert_movements",
  "insert_order_lines",
  "issue_epoch",
  "keep_script",
  "lock_cursor",
  "move_cursor",
  "note_forgotten",
  "note_head",
  "note_jump",
  "note_seen",
  "page_compensations",
  "page_dead_letters",
  "page_dead_numbers",
  "page_jumps",
  "page_lines",
  "page_quotas",
  "page_stock",
  "read_basket",
  "read_cursor",
  "read_openings",
  "read_progress",
  "read_recovery",
  "read_scripts",
  "remove_order_lines",
  "request_recovery",
  "return_units",
  "set_policies",
  "set_stock",
  "settle_lines",
  "stock_at",
  "sum_movements",
  "verify_compensations",
  "verify_ends",
  "verify_holds",
  "verify_lines",
  "verify_movements",
  "verify_order_lines",
  "verify_stock",
] as const;

export type StatementName = typeof statementNames[number];

export type Statements = Readonly<Record<StatementName, string>>;

const named = /^-- name: (\w+)$/m;

/**
 * Reads statements from SQL files, one file per topic: a line `-- name: x` precedes each statement. Text imports are
 * no alternative, because Deno 2.5, which Deno Deploy runs, does not support them.
 *
 * @param names that the files must have, no more and no fewer
 * @throws {RangeError} when a name is missing, unknown or duplicate
 */
export async function readStatements<Name extends string>(
  folder: URL,
  topics: readonly string[],
  names: readonly Name[],
): Promise<Readonly<Record<Name, string>>> {
  const statements = new Map<string, string>();
  const texts = await Promise.all(topics.map((topic) => Deno.readTextFile(new URL(`${topic}.sql`, folder))));
  for (const text of texts) {
    const [, ...parts] = text.split(named);
    for (let i = 0; i < parts.length; i += 2) {
      const name = parts[i] ?? "";
      if (statements.has(name)) {
        throw new RangeError(`Cannot use ${folder} as it has the statement ${name} twice`);
      }
      statements.set(name, (parts[i + 1] ?? "").trim());
    }
  }
  const missing = names.filter((name) => !statements.has(name));
  if (missing.length > 0 || statements.size !== names.length) {
    const unknown = [...statements.keys()].filter((name) => !names.some((known) => known === name));
    throw new RangeError(
      `Cannot use ${folder}: missing ${missing.join(", ")}; unknown ${unknown.join(", ")}`,
    );
  }
  return Object.freeze(Object.fromEntries(statements)) as Readonly<Record<Name, string>>;
}
