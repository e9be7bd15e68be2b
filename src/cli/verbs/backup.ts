/**
 * `backup`: copies the ledger of the embedded default while it sells.
 *
 * @module
 */
import { backupLedger } from "../../ledger/sqlite/backup.ts";
import { describeError } from "../../runtime/logger.ts";
import type { CliContext } from "../context/context.ts";
import { exits, Failure } from "../context/failure.ts";
import type { Terminal } from "../context/terminal.ts";

/** Copies it into `file`, which must not exist, and prints the size of the copy. */
export async function backup({ config }: CliContext, terminal: Terminal, file: string): Promise<number> {
  if (config.store.kind !== "embedded") {
    throw new Failure(
      "Cannot back up PostgreSQL as it has tools of its own: use pg_basebackup or pg_dump",
      "usage",
    );
  }
  const { dataDir } = config.store;
  try {
    const copied = await backupLedger(dataDir, file);
    const said =
      `Copied ${copied.movements} movements into ${file} (${copied.bytes} bytes). To use the copy, put it ` +
      "into an empty folder as ledger.db and set DATA_DIR to the folder";
    terminal.result({ file, ...copied }, said);
    return exits.ok;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new Failure(
        `Cannot back up '${dataDir}' as it has no ledger.db, or '${file}' is in no folder: set DATA_DIR`,
        "usage",
      );
    }
    if (error instanceof Deno.errors.AlreadyExists) {
      throw new Failure(`Cannot back up into '${file}' as it exists: name another file`, "usage");
    }
    throw new Failure(`Cannot back up '${dataDir}' into '${file}': ${describeError(error)}`);
  }
}
