/**
 * The ledger's SQL for PostgreSQL: one statement a file in `sql/`, each with its contract in its header.
 *
 * @module
 */
import { type StatementName, statementNames } from "../sql/statements.ts";

/** Statements that only PostgreSQL runs. Order does not matter. */
export const ownNames = [
  "add_cursors",
  "claim_deployment",
  "compare_buyers",
  "compare_holds",
  "compare_lines",
  "compare_quotas",
  "compare_recent",
  "compare_stock",
  "create_migrations",
  "find_changes",
  "find_schema",
  "lock_migrations",
  "note_migration",
  "read_deployment",
  "read_migrations",
  "read_server",
  "sum_later",
] as const;

/** Name of a statement: its file's, without the ending. */
export type PostgresStatementName = StatementName | typeof ownNames[number];

/** Every statement's text. */
export type PostgresStatements = Readonly<Record<PostgresStatementName, string>>;

const texts = new Map<string, string>();

/** Reads a file of `sql/`, once. Not a text import: Deno 2.5, which Deploy runs, does not know them. */
export async function readSql(file: string): Promise<string> {
  const text = texts.get(file) ?? await Deno.readTextFile(new URL(`sql/${file}`, import.meta.url));
  texts.set(file, text);
  return text;
}

/** Reads all statements. */
export async function loadStatements(): Promise<PostgresStatements> {
  const pairs = await Promise.all(
    [...statementNames, ...ownNames].map(async (name) => [name, await readSql(`${name}.sql`)] as const),
  );
  return Object.freeze(Object.fromEntries(pairs)) as PostgresStatements;
}
