/**
 * The steps of an import, and what becomes of them: one interface, whether a running API or the servers themselves are
 * asked.
 *
 * @module
 */
import type { SaleRules } from "../../domain/command.ts";

/** One step. Repeating it with the same `id` has no further effect within the idempotency window. */
export type Step =
  /** Makes a SKU that must not exist. */
  | { readonly kind: "create"; readonly sku: string; readonly id: string; readonly available: number }
  /** Adds units; makes the SKU when it does not exist. */
  | { readonly kind: "adjust"; readonly sku: string; readonly id: string; readonly delta: number }
  /** Replaces the rules of a SKU's sale if they are of the version `expected`; 0 = none were set. */
  | { readonly kind: "rules"; readonly sku: string; readonly rules: SaleRules; readonly expected: number }
  | { readonly kind: "read"; readonly sku: string };

/** Why rules were refused that somebody else changed between the read and the write. */
export const rulesChanged = "has rules that somebody else has just changed";

/** What became of a step. */
export type StepResult =
  /** `replayed`: it had taken effect before, and has none now. */
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
 * Takes steps of different SKUs, in any order among them; returns their results in order.
 *
 * @throws {Failure} when there is no answer for a minute, or the token is refused
 */
export type Submit = (steps: readonly Step[]) => Promise<StepResult[]>;
