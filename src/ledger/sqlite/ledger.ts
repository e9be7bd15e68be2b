/**
 * The ledger in a folder: one SQLite file, `ledger.db`.
 *
 * @module
 */
import type { World } from "../../runtime/world.ts";
import { SqlError } from "../database.ts";
import { describeError } from "../../runtime/logger.ts";
import { lockFolder } from "./folder_lock.ts";
import type { Ledger } from "../ledger.ts";
import { SqlLedger } from "../sql/ledger.ts";
import { type OpenFile, SqliteBackend } from "./backend.ts";
import { type OpenOptions, SqliteDatabase } from "./database.ts";
import { rewriteFile } from "./rewrite.ts";
import { loadStatements } from "./statements.ts";

/** The location of the ledger. */
export interface SqliteOptions {
  /** Created when missing; one process at a time. */
  readonly folder: string;
  /** NAMESPACE, which is stored in the file. */
  readonly namespace: string;
  /** Creates the deployment id. */
  readonly world: World;
}

/** The file of the ledger in a folder. */
export function ledgerFile(folder: string): string {
  return `${folder}/ledger.db`;
}

/**
 * Opens the ledger in a folder, and creates it when missing. Closing it unlocks the folder.
 *
 * @throws {RangeError} when the folder or the file cannot be used
 * @throws {Deno.errors.Busy} when another process uses the folder
 */
export async function openSqliteLedger({ folder, namespace, world }: SqliteOptions): Promise<Ledger> {
  const lock = await lockFolder(folder);
  try {
    await refusePglite(folder);
    return await openUnlocked({ folder, namespace, world }, () => lock.release());
  } catch (error) {
    lock.release();
    throw error;
  }
}

/**
 * Changes the ledger in a folder that no process uses, and rewrites its file afterwards (see rewrite.ts).
 *
 * @param change its ledger closes afterwards; when it rejects, the file is not rewritten
 * @throws {RangeError} when the folder or the file cannot be used
 * @throws {Deno.errors.NotFound} when the folder has no ledger
 * @throws {Deno.errors.Busy} when a process uses the folder
 * @throws {NotRewritten} when only the rewriting failed
 */
export async function changeStopped<T>(
  options: SqliteOptions,
  change: (ledger: Ledger) => Promise<T>,
): Promise<T> {
  const path = ledgerFile(options.folder);
  await Deno.stat(path);
  const lock = await lockFolder(options.folder);
  try {
    const ledger = await openUnlocked(options, () => {});
    const result = await change(ledger).finally(() => ledger.close());
    await rewriteFile(path).catch((cause) => {
      throw new NotRewritten(`Cannot rewrite '${path}': ${describeError(cause)}`, { cause });
    });
    return result;
  } finally {
    lock.release();
  }
}

/** The rows were changed, and the file may still have earlier ones in its free pages or its WAL. */
export class NotRewritten extends Error {
  override name = "NotRewritten";
}

async function openUnlocked(
  { folder, namespace, world }: SqliteOptions,
  onClosed: () => void,
  options?: OpenOptions,
): Promise<Ledger> {
  const sql = await loadStatements();
  const database = await openFile(folder, options);
  const file = await fileOf(folder, onClosed);
  return new SqlLedger(new SqliteBackend(database, sql, world, namespace, file), sql);
}

/**
 * Opens the ledger in a folder for reading, while another process may write it.
 *
 * @throws {RangeError} when there is none, or it cannot be read
 */
export function readSqliteLedger(options: SqliteOptions): Promise<Ledger> {
  return openUnlocked(options, () => {}, { readOnly: true });
}

async function fileOf(folder: string, onClosed: () => void): Promise<OpenFile> {
  const path = ledgerFile(folder);
  return { path, inode: (await Deno.stat(path)).ino, onClosed };
}

async function openFile(folder: string, options?: OpenOptions): Promise<SqliteDatabase> {
  try {
    return await SqliteDatabase.open(ledgerFile(folder), options);
  } catch (error) {
    if (!(error instanceof SqlError)) throw error;
    const message = `Cannot open '${ledgerFile(folder)}': ${error.message}`;
    throw settingsRefused.has(error.sqlstate) ? new RangeError(message) : new Error(message);
  }
}

/** Errors that another DATA_DIR or another user would solve. */
const settingsRefused: ReadonlySet<string> = new Set(["58P01", "25006"]);

/** The last version with PGlite's data folder, in the format of PostgreSQL 17. */
const lastPglite = "Holdfast 1.0.0";

/** Older versions stored a PostgreSQL data folder there, written by PGlite. */
async function refusePglite(folder: string): Promise<void> {
  const [old, file] = await Promise.all([exists(`${folder}/ledger/PG_VERSION`), exists(ledgerFile(folder))]);
  if (!old || file) return;
  throw new RangeError(
    `Cannot use DATA_DIR '${folder}' as an older Holdfast wrote it: ${lastPglite} is the last version that reads it. ` +
      `Start that version on it, or set DATA_DIR to an empty folder`,
  );
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
