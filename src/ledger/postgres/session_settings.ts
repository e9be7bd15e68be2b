/**
 * Settings of a PostgreSQL session on which safety and speed depend, set by statements after connecting.
 *
 * They are not startup parameters: PgBouncer refuses unknown ones, or drops them without an error when
 * `ignore_startup_parameters` names them. Then tables are created in the schema `public`, and a frozen worker keeps
 * its shards.
 *
 * @module
 */
import type { Queries } from "../database.ts";
import { quotedName } from "./database.ts";
import { postgresBounds } from "./options.ts";
import { loadStatements } from "./statements.ts";

/** Values by name, in base units (ms), as in `pg_settings`. */
export type SessionSettings = Readonly<Record<string, string>>;

function commonSettings(namespace: string): SessionSettings {
  return {
    search_path: quotedName(namespace),
    lock_timeout: String(postgresBounds.lockTimeoutMs),
    // The best plan depends on the position of a batch in the log: a generic plan expects half a percent of all
    // movements and reads the whole table of stock.
    plan_cache_mode: "force_custom_plan",
    // No statement runs long enough for compilation to pay: it takes 240 ms, a page of a rebuild 4.
    jit: "off",
  };
}

/** For a transaction on a connection of the pool. */
export function poolSettings(namespace: string): SessionSettings {
  return { ...commonSettings(namespace), statement_timeout: String(postgresBounds.poolStatementTimeoutMs) };
}

/** For a session that holds leases. */
export function leaseSettings(namespace: string): SessionSettings {
  return {
    ...commonSettings(namespace),
    statement_timeout: String(postgresBounds.sessionStatementTimeoutMs),
    idle_session_timeout: String(postgresBounds.silenceMaxMs),
    idle_in_transaction_session_timeout: String(postgresBounds.silenceMaxMs),
  };
}

/**
 * A script that sets all of them, as one text without parameters: the driver parses a statement before it executes
 * the previous one, and that parse needs the search path.
 */
export function settingsScript(settings: SessionSettings, scope: "session" | "transaction"): string {
  const literal = (text: string) => `'${text.replaceAll("'", "''")}'`;
  const calls = Object.entries(settings).map(([name, value]) =>
    `set_config(${literal(name)}, ${literal(value)}, ${scope === "transaction"})`
  );
  return `select ${calls.join(", ")}`;
}

/**
 * Applies the settings to a session, then reads them back in another statement.
 *
 * @throws {RangeError} when one was lost: a pooler gives each transaction another server connection
 */
export async function applySettings(session: Queries, settings: SessionSettings): Promise<void> {
  await session.script(settingsScript(settings, "session"));
  const names = JSON.stringify(Object.keys(settings));
  const rows = await session.query<{ name: string; setting: string }>(
    (await loadStatements()).read_settings,
    [names],
  );
  const found = new Map(rows.map(({ name, setting }) => [name, setting]));
  for (const [name, wanted] of Object.entries(settings)) {
    if (found.get(name) === wanted) continue;
    throw new RangeError(
      `Cannot use this connection to PostgreSQL as ${name} does not stay ${wanted}: current value is ` +
        `${found.get(name)}. A pooler must be in session mode`,
    );
  }
}
