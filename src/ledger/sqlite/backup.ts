/**
 * Copies a ledger's file while its process sells.
 *
 * @module
 */
import { dirname } from "node:path";
import { Engine } from "./engine.ts";
import { ledgerFile } from "./ledger.ts";

/** The result of a backup. */
export interface Backup {
  /** Size of the copy. */
  readonly bytes: number;
  /** Movements in the copy. Its last commit is the last one before the copy began, or a later one. */
  readonly movements: number;
}

/**
 * Copies the ledger of a folder into a file: a consistent snapshot of its commits. The copy is checked and fsynced
 * before it gets its name.
 *
 * @param file must not exist
 * @throws {Deno.errors.NotFound} when the folder has no ledger
 * @throws {Deno.errors.AlreadyExists} when the file exists
 * @throws {SqlError} when the ledger or the copy is damaged, or the disk is full
 */
export async function backupLedger(folder: string, file: string): Promise<Backup> {
  const source = ledgerFile(folder);
  await Deno.stat(source);
  // Reserves the name, so that one of two simultaneous backups is refused.
  (await Deno.open(file, { createNew: true, write: true })).close();
  const unfinished = `${file}.unfinished`;
  try {
    await Deno.remove(unfinished).catch(() => {});
    await copyFile(source, unfinished);
    const movements = check(unfinished);
    await sync(unfinished);
    await Deno.rename(unfinished, file);
    await sync(dirname(file));
    return { bytes: (await Deno.stat(file)).size, movements };
  } catch (error) {
    await Promise.allSettled([Deno.remove(unfinished), Deno.remove(file)]);
    throw error;
  }
}

/**
 * All pages in one step, which is one read transaction: the selling process is not blocked, and the copy is not
 * restarted.
 */
const allPages = -1;

/** Copies a database, pages without rows too. What `target` has is replaced, in one transaction. */
export async function copyFile(source: string, target: string): Promise<void> {
  // Imported here, because Deno 2.5 lacks this function. "vacuum into" attaches a file, which Deno does not permit.
  const { backup, DatabaseSync } = await import("node:sqlite");
  const database = new DatabaseSync(source, { readOnly: true });
  try {
    await backup(database, target, { rate: allPages });
  } finally {
    database.close();
  }
}

/** Returns the number of movements. @throws {Error} when the file is damaged */
function check(path: string): number {
  const engine = new Engine(path, { readOnly: true });
  try {
    const problems = engine.query<{ integrity_check: string }>("pragma integrity_check(1)");
    const [first] = problems.filter(({ integrity_check }) => integrity_check !== "ok");
    if (first) throw new Error(`the copy is damaged: ${first.integrity_check}`);
    return engine.query<{ count: number }>("select count(*) as count from movements")[0]?.count ?? 0;
  } finally {
    engine.close();
  }
}

async function sync(path: string): Promise<void> {
  using file = await Deno.open(path);
  await file.sync();
}
