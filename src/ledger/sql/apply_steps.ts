/**
 * The statements that a batch of movements needs.
 *
 * @module
 */
import type { Numbered } from "../movements.ts";
import type { StatementName } from "./statements.ts";

/** A statement that changes order lines or stock for some of the movements. */
export interface Step {
  readonly statement: StatementName;
  /** Whether an event needs it. */
  readonly isFor: (event: Numbered) => boolean;
}

/** Sales depend on the rules, and an order is tried again after an abort. */
export const beforeSales: readonly Step[] = [
  { statement: "set_policies", isFor: ({ data }) => data.policy !== undefined },
  ofKinds("forget_aborted", "abort"),
];
export const sales: Step = ofKinds("insert_order_lines", "deduct", "order", "reserve", "prepare");

/** Changes of lines that are in the ledger, in the order of their life. */
export const followUps: readonly Step[] = [
  ofKinds("commit_lines", "commit"),
  ofKinds("extend_lines", "extend"),
  ofKinds("settle_lines", "confirm", "cancel", "expire"),
  ofKinds("return_units", "return"),
];

function ofKinds(statement: StatementName, ...kinds: readonly string[]): Step {
  const all = new Set(kinds);
  return { statement, isFor: ({ kind }) => all.has(kind) };
}
