/**
 * `repair`: rebuilds shards whose store and ledger differ.
 *
 * The store changes, not the ledger: the ledger's stock is the sum of its movements, each of which came from the store, and
 * the audit compares every further one with it. So the values that only the store has are written to a report, and the
 * shard is rebuilt from the ledger. If the store was right (the shelf was counted), an `adjust` with a reason records that.
 *
 * @module
 */
import { exits, Failure } from "../context/failure.ts";
import type { CliContext } from "../context/context.ts";
import { rebuildShard, refuseIncompleteLedger } from "./rebuild.ts";
import { compareShards } from "./reconcile.ts";
import { table, type Terminal } from "../context/terminal.ts";

/** Compares, writes a report, asks, rebuilds, compares again. Returns 1 when a difference remains. */
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
  for (const { shard } of different) await refuseIncompleteLedger(context, terminal, shard);
  terminal.note(table(rows));
  terminal.confirm(
    `This sets ${rows.length} differences to the ledger's values, by rebuilding shard ` +
      `${different.map(({ shard }) => shard).join(", ")}; it does not sell until that has ended.`,
  );
  await keepReport(report, context, rows);
  for (const { shard } of different) await rebuildShard(context, terminal, shard);
  const left = (await compareShards(context, terminal, only)).flatMap(({ differences }) => differences);
  terminal.result(
    { repaired: rows, left, report },
    `${rows.length - left.length} differences are repaired; the store's values are in ${report}`,
  );
  return left.length === 0 ? exits.ok : exits.failed;
}

/** Never overwrites a report: it may have the only copy of some values. */
async function keepReport(path: string, context: CliContext, rows: readonly unknown[]): Promise<void> {
  const text = JSON.stringify(
    { at: new Date(context.world.now()).toISOString(), by: context.actor, rows },
    null,
    2,
  );
  try {
    await Deno.writeTextFile(path, text + "\n", { createNew: true });
  } catch (cause) {
    throw new Failure(`Cannot write a report to ${path}; nothing was repaired`, "failed", { cause });
  }
}
