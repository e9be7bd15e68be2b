/**
 * Applies the events of lost numbers that a store remembers: movements under their own numbers, with line indexes
 * that no event of a log has.
 *
 * @module
 */
import type { InventoryEvent } from "../../domain/event.ts";
import type { Transaction } from "../database.ts";
import { asideLine, type Movement, type Numbered, readable, toMovements } from "../movements.ts";
import { sales } from "./apply_steps.ts";
import type { StatementName, Statements } from "./statements.ts";

/** Movements per statement: see `movements.ts`. */
const partLines = 16_384;

/** In the order of a line's life. */
const steps: readonly StatementName[] = [
  "set_policies",
  "forget_aborted",
  "insert_order_lines",
  "commit_lines",
  "extend_lines",
  "settle_lines",
  "return_units",
  "close_compensations",
];

/**
 * Applies events and their consequences, in a transaction of the caller. The caller updates the stock rows.
 *
 * @param after number before the first
 * @param events by number, none above `last`
 */
export async function applyRecalled(
  tx: Transaction,
  sql: Statements,
  shard: number,
  { after, last, epoch }: { readonly after: number; readonly last: number; readonly epoch: number },
  events: readonly InventoryEvent[],
): Promise<void> {
  const numbered = events.map((event) => readable({ ...event, epoch }));
  const movements = asideOf(numbered);
  for (let i = 0; i < movements.length; i += partLines) {
    const part = JSON.stringify(movements.slice(i, i + partLines));
    await tx.query(sql.insert_movements, [shard, part]);
  }
  const range = [shard, after, last];
  for (const step of steps) await tx.query(sql[step], range);
  await settleTwiceSold(tx, sql, shard, range, numbered);
  await setStraysAside(tx, sql, shard, range, numbered);
}

/** Several events may have one number, so their line indexes continue. */
function asideOf(events: readonly Numbered[]): Movement[] {
  const next = new Map<number, number>();
  return toMovements(events).map((movement) => {
    const line = next.get(movement.seq) ?? asideLine;
    next.set(movement.seq, line + 1);
    return { ...movement, line };
  });
}

/** Lines that the ledger has from before the window, as in `apply.ts`: compensations, or dead letters. */
async function settleTwiceSold(
  tx: Transaction,
  sql: Statements,
  shard: number,
  range: readonly number[],
  events: readonly Numbered[],
): Promise<void> {
  const returned = await tx.query<{ seq: number; same: boolean }>(sql.find_returned_lines, range);
  for (const { seq, same } of returned) {
    const event = events.find((one) => one.seq === seq && sales.isFor(one));
    if (!event) continue;
    await tx.query(sql.remove_order_lines, [shard, seq]);
    if (event.kind === "prepare" || same && event.kind !== "reserve") {
      await tx.query(sql.insert_compensations, [shard, seq]);
    } else {
      const reason = "line accepted before, taken from the store when its number was lost";
      await tx.query(sql.insert_dead_letter, [shard, seq, JSON.stringify(event), "23505", reason]);
    }
  }
}

/** Ends and changes of lines that were set aside, as in `apply.ts`. */
async function setStraysAside(
  tx: Transaction,
  sql: Statements,
  shard: number,
  range: readonly number[],
  events: readonly Numbered[],
): Promise<void> {
  const strays = await tx.query<Pick<Numbered, "seq" | "id" | "kind">>(sql.find_strays, range);
  for (const { seq, id, kind } of strays) {
    const event = events.find((one) => one.seq === seq && one.id === id && one.kind === kind);
    if (!event) continue;
    const reason = `no line to ${event.kind}, taken from the store when its number was lost`;
    await tx.query(sql.insert_dead_letter, [shard, seq, JSON.stringify(event), "02000", reason]);
  }
}
