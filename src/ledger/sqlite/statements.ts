/**
 * The ledger's SQL for SQLite: files of `sql/`, one a topic, a line `-- name: x` above each statement.
 *
 * @module
 */
import type { StatementName } from "../sql/statements.ts";

const files = ["state", "booking", "reads", "verify"] as const;

/** Statements that only this adapter runs. */
export type OwnStatementName =
  | "add_cursors"
  | "claim_deployment"
  | "create_migrations"
  | "note_migration"
  | "read_deployment"
  | "read_migrations";

/** Every statement's text. */
export type SqliteStatements = Readonly<Record<StatementName | OwnStatementName, string>>;

const named = /^-- name: (\w+)$/m;

/** Reads a file of `sql/`. Not a text import: Deno 2.5, which Deploy runs, does not know them. */
export function readSql(file: string): Promise<string> {
  return Deno.readTextFile(new URL(`sql/${file}.sql`, import.meta.url));
}

/** Reads all statements. */
export async function loadStatements(): Promise<SqliteStatements> {
  const statements: Record<string, string> = {};
  for (const text of await Promise.all(files.map(readSql))) {
    const [, ...parts] = text.split(named);
    for (let i = 0; i < parts.length; i += 2) statements[parts[i] ?? ""] = (parts[i + 1] ?? "").trim();
  }
  return Object.freeze(statements) as unknown as SqliteStatements;
}
