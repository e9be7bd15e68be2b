/**
 * Creates and upgrades the schema, and checks the owner of the file.
 *
 * @module
 */
import type { Connection, Queries } from "../database.ts";
import type { Deployment } from "../ledger.ts";
import { readMigration, type SqliteStatements } from "./statements.ts";

/** In order; a released migration never changes. */
const migrations = ["0001_ledger", "0002_openings", "0003_baskets", "0004_forget"] as const;

/** The process that claims the file. */
export interface Claim extends Deployment {
  readonly namespace: string;
}

/**
 * Upgrades the schema and claims it, in one transaction.
 *
 * @param claim its id is used for a new file
 * @throws {RangeError} when the file is for another number of shards or another namespace, or newer than this program
 */
export function prepareSchema(
  connection: Connection,
  sql: SqliteStatements,
  claim: Claim,
): Promise<Deployment> {
  return connection.transaction(async (tx) => {
    await migrate(tx, sql);
    await tx.query(sql.claim_deployment, [claim.id, claim.shards, claim.namespace]);
    const [found] = await tx.query<Claim>(sql.read_deployment);
    if (!found) throw new Error("Cannot read the row of deployment that was just written");
    if (found.shards !== claim.shards) {
      throw new RangeError(
        `Cannot use SHARDS=${claim.shards} as this ledger was created for ${found.shards}: set SHARDS=${found.shards}, ` +
          `or set DATA_DIR to an empty folder`,
      );
    }
    if (found.namespace !== claim.namespace) {
      throw new RangeError(
        `Cannot use NAMESPACE=${claim.namespace} as this ledger was created for ${found.namespace}: set ` +
          `NAMESPACE=${found.namespace}, or set DATA_DIR to an empty folder`,
      );
    }
    await tx.query(sql.add_cursors, [found.shards]);
    return { id: found.id, shards: found.shards };
  });
}

async function migrate(tx: Queries, sql: SqliteStatements): Promise<void> {
  const [found] = await tx.query<{ isForeign: boolean }>(sql.find_schema);
  if (found?.isForeign) {
    throw new RangeError(
      "Cannot use ledger.db as another program made it: set DATA_DIR to an empty folder",
    );
  }
  await tx.script(sql.create_migrations);
  const applied = await tx.query<{ id: number }>(sql.read_migrations);
  const newest = applied.at(-1)?.id ?? 0;
  if (newest > migrations.length) {
    throw new RangeError(
      `Cannot use this ledger as a newer Holdfast created it: its schema has version ${newest}, this program knows ` +
        `${migrations.length}. Start the newer version again`,
    );
  }
  for (const [index, name] of migrations.entries()) {
    if (index < newest) continue;
    await tx.script(await readMigration(name));
    await tx.query(sql.note_migration, [index + 1, name]);
  }
}
