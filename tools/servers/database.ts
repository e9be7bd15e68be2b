/**
 * Databases on a PostgreSQL that several tests share.
 *
 * @module
 */
import postgres, { type Sql } from "postgres";
import { runId } from "./run_folder.ts";

const END_TIMEOUT_S = 5;
const CONNECT_TIMEOUT_S = 10;

/** Runs `work` on one connection that is closed afterwards. */
export async function withConnection<T>(url: string, work: (sql: Sql) => Promise<T>): Promise<T> {
  const sql = postgres(url, { max: 1, connect_timeout: CONNECT_TIMEOUT_S, onnotice: () => {} });
  try {
    return await work(sql);
  } finally {
    await sql.end({ timeout: END_TIMEOUT_S });
  }
}

/** Creates an empty database on the server of `url` and returns its URL. */
export async function createDatabase(url: string): Promise<string> {
  const name = `${runPrefix()}${crypto.randomUUID().slice(0, 8)}`;
  await withConnection(url, (sql) => sql`CREATE DATABASE ${sql(name)}`);
  const database = new URL(url);
  database.pathname = `/${name}`;
  return database.href;
}

/** What the names of this run's databases and namespaces begin with; valid in SQL without quotes. */
export function runPrefix(): string {
  return `test_${runId()}_`;
}
