/**
 * `detach`: gives a copied ledger a deployment id of its own.
 *
 * A copy of a ledger has the id of its original, so its worker would take the original's Redis for its own. With
 * another id it refuses it by name.
 *
 * @module
 */
import { exits, Failure } from "../context/failure.ts";
import type { CliContext } from "../context/context.ts";
import type { Terminal } from "../context/terminal.ts";

/** Leases and places of workers: their first key is the schema's oid. */
const locksSql = `
  select count(*)::integer as locks from pg_locks
  where locktype = 'advisory' and granted
    and database = (select oid from pg_database where datname = current_database())
    and classid = (select oid from pg_namespace where nspname = current_schema())`;

/** The row changes only if it is still the one that was shown. */
const renameSql = `
  update deployment set id = $1::text::uuid where id = $2::text::uuid returning id::text as id`;

/** Asks first. Refuses while a worker uses the ledger. */
export async function detach(context: CliContext, terminal: Terminal): Promise<number> {
  const before = (await context.deployment()).id;
  const books = await context.database();
  const [found] = await books.query<{ locks: number }>(locksSql);
  if (found?.locks !== 0) {
    throw new Failure("Cannot change the deployment id as a worker uses this ledger: stop its workers first");
  }
  const id = context.world.uuid();
  terminal.confirm(
    `This gives the ledger at DATABASE_URL the deployment id ${id} instead of ${before}. Do it to a copy: Redis and ` +
      `topic of ${before} are refused from then on, and nothing but a restored ledger makes them fit again.`,
  );
  const changed = await books.query(renameSql, [id, before]);
  if (changed.length !== 1) throw new Failure("Cannot change the deployment id as it changed meanwhile");
  terminal.result({ before, id }, `The ledger belongs to deployment ${id} now; it was ${before}`);
  return exits.ok;
}
