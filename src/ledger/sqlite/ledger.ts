/**
 * The ledger in a folder: one SQLite file, `ledger.db`.
 *
 * @module
 */
import type { World } from "../../runtime/world.ts";
import { SqlError } from "../database.ts";
import { lockFolder } from "./folder_lock.ts";
import type { Ledger } from "../ledger.ts";
import { SqlLedger } from "../sql/ledger.ts";
import { type OpenFile, SqliteBackend } from "./backend.ts";
import { type OpenOptions, SqliteDatabase } from "./database.ts";
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
    const sql = await loadStatements();
    const database = await openFile(folder);
    const file = await fileOf(folder, () => lock.release());
    return new SqlLedger(new SqliteBackend(database, sql, world, namespace, file), sql);
  } catch (error) {
    lock.release();
    throw error;
  }
}

/**
 * Opens the ledger in a folder for reading, while another process may write it.
 *
 * @throws {RangeError} when there is none, or it cannot be read
 */
export async function readSqliteLedger({ folder, namespace, world }: SqliteOptions): Promise<Ledger> {
  const sql = await loadStatements();
  const database = await openFile(folder, { readOnly: true });
  const file = await fileOf(folder, () => {});
  return new SqlLedger(new SqliteBackend(database, sql, world, namespace, file), sql);
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
