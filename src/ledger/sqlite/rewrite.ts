/**
 * Rewrites a ledger's file from its rows. Afterwards no free page, no unused part of a page and no WAL has earlier rows.
 *
 * `vacuum` would do the same, but it attaches a file, which Deno permits only to a program that may do everything.
 * `secure_delete` clears what is deleted after it was set, and no remains of earlier deletions.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import { copyFile } from "./backup.ts";
import { Engine } from "./engine.ts";

interface SchemaRow {
  readonly type: "table" | "index" | "trigger" | "view";
  readonly name: string;
  readonly sql: string;
}

/**
 * Rewrites the file in place, in one transaction of SQLite. It needs free disk space of twice the file.
 *
 * @param path no process writes it
 * @throws {Error} when the disk is full, or another program reads the file. The file has all rows in any case.
 */
export async function rewriteFile(path: string): Promise<void> {
  const unfinished = `${path}.rewritten`;
  try {
    await remove(unfinished);
    copyRows(path, unfinished);
    await copyFile(unfinished, path);
    emptyWal(path);
  } finally {
    await remove(unfinished);
  }
}

async function remove(path: string): Promise<void> {
  await Deno.remove(path).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
}

function copyRows(from: string, to: string): void {
  const source = new DatabaseSync(from, { readOnly: true });
  const target = new DatabaseSync(to);
  try {
    // A crash leaves a file that is removed at the next run.
    target.exec("pragma journal_mode = off; pragma synchronous = off; begin");
    source.exec("begin");
    const schema = source.prepare(
      "select type, name, sql from sqlite_schema where sql is not null order by rowid",
    )
      .all() as unknown as SchemaRow[];
    const own = schema.filter(({ name }) => !name.startsWith("sqlite_"));
    const tables = own.filter(({ type }) => type === "table");
    for (const { sql } of tables) target.exec(sql);
    for (const { name } of tables) copyTable(source, target, name);
    // Numbers that an autoincrement has used, also those of rows that were deleted.
    target.exec("delete from sqlite_sequence");
    copyTable(source, target, "sqlite_sequence");
    for (const { type, sql } of own) if (type !== "table") target.exec(sql);
    target.exec("commit");
  } finally {
    target.close();
    source.close();
  }
}

function copyTable(source: DatabaseSync, target: DatabaseSync, name: string): void {
  const rows = source.prepare(`select * from "${name}"`);
  const values = rows.columns().map(() => "?").join(", ");
  const insert = target.prepare(`insert into "${name}" values (${values})`);
  for (const row of rows.iterate()) insert.run(...Object.values(row));
}

/** @throws {Error} when another program reads the file */
function emptyWal(path: string): void {
  const engine = new Engine(path);
  try {
    const [row] = engine.query<{ busy: number }>("pragma wal_checkpoint(truncate)");
    if (row?.busy) {
      throw new Error("another program reads ledger.db, which keeps its WAL: end it ('fuser ledger.db')");
    }
  } finally {
    engine.close();
  }
}
