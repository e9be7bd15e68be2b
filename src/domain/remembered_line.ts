/**
 * Names of remembered lines in the store. Three kinds of ids share one map and must not collide, so all but order ids start
 * with a control character, which ids cannot contain; `lua/state.lua` does the same.
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

/** The name of a user's purchases of a SKU. */
export function pairKey(userId: string, sku: string): string {
  return userId + pairSeparator + sku;
}

/** The name of a line of the ledger. */
export function rememberedKey(row: { kind: string; id: string; returnId: string }): string {
  if (isSale(row)) return row.id;
  return row.kind === "return" ? returnKey(row.id, row.returnId) : adjustmentKey(row.id);
}
