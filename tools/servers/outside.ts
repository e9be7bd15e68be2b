/**
 * Servers that were given to the run from outside: refused when they have other data, and left
 * as empty as they were.
 *
 * @module
 */
import { Redis } from "ioredis";
import { runPrefix, withConnection } from "./database.ts";

const CONNECT_TIMEOUT_MS = 10_000;
const SCAN_COUNT = 1000;

/** Throws unless the Redis at `url` holds no key at all. */
export async function refuseUsedRedis(variable: string, url: string): Promise<void> {
  const keys = await reach(variable, withRedis(url, (redis) => redis.dbsize()));
  if (keys > 0) throw new Error(`Cannot test on the server of ${variable} as it is not empty: ${keys} keys`);
}

/** Throws unless the database at `url` holds no table of a user. */
export async function refuseUsedDatabase(variable: string, url: string): Promise<void> {
  const looking = withConnection(url, (sql) =>
    sql<{ name: string }[]>`
      SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_catalog.pg_tables
      WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY name LIMIT 5`);
  const tables = (await reach(variable, looking)).map((table) => table.name);
  if (tables.length === 0) return;
  throw new Error(
    `Cannot test on the database of ${variable} as it is not empty: it has ${tables.join(", ")}`,
  );
}

async function reach<T>(variable: string, asking: Promise<T>): Promise<T> {
  try {
    return await asking;
  } catch (cause) {
    throw new Error(`Cannot reach the server of ${variable}`, { cause });
  }
}

/** Removes the keys of this run, and no others. */
export function cleanRedis(url: string): Promise<void> {
  return withRedis(url, async (redis) => {
    let cursor = "0";
    do {
      const [next, keys] = await redis.scan(cursor, "MATCH", `*${runPrefix()}*`, "COUNT", SCAN_COUNT);
      if (keys.length > 0) await redis.unlink(...keys);
      cursor = next;
    } while (cursor !== "0");
  });
}

/** Drops the databases of this run, and no others. */
export function cleanDatabases(url: string): Promise<void> {
  return withConnection(url, async (sql) => {
    const databases = await sql<{ name: string }[]>`
      SELECT datname AS name FROM pg_database WHERE starts_with(datname, ${runPrefix()})`;
    for (const { name } of databases) await sql`DROP DATABASE ${sql(name)} WITH (FORCE)`;
  });
}

async function withRedis<T>(url: string, work: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: CONNECT_TIMEOUT_MS,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
  });
  redis.on("error", () => {}); // the rejection of connect() below says the same
  try {
    await redis.connect();
    return await work(redis);
  } finally {
    redis.disconnect();
  }
}
