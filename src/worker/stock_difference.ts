/**
 * Compares the stock and the rules of a SKU in the store with the ledger's at the same number.
 *
 * @module
 */
import type { StockAt } from "../ledger/ledger.ts";
import { canonical } from "../ledger/proof_walk.ts";

/** A difference of a name. */
export interface Unequal {
  /** For example `stock` or `rules`. */
  readonly what: string;
  readonly ledger: string;
  readonly store: string;
}

/** Changes of a SKU by events that the ledger lacks and the store has. */
export interface LaterChanges {
  /** Sum of the changes of available units. */
  readonly available: number;
  /** Sum of the changes of reserved units. */
  readonly reserved: number;
  /** Whether its rules change. */
  readonly isRuled: boolean;
}

/** A side that does not have the name. */
export const nothing = "nothing";

/**
 * The difference of one SKU; undefined when both sides agree.
 *
 * @param packed the store's value, `<available> <reserved>[ <policy as JSON>]`; null when the store lacks the SKU
 */
export function stockDifference(
  inLedger: StockAt | undefined,
  packed: string | null,
  later?: LaterChanges,
): Unequal | undefined {
  const [, available, reserved, policy = "{}"] = /^(\d+) (\d+)(?: (.*))?$/s.exec(packed ?? "") ?? [];
  const ledger = inLedger ? quantities(inLedger) : nothing;
  const store = available === undefined ? nothing : quantities({
    available: Number(available) - (later?.available ?? 0),
    reserved: Number(reserved) - (later?.reserved ?? 0),
  });
  const isNew = !inLedger && later && store === "0+0"; // an event that cannot be applied yet creates it
  if (ledger !== store) return isNew ? undefined : { what: "stock", ledger, store };
  if (!inLedger || inLedger.policy === null || later?.isRuled) return undefined;
  const [ours, theirs] = [canonical(inLedger.policy), canonical(policy)];
  return ours === theirs ? undefined : { what: "rules", ledger: ours || "none", store: theirs || "none" };
}

/** Available and reserved units as text. */
export function quantities({ available, reserved }: Pick<StockAt, "available" | "reserved">): string {
  return `${available}+${reserved}`;
}
