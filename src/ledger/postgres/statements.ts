/**
 * The ledger's SQL for PostgreSQL: files of `sql/`, one a topic. Each statement has its contract above it.
 *
 * @module
 */
import { readStatements, type StatementName, statementNames } from "../sql/statements.ts";

/** Statements that only PostgreSQL runs. Order does not matter. */
export const ownNames = [
  "add_cursors",
  "apply_batch",
  "claim_deployment",
  "compare_buyers",
  "compare_holds",
  "compare_lines",
  "compare_quotas",
  "compare_recent",
  "create_migrations",
  "find_changes",
  "find_schema",
  "lock_migrations",
  "note_migration",
  "read_deployment",
  "read_migrations",
  "read_server",
  "end_silent",
  "read_backends",
  "read_locks",
  "read_settings",
  "try_lock",
  "unlock",
  "list_dead_letters",
  "list_jumps",
  "show_dead_letter",
  "count_lost",
  "count_recovered",
  "find_tables",
  "page_skus",
  "count_locks",
  "count_leases",
  "rename_deployment",
  "sum_later",
] as const;

/** Name of a statement. */
export type PostgresStatementName = StatementName | typeof ownNames[number];

/** Every statement's text. */
export type PostgresStatements = Readonly<Record<PostgresStatementName, string>>;

const folder = new URL("sql/", import.meta.url);
const topics = [
  "apply",
  "baskets",
  "compare",
  "cursor",
  "deployment",
  "forget",
  "migrations",
  "openings",
  "operator",
  "reads",
  "rebuild",
  "reconcile",
  "recovery",
  "retention",
  "session",
  "verify",
] as const;

let statements: Promise<PostgresStatements> | undefined;

/** Reads all statements, once a process. */
export function loadStatements(): Promise<PostgresStatements> {
  return statements ??= readStatements(folder, topics, [...statementNames, ...ownNames]);
}

/** Reads a migration. */
export function readMigration(name: string): Promise<string> {
  return Deno.readTextFile(new URL(`migrations/${name}`, folder));
}
