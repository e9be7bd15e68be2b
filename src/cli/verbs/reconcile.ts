/**
 * `reconcile`: compares store and ledger while both run: stock, rules, remembered orders, quotas and holds.
 *
 * @module
 */
import { compareShard, type ShardComparison } from "./compare.ts";
import { exits, Failure } from "../context/failure.ts";
import { allShards, type CliContext } from "../context/context.ts";
import { table, type Terminal } from "../context/terminal.ts";

/** Prints all differences. Returns 1 when there are any. */
export async function reconcile(
  context: CliContext,
  terminal: Terminal,
  shard: number | undefined,
): Promise<number> {
  const compared = await compareShards(context, terminal, shard);
  const differences = compared.flatMap((one) => one.differences.map((found) => ({ ...found })));
  const sum = (facet: keyof ShardComparison["compared"]) =>
    compared.reduce((total, one) => total + one.compared[facet], 0);
  const counts = { skus: sum("stock"), orders: sum("orders"), quotas: sum("quotas"), holds: sum("holds") };
  const agree =
    `${counts.skus} SKUs, ${counts.orders} orders, ${counts.quotas} quotas and ${counts.holds} holds agree`;
  terminal.result({ ...counts, differences }, differences.length === 0 ? agree : table(differences));
  return differences.length === 0 ? exits.ok : exits.failed;
}

export async function compareShards(
  context: CliContext,
  terminal: Terminal,
  only: number | undefined,
): Promise<ShardComparison[]> {
  await context.deployment();
  const compared: ShardComparison[] = [];
  for (const shard of chosenShards(context, only)) {
    compared.push(await compareShard(context, terminal, shard));
  }
  return compared;
}

/** The requested shard, or all. */
export function chosenShards(context: CliContext, only: number | undefined): number[] {
  if (only === undefined) return allShards(context);
  if (only >= 0 && only < context.config.shards) return [only];
  throw new Failure(`--shard must be from 0 to ${context.config.shards - 1}`, "usage");
}
