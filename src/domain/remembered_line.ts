/**
 * Under what name a store remembers a line. The three kinds of ids share one map and must not meet, so what is
 * not an order id starts with a control character, which no id may hold; `lua/state.lua` does the same.
 *
 * @module
 */
import { isSale } from "./outcome.ts";

const adjustmentPrefix = "\u0001";
const returnPrefix = "\u0002";
/** Between the two ids of a name. */
export const pairSeparator = "\u001f";

/** The name of an adjustment. */
export function adjustmentKey(adjustmentId: string): string {
  return adjustmentPrefix + adjustmentId;
}

/** The name of a return. */
export function returnKey(orderId: string, returnId: string): string {
  return returnPrefix + orderId + pairSeparator + returnId;
}

/** The name of what a user has of a SKU. */
export function pairKey(userId: string, sku: string): string {
  return userId + pairSeparator + sku;
}

/** The name of a line as the ledger has it. */
export function rememberedKey(row: { kind: string; id: string; returnId: string }): string {
  if (isSale(row)) return row.id;
  return row.kind === "return" ? returnKey(row.id, row.returnId) : adjustmentKey(row.id);
}
