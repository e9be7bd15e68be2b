/**
 * The digest that tells a repeated order from another order under the same id.
 *
 * @module
 */
import type { Line } from "../inventory/command.ts";
import { fnv1a64 } from "../inventory/fnv.ts";

/** Base-36 digits of a 32-bit number: 36^7 > 2^32. */
const digitsPerHalf = 7;

/**
 * Fourteen characters for what an order asks: kind, user, and the lines in any order.
 *
 * 64 bits tell two contents apart that share an order id AND a SKU, by accident: nobody meets 2^32 of
 * those. Who looks for a collision on purpose only talks himself into the answer to his own earlier
 * order. The parts are joined by control characters, which no id can contain.
 */
export function fingerprint(kind: string, userId: string, lines: readonly Line[]): string {
  const parts = lines.map((line) => `${line.sku}\u001f${line.amount}`);
  if (parts.length > 1) parts.sort();
  const { high, low } = fnv1a64(`${kind}\u001e${userId}\u001e${parts.join("\u001e")}`);
  return high.toString(36).padStart(digitsPerHalf, "0") + low.toString(36).padStart(digitsPerHalf, "0");
}
