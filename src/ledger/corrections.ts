/**
 * Corrections: changes of the stock in the ledger that no event of the store explains.
 *
 * @module
 */

/** One SKU's correction. */
export interface Correction {
  /** A SKU that the ledger does not know is created. */
  readonly sku: string;
  /** Difference of available units to apply; may be negative, or 0 when only the stock row is wrong. */
  readonly delta: number;
  /** Difference of reserved units to apply. */
  readonly reservedDelta: number;
  /** Available units afterwards, 0 or more. The stock row is set to this value. */
  readonly available: number;
  /** Reserved units afterwards, 0 or more. */
  readonly reserved: number;
}

/** Actor and reason of a correction; both are stored in the movement. */
export interface CorrectionNote {
  /** For example `cli:alice`. */
  readonly actor: string;
  /** A sentence for people. */
  readonly reason: string;
  /** For example `dead letter 7`; may be empty. */
  readonly reference: string;
}

/** What happens to the units that a dead letter's event took. */
export type UnitsOf = "keep" | "give back";

/** The result of closing a dead letter. */
export type Closed =
  | { readonly kind: "closed"; readonly shard: number; readonly seq: number; readonly units: number }
  /** No dead letter has this id, or it was closed before. */
  | { readonly kind: "unknown" }
  /** The event took no units that could be returned. */
  | { readonly kind: "took_nothing"; readonly eventKind: string };
