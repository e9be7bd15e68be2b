/**
 * A database that goes back to a copy of itself, as a server restored from a backup does: its connections end, and
 * new connections find the older state.
 *
 * @module
 */
import type { Sql } from "postgres";
import { withConnection } from "./database.ts";
import { waitFor } from "./wait.ts";

const DEADLINE_MS = 60_000;

/** Copies the database of a URL. */
export async function backUp(databaseUrl: string): Promise<void> {
  await alone(databaseUrl, async (sql, name) => {
    await sql.unsafe(`create database "${copyOf(name)}" template "${name}"`);
  });
}

/** Puts the copy in the place of the database. The copy is gone then. */
export async function restore(databaseUrl: string): Promise<void> {
  await alone(databaseUrl, async (sql, name) => {
    await sql.unsafe(`drop database "${name}"`);
    await sql.unsafe(`alter database "${copyOf(name)}" rename to "${name}"`);
  });
}

function copyOf(name: string): string {
  return `${name}_copy`;
}

/** Runs `work` while no client is connected to the database. */
async function alone(databaseUrl: string, work: (sql: Sql, name: string) => Promise<void>): Promise<void> {
  const url = new URL(databaseUrl);
  const name = url.pathname.slice(1);
  url.pathname = "/postgres";
  await withConnection(url.href, async (sql) => {
    await sql.unsafe(`alter database "${name}" with allow_connections false`);
    await waitFor(async () => {
      const left = await sql`
        select pg_terminate_backend(pid) from pg_stat_activity where datname = ${name}`;
      return left.length === 0;
    }, { deadlineMs: DEADLINE_MS, what: `no client on ${name}` });
    await work(sql, name);
    await sql.unsafe(`alter database "${name}" with allow_connections true`);
  });
}
