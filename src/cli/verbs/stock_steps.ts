/**
 * The steps of an import and their results: one interface for a running API and for direct access to the servers.
 *
 * @module
 */
import type { SaleRules } from "../../domain/command.ts";

/** One step. Repeating it with the same `id` has no further effect within the idempotency window. */
export type Step =
  /** Creates a SKU that must not exist. */
  | { readonly kind: "create"; readonly sku: string; readonly id: string; readonly available: number }
  /** Adds units; creates the SKU when it does not exist. */
  | { readonly kind: "adjust"; readonly sku: string; readonly id: string; readonly delta: number }
  /** Replaces the rules of a SKU's sale if they are of the version `expected`; 0 = none were set. */
  | { readonly kind: "rules"; readonly sku: string; readonly rules: SaleRules; readonly expected: number }
  | { readonly kind: "read"; readonly sku: string };

/** Rules changed between the read and the write. */
export const rulesChanged = "has rules that were changed at the same time";

export type StepResult =
  /** `replayed`: it took effect before. */
  | { readonly kind: "done"; readonly created: boolean; readonly replayed: boolean }
  | {
    readonly kind: "stock";
    readonly available: number;
    readonly hasRules: boolean;
    readonly rulesVersion: number;
  }
  | { readonly kind: "unknown" }
  | { readonly kind: "refused"; readonly why: string };

/**
 * Takes steps of different SKUs and runs them in any order; returns their results in order.
 *
 * @throws {Failure} when there is no response for a minute, or the token is refused
 */
export type Submit = (steps: readonly Step[]) => Promise<StepResult[]>;
