/**
 * Creates and upgrades the schema, and reads the owner of the ledger.
 *
 * @module
 */
import type { World } from "../../runtime/world.ts";
import type { Queries, Transaction } from "../database.ts";
import { type Database, quotedName } from "./database.ts";
import { assertEncoding } from "./server_checks.ts";
import type { Deployment } from "../ledger.ts";
import { type PostgresStatements, readMigration } from "./statements.ts";

/** In order; a released migration never changes. */
const migrations = [
  "0001_books.sql",
  "0002_corrections.sql",
  "0003_recovery.sql",
  "0004_rebuild_indexes.sql",
  "0005_scripts.sql",
  "0006_adjustments.sql",
  "0007_movement_bounds.sql",
  "0008_movement_bounds_checked.sql",
  "0009_movement_ranges.sql",
  "0010_forget.sql",
  "0011_baskets.sql",
] as const;

/** An index over a hundred million movements takes minutes. */
const migrationTimeoutMs = 3_600_000;

/**
 * Upgrades the schema and claims it for this deployment, a transaction a migration and one process at a time: of two
 * workers that start at once, the second finds the work done.
 *
 * @throws {RangeError} when the database is not in UTF8, or the ledger is for another number of shards, or newer than
 * this program
 */
export async function prepareSchema(
  database: Database,
  sql: PostgresStatements,
  world: World,
  shards: number,
): Promise<Deployment> {
  const session = await database.session();
  try {
    await assertEncoding(session, sql.read_server);
    const inTurn = <T>(run: (tx: Transaction) => Promise<T>) =>
      session.transaction(async (tx) => {
        await tx.query(sql.lock_migrations, [database.namespace]);
        return await run(tx);
      });
    await inTurn((tx) => createSchema(tx, sql, database.namespace));
    // A migration that holds no lock for long ends with its own transaction.
    while (await inTurn((tx) => migrateOnce(tx, sql)));
    return await inTurn((tx) => claim(tx, sql, world.uuid(), shards));
  } finally {
    await session.close();
  }
}

async function createSchema(tx: Queries, sql: PostgresStatements, namespace: string): Promise<void> {
  const [schema] = await tx.query<{ found: boolean }>(sql.find_schema, [namespace]);
  if (!schema?.found) await tx.script(`create schema ${quotedName(namespace)}`);
}

/** Runs the next migration. Returns whether there was one. */
async function migrateOnce(tx: Queries, sql: PostgresStatements): Promise<boolean> {
  await tx.script(sql.create_migrations);
  const applied = await tx.query<{ id: number }>(sql.read_migrations);
  const newest = applied.at(-1)?.id ?? 0;
  if (newest > migrations.length) {
    throw new RangeError(
      `Cannot use this ledger as a newer Holdfast created it: ` +
        `its schema has version ${newest}, this program knows ${migrations.length}`,
    );
  }
  const name = migrations[newest];
  if (name === undefined) return false;
  // A migration of a large ledger may take long, so it is exempt from the usual statement timeout.
  await tx.script("set local statement_timeout = 0");
  await tx.script(await readMigration(name), migrationTimeoutMs);
  await tx.query(sql.note_migration, [newest + 1, name]);
  return true;
}

async function claim(tx: Queries, sql: PostgresStatements, id: string, shards: number): Promise<Deployment> {
  await tx.query(sql.claim_deployment, [id, shards]);
  const [deployment] = await tx.query<Deployment>(sql.read_deployment);
  if (!deployment) throw new Error("Cannot read the row of deployment that was just written");
  if (deployment.shards !== shards) {
    throw new RangeError(
      `Cannot use SHARDS=${shards} as this ledger was created for ${deployment.shards}: ` +
        `set SHARDS=${deployment.shards}, or rebuild the deployment under another NAMESPACE`,
    );
  }
  await tx.query(sql.add_cursors, [shards]);
  return deployment;
}
