/**
 * Corrections, as they are asked for: changes of a figure that no event of the store explains.
 *
 * @module
 */

/** One SKU's correction. */
export interface Correction {
  /** Whose figures; a SKU that the ledger does not know is made. */
  readonly sku: string;
  /** What the movements lack of available units; may be negative, or 0 when only the stock row is wrong. */
  readonly delta: number;
  /** What the movements lack of reserved units. */
  readonly reservedDelta: number;
  /** Available units after it, 0 or more. The stock row gets this figure. */
  readonly available: number;
  /** Reserved units after it, 0 or more. */
  readonly reserved: number;
}

/** Who corrects, and why: both are kept in the movement. */
export interface CorrectionNote {
  /** Who, e.g. `cli:alice`. */
  readonly actor: string;
  /** Why, for people. */
  readonly reason: string;
  /** What it is about, e.g. `dead letter 7`; may be empty. */
  readonly reference: string;
}

/** What becomes of the units that a dead letter's event took. */
export type UnitsOf = "keep" | "give back";

/** What became of closing a dead letter. */
export type Closed =
  | { readonly kind: "closed"; readonly shard: number; readonly seq: number; readonly units: number }
  /** There is none with this id, or somebody closed it before. */
  | { readonly kind: "unknown" }
  /** It took no units that could be given back. */
  | { readonly kind: "took_nothing"; readonly eventKind: string };
