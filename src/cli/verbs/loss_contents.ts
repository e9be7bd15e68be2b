/**
 * What lost numbers sold, as far as the store still has it, and the losses that were declared before.
 *
 * @module
 */
import type { ShardReader } from "../../decide/shard_reader.ts";
import { isSale } from "../../domain/outcome.ts";
import { loadStatements } from "../../ledger/postgres/statements.ts";
import type { CliContext } from "../context/context.ts";
import type { Loss } from "./loss.ts";

/** Sales of lost numbers that the store remembers. */
export interface LossContents {
  /** Order ids. */
  readonly orders: number;
  /** Units that they sold or hold. */
  readonly units: number;
}

const namesMax = 256;

/** Reads every remembered line of a store, a page at a time; undefined when the store lost them, too. */
export async function readContents(context: CliContext, loss: Loss): Promise<LossContents | undefined> {
  if (!loss.isStoreWhole) return undefined;
  const reader = await context.reader();
  const orders = new Set<string>(); // a scan may return a name twice
  let units = 0;
  for (let cursor: string | null = ""; cursor !== null;) {
    const page: Awaited<ReturnType<ShardReader["names"]>> = await reader.names(loss.shard, "orders", cursor);
    const fresh = page.names.filter((name) => !orders.has(name));
    for (let i = 0; i < fresh.length; i += namesMax) {
      const names = fresh.slice(i, i + namesMax);
      const { values } = await reader.read(loss.shard, "orders", names);
      names.forEach((name, at) => {
        const lost = (values[at] ?? []).filter((line) =>
          isSale(line) && line.seq > loss.fromSeq && line.seq <= loss.toSeq
        );
        if (lost.length === 0 || orders.has(name)) return;
        orders.add(name);
        units += lost.reduce((sum, line) => sum + line.units, 0);
      });
    }
    cursor = page.next;
  }
  return { orders: orders.size, units };
}

/** A range of numbers that was declared lost. */
export interface DeclaredLoss {
  readonly shard: number;
  readonly from: number;
  readonly to: number;
  readonly count: number;
  readonly at: string;
  readonly actor: string;
  readonly reason: string;
}

/** Losses that were declared before, newest first: by an operator, or by a worker that rebuilt a store. */
export async function readDeclared(context: CliContext, limit: number): Promise<DeclaredLoss[]> {
  return await (await context.database()).query<DeclaredLoss>((await loadStatements()).list_jumps, [limit]);
}
