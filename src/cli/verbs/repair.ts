/**
 * `repair`: what to do when store and ledger differ.
 *
 * The store must move, not the ledger: the ledger's figures are the sum of its movements, each of which the store
 * itself announced, and the audit compares every further one with them. So the figures that only the store has are
 * kept in a report, and the shard is rebuilt from the ledger. If the store was right after all (somebody counted the
 * shelf), an `adjust` with a reason says so for good; this verb does not, because it cannot count.
 *
 * @module
 */
import { exits, Failure } from "../context/failure.ts";
import type { CliContext } from "../context/context.ts";
import { rebuildShard, refuseIncompleteBooks } from "./rebuild.ts";
import { compareShards } from "./reconcile.ts";
import { table, type Terminal } from "../context/terminal.ts";

/** Compares, keeps a report, asks, rebuilds, compares again. Returns 1 when a difference stays. */
export async function repair(
  context: CliContext,
  terminal: Terminal,
  only: number | undefined,
  report: string,
): Promise<number> {
  const compared = await compareShards(context, terminal, only);
  const different = compared.filter(({ differences }) => differences.length > 0);
  const rows = different.flatMap(({ differences }) => differences.map((found) => ({ ...found })));
  if (rows.length === 0) {
    terminal.result({ repaired: [], report: null }, "Nothing to repair: store and ledger agree");
    return exits.ok;
  }
  for (const { shard } of different) await refuseIncompleteBooks(context, terminal, shard);
  terminal.note(table(rows));
  terminal.confirm(
    `This sets ${rows.length} differences to what the ledger says, by rebuilding shard ` +
      `${different.map(({ shard }) => shard).join(", ")}; nothing is sold from it meanwhile.`,
  );
  await keepReport(report, context, rows);
  for (const { shard } of different) await rebuildShard(context, terminal, shard);
  const left = (await compareShards(context, terminal, only)).flatMap(({ differences }) => differences);
  terminal.result(
    { repaired: rows, left, report },
    `${rows.length - left.length} differences are gone; what the store had is kept in ${report}`,
  );
  return left.length === 0 ? exits.ok : exits.failed;
}

/** Never over an older report: it may be all that is left of some figures. */
async function keepReport(path: string, context: CliContext, rows: readonly unknown[]): Promise<void> {
  const text = JSON.stringify(
    { at: new Date(context.world.now()).toISOString(), by: context.actor, rows },
    null,
    2,
  );
  try {
    await Deno.writeTextFile(path, text + "\n", { createNew: true });
  } catch (cause) {
    throw new Failure(`Cannot keep a report in ${path}; nothing was repaired`, "failed", { cause });
  }
}
