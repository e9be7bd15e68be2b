/**
 * The ledger's SQL for SQLite: files of `sql/`, one a topic, a line `-- name: x` above each statement.
 *
 * @module
 */
import { readStatements, type StatementName, statementNames } from "../sql/statements.ts";

const files = ["state", "apply", "baskets", "forget", "openings", "reads", "reconcile", "verify"] as const;

/** Statements that only this adapter runs. */
const ownNames = [
  "add_cursors",
  "claim_deployment",
  "create_migrations",
  "find_schema",
  "note_migration",
  "read_deployment",
  "read_migrations",
] as const;

/** Every statement's text. */
export type SqliteStatements = Readonly<Record<StatementName | typeof ownNames[number], string>>;

const folder = new URL("sql/", import.meta.url);

/** Reads all statements. */
export function loadStatements(): Promise<SqliteStatements> {
  return readStatements(folder, files, [...statementNames, ...ownNames]);
}

/** Reads a migration. */
export function readMigration(name: string): Promise<string> {
  return Deno.readTextFile(new URL(`migrations/${name}.sql`, folder));
}
