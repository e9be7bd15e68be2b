/**
 * `order` while a shard does not sell: the lines in store and ledger, separately.
 *
 * @module
 */
import type { RememberedLine } from "../../domain/outcome.ts";
import { exits } from "../context/failure.ts";
import { allShards, type CliContext } from "../context/context.ts";
import type { Terminal } from "../context/terminal.ts";

/** Whether a response of the API means that a shard or its server is unavailable. */
export function cannotAnswer({ status }: Response): boolean {
  return status === 503;
}

/** Prints both sides. Returns 1 when neither has the order. */
export async function lookAtOrder(context: CliContext, terminal: Terminal, orderId: string): Promise<number> {
  const reader = await context.reader();
  const store: object[] = [];
  for (const shard of allShards(context)) {
    const { values: [lines] } = await reader.read(shard, "orders", [orderId]);
    store.push(...(lines ?? []).map((line) => rowOf(shard, line)));
  }
  const { lines: applied } = await (await context.ledger()).findOrder(orderId);
  const ledger = applied.map((line) => rowOf(line.shard, line));
  const text = [
    "A shard does not sell now. The lines in store and ledger, separately:",
    ...sideOf("store", store),
    ...sideOf("ledger", ledger),
  ].join("\n");
  terminal.result({ order_id: orderId, store, ledger }, text);
  return store.length + ledger.length > 0 ? exits.ok : exits.failed;
}

function rowOf(shard: number, { sku, kind, amount, userId, seq, state, units }: RememberedLine): object {
  return { shard, sku, kind, amount, user_id: userId, number: seq, state, units };
}

function sideOf(name: string, rows: readonly object[]): string[] {
  return rows.length === 0 ? [`${name}: nothing`] : rows.map((row) => `${name}: ${JSON.stringify(row)}`);
}
