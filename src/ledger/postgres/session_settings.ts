/**
 * Settings of a PostgreSQL session that safety and speed rest on, set by statements after connecting.
 *
 * Not as startup parameters: PgBouncer refuses those that it does not know, or drops them in silence when
 * `ignore_startup_parameters` names them. Then tables land in the schema `public`, and a frozen worker keeps its shards.
 *
 * @module
 */
import type { Queries } from "../database.ts";
import { quotedName } from "./database.ts";
import { postgresBounds } from "./options.ts";
import { loadStatements } from "./statements.ts";

/** Values by name, in base units (ms), as `pg_settings` shows them. */
export type SessionSettings = Readonly<Record<string, string>>;

function commonSettings(namespace: string): SessionSettings {
  return {
    search_path: quotedName(namespace),
    lock_timeout: String(postgresBounds.lockTimeoutMs),
    // The statements' best plan depends on where in the log a batch is: a generic plan expects half a percent
    // of all movements and reads the whole table of stock.
    plan_cache_mode: "force_custom_plan",
    // No statement here runs long enough to earn a compilation back: it takes 240 ms, a page of a rebuild 4.
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
 * A script that sets all of them. As one text without parameters: the driver sends the parse of a statement before it
 * executes the one before, and that parse needs the search path.
 */
export function settingsScript(settings: SessionSettings, scope: "session" | "transaction"): string {
  const literal = (text: string) => `'${text.replaceAll("'", "''")}'`;
  const calls = Object.entries(settings).map(([name, value]) =>
    `set_config(${literal(name)}, ${literal(value)}, ${scope === "transaction"})`
  );
  return `select ${calls.join(", ")}`;
}

/**
 * Sets them for a session, then reads them back in another statement.
 *
 * @throws {RangeError} when one did not stay: a pooler gives each transaction another server connection
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
