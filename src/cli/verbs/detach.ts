/**
 * `detach`: gives a copied ledger its own deployment id.
 *
 * A copy of a ledger has the id of its original, so its worker would accept the original's Redis. With another id it
 * refuses it.
 *
 * @module
 */
import { loadStatements } from "../../ledger/postgres/statements.ts";
import { exits, Failure } from "../context/failure.ts";
import type { CliContext } from "../context/context.ts";
import type { Terminal } from "../context/terminal.ts";

/** Asks first. Refuses while a worker uses the ledger. */
export async function detach(context: CliContext, terminal: Terminal): Promise<number> {
  const before = (await context.deployment()).id;
  const [database, sql] = [await context.database(), await loadStatements()];
  const [found] = await database.query<{ locks: number }>(sql.count_locks);
  if (found?.locks !== 0) {
    throw new Failure("Cannot change the deployment id as a worker uses this ledger: stop its workers first");
  }
  const id = context.world.uuid();
  terminal.confirm(
    `This gives the ledger at DATABASE_URL the deployment id ${id} instead of ${before}. Do it to a copy: Redis and ` +
      `topic of ${before} are refused from then on, and only a restored ledger accepts them again.`,
  );
  const changed = await database.query(sql.rename_deployment, [id, before]);
  if (changed.length !== 1) throw new Failure("Cannot change the deployment id as it changed meanwhile");
  terminal.result({ before, id }, `The ledger belongs to deployment ${id} now; it was ${before}`);
  return exits.ok;
}
